"""The truth that a search is judged by: the exact front of a problem whose metrics add up, and its hypervolume."""

from dataclasses import dataclass
from math import prod

import numpy as np

from mogakit.errors import InputError
from mogakit.search.additive import Genes, Values
from mogakit.search.exact import exact_front
from mogakit.search.exact_staged import finest_staged_front
from mogakit.search.front_quality import Box, nondominated, percentage_of_true
from mogakit.search.problem import Constraint, Problem
from mogakit.search.staged import Costs, StagedCosts, all_staged, slot_sums

SMALL_SPACE = 100_000
"""Networks up to which a limit against its own objective is not an obstacle."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The exact front.

    Attributes:
        genes: shape (n, num_genes), of the space.
        values: all metrics of them, shape (n, num_metrics).
        objectives: the objectives alone.
        box: exact extremes of every objective over the allowed space; its worst corner is the reference point.
        tolerance: 0 where the front is exact; else the share of an objective's range within which it is.
    """

    genes: Genes
    values: Values
    objectives: Values
    box: Box
    tolerance: float = 0.0

    @property
    def how(self) -> str:
        """How it was found, for the reader of a result."""
        return (
            "exact"
            if self.tolerance == 0
            else f"exact to within {100 * self.tolerance:.1f} % of each objective's range"
        )

    def percentage(self, objective_values: Values) -> float:
        """Return the hypervolume of networks in percent of the whole front's."""
        return percentage_of_true(objective_values, self.objectives, self.box)


def find_truth(problem: Problem) -> Truth | str:
    """Return the exact front of `problem`, or in words why there is none.

    Constraints are met exactly: a bound that points the way its objective does cuts the front; one on another metric
    adds a dimension to the dynamic programme, which is dropped after the cut. `f_max` enters as its hardware, one
    dimension each.
    """
    against = _against_objective(problem)
    if against is not None and prod(problem.num_indices) > SMALL_SPACE:
        return (
            f"{against} points against its objective, so that nearly every network would have to be carried along; "
            "leave that metric out of the objectives"
        )
    try:
        costs, senses = _dimensions(problem)
        indices, tolerance = _front(costs, senses)
    except InputError as error:
        return str(error)
    genes = problem.to_genes(indices)
    values = problem.evaluate(genes)
    inside = np.flatnonzero(problem.feasible(values))
    if len(inside) == 0:
        return "no network meets the constraints"
    objectives = problem.objective_values(values[inside])
    front = nondominated(objectives, problem.maximise)
    order = front[np.lexsort(objectives[front].T[::-1])]
    box = _box(problem, objectives[order])
    return Truth(
        genes=genes[inside][order],
        values=values[inside][order],
        objectives=objectives[order],
        box=box,
        tolerance=tolerance,
    )


def _front(costs: list[Costs], senses: list[bool]) -> tuple[Genes, float]:
    """Return the front's indices and its tolerance."""
    if any(isinstance(cost, StagedCosts) for cost in costs):
        return finest_staged_front(all_staged(costs), senses)
    return exact_front(slot_sums(costs), senses)[0], 0.0


def _against_objective(problem: Problem) -> Constraint | None:
    """Return a limit that caps what an objective raises, or the other way round."""
    senses = {objective.metric: objective.maximise for objective in problem.objectives}
    for limit in problem.constraints:
        sense = senses.get(limit.metric)
        if (sense is True and limit.high is not None) or (sense is False and limit.low is not None):
            return limit
    return None


def _dimensions(problem: Problem) -> tuple[list[Costs], list[bool]]:
    """Return every sum that the programme must carry, with its sense."""
    carried: dict[tuple[str, bool], tuple[Costs, ...]] = {}

    def carry(name: str, more_is_better: bool) -> None:
        parts = problem.metric(name).parts
        if parts is None:
            raise InputError(f"{name} ({problem.metric(name).source}) does not add up over blocks")
        carried[name, more_is_better] = tuple(part.restricted(problem.allowed) for part in parts)

    for objective in problem.objectives:
        carry(objective.metric, objective.maximise)
    for limit in problem.constraints:
        if limit.high is not None:
            carry(limit.metric, False)
        if limit.low is not None:
            carry(limit.metric, True)
    pairs = [(part, sense) for (_, sense), parts in carried.items() for part in parts]
    return [part for part, _ in pairs], [sense for _, sense in pairs]


def _box(problem: Problem, front: Values) -> Box:
    """Return the exact range of each objective over the allowed space.

    The best of an objective is on the front. The worst is the extreme of its sum, or for a maximum of sums the
    largest of theirs.
    """
    best, worst = [], []
    for column, objective in enumerate(problem.objectives):
        values = front[:, column]
        parts = [part.restricted(problem.allowed) for part in problem.metric(objective.metric).parts or ()]
        lows, highs = zip(*(part.extremes() for part in parts), strict=True)
        best.append(float(values.max() if objective.maximise else values.min()))
        worst.append(float(min(lows) if objective.maximise else max(highs)))
    return Box(tuple(best), tuple(worst))
