"""What figures and pages are drawn from: a run's finished results, gathered by `flows.report`."""

from dataclasses import dataclass, field

from mogakit.luts.check import Finding
from mogakit.luts.fit_record import FitRecord
from mogakit.luts.table import LatencyTable
from mogakit.luts.validation import Validation
from mogakit.nets.network import Network
from mogakit.search.comparison import Comparison
from mogakit.search.front import Front, SearchResult


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Every network that a controller drew, repeats included, in order: its step, metrics and reward.

    Attributes:
        steps: shape (n,). latency, accuracy: of the objectives; None where there is none. rewards: as the controller
            saw them.
    """

    steps: tuple[int, ...]
    latency: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    rewards: tuple[float, ...]


@dataclass(frozen=True)
class NamedSearch:
    """One search of the run's space, by its folder; `exact` is its true front, where that is known.

    Attributes:
        samples: of a controller's search; None for other engines.
    """

    name: str
    result: SearchResult
    exact: Front | None
    samples: Samples | None = None


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
        networks: those that figures of networks show; empty for published ones and picks.
        sources: files that were read, relative to the run, with their sha256.
    """

    name: str
    table: LatencyTable
    findings: tuple[Finding, ...] = ()
    validation: Validation | None = None
    fit: FitRecord | None = None
    searches: tuple[NamedSearch, ...] = ()
    others: tuple[LatencyTable, ...] = ()
    other_fits: tuple[FitRecord | None, ...] = ()
    comparison: Comparison | None = None
    notes: tuple[Note, ...] = ()
    operators: tuple[tuple[str, str, dict[str, float]], ...] = ()
    networks: tuple[Network, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
