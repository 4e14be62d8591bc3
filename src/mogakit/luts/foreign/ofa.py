"""Latency tables of Once-for-All and ProxylessNAS: YAML, one `key: {count, mean, std | var}` a line.

The format names neither device nor runtime nor unit. `expand:` is a ratio in ProxylessNAS's keys and a number of
channels in Once-for-All's. Sources: github.com/mit-han-lab/once-for-all
(`ofa/nas/efficiency_predictor/latency_lookup_table.py`) and github.com/mit-han-lab/proxylessnas
(`search/utils/latency_estimator.py`), whose `query` and `predict` fix the grammar of the keys.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mogakit import records
from mogakit.errors import InputError, TableError
from mogakit.luts.foreign.reading import Given, foreign_table, number
from mogakit.luts.table import LatencyTable, Row
from mogakit.nets.block import Activation, Block, Op

_PLAIN = (Activation.RELU, Activation.RELU6)
_MAX_COUNT = 10**12


def import_ofa(path: Path, given: Given) -> LatencyTable:
    """Read a table; its keys stay as they are.

    Args:
        path: of the YAML file.
        given: its unit, and what else is known about it.

    Raises:
        TableError: the file is absent, not YAML, or an entry has no mean.
    """
    try:
        content = records.read_yaml(path, "latency table of Once-for-All or ProxylessNAS")
    except InputError as error:
        raise TableError(str(error)) from error
    if not isinstance(content, dict) or not content:
        raise TableError(f"{path} holds no table; supported: a mapping of `key: {{mean, std or var, count}}`")
    rows = [_row(str(key), entry, path, given) for key, entry in content.items()]
    return foreign_table(path, rows, given, "import of Once-for-All YAML", unknown=("statistic across runs",))


def _row(key: str, entry: Any, path: Path, given: Given) -> Row:
    if not isinstance(entry, dict):
        raise TableError(f"{path}: entry {key!r} is {entry!r}; supported: a mapping with mean, std or var, and count")
    numbers = {
        field: number(entry[field], f"{field} of {key!r}", path)
        for field in ("mean", "std", "var", "count")
        if entry.get(field) is not None
    }
    if "mean" not in numbers:
        raise TableError(f"{path}: entry {key!r} has no mean; it has {', '.join(map(str, entry)) or 'nothing'}")
    count = numbers.get("count", 0.0)
    if not 0 <= count <= _MAX_COUNT or count % 1:
        raise TableError(f"{path}: count of {key!r} is {count:g}; supported: a whole number of 0 to {_MAX_COUNT}")
    std = numbers.get("std")
    if std is None and "var" in numbers:
        std = math.sqrt(max(numbers["var"], 0.0))
    return Row(
        key=key,
        role=None,
        latency_ms=given.unit.to_ms(numbers["mean"]),
        std_ms=None if std is None else given.unit.to_ms(std),
        count=int(numbers["count"]) if "count" in numbers else None,
    )


def input_size_of(table: LatencyTable) -> int | None:
    """Return the image size in pixels that the entry of the stem states; None where there is no such entry."""
    for key in table.rows:
        if key.startswith("Conv-input:"):
            size = key.removeprefix("Conv-input:").partition("x")[0]
            return int(size) if size.isdecimal() and size.isascii() else None
    return None


def mobilenetv3_names(block: Block) -> tuple[tuple[str, ...], ...]:
    """Return the keys of Once-for-All's MobileNetV3 tables whose times are a block's; empty where there are none."""
    before, after = _map(block.input_size, block.in_channels), _map(block.output_size, block.out_channels)
    if block.op is Op.HEAD and block.features is not None and block.hidden is not None:
        size, vector = block.input_size, _map(1, block.features)
        return (
            (
                f"Conv_1-input:{before}-output:{_map(size, block.features)}",
                f"AvgPool2D-input:{_map(size, block.features)}-output:{vector}",
                f"Conv_2-input:{vector}-output:{_map(1, block.hidden)}",
                f"Logits-input:{_map(1, block.hidden)}-output:{block.out_channels}",
            ),
        )
    if _is_stem(block):
        return ((f"Conv-input:{before}-output:{after}",),)
    if not _is_bottleneck(block) or block.activation not in (*_PLAIN, Activation.HSWISH):
        return ()
    middle, se = block.expanded_channels or block.in_channels, int(block.se is not None)
    hswish = int(block.activation is Activation.HSWISH)
    return ((f"{_bottleneck(block, middle)}-se:{se}-hs:{hswish}",),)


def proxylessnas_names(block: Block) -> tuple[tuple[str, ...], ...]:
    """Return the keys of ProxylessNAS's tables whose times are a block's; empty where there are none."""
    before, after = _map(block.input_size, block.in_channels), _map(block.output_size, block.out_channels)
    if block.op is Op.HEAD and block.features is not None and block.hidden is None:
        mixed = _map(block.input_size, block.features)
        return ((f"Conv_1-input:{before}-output:{mixed}", f"Logits-input:{mixed}-output:{block.out_channels}"),)
    if _is_stem(block):
        return ((f"Conv-input:{before}-output:{after}",),)
    ratio, rest = divmod(block.expanded_channels or block.in_channels, block.in_channels)
    if not _is_bottleneck(block) or rest or block.se is not None or block.activation not in _PLAIN:
        return ()
    return ((_bottleneck(block, ratio),),)


def to_yaml(entries: Mapping[str, Mapping[str, float]], notes: str) -> str:
    """Return a table as their readers take it: one key a line, with mean, std and count as far as known."""
    lines = [f"# {line}" for line in notes.splitlines()]
    for key, entry in entries.items():
        fields = ", ".join(f"{name}: {_plain(value)}" for name, value in entry.items())
        lines.append(f"{key}: {{{fields}}}")
    return "\n".join(lines) + "\n"


def _plain(value: float) -> str:
    """Write a number so that YAML 1.1 reads it as one: `1e-05` is text there, `1.0e-05` a number."""
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _map(size: int, channels: int) -> str:
    return f"{size}x{size}x{channels}"


def _is_stem(block: Block) -> bool:
    return block.op is Op.CONV and block.in_channels == 3


def _is_bottleneck(block: Block) -> bool:
    return block.op in (Op.MB, Op.SEP) and block.out_activation is Activation.LINEAR and not block.pool_skip


def _bottleneck(block: Block, expand: int) -> str:
    before, after = _map(block.input_size, block.in_channels), _map(block.output_size, block.out_channels)
    return (
        f"expanded_conv-input:{before}-output:{after}-expand:{expand}-kernel:{block.kernel}-stride:{block.stride}"
        f"-idskip:{int(block.residual)}"
    )
