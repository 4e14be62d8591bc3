"""Two tables: merging what is of one identity, and telling what differs."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from scipy import stats

from mogakit.bench.measurement import Status, counts
from mogakit.errors import TableError
from mogakit.luts.calibrate import Calibration
from mogakit.luts.table import LatencyTable, Row

SIGNIFICANCE = 0.002
"""p below which Mann-Whitney calls two rows different (the threshold of asv)."""
MIN_RUNS_FOR_TEST = 7
"""With six runs each, a two-sided Mann-Whitney test cannot come under 0.002 (2/924); there, intervals decide."""


def differing_fields(first: LatencyTable, second: LatencyTable) -> list[str]:
    """Name what must be equal for two tables to be merged, and is not."""
    names = [
        field.name
        for field in fields(first.identity)
        if getattr(first.identity, field.name) != getattr(second.identity, field.name)
    ]
    names += [name for name in ("target", "statistic") if getattr(first, name) != getattr(second, name)]
    known = first.backends and second.backends  # a table that does not say what ran it may be of the same
    return [*names, "backends"] if known and first.backends != second.backends else names


def merge(first: LatencyTable, second: LatencyTable, force: bool = False) -> LatencyTable:
    """Return a table with the rows of both; where both have one, that which counts, with the narrower interval, stays.

    A status besides `ok` counts in it only where it was accepted in both.
    The identity, overhead and conditions are those of `first` (its overhead, or where it has none, that of `second`).
    The calibration stays only when both have the same, since it was fitted on one table's rows.

    Raises:
        TableError: identities, targets, statistics or backends differ and `force` is not set; the message names them.
    """
    differing = differing_fields(first, second)
    if differing and not force:
        pairs = "; ".join(f"{name}: {_value(first, name)} | {_value(second, name)}" for name in differing)
        raise TableError(
            f"{first.name} and {second.name} are tables of different things and do not merge ({pairs}). "
            "Measure both the same way, or add --force and mix them knowingly"
        )
    accepted = tuple(status for status in first.accepted if status in second.accepted)
    rows = dict(first.rows)
    for key, row in second.rows.items():
        rows[key] = row if key not in rows else _better(rows[key], row, accepted)
    return replace(
        first,
        rows=rows,
        accepted=accepted,
        space=first.space if first.space == second.space else "",
        overhead=first.overhead or second.overhead,
        calibration=first.calibration if first.calibration == second.calibration else Calibration(),
        origin=replace(
            first.origin,
            source=f"{first.name} + {second.name}",
            unknown=tuple(sorted({*first.origin.unknown, *second.origin.unknown})),
            forced=tuple(sorted({*first.origin.forced, *second.origin.forced, *differing})),
        ),
    )


def _value(table: LatencyTable, name: str) -> object:
    if name == "backends":
        return ", ".join(sorted(table.backends))
    return getattr(table if name in ("target", "statistic") else table.identity, name)


def _better(first: Row, second: Row, accepted: Collection[Status]) -> Row:
    def rank(row: Row) -> tuple[bool, bool, float]:
        if row.latency_ms is None:
            return True, True, float("inf")
        does_not_count = not counts(row.status, accepted)
        if row.low_ms is None or row.high_ms is None:
            return does_not_count, True, float("inf")  # a number without an interval beats only no number
        return does_not_count, False, row.high_ms - row.low_ms

    return min(first, second, key=rank)


class Difference(StrEnum):
    """What can be said about one key of two tables."""

    SAME = "same"  # no difference beyond noise
    FASTER = "faster"  # the second table's row is
    SLOWER = "slower"
    UNCERTAIN = "uncertain"  # no intervals to judge by
    ONLY_FIRST = "only-first"
    ONLY_SECOND = "only-second"
    NO_NUMBER = "no-number"


@dataclass(frozen=True, kw_only=True)
class RowDifference:
    """One key of two tables; `ratio` is second over first, `test` says how it was judged."""

    key: str
    first_ms: float | None
    second_ms: float | None
    ratio: float | None
    difference: Difference
    test: str
    p_value: float | None = None


def diff(first: LatencyTable, second: LatencyTable) -> list[RowDifference]:
    """Compare two tables row by row, in the order of keys.

    Mann-Whitney on the runs' values where both rows have seven or more; else whether the intervals overlap.
    """
    return [
        _difference(key, first.rows.get(key), second.rows.get(key))
        for key in sorted(first.rows.keys() | second.rows.keys())
    ]


def _difference(key: str, first: Row | None, second: Row | None) -> RowDifference:
    if first is None or second is None:
        side = Difference.ONLY_SECOND if first is None else Difference.ONLY_FIRST
        first_ms = None if first is None else first.latency_ms
        second_ms = None if second is None else second.latency_ms
        return RowDifference(key=key, first_ms=first_ms, second_ms=second_ms, ratio=None, difference=side, test="")
    if first.latency_ms is None or second.latency_ms is None:
        return RowDifference(
            key=key,
            first_ms=first.latency_ms,
            second_ms=second.latency_ms,
            ratio=None,
            difference=Difference.NO_NUMBER,
            test="",
        )
    ratio = second.latency_ms / first.latency_ms if first.latency_ms else None
    moved = Difference.SLOWER if second.latency_ms > first.latency_ms else Difference.FASTER
    if min(len(first.run_means_ms), len(second.run_means_ms)) >= MIN_RUNS_FOR_TEST:
        p_value = float(stats.mannwhitneyu(first.run_means_ms, second.run_means_ms, alternative="two-sided").pvalue)
        verdict = moved if p_value < SIGNIFICANCE else Difference.SAME
        return RowDifference(
            key=key,
            first_ms=first.latency_ms,
            second_ms=second.latency_ms,
            ratio=ratio,
            difference=verdict,
            test="mann-whitney",
            p_value=p_value,
        )
    if first.low_ms is None or first.high_ms is None or second.low_ms is None or second.high_ms is None:
        return RowDifference(
            key=key,
            first_ms=first.latency_ms,
            second_ms=second.latency_ms,
            ratio=ratio,
            difference=Difference.UNCERTAIN,
            test="no interval",
        )
    apart = first.high_ms < second.low_ms or second.high_ms < first.low_ms
    verdict = moved if apart else Difference.SAME
    return RowDifference(
        key=key,
        first_ms=first.latency_ms,
        second_ms=second.latency_ms,
        ratio=ratio,
        difference=verdict,
        test="interval overlap",
    )
