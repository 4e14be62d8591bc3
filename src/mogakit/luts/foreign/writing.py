"""Tables in the formats of others, so that their tools run on them: what is written sums to what the table predicts.

No format has a place for what a network pays once, or for a calibration. Rows are written calibrated, and what is paid
once is part of the stem, which every network has: the sum over a network's entries is the table's own prediction.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mogakit.errors import KeySyntaxError, TableError
from mogakit.luts.foreign import nn_meter, nni, ofa
from mogakit.luts.foreign.hw_nas_bench import fbnet_names, networks_to_document
from mogakit.luts.foreign.mapping import Names
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.spaces import IMAGE_CHANNELS
from mogakit.luts.table import LatencyTable, Row
from mogakit.nets.block import Block, Op, parse_key


class ForeignOutput(StrEnum):
    """Formats of others in which a table is written."""

    OFA = "ofa"  # YAML of Once-for-All or ProxylessNAS, whichever has a name for the head
    NNI = "nni"  # lut.txt of NNI's FBNet search
    NN_METER = "nn-meter"  # measured models of nn-Meter's builder
    HW_NAS_BENCH = "hw-nas-bench"  # FBNet's lookup table, as JSON

    @property
    def unit(self) -> TimeUnit:
        """The unit of the project's own files, as far as it says."""
        return TimeUnit.US if self is ForeignOutput.NNI else TimeUnit.MS


@dataclass(frozen=True, kw_only=True)
class Written:
    """A table in a format of others.

    Attributes:
        text: of the file.
        unit: of its times.
        num_rows: how many rows of the table are in it.
        left_out: keys of those that are not: without a number, or without a name in the format.
        notes: what a reader of the file must know.
    """

    text: str
    unit: TimeUnit
    num_rows: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """A block with its calibrated time and spread in the unit of the file."""

    block: Block
    row: Row
    time: float
    std: float | None


def write_foreign(table: LatencyTable, output: ForeignOutput, unit: TimeUnit | None = None) -> Written:
    """Return a table in another project's format.

    Args:
        table: its rows keyed by blocks.
        output: the format.
        unit: of the times in it; None for that of the project's own files.

    Raises:
        TableError: no row has a name in the format, two rows have the same, or there is no stem to put into what a
            network pays once.
    """
    chosen = unit or output.unit
    if table.of_networks:
        return _whole_networks(table, output, chosen)
    names: Names = {
        ForeignOutput.OFA: _ofa_names(table),
        ForeignOutput.NNI: nni.nni_names,
        ForeignOutput.NN_METER: nn_meter.nn_meter_names,
        ForeignOutput.HW_NAS_BENCH: fbnet_names,
    }[output]
    parts, left_out = _parts(table, names, chosen)
    _check_distinct(parts, names, output)
    notes = _notes(table, parts, names, output)
    write: Mapping[ForeignOutput, Callable[[], str]] = {
        ForeignOutput.OFA: lambda: ofa.to_yaml(_entries(parts, names), "\n".join((*notes, f"unit: {chosen}"))),
        ForeignOutput.NNI: lambda: nni.to_lines((part.block, part.time) for part in parts),
        ForeignOutput.NN_METER: lambda: nn_meter.to_json((part.block, part.time, part.std) for part in parts),
        ForeignOutput.HW_NAS_BENCH: lambda: _fbnet_json(table, parts, names),
    }
    return Written(text=write[output](), unit=chosen, num_rows=len(parts), left_out=left_out, notes=notes)


def _whole_networks(table: LatencyTable, output: ForeignOutput, unit: TimeUnit) -> Written:
    """Return a table of whole networks in the one format that has them."""
    if output is not ForeignOutput.HW_NAS_BENCH:
        raise TableError(
            f"table {table.name} holds whole networks, and files of {output} hold blocks; use hw-nas-bench"
        )
    times = {
        key: unit.from_ms(table.calibration.apply(table.overhead_ms + row.latency_ms))
        for key, row in table.rows.items()
        if row.latency_ms is not None and table.counts(row)
    }
    document = networks_to_document(times, table.space, _device_word(table))
    return Written(
        text=json.dumps(document, indent=1) + "\n",
        unit=unit,
        num_rows=len(times),
        left_out=tuple(key for key in table.rows if key not in times),
        notes=(f"table {table.name} of {table.identity.device_name}, written by moga lut export",),
    )


def _device_word(table: LatencyTable) -> str:
    """Return the device's name as a metric is called after it."""
    name = table.identity.device_name.lower()
    return "".join(letter if letter.isalnum() else "_" for letter in name).strip("_") or "device"


def _parts(table: LatencyTable, names: Names, unit: TimeUnit) -> tuple[list[_Part], tuple[str, ...]]:
    """Return the rows that have a number and a name, in the order of the table, and the keys of the others."""
    costs = table.block_costs(unsupported_ms=math.nan)
    once_ms, blocks_ms = costs or (0.0, {})
    parts, left_out = [], []
    for key, row in table.rows.items():
        block = _block(key)
        time_ms = blocks_ms.get(key, math.nan)
        if block is None or math.isnan(time_ms) or not names(block):
            left_out.append(key)
            continue
        is_stem = block.in_channels == IMAGE_CHANNELS
        std_ms = None if row.std_ms is None else table.calibration.scale * row.std_ms
        std = None if std_ms is None else unit.from_ms(std_ms)
        parts.append(_Part(block, row, unit.from_ms(time_ms + (once_ms if is_stem else 0.0)), std))
    if not parts:
        raise TableError(f"no row of table {table.name} has a number and a name in this format")
    if once_ms and not any(part.block.in_channels == IMAGE_CHANNELS for part in parts):
        raise TableError(
            f"a network of table {table.name} pays {once_ms:.4g} ms once, and no stem is written that could carry it"
        )
    return parts, tuple(left_out)


def _entries(parts: list[_Part], names: Names) -> dict[str, dict[str, float]]:
    """Return mean, std and count by name; a block of several names has its time under the first, 0 under the others."""
    found: dict[str, dict[str, float]] = {}
    for part in parts:
        for place, name in enumerate(names(part.block)[0]):
            entry = {"mean": part.time if place == 0 else 0.0}
            if part.std is not None:
                entry["std"] = part.std if place == 0 else 0.0
            found[name] = entry if part.row.count is None else {**entry, "count": part.row.count}
    return found


def _fbnet_json(table: LatencyTable, parts: list[_Part], names: Names) -> str:
    times = {name: entry["mean"] for name, entry in _entries(parts, names).items()}
    for part in parts:
        block = part.block
        if block.op is not Op.HEAD and block.in_channels != IMAGE_CHANNELS:
            size, width = block.output_size, block.out_channels
            times[f"Skip_H{size}_W{size}_Cin{width}_Cout{width}_stride1"] = 0.0  # the identity, which computes nothing
    return json.dumps({f"{_device_word(table)}_latency": times}, indent=1) + "\n"


def _ofa_names(table: LatencyTable) -> Names:
    """Return the keys that have a name for the table's head: ProxylessNAS's where it has one convolution only."""
    heads = [block for key in table.rows if (block := _block(key)) is not None and block.op is Op.HEAD]
    return ofa.proxylessnas_names if any(ofa.proxylessnas_names(head) for head in heads) else ofa.mobilenetv3_names


def _check_distinct(parts: list[_Part], names: Names, output: ForeignOutput) -> None:
    known: dict[str, str] = {}
    for part in parts:
        name = names(part.block)[0][0]
        if name in known:
            raise TableError(
                f"{known[name]} and {part.block.key} have the same name in the format {output}, {name}: it does not "
                "tell them apart"
            )
        known[name] = part.block.key


def _notes(table: LatencyTable, parts: list[_Part], names: Names, output: ForeignOutput) -> tuple[str, ...]:
    found = [f"table {table.name} of {table.identity.device_name}, written by moga lut export"]
    costs = table.block_costs(unsupported_ms=math.nan)
    if costs is not None and costs[0]:
        found.append(f"the stem carries the {costs[0]:.6g} ms that a network pays once")
    if table.calibration.scale != 1.0:
        found.append(f"times are calibrated (x {table.calibration.scale:.6g})")
    if any(len(names(part.block)[0]) > 1 for part in parts):
        found.append("the head was timed as a whole: its first entry has its time, the others 0")
    if output is ForeignOutput.HW_NAS_BENCH:
        found.append("skips that keep their shape are identities, and cost 0")
    return tuple(found)


def _block(key: str) -> Block | None:
    try:
        return parse_key(key)
    except KeySyntaxError:  # a foreign name
        return None
