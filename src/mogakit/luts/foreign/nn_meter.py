"""Measured models and kernels of nn-Meter's builder: JSON, `{case: {model: {model, shapes, config, latency}}}`.

A latency is text, `"41.781 +- 1.0"`: mean and standard deviation. A file of kernels has the kernel's type as its case
(`conv-bn-relu`, `dwconv-bn-relu`, `se`, ...) and `config` (HW, CIN, COUT, KERNEL_SIZE, STRIDES) in each model; one of
test cases names two operators and the block of both. Source: github.com/microsoft/nn-Meter
`docs/builder/build_kernel_latency_predictor.md`, `docs/builder/test_fusion_rules.md` and
`nn_meter/builder/backend_meta/utils.py`, whose `read_profiled_results` reads such a file. A file states no unit; its
documents speak of milliseconds.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mogakit import records
from mogakit.errors import InputError, TableError
from mogakit.luts.foreign.compose import Operator, OperatorKind, OperatorTimes
from mogakit.luts.foreign.reading import Given, foreign_table, number
from mogakit.luts.table import LatencyTable, Row
from mogakit.nets.block import Block

BLOCK = "block"
"""What our files call the model of a whole block, as nn-Meter's test cases do."""
_SEPARATOR = "+-"
_KINDS = {
    "conv": OperatorKind.CONV,
    "dwconv": OperatorKind.DEPTHWISE,
    "fc": OperatorKind.DENSE,
    "global-avgpool": OperatorKind.MEAN,
    "se": OperatorKind.SQUEEZE,
    "add": OperatorKind.ADD,
    "addrelu": OperatorKind.ADD,
    "hswish": OperatorKind.HSWISH,
}


def import_nn_meter(path: Path, given: Given) -> LatencyTable:
    """Read a file; its keys are `CASE/MODEL`.

    Raises:
        TableError: the file is absent or not of this form.
    """
    rows = []
    for key, model in _models(path):
        mean, std = _latency(model["latency"], key, path)
        std_ms = None if std is None else given.unit.to_ms(std)
        rows.append(Row(key=key, role=None, latency_ms=given.unit.to_ms(mean), std_ms=std_ms))
    return foreign_table(path, rows, given, "import of nn-Meter JSON", unknown=("number of runs", "statistic"))


def read_kernels(path: Path, given: Given) -> OperatorTimes:
    """Return the times of the kernels of a file by operator, in milliseconds; models without `config` are left out.

    Raises:
        TableError: the file is absent or not of this form.
    """
    times: dict[Operator, list[float]] = {}
    for key, model in _models(path):
        operator = _operator(key.partition("/")[0], model.get("config"))
        if operator is not None:
            times.setdefault(operator, []).append(given.unit.to_ms(_latency(model["latency"], key, path)[0]))
    return OperatorTimes.of(times)


def nn_meter_names(block: Block) -> tuple[tuple[str, ...], ...]:
    """Return the key of a whole block in a file of ours."""
    return ((f"{block.key}/{BLOCK}",),)


def to_json(entries: Iterable[tuple[Block, float, float | None]]) -> str:
    """Return a file of whole blocks: each with its mean and standard deviation in the unit that the file is to have.

    A standard deviation that is not known is written as 0, which nn-Meter's own reader takes for none.
    """
    content = {
        block.key: {
            BLOCK: {
                "model": f"{block.key}.tflite",
                "shapes": [[block.input_size, block.input_size, block.in_channels]],
                "latency": f"{mean!r} {_SEPARATOR} {0.0 if std is None else std!r}",
            }
        }
        for block, mean, std in entries
    }
    return json.dumps(content, indent=1) + "\n"


def _models(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        content = records.read_json(path, "file of nn-Meter's measurements")
    except InputError as error:
        raise TableError(str(error)) from error
    found: list[tuple[str, dict[str, Any]]] = []
    cases = content.items() if isinstance(content, dict) else ()
    for case, models in cases:
        for name, model in models.items() if isinstance(models, dict) else ():
            if isinstance(model, dict) and "latency" in model:
                found.append((f"{case}/{name}", model))
    if not found:
        raise TableError(f"{path} holds no measured model; supported: {{case: {{model: {{latency: 'mean +- std'}}}}}}")
    return found


def _latency(given: Any, key: str, path: Path) -> tuple[float, float | None]:
    """Return mean and standard deviation; one of 0 is none."""
    if not isinstance(given, str):
        return number(given, f"latency of {key}", path), None
    mean, _, std = given.partition(_SEPARATOR)
    try:
        values = [float(mean), float(std or 0.0)]
    except ValueError as error:
        raise TableError(f"{path}: latency of {key} is {given!r}; supported: 'mean +- std'") from error
    return number(values[0], f"latency of {key}", path), number(values[1], f"spread of {key}", path) or None


def _operator(case: str, config: Any) -> Operator | None:
    """Return what a kernel computes; None for one that no block has, or without its configuration."""
    kind = _KINDS.get(case) or _KINDS.get(case.partition("-")[0])
    if kind is None or not isinstance(config, dict) or not all(isinstance(each, int) for each in config.values()):
        return None
    given: dict[str, int] = config
    before, size, stride = given.get("CIN", 0), given.get("HW", 1), given.get("STRIDES", 1)
    after = given.get("COUT", before) if kind in (OperatorKind.CONV, OperatorKind.DENSE) else before
    kernel = given.get("KERNEL_SIZE", 1) if kind in (OperatorKind.CONV, OperatorKind.DEPTHWISE) else 1
    if min(before, after, size, stride, kernel) < 1:
        return None
    return Operator(
        kind=kind,
        in_channels=before,
        out_channels=after,
        size=(size - 1) // stride + 1,
        kernel=kernel,
        stride=stride,
    )
