"""`Tabular`: a result that a notebook shows as a table, and that becomes a pandas data frame."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from mogakit.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 12
"""Rows of a table in a notebook; a longer one is cut, and says so."""

Cell = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A result as rows and columns.

    Attributes:
        title: one line that says what it is.
        columns: names, with the unit at the end (`latency_ms`).
        rows: one cell a column; None where there is no value.
        note: what must stand beside the numbers; may be empty.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


class Tabular(ABC):
    """Base of results that are rows and columns: a short `repr`, a table in a notebook, `to_pandas`."""

    @abstractmethod
    def sheet(self) -> Sheet:
        """Return the result as rows and columns."""

    def to_pandas(self) -> "pd.DataFrame":
        """Return the rows as a data frame with the columns of `sheet`; None becomes pandas' missing value.

        Raises:
            InputError: pandas, which is optional, is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise InputError("to_pandas needs pandas: pip install 'moga-kit[pandas]'") from error
        sheet = self.sheet()
        return pd.DataFrame([list(row) for row in sheet.rows], columns=list(sheet.columns))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sheet().title}>"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        sheet = self.sheet()
        head = "".join(f"<th>{escape(name)}</th>" for name in sheet.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(cell))}</td>" for cell in row) + "</tr>"
            for row in sheet.rows[:MAX_SHOWN]
        )
        left = len(sheet.rows) - MAX_SHOWN
        notes = [text for text in (sheet.note, f"and {left} more rows" if left > 0 else "") if text]
        below = "".join(f"<p><small>{escape(text)}</small></p>" for text in notes)
        return f"<p><b>{escape(sheet.title)}</b></p><table><tr>{head}</tr>{rows}</table>{below}"


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return str(cell)
