"""The operators of a file, with what the tables' conditions need to know of each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.export.foreign.describe_tflite import precision_of
from mogakit.export.foreign.tflite import ABSENT, Graph, Operator, Tensor, read
from mogakit.export.mace.reader import Model
from mogakit.export.support.conditions import RULES, View, static_tensors
from mogakit.export.support.entry import Condition

_BIASES = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
"""Which input of an operator is its bias."""


@dataclass(frozen=True)
class Usage:
    """One operator of a file.

    Attributes:
        layer: the name of the tensor it makes, which the kit derives from the module's path.
        operator: TFLite's, ONNX's or MACE's name.
        holds: the conditions that this operator fulfils.
    """

    layer: str
    operator: str
    holds: frozenset[Condition]


@dataclass(frozen=True)
class Operators:
    """All operators of a file, of all its graphs, and what they compute in."""

    precision: Precision
    is_mace: bool
    usages: tuple[Usage, ...]
    format: Format = Format.TFLITE


def of_tflite(model: bytes, as_int8: bool = False) -> Operators:
    """Read the operators of a TFLite file.

    Args:
        as_int8: judge the operators of a float file as those that quantisation makes of them.

    Raises:
        InputError: it is not a TFLite file, or it is damaged.
    """
    found = read(model)
    graphs = [_quantised(graph) if as_int8 else graph for graph in found.graphs]
    usages = tuple(usage for graph in graphs for usage in _usages(graph))
    return Operators(Precision.INT8 if as_int8 else precision_of(found), False, usages)


def _usages(graph: Graph) -> Iterator[Usage]:
    static = static_tensors(graph)
    for operator in graph.operators:
        view = View(operator, graph, static)
        layer = graph.tensors[operator.outputs[0]].name if operator.outputs else operator.name
        yield Usage(layer, operator.name, frozenset(condition for condition, rule in RULES.items() if rule(view)))


def _quantised(graph: Graph) -> Graph:
    """Return a float graph with the types that full integer quantisation gives it; scales stay unknown."""
    biases = {_bias(operator) for operator in graph.operators} - {ABSENT}
    return replace(graph, tensors=tuple(_as_int8(item, index in biases) for index, item in enumerate(graph.tensors)))


def _bias(operator: Operator) -> int:
    position = _BIASES.get(operator.name, len(operator.inputs))
    return operator.inputs[position] if position < len(operator.inputs) else ABSENT


def _as_int8(tensor: Tensor, is_bias: bool) -> Tensor:
    if tensor.type not in ("FLOAT32", "FLOAT16"):
        return tensor
    return replace(tensor, type="INT32" if is_bias else "INT8")


def of_mace(model: Model) -> Operators:
    """Read the operators of a MACE model."""
    half = any(value.dtype == np.float16 for value in model.constants.values())
    usages = tuple(Usage(op.output, op.type, frozenset(Condition)) for op in model.ops)
    return Operators(Precision.FLOAT16 if half else Precision.FLOAT32, True, usages, Format.MACE)


def of_onnx(data: bytes) -> Operators:
    """Read the operators of an ONNX file, those inside its control flow too.

    Raises:
        InputError: it is not an ONNX file, or it is damaged.
    """
    from mogakit.export.foreign.describe_onnx import describe_graph, graphs_of, parse  # loads the onnx package

    graph = parse(data).graph
    usages = tuple(
        Usage(next(iter(node.output), node.name), node.op_type, frozenset(Condition))
        for inner in graphs_of(graph)
        for node in inner.node
    )
    return Operators(describe_graph(graph).precision, False, usages, Format.ONNX)


def of_file(path: Path) -> Operators:
    """Read the operators of a `.tflite`, `.onnx` or MACE `.pb` file; the suffix may be written in any case.

    Raises:
        InputError: it is none of them, or is damaged.
        OSError: it cannot be read.
    """
    from mogakit.export.mace.reader import read_file

    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{path} is not a file that hardware is decided for; supported suffixes: {known}")
    if suffix == ".pb":
        return of_mace(read_file(path))
    try:
        return of_tflite(path.read_bytes()) if suffix == ".tflite" else of_onnx(path.read_bytes())
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


SUFFIXES = (".tflite", ".onnx", ".pb")
"""Of the files whose operators are read."""
