"""The operators of a file, with what the tables' conditions need to know of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mogakit.errors import InputError
from mogakit.export.artifact import Precision
from mogakit.export.mace.reader import Model
from mogakit.export.support.entry import Condition

_NAMES: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int) and name.isupper()
}
_TYPES: dict[int, Precision] = {
    schema.TensorType.FLOAT32: Precision.FLOAT32,
    schema.TensorType.FLOAT16: Precision.FLOAT16,
    schema.TensorType.INT8: Precision.INT8,
    schema.TensorType.UINT8: Precision.UINT8,
}


@dataclass(frozen=True)
class Usage:
    """One operator of a file.

    Attributes:
        layer: the name of the tensor it makes, which the kit derives from the module's path.
        operator: TFLite's or MACE's name.
        holds: the conditions that this operator fulfils.
    """

    layer: str
    operator: str
    holds: frozenset[Condition]


@dataclass(frozen=True)
class Operators:
    """All operators of a file and the precision of its input."""

    precision: Precision
    is_mace: bool
    usages: tuple[Usage, ...]


def of_tflite(model: bytes) -> Operators:
    """Read the operators of a TFLite file.

    Raises:
        InputError: it is not a TFLite file, or has more than one subgraph.
    """
    if model[4:8] != b"TFL3":
        raise InputError("the file does not carry TFLite's mark TFL3")
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    if len(unpacked.subgraphs) != 1:
        raise InputError(f"the file has {len(unpacked.subgraphs)} subgraphs; files of one are read")
    graph = unpacked.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in unpacked.operatorCodes]
    usages = []
    for operator in graph.operators:
        code = codes[operator.opcodeIndex]
        tensors = [graph.tensors[index] for index in operator.inputs if index >= 0]
        output = graph.tensors[operator.outputs[0]]
        view = _View(operator.builtinOptions, tensors, output, unpacked.buffers)
        name = output.name.decode() if isinstance(output.name, bytes) else str(output.name)
        usages.append(
            Usage(name, _NAMES.get(code, str(code)), frozenset(c for c, rule in _RULES.items() if rule(view)))
        )
    first = graph.tensors[graph.inputs[0]].type
    if first not in _TYPES:
        raise InputError(f"the file's input has the tensor type {first}; known are {', '.join(_TYPES.values())}")
    weights = {
        tensor.type for tensor in graph.tensors if tensor.buffer and unpacked.buffers[tensor.buffer].data is not None
    }
    half = first == schema.TensorType.FLOAT32 and schema.TensorType.FLOAT16 in weights
    return Operators(Precision.FLOAT16 if half else _TYPES[first], False, tuple(usages))


def of_mace(model: Model) -> Operators:
    """Read the operators of a MACE model."""
    half = any(value.dtype == np.float16 for value in model.constants.values())
    usages = tuple(Usage(op.output, op.type, frozenset(Condition)) for op in model.ops)
    return Operators(Precision.FLOAT16 if half else Precision.FLOAT32, True, usages)


def of_file(path: Path) -> Operators:
    """Read the operators of a `.tflite` or MACE `.pb` file.

    Raises:
        InputError: it is neither, or does not parse.
        OSError: it cannot be read.
    """
    from mogakit.export.mace.reader import read_file

    if path.suffix == ".tflite":
        return of_tflite(path.read_bytes())
    if path.suffix == ".pb":
        return of_mace(read_file(path))
    raise InputError(f"{path} is neither a .tflite nor a MACE .pb file; hardware is decided for these two")


@dataclass(frozen=True)
class _View:
    """What the rules look at; `options` is the generated options object of the operator, or None."""

    options: Any
    inputs: list[Any]
    output: Any
    buffers: list[Any]

    def integers(self, position: int) -> list[int] | None:
        """Return a constant int32 input (axes, paddings) as a flat list, None where there is none."""
        if position >= len(self.inputs) or self.inputs[position].type != schema.TensorType.INT32:
            return None
        data = self.buffers[self.inputs[position].buffer].data
        return None if data is None else [int(item) for item in np.frombuffer(bytes(data), np.int32)]

    @property
    def strides(self) -> tuple[int, int]:
        return (getattr(self.options, "strideH", 1), getattr(self.options, "strideW", 1))


def _pads_only_map(view: _View) -> bool:
    amounts = view.integers(1)
    if amounts is None or len(view.inputs) != 2 or len(amounts) != 8:
        return False
    return amounts[0] == amounts[1] == amounts[6] == amounts[7] == 0


def _flattens(view: _View) -> bool:
    kept, made = ([int(size) for size in tensor.shape if size != 1] for tensor in (view.inputs[0], view.output))
    return kept == made


def _over_map(view: _View) -> bool:
    axes = view.integers(1)
    return axes is not None and sorted(axes) == [1, 2]


_RULES: dict[Condition, Callable[[_View], bool]] = {
    Condition.NONE: lambda view: True,
    Condition.MEAN_OVER_HEIGHT_AND_WIDTH: _over_map,
    Condition.PADS_HEIGHT_AND_WIDTH: _pads_only_map,
    Condition.STRIDE_AT_MOST_3: lambda view: max(view.strides) <= 3,
    Condition.NO_ACTIVATION: lambda view: getattr(view.options, "fusedActivationFunction", 0) == 0,
    Condition.FLATTENS: _flattens,
    Condition.STRIDE_1_OR_WINDOW: lambda view: (
        max(view.strides) == 1
        or max(getattr(view.options, "filterHeight", 1), getattr(view.options, "filterWidth", 1)) > 1
    ),
    Condition.DEPTH_MULTIPLIER_1: lambda view: (
        getattr(view.options, "depthMultiplier", 1) == 1 and max(view.strides) <= 3
    ),
    Condition.AT_MOST_4_INPUTS: lambda view: len(view.inputs) <= 4,
}
