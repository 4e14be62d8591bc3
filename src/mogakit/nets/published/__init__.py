"""The papers' own tables: `get_paper_table("multi-hardware/1")`."""

from mogakit.errors import InputError, unknown_name
from mogakit.nets.published import mnasnet, moga, multi_hardware
from mogakit.nets.published.multi_hardware import PIXEL4_FACTORS_MS
from mogakit.nets.published.table import Holds, PaperCell, PaperColumn, PaperRow, PaperTable

__all__ = [
    "PAPER_TABLES",
    "PIXEL4_FACTORS_MS",
    "Holds",
    "PaperCell",
    "PaperColumn",
    "PaperRow",
    "PaperTable",
    "get_paper_table",
]

PAPER_TABLES: dict[str, PaperTable] = {
    table.name: table for table in (*moga.TABLES, *multi_hardware.TABLES, *mnasnet.TABLES)
}
"""Tables by name, `paper/number`."""


def get_paper_table(name: str) -> PaperTable:
    """Return a table by its name.

    Raises:
        InputError: there is none of that name; the message lists those there are.
    """
    if name not in PAPER_TABLES:
        raise InputError(unknown_name("table", name, PAPER_TABLES))
    return PAPER_TABLES[name]
