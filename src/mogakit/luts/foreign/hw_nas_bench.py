"""HW-NAS-Bench (Li et al., ICLR 2021): a lookup table of FBNet's blocks, and times of NAS-Bench-201's networks.

The benchmark is a pickle, which this kit does not open: unpickling runs what a file says. Their own class reads it and
writes JSON in two lines (docs/how-to/foreign-tables.md); what comes out is `{metric: {key: time}}` of FBNet's space, or
`{dataset: {metric: [times], "config": [{"arch_str": ...}]}}` of NAS-Bench-201's. Source of the grammar:
github.com/GATECH-EIC/HW-NAS-Bench `hw_nas_bench_api/hw_nas_bench_api.py`. A file states no unit; the README prints
milliseconds for latencies, and energies are not latencies.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mogakit import records
from mogakit.errors import InputError, TableError
from mogakit.export.artifact import Role
from mogakit.luts.foreign.reading import Given, foreign_table, number
from mogakit.luts.table import LatencyTable, Row
from mogakit.nets.block import Block, Op
from mogakit.nets.spaces import format_chromosome, get_space, parse_chromosome
from mogakit.nets.spaces.nas_bench_201 import CellSpace, nas_bench_201_space

_SUFFIX = "_latency"
_IDENTITY = re.compile(r"Skip_H\d+_W\d+_Cin(?P<before>\d+)_Cout(?P<after>\d+)_stride1", re.ASCII)
_PIXELS = {"ImageNet16-120": 16}
"""Input size of a dataset of NAS-Bench-201 where it is not 32."""


def import_hw_nas_bench(path: Path, given: Given, column: str | None = None) -> LatencyTable:
    """Read one latency of a file: keys of FBNet's blocks stay as they are, NAS-Bench-201's networks get their names.

    Args:
        path: of the JSON file.
        given: its unit, and what else is known about it.
        column: the metric (`pixel3_latency`), for NAS-Bench-201 `dataset/metric`; None where there is only one.

    Raises:
        TableError: the file is absent or not of this form, or the column must be chosen.
    """
    try:
        content = records.read_json(path, "latencies of HW-NAS-Bench as JSON")
    except InputError as error:
        raise TableError(str(error)) from error
    columns = _columns(content)
    if not columns:
        raise TableError(
            f"{path} holds no latency; supported: {{metric: {{key: time}}}} of FBNet's space and {{dataset: {{metric: "
            "[times], config: [...]}} of NAS-Bench-201's, with metrics that end in _latency"
        )
    if column is None and len(columns) == 1:
        (column,) = columns
    if column not in columns:
        raise TableError(f"name the latency with --column; {path} has {', '.join(columns)}")
    made_by = f"import of HW-NAS-Bench, {column}"
    dataset, _, metric = column.rpartition("/")
    if not dataset:
        rows = [_row(key, value, path, given) for key, value in content[metric].items()]
        return foreign_table(path, rows, given, made_by, unknown=("spread of every row",))
    networks = _networks(content[dataset], dataset, metric, path, given)
    size = _PIXELS.get(dataset)
    space = "nas-bench-201" + ("" if size is None else f"@{size}px")
    rows = [
        Row(key=f"{space}/{name}", role=Role.NETWORK, latency_ms=given.unit.to_ms(value))
        for name, value in networks.items()
    ]
    return foreign_table(path, rows, given, made_by, unknown=("spread of every row",), space=space)


def fbnet_names(block: Block) -> tuple[tuple[str, ...], ...]:
    """Return the keys of FBNet's lookup table whose times are a block's; empty where there are none."""
    size, before, after = block.input_size, block.in_channels, block.out_channels
    groups = dict(block.settings).get("groups", 1) if block.kind == "shuffled" else 1
    if block.se is not None or block.pool_skip:
        return ()
    if block.op is Op.MB or block.kind == "shuffled":
        ratio, rest = divmod(block.expanded_channels or before, before)
        if rest:
            return ()
        shape = f"H{size}_W{size}_Cin{before}_Cout{after}"
        return ((f"ConvBlock_{shape}_exp{ratio}_kernel{block.kernel}_stride{block.stride}_group{groups}",),)
    if block.op is Op.CONV and block.kernel == 1:
        return ((f"Skip_H{size}_W{size}_Cin{before}_Cout{after}_stride{block.stride}",),)
    if block.op is Op.CONV:
        return ((_conv_norm(size, before, after, block.kernel, block.stride),),)
    if block.op is Op.HEAD and block.features is not None and block.hidden is None:
        pool = f"AvgP_H{size}_W{size}_Cin{block.features}_Cout{block.features}_kernel{size}_stride1"
        return ((_conv_norm(size, before, block.features, 1, 1), pool, f"FC_Cin{block.features}_Cout{after}"),)
    return ()


def is_identity(key: str) -> bool:
    """Return whether a key of FBNet's table is a skip that keeps its shape: no operator, and no block here."""
    found = _IDENTITY.fullmatch(key)
    return found is not None and found["before"] == found["after"]


def networks_to_document(times: Mapping[str, float], space: str, device: str) -> dict[str, Any]:
    """Return what a file of whole networks of NAS-Bench-201 holds.

    Args:
        times: by name, `nas-bench-201/3-0-...`, in the unit that the file is to have.
        space: name of theirs, at its resolution.
        device: what the latency is called after.

    Raises:
        TableError: they are networks of another space.
    """
    known = get_space(space)
    if not isinstance(known, CellSpace):
        raise TableError(f"HW-NAS-Bench holds whole networks of nas-bench-201, and these are of {space}")
    dataset = next((name for name, pixels in _PIXELS.items() if pixels == known.input_size), "cifar10")
    strings = [known.format_architecture(parse_chromosome(name.rpartition("/")[2])) for name in times]
    return {
        dataset: {
            f"{device}{_SUFFIX}": list(times.values()),
            "config": [{"arch_str": text} for text in strings],
        }
    }


def _conv_norm(size: int, before: int, after: int, kernel: int, stride: int) -> str:
    return f"ConvNorm_H{size}_W{size}_Cin{before}_Cout{after}_kernel{kernel}_stride{stride}_group1"


def _columns(content: Any) -> list[str]:
    if not isinstance(content, dict):
        return []
    found = []
    for name, value in content.items():
        if not isinstance(value, dict):
            continue
        if str(name).endswith(_SUFFIX):
            found.append(str(name))
        elif isinstance(value.get("config"), list):
            found += [f"{name}/{metric}" for metric in value if str(metric).endswith(_SUFFIX)]
    return found


def _row(key: str, value: Any, path: Path, given: Given) -> Row:
    return Row(key=key, role=None, latency_ms=given.unit.to_ms(number(value, key, path)))


def _networks(content: Mapping[str, Any], dataset: str, metric: str, path: Path, given: Given) -> dict[str, float]:
    """Return the times of a dataset's networks by chromosome."""
    space = nas_bench_201_space()
    configurations, times = content["config"], content[metric]
    if not isinstance(times, list) or len(times) != len(configurations):
        raise TableError(f"{path}: {dataset}/{metric} does not hold one time for each of {len(configurations)} configs")
    found: dict[str, float] = {}
    for at, (configuration, value) in enumerate(zip(configurations, times, strict=True)):
        if not isinstance(configuration, dict) or not isinstance(configuration.get("arch_str"), str):
            raise TableError(f"{path}: config {at} of {dataset} has no arch_str")
        try:
            name = format_chromosome(space.read_architecture(configuration["arch_str"]))
        except InputError as error:
            raise TableError(f"{path}: config {at} of {dataset}: {error}") from error
        if name in found:
            raise TableError(f"{path}: {dataset} holds {configuration['arch_str']} twice")
        found[name] = number(value, f"{dataset}/{metric} {at}", path)
    return found
