"""A table as CSV, one line a row, for spreadsheets; the JSON file stays the table."""

from collections.abc import Sequence
from dataclasses import fields

from mogakit.luts.table import LatencyTable, Row
from mogakit.neutral import csv_text

_LEFT_OUT = ("conditions", "run_means_ms")
COLUMNS = tuple(field.name for field in fields(Row) if field.name not in _LEFT_OUT)


def to_csv(table: LatencyTable) -> str:
    """Return the rows in the order of keys, with target and device in front of each, so that files can be joined."""
    rows: list[Sequence[object]] = [("target", "device", "overhead_ms", *COLUMNS)]
    target = "unknown" if table.target is None else str(table.target)
    for key in sorted(table.rows):
        row = table.rows[key]
        cells = [getattr(row, column) for column in COLUMNS]
        rows.append((target, table.identity.device_name, repr(table.overhead_ms), *cells))
    return csv_text(rows)
