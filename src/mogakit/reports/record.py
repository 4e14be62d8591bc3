"""`Report`: the numbers of a run's page as one JSON record, for programs that read what people look at."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mogakit import __version__, records
from mogakit.bench.measurement import Identity, Status
from mogakit.bench.warning import typed_warnings
from mogakit.luts.calibrate import Calibration
from mogakit.luts.check import Finding
from mogakit.luts.curves import CurvePoint
from mogakit.luts.fit_record import FitRecord
from mogakit.luts.latencies import scope_note
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import LatencyTable, Origin, Overhead, RowConditions
from mogakit.luts.validation import Drift, NoiseFloor, StratumReport, Validation
from mogakit.reports.drawn import Drawn
from mogakit.reports.run import NamedSearch, RunContent
from mogakit.search.comparison import Comparison
from mogakit.search.front import Front, HistoryPoint, MetricInfo, Quality
from mogakit.search.problem import Constraint, Objective

SCHEMA_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class TableRecord:
    """A latency table without its rows.

    Attributes:
        target: as text; None where the table does not say. scope: what must stand beside its times, if anything.
        num_rows: rows. num_counting: of these, rows with a latency that stands for the target. statuses: number of
            rows by status. accepted: statuses besides `ok` that count.
        table_schema: schema version of the table's own file.
    """

    name: str
    space: str
    target: str | None
    scope: str | None
    identity: Identity
    statistic: Statistic
    num_rows: int
    num_counting: int
    statuses: dict[str, int]
    accepted: tuple[Status, ...]
    overhead: Overhead | None
    calibration: Calibration
    conditions: RowConditions
    origin: Origin
    table_schema: int


@dataclass(frozen=True, kw_only=True)
class ValidationRecord:
    """A validation without its networks: every error metric of every stratum with its interval, noise and drift."""

    table: str
    target: str
    identity: Identity
    seed: int
    num_networks: int
    strata: tuple[StratumReport, ...]
    noise: NoiseFloor
    drift: Drift
    stopped: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class CostModelsRecord:
    """The cost models: networks measured for them, leave-one-out MAPE in percent by kind, and learning curves."""

    num_networks: int
    loo_mape_percent: dict[str, float]
    curves: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class PickRecord:
    """A network that a search proposes to ship: its name anywhere in the kit, and one value a metric."""

    network: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """A search without its fronts.

    Attributes:
        name: of its folder. metrics: what `PickRecord.values` hold, with their sources.
        num_front: networks on the front of everything evaluated.
    """

    name: str
    engine: str
    settings: dict[str, Any]
    seed: int
    num_evaluations: int
    num_networks: int
    num_front: int
    space: str
    metrics: tuple[MetricInfo, ...]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    picks: tuple[PickRecord, ...]
    quality: Quality
    history: tuple[HistoryPoint, ...]


@dataclass(frozen=True, kw_only=True)
class ComparedRecord:
    """One network of a comparison: published top-1 in percent, one latency a hardware, and the metrics over them."""

    name: str
    top1: float | None
    latencies_ms: tuple[float | None, ...]
    f_avg: float | None
    f_max: float | None


@dataclass(frozen=True)
class ComparisonRecord:
    """A comparison without its sources; `factors_ms` are the reference's latencies, one a column."""

    columns: tuple[str, ...]
    factors_ms: tuple[float | None, ...]
    networks: tuple[ComparedRecord, ...]
    reference: str


@dataclass(frozen=True)
class FigureRecord:
    """A figure by the name of its file (without ending), and what it shows."""

    name: str
    caption: str


@records.stored("report", version=SCHEMA_VERSION, made_by="moga report RUN", upgrades={1: typed_warnings})
@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that `moga report` has numbers for; what a run does not hold is None or empty.

    Attributes:
        run: name of the run's folder. made_by: `mogakit 0.1.0`.
        findings: what is suspicious about the table.
        others: tables of other targets. comparison: what `moga compare --json` printed.
        figures: all that `moga report --figures` writes.
        sources: files that were read, relative to the run, with their sha256.
    """

    run: str
    made_by: str
    table: TableRecord
    findings: tuple[Finding, ...]
    validation: ValidationRecord | None
    cost_models: CostModelsRecord | None
    searches: tuple[SearchRecord, ...]
    others: tuple[TableRecord, ...]
    comparison: ComparisonRecord | None
    figures: tuple[FigureRecord, ...]
    sources: dict[str, str]
    schema_version: int = SCHEMA_VERSION


def make_record(content: RunContent, drawn: Sequence[Drawn]) -> Report:
    """Take the numbers out of what a page is made from; `drawn` are all its figures."""
    return Report(
        run=content.name,
        made_by=f"mogakit {__version__}",
        table=_table(content.table),
        findings=content.findings,
        validation=None if content.validation is None else _validation(content.validation),
        cost_models=None if content.fit is None else _cost_models(content.fit),
        searches=tuple(_search(one) for one in content.searches),
        others=tuple(_table(one) for one in content.others),
        comparison=None if content.comparison is None else _comparison(content.comparison),
        figures=tuple(FigureRecord(one.name, one.caption) for one in drawn),
        sources=content.sources,
    )


def save_record(record: Report, path: Path) -> None:
    """Write a record atomically; equal records give equal bytes."""
    records.save(record, path)


def load_record(path: Path) -> Report:
    """Read a record.

    Raises:
        InputError: there is no such file, or it is not a report; see `records.load`.
    """
    return records.load(Report, path)


def _table(table: LatencyTable) -> TableRecord:
    rows = table.rows.values()
    return TableRecord(
        name=table.name,
        space=table.space,
        target=None if table.target is None else str(table.target),
        scope=scope_note(table.identity),
        identity=table.identity,
        statistic=table.statistic,
        num_rows=len(rows),
        num_counting=sum(table.counts(row) for row in rows),
        statuses=dict(Counter(row.status.value for row in rows)),
        accepted=table.accepted,
        overhead=table.overhead,
        calibration=table.calibration,
        conditions=table.conditions,
        origin=table.origin,
        table_schema=table.schema_version,
    )


def _validation(found: Validation) -> ValidationRecord:
    return ValidationRecord(
        table=found.table,
        target=found.target,
        identity=found.identity,
        seed=found.seed,
        num_networks=len(found.networks),
        strata=found.strata,
        noise=found.noise,
        drift=found.drift,
        stopped=found.stopped,
        warnings=found.warnings,
    )


def _comparison(found: Comparison) -> ComparisonRecord:
    return ComparisonRecord(
        columns=tuple(column.name for column in found.columns),
        factors_ms=tuple(column.factor_ms for column in found.columns),
        networks=tuple(
            ComparedRecord(
                name=one.name, top1=one.top1, latencies_ms=one.latencies_ms, f_avg=one.f_avg, f_max=one.f_max
            )
            for one in found.networks
        ),
        reference=found.reference,
    )


def _cost_models(fit: FitRecord) -> CostModelsRecord:
    return CostModelsRecord(len(fit.pairs.names), fit.loo_mape_percent, fit.curves)


def _search(search: NamedSearch) -> SearchRecord:
    result, front = search.result, search.result.front
    return SearchRecord(
        name=search.name,
        engine=result.engine,
        settings=result.settings,
        seed=result.seed,
        num_evaluations=result.num_evaluations,
        num_networks=result.num_networks,
        num_front=len(front),
        space=front.space,
        metrics=front.metrics,
        objectives=front.objectives,
        constraints=front.constraints,
        picks=tuple(_pick(front, chromosome) for chromosome in result.picks),
        quality=result.quality,
        history=result.history,
    )


def _pick(front: Front, chromosome: str) -> PickRecord:
    return PickRecord(f"{front.space}/{chromosome}", front.values[front.chromosomes.index(chromosome)])
