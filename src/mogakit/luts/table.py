"""`LatencyTable`: what the blocks of a search space cost on one target, with everything that qualifies the numbers.

`docs/tables.md` describes the file field by field. Raw samples stay in the run's journal; the table holds one value per
process run (`run_means_ms`), enough to compare two tables honestly.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from mogakit import records
from mogakit.bench.measurement import Identity, Status, counts
from mogakit.bench.target import Target, parse_target
from mogakit.errors import TableError
from mogakit.export.artifact import Role
from mogakit.luts.calibrate import Calibration

SCHEMA_VERSION = 1
"""Raised whenever a field is added without a default, renamed, or changes its meaning; then the table gains a step."""

UNKNOWN = "unknown"
"""Stands in an imported table wherever its source does not say."""


class Centre(StrEnum):
    """How several times become one."""

    MEAN = "mean"
    TRIMMED_MEAN = "trimmed-mean"
    MEDIAN = "median"
    POOLED = "pooled"  # across runs only: the samples of all runs are one set, with one centre
    UNDISTURBED = "undisturbed"  # across runs only: the mean of those that nothing slowed
    UNKNOWN = "unknown"  # of an imported table whose source does not say; nothing is computed with it


class CommonMode(StrEnum):
    """What is divided out of times because it moves blocks and networks alike."""

    NONE = "none"
    PROCESS = "process"  # the speed of the machine during one process, from all files that it timed
    WINDOW = "window"  # the same for each window of a process: follows drift within it, with more noise
    MOMENT = "moment"  # the same for each visit, from the files visited around it: follows bursts of other programs


@dataclass(frozen=True)
class Statistic:
    """How a row was made from samples.

    Attributes:
        within_run: centre of the samples of one process run. Means add over blocks; medians and minima do not.
        trim: share cut off at each end where `within_run` is `trimmed-mean`.
        across_runs: centre of the runs' values.
        cold_share: weight of the discarded first call (cold caches) in a block's value, 0 to 1; the warm calls have
            the rest. In a network a block finds its activations warm and its weights cold.
        common_mode: what was divided out of each process.
        reach: of `undisturbed`: runs slower than the file's fastest by more than this share are left out. None: to be
            found from the measurements (`estimate.settled`); a table holds what was found. Tables with another reach
            are of one statistic.
    """

    within_run: Centre = Centre.TRIMMED_MEAN
    trim: float = 0.10
    across_runs: Centre = Centre.MEDIAN
    cold_share: float = 0.0
    common_mode: CommonMode = CommonMode.NONE
    reach: float | None = field(default=None, compare=False)


HOST_STATISTIC = Statistic(trim=0.25, across_runs=Centre.POOLED, cold_share=0.25, common_mode=CommonMode.MOMENT)
"""For this computer's CPU, where one process times all files: the estimator with the least error on unseen networks.

On a machine shared with other programs 5 to 40 % of the calls of a window take 1.2 to 1.6 times as long, in bursts: the
speed of the moment divides out most of that, the mean of the middle half does not see the rest and still adds over
blocks (docs/measuring.md has figures).
"""

PHONE_STATISTIC = Statistic(within_run=Centre.MEDIAN, across_runs=Centre.UNDISTURBED)
"""For phones, whose every run is a process: its median (its mean where the tool prints no other), and over the runs the
mean of those that nothing slowed (`luts.undisturbed`)."""


@dataclass(frozen=True)
class RowConditions:
    """Under what a row was measured; None where no run could read it. Never compared."""

    first_at: str | None = None  # ISO 8601, UTC
    last_at: str | None = None
    max_temperature_c: float | None = None
    max_load_1min: float | None = None
    min_cpu_frequency_mhz: float | None = None
    max_cpu_frequency_mhz: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One block on the table's target; times in milliseconds.

    Attributes:
        key: `Block.key`, or the name that an imported table gives it.
        role: choice block, fixed part, or (imported operators) neither.
        latency_ms: what the block adds to a network: `alone_ms` minus the table's overhead. None: no number.
        alone_ms: the estimate of the file run by itself.
        low_ms, high_ms: 95 % bootstrap interval of `latency_ms` over runs and samples.
        mad_ms: median absolute deviation of the pooled samples; None where only summaries exist.
        p10_ms, p90_ms: percentiles of the pooled warm samples.
        cold_mean_ms: mean of the discarded first calls. warm_mean_ms: of the timed calls.
        count: timed calls that count. num_rounds: fresh processes or passes they come from.
        run_means_ms: the value of each run that counts (all but those left out as `undisturbed` says), common mode
            divided out, overhead not subtracted.
        status: `ok`, or why the number may not stand for the target.
        delegation: what the delegate took, as text; empty where unknown.
        backend: what really ran it (OpenCL, OpenGL, XNNPACK, ...); empty where unknown.
        reason: what the tool said about its delegation, such as why there is none; empty where it said nothing.
        error: why there is no number.
    """

    key: str
    role: Role | None
    latency_ms: float | None
    alone_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    mad_ms: float | None = None
    p10_ms: float | None = None
    p90_ms: float | None = None
    std_ms: float | None = None
    cold_mean_ms: float | None = None
    warm_mean_ms: float | None = None
    count: int | None = None
    num_rounds: int | None = None
    run_means_ms: tuple[float, ...] = ()
    init_ms: float | None = None
    first_run_ms: float | None = None
    peak_memory_mb: float | None = None
    num_outliers_mild: int | None = None
    num_outliers_severe: int | None = None
    status: Status = Status.OK
    delegation: str = ""
    backend: str = ""
    reason: str = ""
    error: str | None = None
    artifact_sha256: str | None = None
    conditions: RowConditions = field(default_factory=RowConditions)


class OverheadVerdict(StrEnum):
    """What became of a fitted intercept."""

    USED = "used"
    ZERO = "indistinguishable-from-zero"  # its interval holds zero, and zero is used
    NEGATIVE = "negative"  # longer chains cost more a block (caches), and zero is used
    REFUSED = "refused"  # the times do not lie on a straight line, and zero is used until they are measured again


@dataclass(frozen=True)
class Overhead:
    """What a run costs apart from its blocks: the intercept of time against the number of chained blocks.

    Attributes:
        value_ms: what is used: the intercept, drawn to what the networks say of it, or zero (see `verdict`).
        intercept_ms: as fitted. low_ms, high_ms: its 95 % interval.
        slopes_ms: cost of one more block, for each chained key.
        r2: of the straight line. num_chains: points on it.
        num_networks: whole networks that narrowed `value_ms`.
    """

    value_ms: float
    verdict: OverheadVerdict
    intercept_ms: float
    low_ms: float
    high_ms: float
    slopes_ms: dict[str, float]
    r2: float
    num_chains: int
    num_networks: int = 0


@dataclass(frozen=True)
class Origin:
    """Where a table comes from.

    Attributes:
        made_by: `mogakit 0.1.0`, or the name of the importer.
        source: file that was imported, or the run's folder name; source_sha256: of that file.
        unknown: what the source does not say, in words.
        forced: merged although these fields of the identities differ.
    """

    made_by: str
    source: str = ""
    source_sha256: str = ""
    unknown: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()


def target_as_text(document: records.Document) -> records.Document:
    """Write the target of a table or cost model as text."""
    target = document["target"]
    return {**document, "target": None if target is None else str(records.from_json(target, Target, "target"))}


def target_as_record(document: records.Document) -> records.Document:
    """Read the target of a table or cost model from its text."""
    target = document["target"]
    return {**document, "target": None if target is None else records.to_json(parse_target(target))}


def _to_file(document: records.Document) -> records.Document:
    """Write the target as text, and the rows as a list in the order of their keys."""
    rows = document["rows"]
    return {**target_as_text(document), "rows": [rows[key] for key in sorted(rows)]}


def _from_file(document: records.Document) -> records.Document:
    keys = [row["key"] for row in document["rows"]]
    twice = sorted({str(key) for key, count in Counter(keys).items() if count > 1})
    if twice:
        raise TableError(f"the table holds more than one row for {', '.join(twice)}; keep one of each")
    rows = dict(zip(keys, document["rows"], strict=True))
    return {**target_as_record(document), "rows": rows}


@records.stored(
    "latency-table",
    version=SCHEMA_VERSION,
    made_by="moga profile -o RUN",
    encode=_to_file,
    decode=_from_file,
    error=TableError,
)
@dataclass(frozen=True)
class LatencyTable:
    """Latency of blocks on one target.

    Attributes:
        name: what a person calls it, and the table's name in messages.
        space: name of the search space it covers, or empty.
        target: None where an imported table does not say.
        rows: by key.
        overhead: None where it was not measured; then zero is used.
        calibration: fitted on whole networks of the same run.
        accepted: statuses besides `ok` whose rows count, because the person who measured said so.
        seed: of the bootstrap, and of the order in which things were measured.
    """

    name: str
    space: str
    target: Target | None
    identity: Identity
    statistic: Statistic
    rows: dict[str, Row]
    origin: Origin
    overhead: Overhead | None = None
    calibration: Calibration = field(default_factory=Calibration)
    conditions: RowConditions = field(default_factory=RowConditions)
    seed: int = 0
    accepted: tuple[Status, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def overhead_ms(self) -> float:
        """Return what a network pays once, in milliseconds."""
        return 0.0 if self.overhead is None else self.overhead.value_ms

    @property
    def backends(self) -> frozenset[str]:
        """Return what ran the rows that count, as far as they say."""
        return frozenset(row.backend for row in self.rows.values() if row.backend and self.counts(row))

    def counts(self, row: Row) -> bool:
        """Say whether a row of this table, or one measured beside it, has a number that stands for the target."""
        return row.latency_ms is not None and counts(row.status, self.accepted)

    def with_calibration(self, calibration: Calibration) -> "LatencyTable":
        """Return the same table with another calibration."""
        return replace(self, calibration=calibration)


UNKNOWN_IDENTITY = Identity(
    device=UNKNOWN,
    device_name=UNKNOWN,
    driver=UNKNOWN,
    runtime=UNKNOWN,
    tool_sha256="",
    flags=(),
    affinity=UNKNOWN,
    export_version=UNKNOWN,
)


def save(table: LatencyTable, path: Path) -> None:
    """Write a table atomically; equal tables give equal bytes."""
    records.save(table, path)


def load(path: Path) -> LatencyTable:
    """Read a table; an older schema is upgraded on the way.

    Raises:
        TableError: there is no such file, or it is not a table; see `records.load`.
    """
    return records.load(LatencyTable, path)
