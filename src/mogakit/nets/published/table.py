"""What a table of a paper is: columns, rows and cells, each cell as printed with the number that it holds.

A published number belongs to (paper, table, row), never to a network: the same network has another accuracy or latency
in another paper.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mogakit.errors import InputError

UNSUPPORTED = "unsupported"
"""What a cell says where the hardware cannot run the network, or a metric over it has no value."""
ABSENT = "-"
"""What a cell says where the paper gives no number."""
_MILLIONS = {"M": 1.0, "B": 1000.0}
_CELL = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[MB]?)(?: \((?P<aside>[^)]*)\))?")


class Holds(StrEnum):
    """What a column holds."""

    WIDTH = "width multiplier"
    TOP1 = "top-1"
    TOP5 = "top-5"
    MAP = "mean average precision"
    PARAMS = "parameters"
    MADDS = "multiply-adds"
    LATENCY = "latency"
    METRIC = "metric"
    COST = "search cost"


@dataclass(frozen=True, kw_only=True)
class PaperColumn:
    """One column.

    Attributes:
        name: as the paper's heading. unit: of its numbers; empty for a pure number.
        device, runtime: of latencies; empty for other columns.
        factor_ms: of latencies: what the table's own metrics divide by; None where it has none.
    """

    name: str
    holds: Holds
    unit: str = ""
    device: str = ""
    runtime: str = ""
    factor_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class PaperCell:
    """One cell.

    Attributes:
        printed: as the paper has it.
        value: the number, in the column's unit; None where there is none.
        quoted: a second number in brackets, which the paper quotes from the network's own authors.
        device: where the number is of another device than the column's; else empty.
    """

    printed: str
    value: float | None = None
    quoted: float | None = None
    device: str = ""


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One row: the paper's name for the network, and the kit's where the kit has its layers."""

    label: str
    network: str | None
    cells: tuple[PaperCell, ...]


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """One table.

    Attributes:
        paper, number: together the name by which the kit calls it, `multi-hardware/1`.
        source: paper, version and table, for people. caption: what it shows.
        notes: footnotes: what its numbers stand on, and what of them is inferred.
    """

    paper: str
    number: int
    source: str
    caption: str
    columns: tuple[PaperColumn, ...]
    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return `paper/number`."""
        return f"{self.paper}/{self.number}"

    def index_of(self, holds: Holds) -> tuple[int, ...]:
        """Return the places of the columns that hold this."""
        return tuple(index for index, column in enumerate(self.columns) if column.holds is holds)

    def row_of(self, network: str) -> PaperRow | None:
        """Return the row of a network of the kit, `mobilenet-v1@1.25x`; None where the table has none."""
        return next((row for row in self.rows if row.network == network), None)

    def values(self, holds: Holds) -> dict[str, tuple[float | None, ...]]:
        """Return by row's label the numbers of the columns that hold this."""
        places = self.index_of(holds)
        return {row.label: tuple(row.cells[place].value for place in places) for row in self.rows}


def read_table(
    name: str, source: str, caption: str, columns: Sequence[PaperColumn], text: str, notes: Sequence[str] = ()
) -> PaperTable:
    """Read a table from text: one line a row, `label | network | cell | ...`; `-` is a network that the kit lacks.

    Raises:
        InputError: a row has too few or too many cells, or a cell is not a number.
    """
    paper, _, number = name.partition("/")
    rows = tuple(_read_row(line, columns, name) for line in text.strip().splitlines())
    return PaperTable(
        paper=paper,
        number=int(number),
        source=source,
        caption=caption,
        columns=tuple(columns),
        rows=rows,
        notes=tuple(notes),
    )


def _read_row(line: str, columns: Sequence[PaperColumn], where: str) -> PaperRow:
    label, network, *printed = (part.strip() for part in line.split("|"))
    if len(printed) != len(columns):
        raise InputError(f"table {where}, row {label}: {len(printed)} cells for {len(columns)} columns")
    cells = tuple(_read_cell(text, column, where) for text, column in zip(printed, columns, strict=True))
    return PaperRow(label=label, network=None if network == ABSENT else network, cells=cells)


def _read_cell(text: str, column: PaperColumn, where: str) -> PaperCell:
    if text in (ABSENT, UNSUPPORTED):
        return PaperCell(printed=text)
    found = _CELL.fullmatch(text)
    if found is None:
        raise InputError(f"table {where}, column {column.name}: {text!r} is not a number")
    value = round(float(found["number"]) * _MILLIONS.get(found["unit"], 1.0), 6)
    aside = found["aside"] or ""
    quoted = float(aside) if aside.replace(".", "", 1).isdecimal() else None
    return PaperCell(printed=text, value=value, quoted=quoted, device="" if quoted is not None else aside)
