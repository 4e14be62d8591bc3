"""Work with latency tables on disk: read, check, compare, merge, export, import."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit import files
from mogakit.bench.journal import Journal
from mogakit.bench.schedule_trace import schedule_trace
from mogakit.errors import InputError
from mogakit.flows.measure.runs import RunFolder
from mogakit.luts.changes import KindChange, kind_changes
from mogakit.luts.check import Finding, check_table
from mogakit.luts.check_model import check_model
from mogakit.luts.combine import RowDifference, diff, merge
from mogakit.luts.csvfile import to_csv
from mogakit.luts.foreign.importing import Asked, ForeignFormat, Imported, import_foreign
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.foreign.writing import ForeignOutput, write_foreign
from mogakit.luts.latencies import load_latencies, table_path
from mogakit.luts.library import shelf
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable, load, save

__all__ = [
    "Asked",
    "ForeignFormat",
    "ForeignOutput",
    "Imported",
    "TimeUnit",
    "get_from_library",
    "import_foreign",
    "list_library",
]
get_from_library, list_library = shelf.get, shelf.list_library


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote; see `luts.foreign.writing.Written`."""

    path: Path
    num_rows: int
    unit: TimeUnit = TimeUnit.MS
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_table(text: str | Path) -> LatencyTable:
    """Read the table in a file or a run's folder.

    Raises:
        TableError: there is none, or it is malformed.
    """
    return load(table_path(text))


def load_any(text: str | Path) -> LatencyTable | CostModel:
    """Read the table in a file or a run's folder, or the cost model in a file.

    Raises:
        TableError: there is neither, or it is malformed.
    """
    return load_latencies(table_path(text))


def check_latencies(text: str | Path, against: Sequence[str | Path] = ()) -> list[Finding]:
    """Return what is suspicious about a table, alone and against tables of other devices, or about a cost model.

    Raises:
        TableError: a file is neither, or malformed.
        InputError: a cost model, which has no rows, is to be compared with tables.
    """
    found = load_any(text)
    if isinstance(found, LatencyTable):
        return check_table(found, [load_table(other) for other in against])
    if against:
        raise InputError(f"{text} is a cost model, which has no rows to compare; leave out --against")
    return check_model(found)


def write_trace(folder: Path, output: Path) -> int:
    """Write what ran when in a run as a trace, and return how many events it has.

    Raises:
        InputError: the folder holds no run, or nothing was measured in it.
    """
    run = RunFolder(folder)
    target = run.read_settings().parsed_target
    if not run.journal.is_file():
        raise InputError(f"{folder} holds no journal: nothing was measured in it (moga profile -o {folder} --resume)")
    with Journal(run.journal) as journal:
        trace = schedule_trace(journal.measurements(target))
    if not trace["traceEvents"]:
        raise InputError(f"{folder} holds no measurement yet (moga profile -o {folder} --resume)")
    files.write_json(output, trace)
    return len(trace["traceEvents"])


def diff_kinds(first: str | Path, second: str | Path, limit_percent: float) -> list[KindChange]:
    """Compare two tables by kind of block; see `luts.changes.kind_changes`.

    Raises:
        TableError: a table cannot be read, or none of their rows can be compared.
    """
    return kind_changes(load_table(first), load_table(second), limit_percent)


def diff_tables(first: str | Path, second: str | Path) -> list[RowDifference]:
    """Compare two tables row by row."""
    return diff(load_table(first), load_table(second))


def merge_tables(sources: Sequence[str | Path], output: Path, force: bool = False) -> LatencyTable:
    """Merge two or more tables into `output`.

    Raises:
        InputError: fewer than two tables.
        TableError: their identities differ and `force` is not set.
    """
    if len(sources) < 2:
        raise InputError(f"merging needs at least two tables, given {len(sources)}")
    merged, *rest = [load_table(source) for source in sources]
    for table in rest:
        merged = merge(merged, table, force)
    save(merged, output)
    return merged


def export_table(
    text: str | Path, output: Path, kind: ForeignOutput | None = None, unit: TimeUnit | None = None
) -> Exported:
    """Write a table as CSV, or in another project's format.

    Args:
        text: the table's file, or the folder of a run.
        output: file to write.
        kind: the format; None for CSV, one row a line, which is for spreadsheets and always in milliseconds.
        unit: of the times; None for that of the project's own files.

    Raises:
        TableError: there is no such table, or the format has no names for its rows.
    """
    table = load_table(text)
    if kind is None:
        files.write_text(output, to_csv(table))
        return Exported(path=output, num_rows=len(table.rows))
    written = write_foreign(table, kind, unit)
    files.write_text(output, written.text)
    return Exported(
        path=output, num_rows=written.num_rows, unit=written.unit, left_out=written.left_out, notes=written.notes
    )
