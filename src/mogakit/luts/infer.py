"""Rows for blocks that were not measured, inferred from those that were on the same target."""

from collections.abc import Callable, Mapping, Sequence

from mogakit.errors import KeySyntaxError
from mogakit.export.artifact import Role
from mogakit.luts.block_model import BlockModel, Measured, nearest
from mogakit.luts.table import Row, RowSource
from mogakit.luts.transferred import Z95
from mogakit.nets.block import Block, parse_key

_UNKNOWN_SPREAD = 0.01
"""Relative standard error of a row that comes without an interval (ours)."""


def measured_of(rows: Mapping[str, Row], counts: Callable[[Row], bool]) -> Measured:
    """Return the blocks among the rows that count, with the standard errors that their intervals give."""
    found = {
        block: row
        for block, row in _blocks_of(rows).items()
        if row.source is not RowSource.INFERRED and counts(row) and (row.latency_ms or 0.0) > 0
    }
    return Measured(
        blocks_ms={block: row.latency_ms or 0.0 for block, row in found.items()},
        blocks_std_ms={block: _standard_error_ms(row) for block, row in found.items()},
    )


def infer_rows(
    rows: Mapping[str, Row], wanted: Sequence[Block], counts: Callable[[Row], bool], model: BlockModel | None = None
) -> dict[str, Row]:
    """Return a row for each wanted block that has none.

    A block takes the status of the measured block that is most like it: where that one did not run on the target, no
    number is made up.

    Args:
        rows: measured rows by key, net of the overhead.
        counts: whether a row has a number that stands for the target.
        model: fitted already; None fits one on the rows.

    Raises:
        InputError: too few rows count to infer anything from.
    """
    missing = [block for block in dict.fromkeys(wanted) if block.key not in rows]
    if not missing:
        return {}
    model = model or BlockModel(measured_of(rows, counts))
    means_ms, deviations_ms = model.predict(missing)
    known = _blocks_of(rows)
    inferred = {}
    for block, mean_ms, deviation_ms, like in zip(
        missing, means_ms, deviations_ms, nearest(missing, list(known)), strict=True
    ):
        row = known[like]
        if not counts(row):
            error = f"not measured; {like.key}, the measured block most like it, is marked {row.status}"
            inferred[block.key] = Row(
                key=block.key,
                role=Role.CHOICE,
                latency_ms=None,
                status=row.status,
                error=error,
                source=RowSource.INFERRED,
            )
            continue
        low_ms, high_ms = mean_ms - Z95 * deviation_ms, mean_ms + Z95 * deviation_ms
        inferred[block.key] = Row(
            key=block.key,
            role=Role.CHOICE,
            latency_ms=float(mean_ms),
            low_ms=float(low_ms),
            high_ms=float(high_ms),
            backend=row.backend,
            source=RowSource.INFERRED,
        )
    return inferred


def _blocks_of(rows: Mapping[str, Row]) -> dict[Block, Row]:
    found = {}
    for key, row in rows.items():
        try:
            found[parse_key(key)] = row
        except KeySyntaxError:  # a foreign name, of which no shape is known
            continue
    return found


def _standard_error_ms(row: Row) -> float:
    if row.low_ms is None or row.high_ms is None:
        return _UNKNOWN_SPREAD * (row.latency_ms or 0.0)
    return (row.high_ms - row.low_ms) / (2 * Z95)
