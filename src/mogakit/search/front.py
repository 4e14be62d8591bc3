"""`Front` and `SearchResult`: what a search found, as records that reports read and a user keeps.

Neither holds a time or a date: the same search gives the same bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.spaces import format_chromosome
from mogakit.search.additive import Genes, Values
from mogakit.search.front_quality import Box, nondominated
from mogakit.search.problem import Constraint, Objective, Problem
from mogakit.search.sources import PROXY
from mogakit.tabular import Sheet, Tabular

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class MetricInfo:
    """A column of results.

    Attributes:
        name: `accuracy`, `proxy`, `latency`, `params`, `madds`, `f_avg`, `f_max`, ...
        unit: `ms`, or empty.
        source: where its values come from, in words.
        is_proxy: whether it only stands for accuracy; then it is called *proxy* wherever it is shown.
    """

    name: str
    unit: str
    source: str
    is_proxy: bool


@records.stored("front", version=1, implied_version=1, made_by="moga search -o FOLDER", title="front of a search")
@dataclass(frozen=True, kw_only=True, repr=False)
class Front(Tabular):
    """Networks with their metrics, the best in the first objective first.

    Attributes:
        space: name of the search space; `space/chromosome` names a network everywhere in the kit.
        metrics: the columns of `values`.
        objectives: by which no network dominates another.
        constraints: which all of them meet.
        how: how they were found, in words.
        chromosomes: one a network.
        values: one row a network, one number a metric; None where it does not exist.
    """

    space: str
    metrics: tuple[MetricInfo, ...]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    how: str
    chromosomes: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]

    def sheet(self) -> Sheet:
        """Return one row a network: its name, then every metric with its unit."""
        names = [metric.name + (f"_{metric.unit}" if metric.unit else "") for metric in self.metrics]
        objectives = ", ".join(f"{each.metric} {'up' if each.maximise else 'down'}" for each in self.objectives)
        return Sheet(
            title=f"{len(self)} networks of {self.space}: {objectives}",
            columns=("network", *names),
            rows=[(f"{self.space}/{name}", *row) for name, row in zip(self.chromosomes, self.values, strict=True)],
            note="; ".join([self.how, *(f"{each.name}: {each.source}" for each in self.metrics if each.unit)]),
        )

    def column(self, name: str) -> list[float | None]:
        """Return one metric of all networks.

        Raises:
            InputError: there is no such metric.
        """
        names = [metric.name for metric in self.metrics]
        if name not in names:
            raise InputError(f"the front has no metric {name!r}; it has {', '.join(names)}")
        position = names.index(name)
        return [row[position] for row in self.values]

    def __len__(self) -> int:
        return len(self.chromosomes)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How far a search came, in percent of the hypervolume of the exact front.

    Attributes:
        num_exact: networks on the exact front.
        tolerance_percent: 0 where that front is exact, else the share of each objective's range within which it is.
        box: range of each objective; the worst corner is the reference point.
        archive_percent: of everything evaluated.
        population_percent: of the last population; None where the engine has none.
        without: why the exact front is not known; then the numbers are None.
    """

    num_exact: int | None = None
    tolerance_percent: float = 0.0
    box: Box | None = None
    archive_percent: float | None = None
    population_percent: float | None = None
    without: str = ""


@dataclass(frozen=True)
class HistoryPoint:
    """The archive after a generation: different networks in it, percent of the true hypervolume (None if unknown)."""

    generation: int
    num_networks: int
    archive_percent: float | None


@records.stored("search-result", version=SCHEMA_VERSION, made_by="moga search -o FOLDER")
@dataclass(frozen=True, kw_only=True, repr=False)
class SearchResult(Tabular):
    """A finished search.

    Attributes:
        engine: `nsga2`, `sms-emoa`, `random`, `exact`, `fit-front` or `best`.
        settings: the engine's hyper-parameters.
        seed: of everything random.
        num_evaluations: networks proposed. num_networks: different ones among them.
        front: of everything evaluated.
        population: the last population, empty where the engine has none.
        picks: chromosomes of the front at equal distance along it, fastest first.
        quality: against the exact front.
        history: over the generations.
    """

    engine: str
    settings: dict[str, Any]
    seed: int
    num_evaluations: int
    num_networks: int
    front: Front
    population: Front | None
    picks: tuple[str, ...]
    quality: Quality
    history: tuple[HistoryPoint, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def sheet(self) -> Sheet:
        """Return the front, with what the search came to as its title; `pick` marks the networks to train first."""
        front, percent = self.front.sheet(), self.quality.archive_percent
        share = "" if percent is None else f", {percent:.1f} % of the exact front's hypervolume"
        return Sheet(
            title=f"{self.engine}: {len(self.front)} of {self.num_networks} networks{share}",
            columns=(*front.columns, "pick"),
            rows=[(*row, name in self.picks) for row, name in zip(front.rows, self.front.chromosomes, strict=True)],
            note=front.note,
        )


def make_front(problem: Problem, genes: Genes, values: Values, how: str) -> Front:
    """Describe networks as a `Front`, in the order given."""
    return Front(
        space=problem.space.name,
        metrics=tuple(MetricInfo(m.name, m.unit, m.source, m.name == PROXY) for m in problem.metrics),
        objectives=problem.objectives,
        constraints=problem.constraints,
        how=how,
        chromosomes=tuple(format_chromosome(tuple(row)) for row in genes.tolist()),
        values=tuple(tuple(None if math.isnan(value) else value for value in row) for row in values.tolist()),
    )


def pick(front: Front, count: int) -> tuple[str, ...]:
    """Return `count` networks at equal distance near the front (MoGA Algorithm 1), fastest first.

    The paper does not say along what the distance is taken. Ours: along the front of the first two objectives
    (accuracy and latency), both scaled to 0..1, by arc length; its two ends are always among the picks.
    """
    if len(front) == 0 or count < 1:
        return ()
    columns = [front.column(objective.metric) for objective in front.objectives[:2]]
    signs = [-1.0 if objective.maximise else 1.0 for objective in front.objectives[:2]]
    costs = np.array(columns, dtype=np.float64).T * signs
    rows = nondominated(costs, [False] * costs.shape[1])
    rows = rows[np.argsort(costs[rows, -1], kind="stable")]
    scaled = costs[rows] - costs[rows].min(axis=0)
    scaled = scaled / np.where(np.ptp(scaled, axis=0) == 0, 1.0, np.ptp(scaled, axis=0))
    steps = np.linalg.norm(np.diff(scaled, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    chosen: list[int] = []
    for target in np.linspace(0.0, along[-1], min(count, len(rows))):
        free = [index for index in range(len(rows)) if index not in chosen]
        chosen.append(min(free, key=lambda index: abs(along[index] - target)))
    return tuple(front.chromosomes[rows[index]] for index in sorted(chosen))


def save(record: Front | SearchResult, path: Path) -> None:
    """Write a record as JSON; equal records give equal bytes."""
    records.save(record, path)


def load_front(path: Path) -> Front:
    """Read a front.

    Raises:
        InputError: there is no such file, or it is not a front; see `records.load`.
    """
    return records.load(Front, path)


def load_result(path: Path) -> SearchResult:
    """Read a search's result.

    Raises:
        InputError: there is no such file, or it is not a search's result; see `records.load`.
    """
    return records.load(SearchResult, path)


def rows_of(front: Front, chromosomes: Sequence[str]) -> list[dict[str, float | str | None]]:
    """Return networks as dicts of chromosome and metrics, for tables."""
    names = [metric.name for metric in front.metrics]
    by_name = dict(zip(front.chromosomes, front.values, strict=True))
    return [{"chromosome": each, **dict(zip(names, by_name[each], strict=True))} for each in chromosomes]
