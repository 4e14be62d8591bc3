"""`LatencyTable`: what the blocks of a search space cost on one target, with everything that qualifies the numbers.

`docs/tables.md` describes the file field by field. Raw samples stay in the run's journal; the table holds one value per
process run (`run_means_ms`), enough to compare two tables honestly.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from mogakit import records
from mogakit.bench.agreement import DeviceAgreement
from mogakit.bench.measurement import SHELL_FLAG, Identity, Status, counts
from mogakit.bench.target import Target, parse_target
from mogakit.bench.warning import ConditionWarning, typed_warnings
from mogakit.errors import TableError
from mogakit.export.artifact import Role
from mogakit.luts import advice
from mogakit.luts.calibrate import Calibration
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.model import Part, Prediction
from mogakit.luts.statistic import Statistic
from mogakit.luts.transferred import Transferred
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace
from mogakit.tabular import Sheet, Tabular

SCHEMA_VERSION = 2
"""Raised whenever a field is added without a default, renamed, or changes its meaning; then the table gains a step."""

UNKNOWN = "unknown"
"""Stands in an imported table wherever its source does not say."""


@dataclass(frozen=True, kw_only=True)
class RowConditions:
    """Under what a row was measured; None where no run could read it. Never compared."""

    first_at: str | None = None  # ISO 8601, UTC
    last_at: str | None = None
    max_temperature_c: float | None = None
    max_load_1min: float | None = None
    min_cpu_frequency_mhz: float | None = None
    max_cpu_frequency_mhz: float | None = None
    warnings: tuple[ConditionWarning, ...] = ()  # of each kind the worst


class RowSource(StrEnum):
    """Where a row's number comes from."""

    MEASURED = "measured"  # the block's own file was timed, by the kit or by the makers of an imported table
    INFERRED = "inferred"  # from other blocks of the same target (`luts.block_model`); its interval is the model's
    TRANSFERRED = "transferred"  # from tables of other devices (`luts.transfer`); its interval is the model's
    COMPOSED = "composed"  # the sum of the times of its parts, timed one by one: biased low (`luts.foreign.compose`)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One block on the table's target; times in milliseconds.

    Attributes:
        key: `Block.key`, the name of a whole network, or the name that an imported table gives it.
        role: choice block, fixed part, network, or (imported operators) none of these.
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
        error: why there is no number, or none that counts.
        agreement: of the file's output on the target with the reference; None where it was not asked for.
        source: whether the block itself was timed.
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
    agreement: DeviceAgreement | None = None
    conditions: RowConditions = field(default_factory=RowConditions)
    source: RowSource = RowSource.MEASURED


class OverheadVerdict(StrEnum):
    """How a fitted intercept is used."""

    USED = "used"
    ZERO = "indistinguishable-from-zero"  # its interval holds zero, and zero is used
    NEGATIVE = "negative"  # longer chains cost more a block (caches), and zero is used
    REFUSED = "refused"  # the times do not lie on a straight line, and zero is used until they are measured again


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """What a run costs apart from its blocks: the intercept of time against the number of chained blocks.

    Attributes:
        value_ms: what is used: the intercept, drawn to what the networks say of it, or zero (see `verdict`).
        intercept_ms: as fitted. low_ms, high_ms: its 95 % interval.
        slopes_ms: cost of one more block, for each chained key.
        r2: of the straight line; None where the value was transferred. num_chains: points on it.
        num_networks: whole networks that narrowed `value_ms`.
    """

    value_ms: float
    verdict: OverheadVerdict
    intercept_ms: float
    low_ms: float
    high_ms: float
    slopes_ms: dict[str, float]
    r2: float | None
    num_chains: int
    num_networks: int = 0


@dataclass(frozen=True, kw_only=True)
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
    """Write the target as text, the rows as a list in the order of their keys, and `transferred` where there is one."""
    rows = document["rows"]
    found = {**target_as_text(document), "rows": [rows[key] for key in sorted(rows)]}
    if found["transferred"] is None:  # as tables were written before there were transfers
        del found["transferred"]
    return found


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
    upgrades={1: typed_warnings},
    encode=_to_file,
    decode=_from_file,
    error=TableError,
)
@dataclass(frozen=True, kw_only=True, repr=False)
class LatencyTable(Tabular):
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
        agreements: of whole networks measured beside the table: their outputs on the target with the reference's.
        transferred: how rows came from tables of other devices; None where none did.

    Raises:
        TableError: from `predict` and `slot_costs`, where a row is missing or does not count.

    Source: docs/tables.md describes the file field by field.

    Examples:
        >>> table = mk.load_run("run").table
        >>> row = table.rows["conv_i3o16_h8_k3s1_hswish"]
        >>> 0 < row.low_ms < row.latency_ms < row.high_ms
        True
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
    agreements: dict[str, DeviceAgreement] = field(default_factory=dict)
    transferred: Transferred | None = None
    schema_version: int = SCHEMA_VERSION

    def sheet(self) -> Sheet:
        """Return one row a block: what it adds, its interval, and whether it counts."""
        target = "an unknown target" if self.target is None else str(self.target)
        counting = sum(self.counts(row) for row in self.rows.values())
        return Sheet(
            title=f"{self.name}, {target} on {self.identity.device_name}, {counting} of {len(self.rows)} rows count",
            columns=("key", "role", "latency_ms", "low_ms", "high_ms", "status", "counts", "backend"),
            rows=[
                (key, row.role, row.latency_ms, row.low_ms, row.high_ms, row.status, self.counts(row), row.backend)
                for key, row in sorted(self.rows.items())
            ],
            note=f"a network adds {self.overhead_ms:.4g} ms; calibration: {self.calibration.kind}",
        )

    @property
    def overhead_ms(self) -> float:
        """Return what a network pays once, in milliseconds."""
        return 0.0 if self.overhead is None else self.overhead.value_ms

    @property
    def num_inferred(self) -> int:
        """Return how many rows were inferred from others or transferred from other devices, not measured."""
        return sum(row.source in (RowSource.INFERRED, RowSource.TRANSFERRED) for row in self.rows.values())

    @property
    def row_sources(self) -> str:
        """Return of how many rows the numbers are measured, inferred, transferred, or composed of parts."""
        counted = Counter(row.source for row in self.rows.values())
        always = (RowSource.MEASURED, RowSource.INFERRED)
        return ", ".join(f"{counted[one]} {one}" for one in RowSource if counted[one] or one in always)

    @property
    def of_networks(self) -> bool:
        """Return whether its rows are whole networks, by name: nothing adds up then."""
        return bool(self.rows) and all(row.role is Role.NETWORK for row in self.rows.values())

    @property
    def backends(self) -> frozenset[str]:
        """Return what ran the rows that count, as far as they say."""
        return frozenset(row.backend for row in self.rows.values() if row.backend and self.counts(row))

    def counts(self, row: Row) -> bool:
        """Return whether a row of this table, or one measured beside it, has a number that stands for the target."""
        return row.latency_ms is not None and counts(row.status, self.accepted)

    @property
    def described(self) -> str:
        """What it is, in a few words."""
        return f"table {self.name}"

    def with_calibration(self, calibration: Calibration) -> "LatencyTable":
        """Return the same table with another calibration."""
        return replace(self, calibration=calibration)

    def predict(self, network: Network) -> Prediction:
        """Predict a network: overhead once, fixed parts, blocks; then the calibration.

        Raises:
            TableError: a block has no row, or a row without a number that counts.
        """
        keys = self._keys_of(network)
        parts = tuple(Part(key, self._part_ms(key), self.rows[key].status) for key in keys)
        raw_ms = self.overhead_ms + float(sum(part.latency_ms for part in parts))
        return Prediction(
            network=network.name,
            latency_ms=self.calibration.apply(raw_ms),
            raw_ms=raw_ms,
            overhead_ms=self.overhead_ms,
            parts=parts,
            doubtful=tuple(sorted({part.key for part in parts if part.status is not Status.OK})),
            loo_mape_percent=self.calibration.loo_mape_percent,
        )

    def relative_error(self, network: Network) -> float | None:
        """Return the relative standard deviation around the prediction of a network, as a transferred table knows it.

        Returns:
            None where no row was transferred: such a table's error is what a validation finds.

        Raises:
            TableError: a block has no row, or a row without a number that counts.
        """
        if self.transferred is None:
            return None
        parts_ms: dict[str, float] = {}
        for part in self.predict(network).parts:
            parts_ms[part.key] = parts_ms.get(part.key, 0.0) + part.latency_ms
        return self.transferred.relative_error(parts_ms, self.overhead_ms)

    def latency_ms(self, network: Network) -> float:
        """Return the calibrated latency in milliseconds.

        Raises:
            TableError: a block has no row, or a row without a number that counts.
        """
        return self.calibration.apply(self.predict_raw(network))

    def predict_raw(self, network: Network) -> float:
        """Return overhead plus blocks in milliseconds, without the calibration."""
        return self.sum_rows(self._keys_of(network))

    def sum_rows(self, keys: Iterable[str]) -> float:
        """Return overhead plus the rows named, uncalibrated: for tables whose keys are not the kit's own.

        Raises:
            TableError: rows are missing (all of them are named), or hold no number that counts.
        """
        listed = list(keys)
        missing = self.missing(listed)
        if missing:
            raise self._missing_error(missing)
        return self.overhead_ms + float(sum(self._part_ms(key) for key in listed))

    def slot_costs(self, space: SearchSpace, unsupported_ms: float | None = None) -> list[FloatArray] | None:
        """Return one array of milliseconds a slot, shape (choices,): the entries of a chromosome sum to `latency_ms`.

        Overhead, fixed parts and the calibration's offset are folded into the first slot.

        Args:
            space: None is returned for one whose genes are not independent slots.
            unsupported_ms: stands for a choice whose row holds no number that counts (e.g. `math.inf`); where it is
                None, such a choice raises.

        Raises:
            TableError: a block of the space has no row.
        """
        slotted = space.slotted
        if slotted is None or self.of_networks:
            return None
        scale = self.calibration.scale
        costs = [
            scale * np.array([self._choice_ms(block.key, unsupported_ms) for block in slot]) for slot in slotted.slots
        ]
        fixed = [block.key for block in (*slotted.before, *slotted.after)]
        costs[0] = costs[0] + scale * self.sum_rows(fixed) + self.calibration.offset_ms
        return costs

    def block_costs(self, unsupported_ms: float) -> tuple[float, dict[str, float]] | None:
        """Return what a network pays once, and what each block adds, calibrated: they sum to `latency_ms`.

        Args:
            unsupported_ms: stands for a block whose row holds no number that counts.

        Returns:
            None where the rows are whole networks.
        """
        if self.of_networks:
            return None
        scale = self.calibration.scale
        blocks_ms = {key: scale * self._choice_ms(key, unsupported_ms) for key in self.rows}
        return scale * self.overhead_ms + self.calibration.offset_ms, blocks_ms

    def unpredictable(self, network: Network) -> str | None:
        """Return in a few words why the table has no number for a network, or None where it has one."""
        keys = self._keys_of(network)
        missing = self.missing(keys)
        if missing:
            if self.of_networks:
                return f"the table of networks of {self.space!r} has no row for it"
            count = f"{len(missing)} of its {len(set(keys))} blocks"
            return f"the table of space {self.space!r} has no row for {count}, such as {missing[0]}"
        unusable = self.unusable(keys)
        return self._unusable_message(self.rows[unusable[0]]) if unusable else None

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return those of `keys` that have no row, sorted, each once."""
        return sorted(set(keys) - self.rows.keys())

    def unusable(self, keys: Iterable[str]) -> list[str]:
        """Return those of `keys` that have no row, or one without a number that counts, sorted, each once."""
        return sorted(key for key in set(keys) if key not in self.rows or not self.counts(self.rows[key]))

    def _keys_of(self, network: Network) -> tuple[str, ...]:
        """Return the rows that make a network: its blocks, or itself."""
        return (network.name,) if self.of_networks else tuple(block.key for block in network.blocks)

    def _choice_ms(self, key: str, unsupported_ms: float | None) -> float:
        row = self.rows.get(key)
        if unsupported_ms is not None and row is not None and not self.counts(row):
            return unsupported_ms
        return self._part_ms(key)

    def _part_ms(self, key: str) -> float:
        row = self.rows.get(key)
        if row is None:
            raise self._missing_error([key])
        if row.latency_ms is None or not self.counts(row):
            raise TableError(self._unusable_message(row))
        return row.latency_ms

    def _missing_error(self, keys: list[str]) -> TableError:
        where = f"table {self.name} for {self._target_text}"
        return TableError(advice.missing_rows(where, self.rows, keys, self._profile_command))

    def _unusable_message(self, row: Row) -> str:
        """Return which row does not count, why, and what can be done about it."""
        why = next((f": {text}" for text in (row.error, row.reason, row.delegation) if text), "")
        return (
            f"table {self.name} has no usable number for {row.key} on {self._target_text}: its row is marked "
            f"{row.status}{why}. Choose another block, {advice.remedy(row.status, self._profile_command)}"
        )

    @property
    def _target_text(self) -> str:
        return f"target {self.target}" if self.target is not None else "an unknown target"

    @property
    def _profile_command(self) -> str:
        device = None
        if self.identity.device != UNKNOWN:
            device = "SERIAL" if SHELL_FLAG in self.identity.flags else "host"
        return advice.profile_command(self.space, device, self.target)


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
