"""Integer ONNX files: a float one with a QuantizeLinear and a DequantizeLinear around every operator (QDQ).

Runtimes fuse an operator between such pairs into its integer kernel: ONNX Runtime on CPUs into QLinearConv and the
like, its QNN and NNAPI providers into the accelerator's own. Activations are uint8 with a zero point and weights int8
with one scale a channel and zero point 0, which is what all three take; a bias is int32 in units of both scales. Input
and output stay float32.

The ranges are those of the TFLite file of the same network (`quantize.Ranges`), whose tensors have the same names.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from mogakit.export import fold, spell
from mogakit.export.graph import Graph
from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    BlocksFirst,
    Conv2d,
    Expand,
    FloatArray,
    Gather,
    GlobalMean,
    Linear,
    Mul,
    Node,
    Pad,
    Permute,
    Pool,
    PoolKind,
    Reshape,
    Resize,
    Slice,
    Softmax,
)

Bounds = tuple[float, float]

UNIT = (0.0, 255 / 256)
"""The range of a softmax: steps of 1/256, which accelerators demand."""

_SAME_SCALE = (Reshape, Permute, Slice, Gather, Expand, Resize, Pad, BlocksFirst)
"""What moves numbers: runtimes do it on integers where both ends have one scale. Maxima are like it."""

_WEIGHTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}
"""Operators with weights (input 1) and bias (input 2), and along which axis of the weights each channel has a scale.

Of a transposed convolution in groups that is the axis of a group's outputs.
"""

_WITH_CONSTANTS = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "MatMul", "Concat")
"""Operators whose other constants become integers, too, with one scale."""

MAX_BIAS = 2.0**30
"""Steps of a bias, half of what 32 bits hold: a sum of products is added to it."""


def split(graph: Graph, opset: int) -> Graph:
    """Return a graph that TFLite's quantiser knows (`tflite.prepared`) in the operators that ONNX has in integers.

    An activation that rides on another node stands behind it again, a mean over maps becomes a global pooling. The
    names of what TFLite has stay.
    """
    if opset < 17:
        graph = spell.split_activations(graph, (Activation.HSWISH,))
        graph = fold.fuse_activations(graph, (Activation.RELU, Activation.RELU6))
        graph = fold.linear_as_convolution(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        activation = getattr(node, "activation", Activation.NONE)
        if isinstance(node, Conv2d | Linear | Add | Mul) and activation is not Activation.NONE:
            inner = replace(node, name=f"{node.name}.{INNER}", activation=Activation.NONE)
            nodes += [inner, Activate(name=node.name, inputs=(inner.name,), shape=node.shape, function=activation)]
        elif isinstance(node, GlobalMean) and not node.keep_dims:
            pooled = replace(node, name=f"{node.name}.pooled", shape=(*node.shape, 1, 1), keep_dims=True)
            nodes += [pooled, Reshape(name=node.name, inputs=(pooled.name,), shape=node.shape)]
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


INNER = "linear"
"""The part of a layer before its activation: never between a pair, since both become one kernel."""


def scales(graph: Graph, ranges: Mapping[str, Bounds]) -> dict[str, Bounds]:
    """Return the range of every tensor of a split graph that gets a pair.

    Args:
        ranges: as measured; those of tensors that only ONNX has follow from them.
    """
    known = {tensor.name: ranges[tensor.name] for tensor in graph.inputs if tensor.name in ranges}
    for node in graph.nodes:
        found = _range_of(node, graph.constants, known, ranges)
        if found is not None:
            known[node.name] = found
        layer = ranges.get(node.name.removesuffix(f".{INNER}"))
        if isinstance(node, Linear) and len(node.shape) > 2 and layer is not None:
            # ONNX multiplies and adds the bias in two operators; what a ReLU cuts off may be cut off before.
            known[f"{node.name}.product"] = (layer[0] - float(node.bias.max()), layer[1] - float(node.bias.min()))
    return known


def _range_of(
    node: Node, constants: Mapping[str, FloatArray], known: Mapping[str, Bounds], ranges: Mapping[str, Bounds]
) -> Bounds | None:
    source, whole = node.inputs[0], node.name.removesuffix(".pooled").removesuffix(".conv")
    if node.name.endswith(f".{INNER}"):
        return None
    keeps = isinstance(node, _SAME_SCALE) or (isinstance(node, Pool) and node.kind is PoolKind.MAX)
    if keeps and source in known:
        return known[source]
    if isinstance(node, Softmax):
        return UNIT
    if node.name in ranges or whole in ranges:
        return ranges.get(node.name, ranges.get(whole))
    if isinstance(node, Activate) and node.function is Activation.RELU6:
        return (0.0, 6.0)
    factor = constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if isinstance(node, Mul) and source in known and factor is not None and factor.size == 1:
        ends = sorted(bound * float(factor.item()) for bound in known[source])
        return (ends[0], ends[1])
    return None


@dataclass(frozen=True)
class _Scale:
    """Steps of a tensor: value = (integer - zero_point) * step."""

    step: np.float32
    zero_point: int

    @classmethod
    def of(cls, bounds: Bounds) -> "_Scale":
        """Return the steps in which a range, widened to hold 0, is 0 to 255."""
        low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
        step = np.float32(max((high - low) / 255, float(np.finfo(np.float32).tiny)))
        return cls(step, int(np.clip(round(-low / float(step)), 0, 255)))


def quantised(
    model: ModelProto, ranges: Mapping[str, Bounds], left: Collection[str] = (), parts: Mapping[str, str] | None = None
) -> ModelProto:
    """Return a float model with pairs around its operators.

    Args:
        model: as `onnx.Writer` writes a split graph.
        ranges: of the tensors that get a pair (`scales`).
        left: names of nodes that compute in float: they keep their weights, and have no pair between each other.
        parts: of inner tensors of nodes, the node's name.
    """
    return _Pairs(model.graph, ranges, left, parts or {}).written(model)


class _Pairs:
    """Rewrites one graph."""

    def __init__(
        self, graph: GraphProto, ranges: Mapping[str, Bounds], left: Collection[str], parts: Mapping[str, str]
    ) -> None:
        self._graph = graph
        self._scales = {name: _Scale.of(bounds) for name, bounds in ranges.items()}
        self._left = frozenset(left)
        self._parts = parts
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._nodes: list[NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}
        self._paired: set[str] = set()
        self._outputs = {value.name for value in graph.output}

    def written(self, model: ModelProto) -> ModelProto:
        for value in self._graph.input:
            self._pair(value.name, value.name)
        for node in self._graph.node:
            self._take(node)
        body = helper.make_graph(
            self._nodes,
            self._graph.name,
            list(self._graph.input),
            list(self._graph.output),
            list(self._initializers.values()),
        )
        made = ModelProto()
        made.CopyFrom(model)
        made.graph.CopyFrom(body)
        return made

    def _take(self, node: NodeProto) -> None:
        made = NodeProto()
        made.CopyFrom(node)
        name, is_left = node.output[0], self.is_left(node.output[0])
        del made.input[:]
        made.input.extend(self._inputs(node, is_left))
        self._nodes.append(made)
        if name not in self._scales:
            return
        if is_left:
            self._keep_apart(name)
        elif name in self._outputs:
            made.output[0] = f"{name}.float"
            self._pair(f"{name}.float", name, ends=True)
        else:
            self._pair(name, name)

    def _keep_apart(self, name: str) -> None:
        """Append a pair for those that read an operator in float and compute in integers.

        Runtimes fuse any operator between two pairs, and quantise its weights themselves. A maximum of one tensor,
        which changes nothing, keeps this one from being between two.
        """
        readers = [node.output[0] for node in self._graph.node if name in node.input]
        if all(map(self.is_left, readers)):
            return
        kept = f"{name}.kept"
        self._nodes.append(helper.make_node("Max", [name], [kept], name=kept))
        self._pair(kept, name)

    def is_left(self, name: str) -> bool:
        """Return whether the operator that makes a tensor computes in float."""
        node = self._parts.get(name, name)
        return bool({node, node.removesuffix(f".{INNER}"), node.removesuffix(".pooled")} & self._left)

    def _has_weights(self, node: NodeProto) -> bool:
        return node.op_type in _WEIGHTS or (node.op_type == "MatMul" and node.input[1] in self._constants)

    def _inputs(self, node: NodeProto, is_left: bool) -> list[str]:
        """Return what a node reads: the ends of pairs, except where both sides compute in float."""
        sources = [
            f"{name}.dequantized" if name in self._paired and not (is_left and self.is_left(name)) else name
            for name in node.input
        ]
        whole = node.output[0].removesuffix(f".{INNER}") in self._scales or node.output[0] in self._scales
        in_integers = not is_left and whole and node.input[0] in self._scales.keys() | self._constants.keys()
        if in_integers and self._has_weights(node):
            self._layer(node, sources)
            return sources
        for place, name in enumerate(node.input):
            if name in self._constants:
                is_operand = in_integers and node.op_type in _WITH_CONSTANTS
                sources[place] = self._operand(name) if is_operand else self._keep(name, self._constants[name])
        return sources

    def _layer(self, node: NodeProto, sources: list[str]) -> None:
        """Turn weights and bias of a layer into integers."""
        weight, before = self._constants[node.input[1]], float(self._scales[node.input[0]].step)
        axis = _WEIGHTS.get(node.op_type, weight.ndim - 1)
        groups = next((item.i for item in node.attribute if item.name == "group"), 1) if axis else 1
        bias = self._constants[node.input[2]] if len(node.input) > 2 else np.zeros(weight.shape[axis], np.float32)
        steps, values = _by_channel(weight, axis, bias.reshape(groups if axis else 1, -1), before)
        sources[1] = self._dequantised(node.input[1], values, steps, axis)
        if len(node.input) > 2:
            units = np.tile(steps, groups if axis else 1).astype(np.float64) * before
            counts = np.clip(np.round(bias / units), -MAX_BIAS, MAX_BIAS).astype(np.int32)
            sources[2] = self._dequantised(node.input[2], counts, units.astype(np.float32), 0)

    def _operand(self, name: str) -> str:
        """Turn an operand into integers with one scale."""
        value = self._constants[name]
        if value.dtype != np.float32:
            return self._keep(name, value)
        scale = _Scale.of((float(value.min()), float(value.max())))
        integers = np.clip(np.round(value / scale.step) + scale.zero_point, 0, 255).astype(np.uint8)
        return self._dequantised(name, integers, np.asarray(scale.step), None, scale.zero_point)

    def _pair(self, source: str, name: str, *, ends: bool = False) -> None:
        """Append a pair behind a tensor; `ends` gives its result the plain name."""
        if name not in self._scales:
            return
        scale = self._scales[name]
        step = self._keep(f"{name}.scale", np.asarray(scale.step))
        zero = self._keep(f"{name}.zero_point", np.asarray(scale.zero_point, np.uint8))
        made, result = f"{name}.quantized", name if ends else f"{name}.dequantized"
        self._nodes.append(helper.make_node("QuantizeLinear", [source, step, zero], [made], name=made))
        self._nodes.append(helper.make_node("DequantizeLinear", [made, step, zero], [result], name=f"{made}.back"))
        if not ends:
            self._paired.add(name)

    def _dequantised(
        self,
        name: str,
        values: npt.NDArray[np.generic],
        steps: npt.NDArray[np.float32],
        axis: int | None,
        zero: int = 0,
    ) -> str:
        result = f"{name}.dequantized"
        if f"{name}.quantized" not in self._initializers:
            stored = self._keep(f"{name}.quantized", values)
            step = self._keep(f"{name}.scale", steps)
            zero_points = self._keep(f"{name}.zero_point", np.full(steps.shape, zero, values.dtype))
            node = helper.make_node("DequantizeLinear", [stored, step, zero_points], [result], name=result)
            if axis is not None:
                node.attribute.append(helper.make_attribute("axis", axis))
            self._nodes.append(node)
        return result

    def _keep(self, name: str, value: npt.NDArray[np.generic]) -> str:
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        return name


def _by_channel(
    weight: FloatArray, axis: int, bias: FloatArray, before: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """Return one step a channel and the weights in it: -127 to 127, and wide enough for the bias to fit in 32 bits.

    Args:
        bias: (groups, channels).
        before: the step of the layer's input.
    """
    rest = tuple(other for other in range(weight.ndim) if other != axis)
    largest = np.abs(weight).max(axis=rest).astype(np.float64)
    least = np.abs(bias).max(axis=0).astype(np.float64) / (before * MAX_BIAS)
    steps = np.maximum(np.maximum(largest / 127, least), np.finfo(np.float32).tiny).astype(np.float32)
    spread = steps.reshape([-1 if place == axis else 1 for place in range(weight.ndim)])
    return steps, np.clip(np.round(weight / spread), -127, 127).astype(np.int8)
