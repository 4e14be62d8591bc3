"""MoGA's weighted crowding distance inside pymoo's rank-and-crowding survival."""

from enum import StrEnum
from typing import Any

import numpy as np
from pymoo.core.survival import Survival
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from pymoo.util.randomized_argsort import randomized_argsort

from mogakit.search.additive import Values


class CrowdingRange(StrEnum):
    """Over what an objective's extremes are taken, O_max and O_min in MoGA eq. 5."""

    POPULATION = "population"  # as the paper words it: "in the current population"
    FRONT = "front"  # each front by itself, as pymoo and most implementations of NSGA-II


def weighted_crowding(front: Values, weights: Values, span: Values) -> Values:
    """Return `sum_i w_i (O_i,next - O_i,previous) / (O_i,max - O_i,min)` of each point (MoGA eq. 5).

    With equal weights that sum to 1, and `span` of the front, it equals pymoo's crowding distance bit for bit. Points
    at an end of some objective get infinity: the paper excludes them, and this is the rule of NSGA-II.

    Args:
        front: objective values, shape (n, num_objectives).
        weights: shape (num_objectives,).
        span: O_max - O_min, shape (num_objectives,); an objective of span 0 counts for nothing.

    Returns:
        Shape (n,).
    """
    count, num_objectives = front.shape
    if count <= 2:
        return np.full(count, np.inf)
    order = np.argsort(front, axis=0, kind="mergesort")
    ordered = np.take_along_axis(front, order, axis=0)
    edge = np.full((1, num_objectives), np.inf)
    gaps = np.vstack([ordered, edge]) - np.vstack([-edge, ordered])
    norm = np.where(span == 0, np.nan, span)
    before, behind = np.nan_to_num(gaps[:-1] / norm, nan=0.0, posinf=np.inf), gaps[1:] / norm
    both = before + np.nan_to_num(behind, nan=0.0, posinf=np.inf)
    back = np.argsort(order, axis=0)
    # Multiplying by w * n and dividing by n keeps equal weights exactly equal to a plain mean.
    scaled = np.take_along_axis(both, back, axis=0) * np.where(weights > 0, weights * num_objectives, np.nan)
    return np.asarray(np.nan_to_num(scaled, nan=0.0, posinf=np.inf).sum(axis=1) / num_objectives)


class WeightedRankAndCrowding(Survival):  # type: ignore[misc]
    """Survival of NSGA-II with weighted crowding; with 1/3 each and `FRONT` it keeps what pymoo's own keeps."""

    def __init__(self, weights: tuple[float, ...], crowding_range: CrowdingRange) -> None:
        """Take one weight an objective."""
        super().__init__(filter_infeasible=True)
        self._weights = np.asarray(weights, dtype=np.float64)
        self._range = crowding_range

    def _do(
        self, problem: Any, pop: Any, *args: Any, random_state: Any = None, n_survive: int | None = None, **kwargs: Any
    ) -> Any:
        values = pop.get("F").astype(np.float64, copy=False)
        wanted = len(pop) if n_survive is None else n_survive
        population_span = np.ptp(values, axis=0)
        survivors: list[int] = []
        for rank, front in enumerate(NonDominatedSorting().do(values, n_stop_if_ranked=wanted)):
            span = population_span if self._range is CrowdingRange.POPULATION else np.ptp(values[front], axis=0)
            crowding = weighted_crowding(values[front], self._weights, span)
            for individual, distance in zip(front, crowding, strict=True):
                pop[individual].set("rank", rank)
                pop[individual].set("crowding", distance)
            excess = len(survivors) + len(front) - wanted
            if excess > 0:
                order = randomized_argsort(crowding, order="descending", method="numpy", random_state=random_state)
                front = front[order[:-excess]]
            survivors.extend(front)
        return pop[survivors]
