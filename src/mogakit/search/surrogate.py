"""An engine that beats thousands of evaluations: fit an additive model on few, take its exact front, check that.

Evaluate n random networks; fit each objective that is not a sum over slots by ridge regression on one-hot choices;
take the exact front of the fitted problem; evaluate m networks spread over it. The result is the front of all n + m.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mogakit.errors import InputError
from mogakit.progress import Progress
from mogakit.search.additive import Genes, Values, additive_fit
from mogakit.search.archive import Archive
from mogakit.search.metrics import Metric, SumMetric
from mogakit.search.problem import Problem
from mogakit.search.sources import FittedModel
from mogakit.search.truth import find_truth

NUM_FOLDS = 5
RIDGES = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Penalties of which cross-validation takes the best."""


@dataclass(frozen=True)
class SurrogateSettings:
    """Settings; both defaults are ours, from experiments in which 500 + 500 matched 8400 of NSGA-II.

    Attributes:
        num_fit: random networks that the model is fitted on.
        num_check: networks of the model's front that are evaluated.
    """

    num_fit: int = 500
    num_check: int = 500

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            InputError: a number is too small.
        """
        if self.num_fit < 2 * NUM_FOLDS or self.num_check < 1:
            raise InputError(
                f"num_fit {self.num_fit} and num_check {self.num_check}: at least {2 * NUM_FOLDS} and 1 are needed"
            )


@dataclass(frozen=True)
class SurrogateOutcome:
    """What was evaluated, and the models: by metric name, with their cross-validated R2."""

    archive: Archive
    models: dict[str, FittedModel]


def search_by_fit(problem: Problem, settings: SurrogateSettings, seed: int, progress: Progress) -> SurrogateOutcome:
    """Fit, take the exact front, check.

    Raises:
        InputError: every objective already adds up, or the fitted problem has no exact front.
    """
    rough = [objective.metric for objective in problem.objectives if problem.metric(objective.metric).parts is None]
    if not rough:
        raise InputError("every objective already adds up over blocks: `--engine exact` gives the front at once")
    rng = np.random.default_rng(seed)
    archive = Archive(problem)
    total = settings.num_fit + settings.num_check
    genes = problem.to_genes(rng.integers(problem.num_indices, size=(settings.num_fit, len(problem.num_indices))))
    values = problem.evaluate(genes)
    archive.add(genes, values, 0)
    progress(settings.num_fit, total, "fitted on random networks")
    models = {name: _fit(problem, name, genes, values[:, problem.column(name)]) for name in rough}
    truth = find_truth(replace(problem, metrics=tuple(_fitted(metric, models) for metric in problem.metrics)))
    if isinstance(truth, str):
        raise InputError(f"the fitted problem has no exact front: {truth}")
    chosen = truth.genes[spread(truth.box.scaled(truth.objectives), settings.num_check)]
    archive.add(chosen, problem.evaluate(chosen), 1)
    progress(total, total, "checked the model's front")
    return SurrogateOutcome(archive, models)


def spread(points: Values, count: int) -> Genes:
    """Return indices of `count` points far from each other: each is the farthest from those before it.

    Args:
        points: shape (n, dimensions), on one scale; the best of the first dimension is taken first.
    """
    chosen = [int(np.argmin(points[:, 0]))]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen, dtype=np.int64)


def _fit(problem: Problem, name: str, genes: Genes, values: Values) -> FittedModel:
    """Fit one metric, and say how well it predicts networks that it has not seen."""
    known = ~np.isnan(values)
    genes, values = genes[known], values[known]
    sizes = problem.space.num_choices
    errors = {ridge: _held_out_error(genes, values, sizes, ridge) for ridge in RIDGES}
    ridge = min(errors, key=lambda each: errors[each])
    variance = float(np.var(values))
    r2 = 1 - errors[ridge] / variance if variance > 0 else None
    fitted = additive_fit(genes, values, sizes, ridge)
    coefficients = tuple(tuple(row.tolist()) for row in fitted.per_slot)
    source = problem.metric(name).source
    return FittedModel(
        space=problem.space.name,
        bias=fitted.constant,
        coefficients=coefficients,
        num_networks=len(genes),
        r2=r2,
        source=source,
        metric=name,
    )


def _held_out_error(genes: Genes, values: Values, sizes: Sequence[int], ridge: float) -> float:
    """Return the mean squared error on networks that the fit has not seen, over `NUM_FOLDS` folds."""
    folds = np.arange(len(genes)) % NUM_FOLDS
    errors = values.copy()
    for fold in range(NUM_FOLDS):
        inside = folds == fold
        errors[inside] -= additive_fit(genes[~inside], values[~inside], sizes, ridge).evaluate(genes[inside])
    return float(np.mean(errors**2))


def _fitted(metric: Metric, models: dict[str, FittedModel]) -> Metric:
    if metric.name not in models:
        return metric
    return SumMetric(metric.name, metric.unit, f"fitted: {metric.source}", models[metric.name].costs())
