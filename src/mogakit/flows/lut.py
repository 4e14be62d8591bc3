"""Work with latency tables on disk: read, check, compare, merge, export, import."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mogakit import files
from mogakit.bench.target import Target
from mogakit.errors import InputError
from mogakit.luts.check import Finding, check_table
from mogakit.luts.check_model import check_model
from mogakit.luts.combine import RowDifference, diff, merge
from mogakit.luts.csvfile import to_csv
from mogakit.luts.foreign.ofa import import_ofa
from mogakit.luts.foreign.operators import OperatorStudy, column_names, import_operators, study
from mogakit.luts.foreign.tunas import import_tunas
from mogakit.luts.latencies import load_latencies, table_path
from mogakit.luts.linear import CostModel, save_model
from mogakit.luts.table import UNKNOWN, LatencyTable, load, save


class ForeignFormat(StrEnum):
    """What `moga lut import` reads."""

    OFA = "ofa"  # Once-for-All or ProxylessNAS YAML
    TUNAS = "tunas"  # base64 of a linear model's coefficients, and of its bias
    OPERATORS = "operators"  # CSV of operator times, and of whole networks


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import wrote, and for operator times how well their sums predict whole networks."""

    path: Path
    table: LatencyTable | None
    model: CostModel | None
    findings: tuple[Finding, ...] = ()
    study: OperatorStudy | None = None


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


def export_table(text: str | Path, output: Path) -> int:
    """Write a table as CSV and return its number of rows."""
    table = load_table(text)
    files.write_text(output, to_csv(table))
    return len(table.rows)


def import_foreign(
    kind: ForeignFormat,
    sources: Sequence[Path],
    output: Path,
    *,
    column: str | None = None,
    device_name: str = UNKNOWN,
    target: Target | None = None,
) -> Imported:
    """Read a table or model of others and write it in the kit's own format.

    Args:
        kind: format of the source.
        sources: `ofa`: one YAML file; `tunas`: file of coefficients, file of the bias; `operators`: file of operator
            times and, if whole networks are to be compared, a file of those.
        output: JSON file to write.
        column: of `operators`: which device; may be left out where the file has only one.
        device_name, target: of `ofa`: what the user knows about the table.

    Raises:
        InputError: another number of files than the format has, or a device that must be chosen.
        TableError: a file is absent or malformed.
    """
    expected = {ForeignFormat.OFA: (1,), ForeignFormat.TUNAS: (2,), ForeignFormat.OPERATORS: (1, 2)}[kind]
    if len(sources) not in expected:
        raise InputError(f"format {kind} takes {' or '.join(map(str, expected))} file(s), given {len(sources)}")
    if kind is ForeignFormat.TUNAS:
        model = import_tunas(sources[0], sources[1])
        save_model(model, output)
        return Imported(path=output, table=None, model=model, findings=tuple(check_model(model)))
    if kind is ForeignFormat.OFA:
        table = import_ofa(sources[0], device_name, target)
        save(table, output)
        return Imported(path=output, table=table, model=None, findings=tuple(check_table(table)))
    chosen = _chosen_column(sources[0], column)
    networks = sources[1] if len(sources) > 1 else None
    table = import_operators(sources[0], chosen, networks)
    save(table, output)
    compared = None if networks is None else study(sources[0], networks, chosen)
    return Imported(path=output, table=table, model=None, findings=tuple(check_table(table)), study=compared)


def _chosen_column(path: Path, column: str | None) -> str:
    names = column_names(path)
    if column is None and len(names) == 1:
        return names[0]
    if column not in names:
        raise InputError(f"name the device with --column; {path} has {', '.join(names)}")
    return column
