"""Latency tables of NNI's FBNet search: text, one Python literal a line.

    {'op_name': 'mb_k3_e3_res', 'op_data_shape': (28, 28, 40, 40, 1), 'op_dtype': 'float', 'op_latency': 812.0}

The shape is input width, input height, channels in, channels out, stride. The names of operations are those of the
user's own list of primitives: NNI defines none. Source: github.com/microsoft/nni (releases 2.7 and 2.8)
`nni/algorithms/nas/pytorch/fbnet/utils.py`, which reads `lut.txt` with `ast.literal_eval`, and times in microseconds
where it measures itself; a file does not state its unit.
"""

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mogakit import records
from mogakit.errors import InputError, TableError
from mogakit.luts.foreign.reading import Given, foreign_table, number
from mogakit.luts.table import LatencyTable, Row
from mogakit.nets.block import Block, Op

DTYPE = "float"
"""The only data type that NNI looks up."""
_FIELDS = ("op_name", "op_data_shape", "op_dtype", "op_latency")
_MAX_LINE = 4096


def import_nni(path: Path, given: Given, dtype: str | None = None) -> LatencyTable:
    """Read a table; its keys are `NAME WIDTHxHEIGHT IN-OUT sSTRIDE`.

    Args:
        path: of the file.
        given: its unit, and what else is known about it.
        dtype: which `op_dtype` to take; None where the file has only one.

    Raises:
        TableError: the file is absent, a line is not such a record, or the data type must be chosen.
    """
    try:
        text = records.read_text(path, "latency table of NNI")
    except InputError as error:
        raise TableError(str(error)) from error
    entries = [_record(line, f"{path} line {at}") for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    dtypes = sorted({str(entry["op_dtype"]) for entry in entries})
    if dtype is None and len(dtypes) == 1:
        dtype = dtypes[0]
    if dtype not in dtypes:
        raise TableError(f"name the data type with --column; {path} has {', '.join(dtypes) or 'no entries'}")
    rows: dict[str, Row] = {}
    for entry in entries:
        if entry["op_dtype"] != dtype:
            continue
        key = _name(str(entry["op_name"]), entry["op_data_shape"])
        if key in rows:
            raise TableError(f"{path} holds {key} twice; keep one of each")
        latency = number(entry["op_latency"], f"op_latency of {key}", path)
        rows[key] = Row(key=key, role=None, latency_ms=given.unit.to_ms(latency))
    unknown = ("number of runs, spread and statistic of every row",)
    return foreign_table(path, rows.values(), given, f"import of NNI lut.txt, {dtype}", unknown=unknown)


def nni_names(block: Block) -> tuple[tuple[str, ...], ...]:
    """Return the keys under which a block may stand, the likeliest first; empty where an operation has no name.

    The first is as in NNI's own example (`mb_k3_e2_res`), the others as in FBNet's paper and its imitations.
    """
    operations = _operations(block)
    shape = (block.input_size, block.input_size, block.in_channels, block.out_channels, block.stride)
    return tuple((_name(operation, shape),) for operation in operations)


def to_lines(entries: Iterable[tuple[Block, float]]) -> str:
    """Return a file of blocks and their times, in the unit that the file is to have."""
    lines = []
    for block, time in entries:
        record = {
            "op_name": _operations(block)[0],
            "op_data_shape": (
                block.input_size,
                block.input_size,
                block.in_channels,
                block.out_channels,
                block.stride,
            ),
            "op_dtype": DTYPE,
            "op_latency": time,
        }
        lines.append(repr(record))
    return "\n".join(lines) + "\n"


def _operations(block: Block) -> tuple[str, ...]:
    """Return the names of what a block computes apart from its shape: ours first, then other people's."""
    groups = dict(block.settings).get("groups") if block.kind == "shuffled" else None
    if block.op is Op.MB or groups is not None:
        ratio, rest = divmod(block.expanded_channels or block.in_channels, block.in_channels)
        if rest:
            return ()
        middle = f"_e{ratio}" if ratio > 1 else ""
        end = f"_g{groups}" if groups else ""
        bare = f"mb_k{block.kernel}{middle}"
        flags = ("_res" if block.residual else "") + ("_se" if block.se is not None else "")
        fbnet = f"k{block.kernel}_e{ratio}{end}"
        others = (f"ir_{fbnet}", fbnet, f"{block.kernel}x{block.kernel}_MBConv{ratio}") if block.se is None else ()
        # a name for all places of a stage has `_res` where only some of its blocks can have a shortcut
        other_res = f"{bare}_res{end}" if block.se is None and not block.residual else f"{bare}{end}"
        mine = f"{bare}{flags}{end}"
        return tuple(dict.fromkeys((mine, other_res, *others) if block.se is None else (mine,)))
    if block.op is Op.SEP:
        return (f"sep_k{block.kernel}" + ("_res" if block.residual else ""), f"sep_k{block.kernel}")
    if block.op is Op.CONV:
        plain = f"conv_k{block.kernel}"
        return (plain, "conv1x1", "skip") if block.kernel == 1 else (plain,)
    return ("head",) if block.op is Op.HEAD else ()


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        found = ast.literal_eval(line) if len(line) <= _MAX_LINE else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(field not in found for field in _FIELDS):
        raise TableError(f"{where} is not a record with {', '.join(_FIELDS)}: {line[:80]!r}")
    shape = found["op_data_shape"]
    whole = isinstance(shape, tuple | list) and all(isinstance(each, int) for each in shape)
    if not whole or len(shape) != 5:
        raise TableError(f"{where}: op_data_shape is {shape!r}; supported: (width, height, in, out, stride)")
    return found


def _name(operation: str, shape: Iterable[int]) -> str:
    width, height, before, after, stride = shape
    return f"{operation} {width}x{height} {before}-{after} s{stride}"
