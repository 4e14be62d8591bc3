"""What is suspicious about a table: findings, worst first. A finding is not proof; it says where to look."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from mogakit.bench.measurement import Status, counts
from mogakit.errors import KeySyntaxError
from mogakit.luts.table import UNKNOWN, LatencyTable, OverheadVerdict, Row
from mogakit.nets.block import Block, parse_key

MIN_COUNT = 10
MIN_ROUNDS = 3
MAX_HALF_WIDTH_PERCENT = 5.0
MIN_DIGITS_ACROSS = 4
"""Two tables that share a time of at least so many digits share its source; 1.5 ms may be a coincidence."""
MIN_DIGITS_INSIDE = 9
"""Within a table, the ticks of the device's clock make shorter numbers equal by chance."""
MIN_SHARE_IN_MICROSECONDS = 0.5
"""Two phones of one model share a few whole microseconds by chance, where a tool prints no more; not most of them."""


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"  # do not use these numbers
    WARNING = "warning"
    INFO = "info"


class Suspicion(StrEnum):
    """Kinds of finding."""

    EQUAL_ACROSS_DEVICES = "equal-across-devices"
    EQUAL_IN_TABLE = "equal-in-table"
    NOT_MONOTONE = "not-monotone"
    FEW_SAMPLES = "few-samples"
    WIDE_INTERVAL = "wide-interval"
    NOT_POSITIVE = "not-positive"
    NO_NUMBER = "no-number"
    STATUS = "status"
    OVERHEAD = "overhead"
    CALIBRATION = "calibration"
    UNKNOWN_PROVENANCE = "unknown-provenance"


@dataclass(frozen=True)
class Finding:
    """One suspicious thing: what, which rows, and what to do."""

    kind: Suspicion
    severity: Severity
    keys: tuple[str, ...]
    message: str


def check_table(table: LatencyTable, others: Iterable[LatencyTable] = ()) -> list[Finding]:
    """Return everything suspicious about `table`, alone and against tables of other devices, worst first."""
    findings = [
        *_rows_without_number(table),
        *_statuses(table),
        *_few_samples(table),
        *_wide_intervals(table),
        *_equal_in_table(table),
        *_not_monotone(table),
        *_overhead_and_calibration(table),
        *_provenance(table),
    ]
    for other in others:
        findings += _equal_across(table, other)
    order = list(Severity)
    return sorted(findings, key=lambda finding: (order.index(finding.severity), finding.kind, finding.keys))


def _measured(table: LatencyTable) -> list[tuple[Row, float]]:
    return [(row, row.latency_ms) for _, row in sorted(table.rows.items()) if row.latency_ms is not None]


def _rows_without_number(table: LatencyTable) -> list[Finding]:
    findings = []
    empty = [row for row in table.rows.values() if row.latency_ms is None]
    if empty:
        reasons = sorted({row.error or str(row.status) for row in empty})
        message = f"{len(empty)} row(s) hold no number ({'; '.join(reasons)}): a network with them is not predicted"
        findings.append(Finding(Suspicion.NO_NUMBER, Severity.ERROR, _keys(empty), message))
    negative = [row for row, latency_ms in _measured(table) if latency_ms <= 0]
    if negative:
        message = f"{len(negative)} row(s) are not above zero once the overhead is subtracted; measure more rounds"
        findings.append(Finding(Suspicion.NOT_POSITIVE, Severity.WARNING, _keys(negative), message))
    return findings


def _statuses(table: LatencyTable) -> list[Finding]:
    findings = []
    for status in Status:
        marked = [row for row, _ in _measured(table) if row.status is status]
        if not marked or status is Status.OK:
            continue
        counted = counts(status, table.accepted)
        severity = Severity.WARNING if counted else Severity.ERROR
        delegations = sorted({row.delegation for row in marked if row.delegation})
        message = f"{len(marked)} row(s) are marked {status}"
        message += f" ({'; '.join(delegations)})" if delegations else ""
        message += ", and count all the same" if counted else ": a network with them is not predicted"
        findings.append(Finding(Suspicion.STATUS, severity, _keys(marked), message))
    return findings


def _few_samples(table: LatencyTable) -> list[Finding]:
    few = [
        row
        for row, _ in _measured(table)
        if (row.count is not None and row.count < MIN_COUNT)
        or (row.num_rounds is not None and row.num_rounds < MIN_ROUNDS)
    ]
    if not few:
        return []
    message = (
        f"{len(few)} row(s) rest on fewer than {MIN_COUNT} timed calls or {MIN_ROUNDS} rounds; "
        "measure on with `moga profile ... --resume --rounds N`"
    )
    return [Finding(Suspicion.FEW_SAMPLES, Severity.WARNING, _keys(few), message)]


def half_width_percent(row: Row) -> float | None:
    """Return half the interval's width in percent of the file's time; None where there is no interval."""
    alone_ms = row.alone_ms if row.alone_ms is not None else row.latency_ms
    if row.low_ms is None or row.high_ms is None or not alone_ms:
        return None
    return 100 * (row.high_ms - row.low_ms) / 2 / abs(alone_ms)


def _wide_intervals(table: LatencyTable) -> list[Finding]:
    wide = [row for row, _ in _measured(table) if (half_width_percent(row) or 0.0) > MAX_HALF_WIDTH_PERCENT]
    if not wide:
        return []
    worst = max(wide, key=lambda row: half_width_percent(row) or 0.0)
    message = (
        f"{len(wide)} row(s) are uncertain by more than ±{MAX_HALF_WIDTH_PERCENT:g} % "
        f"(worst {worst.key}: ±{half_width_percent(worst):.1f} %); measure more rounds on a quieter device"
    )
    return [Finding(Suspicion.WIDE_INTERVAL, Severity.WARNING, _keys(wide), message)]


def _equal_in_table(table: LatencyTable) -> list[Finding]:
    by_value: dict[float, list[Row]] = {}
    for row, latency_ms in _measured(table):
        if _num_digits(latency_ms) >= MIN_DIGITS_INSIDE:
            by_value.setdefault(latency_ms, []).append(row)
    equal = [row for rows in by_value.values() if len(rows) > 1 for row in rows]
    if not equal:
        return []
    message = f"{len(equal)} rows share their very number with another row of the table; two measurements never do"
    return [Finding(Suspicion.EQUAL_IN_TABLE, Severity.WARNING, _keys(equal), message)]


def _equal_across(table: LatencyTable, other: LatencyTable) -> list[Finding]:
    if table.identity == other.identity and table.target == other.target and table.identity.device != UNKNOWN:
        return []
    numbers = {row.key: latency_ms for row, latency_ms in _measured(other)}
    common = len(table.rows.keys() & other.rows.keys())
    comparable = [
        (row, latency_ms)
        for row, latency_ms in _measured(table)
        if row.key in numbers and _num_digits(latency_ms) >= MIN_DIGITS_ACROSS
    ]
    shared = [row for row, latency_ms in comparable if numbers[row.key] == latency_ms]
    if len(shared) < MIN_SHARE_IN_MICROSECONDS * len(comparable):
        shared = [row for row in shared if not _is_whole_microseconds(row)]
    if not shared:
        return []
    message = (
        f"{len(shared)} of {common} common rows are bit for bit those of {other.name} "
        f"({other.identity.device_name}): copied from one table to the other, or from a third"
    )
    return [Finding(Suspicion.EQUAL_ACROSS_DEVICES, Severity.ERROR, _keys(shared), message)]


def _is_whole_microseconds(row: Row) -> bool:
    """Return whether a time may be a tool's count of microseconds, which chance makes equal."""
    microseconds = 1000.0 * (row.latency_ms or 0.0)
    return abs(microseconds - round(microseconds)) < 1e-6


def _num_digits(value: float) -> int:
    """Count significant digits; what a division by 1000 leaves at the 16th is not a digit of the source."""
    return len(f"{value:.14e}".split("e")[0].replace(".", "").replace("-", "").rstrip("0"))


def _not_monotone(table: LatencyTable) -> list[Finding]:
    """Compare each block with the same block made larger in one respect; the intervals must lie apart."""
    findings = []
    families: dict[tuple[str, Block], list[tuple[int, Row]]] = {}
    for row, _ in _measured(table):
        try:
            block = parse_key(row.key)
        except KeySyntaxError:  # a foreign name: nothing is known about what it computes
            continue
        for respect, size, family in _families(block):
            families.setdefault((respect, family), []).append((size, row))
    for (respect, _), members in sorted(families.items(), key=lambda item: (item[0][0], item[1][0][1].key)):
        ordered = sorted(members, key=lambda member: (member[0], member[1].key))
        for (small_size, small), (large_size, large) in pairwise(ordered):
            if small.low_ms is None or large.high_ms is None or large.high_ms >= small.low_ms:
                continue
            message = (
                f"{respect} {large_size} is faster than {respect} {small_size}, beyond noise: "
                f"{large.latency_ms:.4g} against {small.latency_ms:.4g} ms. "
                "Either the runtime has a better kernel for it, or a row is bad"
            )
            findings.append(Finding(Suspicion.NOT_MONOTONE, Severity.WARNING, (small.key, large.key), message))
    return findings


def _families(block: Block) -> list[tuple[str, int, Block]]:
    """Return (respect, size in it, the block with that respect blanked) for what makes a block larger."""
    families = []
    if block.kernel > 1:
        families.append(("kernel", block.kernel, replace(block, kernel=1)))
    if block.expanded_channels is not None:
        narrow = None if block.se is None else replace(block.se, channels=1)  # the SE's width follows the expansion's
        families.append(("expanded channels", block.expanded_channels, replace(block, expanded_channels=1, se=narrow)))
    families.append(("squeeze-and-excitation", int(block.se is not None), replace(block, se=None)))
    return families


def _overhead_and_calibration(table: LatencyTable) -> list[Finding]:
    findings = []
    overhead = table.overhead
    if overhead is None:
        message = "the overhead per run was not measured; on a GPU it is milliseconds, and every row holds it"
        findings.append(Finding(Suspicion.OVERHEAD, Severity.INFO, (), message))
    elif overhead.verdict is OverheadVerdict.REFUSED:
        message = (
            f"the overhead was rejected: the times of the chains do not lie on a line (R2 {overhead.r2 or 0.0:.3f}); "
            "measure more rounds"
        )
        findings.append(Finding(Suspicion.OVERHEAD, Severity.WARNING, (), message))
    calibration = table.calibration
    if calibration.num_networks and abs(calibration.scale - 1) > 0.2:
        message = (
            f"whole networks cost {calibration.scale:.2f} times what the table says: "
            "fusion, caches, or another speed of the device when one of the two was measured"
        )
        findings.append(Finding(Suspicion.CALIBRATION, Severity.INFO, (), message))
    return findings


def _provenance(table: LatencyTable) -> list[Finding]:
    if not table.origin.unknown and table.identity.device != UNKNOWN:
        return []
    what = ", ".join(table.origin.unknown) or "the device"
    return [Finding(Suspicion.UNKNOWN_PROVENANCE, Severity.INFO, (), f"the source does not say: {what}")]


def _keys(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(sorted(row.key for row in rows))
