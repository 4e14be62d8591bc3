"""What became slower or faster between two tables, by kind of block: the gate for a new driver, runtime or phone."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mogakit.errors import KeySyntaxError, TableError
from mogakit.luts.table import LatencyTable, Row
from mogakit.nets.block import parse_key

ALL_ROWS = "all rows"
_OTHER = "rows of other names"
_CONFIDENCE = 0.95
_Z95 = 1.96


@dataclass(frozen=True, kw_only=True)
class KindChange:
    """How the rows of one kind of block changed, in percent of the first table's time: 5 says 5 % slower.

    Attributes:
        kind: operator, kernel, and whether it has squeeze-and-excitation; or `ALL_ROWS`.
        num_rows: rows that both tables have with a number that counts.
        change_percent: from the geometric mean of the ratios; `low_percent` and `high_percent` its 95 % interval.
        failed: it is surely slower, and its interval reaches the limit that was asked for.
    """

    kind: str
    num_rows: int
    change_percent: float
    low_percent: float
    high_percent: float
    failed: bool


def kind_changes(first: LatencyTable, second: LatencyTable, limit_percent: float) -> list[KindChange]:
    """Compare two tables kind by kind, all rows first, then the kinds in the order of their change.

    A kind's interval is the wider of two: Student's t over the ratios of its rows, and what the rows' own intervals
    leave of their mean. A kind fails where its interval lies above zero and reaches `limit_percent`: one of which the
    measurements cannot say that it is below the limit.

    Raises:
        TableError: no row has a number that counts in both tables.
    """
    logs: dict[str, list[tuple[float, float]]] = {}
    for key in sorted(first.rows.keys() & second.rows.keys()):
        one, two = first.rows[key], second.rows[key]
        if not (first.counts(one) and second.counts(two)) or not (one.latency_ms and two.latency_ms):
            continue
        if one.latency_ms <= 0 or two.latency_ms <= 0:
            continue
        error = float(np.hypot(_relative_error(one), _relative_error(two)))
        for kind in (ALL_ROWS, _kind(key)):
            logs.setdefault(kind, []).append((float(np.log(two.latency_ms / one.latency_ms)), error))
    if not logs:
        raise TableError(f"{first.name} and {second.name} have no row in common whose number counts in both")
    found = [_change(kind, pairs, limit_percent) for kind, pairs in logs.items()]
    return sorted(found, key=lambda one: (one.kind != ALL_ROWS, -one.change_percent))


def _change(kind: str, pairs: list[tuple[float, float]], limit_percent: float) -> KindChange:
    ratios, errors = (np.array(column) for column in zip(*pairs, strict=True))
    num, mean = len(ratios), float(ratios.mean())
    half = _Z95 * float(np.sqrt((errors**2).sum())) / num
    if num > 1:
        spread = float(ratios.std(ddof=1)) / num**0.5
        half = max(half, float(stats.t.ppf((1 + _CONFIDENCE) / 2, num - 1)) * spread)
    low, middle, high = (100 * (float(np.exp(value)) - 1) for value in (mean - half, mean, mean + half))
    return KindChange(
        kind=kind,
        num_rows=num,
        change_percent=middle,
        low_percent=low,
        high_percent=high,
        failed=low > 0 and high >= limit_percent,
    )


def _relative_error(row: Row) -> float:
    if row.low_ms is None or row.high_ms is None or not row.latency_ms:
        return 0.0
    return (row.high_ms - row.low_ms) / (2 * _Z95 * row.latency_ms)


def _kind(key: str) -> str:
    try:
        block = parse_key(key)
    except KeySyntaxError:
        return _OTHER
    kernel = f" {block.kernel}x{block.kernel}" if block.kernel else ""
    return f"{block.op}{kernel}{' with SE' if block.se is not None else ''}"
