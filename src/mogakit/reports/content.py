"""What figures and pages are drawn from: a run's finished results, gathered by `flows.report`."""

from dataclasses import dataclass, field

from mogakit.luts.check import Finding
from mogakit.luts.curves import CurvePoint
from mogakit.luts.table import LatencyTable
from mogakit.luts.validation import Validation
from mogakit.search.front import Front, SearchResult


@dataclass(frozen=True)
class FitSummary:
    """The networks that a run measured for its cost models, and the models' errors.

    Attributes:
        names, measured_ms: one of each for a network.
        loo_mape_percent: leave-one-out errors by kind of model.
    """

    names: tuple[str, ...]
    measured_ms: tuple[float, ...]
    loo_mape_percent: dict[str, float]
    curves: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class SearchSummary:
    """One search of the run's space; `exact` is its true front, where that is known."""

    name: str
    result: SearchResult
    exact: Front | None


@dataclass(frozen=True, kw_only=True)
class ComparedNetwork:
    """One network of a comparison: published top-1 in percent, one latency a hardware, and the metrics over them."""

    name: str
    top1: float | None
    latencies_ms: tuple[float | None, ...]
    f_avg: float | None
    f_max: float | None


@dataclass(frozen=True)
class ComparisonSummary:
    """Networks over several hardware, as `moga compare` prints them; `factors_ms` are the reference's latencies."""

    columns: tuple[str, ...]
    factors_ms: tuple[float | None, ...]
    networks: tuple[ComparedNetwork, ...]
    reference: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """A table with words around it that a flow adds to a run's page: a supernet's ranking, say.

    Attributes:
        warning: what the reader must not conclude; shown first.
        head: column names. rows: cells as text.
    """

    title: str
    warning: str
    text: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class RunContent:
    """Everything that a page may show; what is absent is left out of it.

    Attributes:
        name: of the run's folder.
        table: the run's own. findings: of `check_table` on it.
        others: tables of the same space on other targets. other_fits: the networks measured there, one for each.
        operators: time by type of operator of whole networks, (network, target, type -> milliseconds), from runs of
            their own.
        sources: files that were read, relative to the run, with their sha256.
    """

    name: str
    table: LatencyTable
    findings: tuple[Finding, ...] = ()
    validation: Validation | None = None
    fit: FitSummary | None = None
    searches: tuple[SearchSummary, ...] = ()
    others: tuple[LatencyTable, ...] = ()
    other_fits: tuple[FitSummary | None, ...] = ()
    comparison: ComparisonSummary | None = None
    notes: tuple[Note, ...] = ()
    operators: tuple[tuple[str, str, dict[str, float]], ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
