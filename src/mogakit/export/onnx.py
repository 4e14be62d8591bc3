"""Write a `Graph` as an ONNX file.

Opset 17 keeps h-swish and h-sigmoid whole. Opset 13 is for converters that stopped there (MACE's): h-swish is spelled
x * (relu6(x + 3) * (1/6)), linear layers are 1x1 convolutions, so that such a converter keeps them on a GPU.

The graph's float32 arrays are written as they are: no optimiser, no torch exporter, so no source paths and no version
of torch in the bytes.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from mogakit.errors import ExportError, InputError
from mogakit.export import fold, onnx_integers, spell
from mogakit.export.artifact import Precision
from mogakit.export.graph import Graph
from mogakit.export.nodes import Activation, Node
from mogakit.export.onnx_integers import Bounds
from mogakit.export.onnx_rules import RULES

OPSETS = (13, 17)
"""Opsets that can be asked for. In 18 the axes of ReduceMean became an input, which older converters misread."""

DEFAULT_OPSET = 17

IR_VERSION = 8
"""The container's version when opset 17 appeared; newer ones are rejected by older runtimes."""

PRODUCER = "MoGA Kit"

SPELLED = (Activation.SILU, Activation.GELU_TANH, Activation.RSQRT)
"""Activations without an operator of their own in any opset that is written."""


def write(graph: Graph, precision: Precision = Precision.FLOAT32, opset: int = DEFAULT_OPSET) -> bytes:
    """Return the bytes of an ONNX file; the same graph gives the same bytes.

    Raises:
        InputError: the opset or precision is not one that this writer makes.
        ExportError: onnx's own checker rejects the file, which is a bug here.
    """
    _check_opset(opset)
    if precision is not Precision.FLOAT32:
        raise InputError(f"ONNX files are written in float32, not {precision}")
    return _checked(Writer(prepared(graph, opset), opset).write())


def write_integers(
    graph: Graph, ranges: Mapping[str, Bounds], opset: int = DEFAULT_OPSET, left: Collection[str] = ()
) -> bytes:
    """Return the bytes of an integer ONNX file (`onnx_integers`); equal arguments give equal bytes.

    Args:
        graph: as prepared for TFLite, whose tensors the ranges are of.
        ranges: smallest and largest value by tensor.
        left: names of nodes that compute in float.

    Raises:
        InputError: the opset is not one that this writer makes.
        ExportError: onnx's own checker rejects the file, which is a bug here.
    """
    _check_opset(opset)
    split = onnx_integers.split(spell.split_activations(graph, SPELLED), opset)
    writer = Writer(split, opset)
    floats = writer.write()
    return _checked(onnx_integers.quantised(floats, onnx_integers.scales(split, ranges), left, writer.parts))


def _check_opset(opset: int) -> None:
    if opset not in OPSETS:
        raise InputError(f"opset {opset} is not written; supported: {', '.join(map(str, OPSETS))}")


def _checked(model: onnx.ModelProto) -> bytes:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"onnx.checker rejects the file: {error}") from error
    return bytes(model.SerializeToString(deterministic=True))


def prepared(graph: Graph, opset: int) -> Graph:
    """Return `graph` with what the opset's readers lack spelled out."""
    if opset >= 17:
        return spell.split_activations(graph, SPELLED)
    split = spell.split_activations(graph, (Activation.HSWISH, Activation.HSIGMOID, *SPELLED))
    return fold.linear_as_convolution(split)


class Writer:
    """Turns nodes into ONNX nodes one by one; `RULES` says how."""

    def __init__(self, graph: Graph, opset: int) -> None:
        self.graph = graph
        self.opset = opset
        self.shapes = graph.shapes()
        self.parts: dict[str, str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def write(self) -> onnx.ModelProto:
        """Emit every node and wrap them in a model."""
        for name, value in self.graph.constants.items():
            self.constant(name, value)
        for node in self.graph.nodes:
            RULES[type(node)](self, node)
        body = helper.make_graph(
            self._nodes,
            "main",
            [_described(tensor.name, tensor.shape) for tensor in self.graph.inputs],
            [_described(name, self.shapes[name]) for name in self.graph.outputs],
            list(self._initializers.values()),
        )
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(body, producer_name=PRODUCER, opset_imports=opsets, ir_version=IR_VERSION)

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Add an initializer and return its name; an equal name is an equal value."""
        if name not in self._initializers:
            # Raw little-endian bytes: the typed list fields would be slower, and onnx.numpy_helper warns on views.
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            data = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
            self._initializers[name] = helper.make_tensor(name, kind, value.shape, data, raw=True)
        return name

    def emit(self, node: Node, operator: str, inputs: list[str] | None = None, **attributes: Any) -> None:
        """Append the ONNX node that makes `node`'s output, from its own inputs unless others are given."""
        sources = list(node.inputs) if inputs is None else inputs
        self._nodes.append(helper.make_node(operator, sources, [node.name], name=node.name, **attributes))

    def part(self, node: Node, part: str, operator: str, inputs: list[str], **attributes: Any) -> str:
        """Append an ONNX node for an inner tensor of `node` and return its name."""
        name = f"{node.name}.{part}"
        self.parts[name] = node.name
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


def _described(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
