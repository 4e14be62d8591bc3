"""From the op graph to MACE's operators, with nothing in it that would leave the GPU.

- Every tensor stays four-dimensional (NHWC): (N, C) becomes (N, 1, 1, C), so neither Reshape nor MatMul is needed; both
  fall back to the CPU.
- A linear layer, and a 1x1 convolution of a 1x1 input, become FullyConnected, as MACE's own converter has it.
- h-sigmoid has no GPU operator in any version. After a linear convolution that nothing else reads it is folded into
  that convolution (w/6, b/6 + 1/2, RELUX up to 1), which is exact; elsewhere it is one BatchNorm with RELUX up to 1.
  h-swish is that times its input.
"""

import math

import numpy as np

from mogakit.errors import UnsupportedOperator
from mogakit.export.graph import Graph
from mogakit.export.mace import operators
from mogakit.export.mace.ends import maps_as_outputs
from mogakit.export.mace.netdef import Argument, DataType, Port
from mogakit.export.mace.operators import EltwiseType, OpType, PoolingType
from mogakit.export.mace.plan import HSigmoid, Plan, nhwc, padding_totals
from mogakit.export.mace.prepare import prepared
from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    Binary,
    BinaryKind,
    Concat,
    Conv2d,
    FloatArray,
    GlobalMean,
    Linear,
    Mul,
    Node,
    Pool,
    PoolKind,
    Reduce,
    ReduceKind,
    Reshape,
    Shape,
    Softmax,
)

_SIMPLE: dict[Activation, tuple[Argument, ...]] = {
    Activation.RELU: operators.activation("RELU"),
    Activation.RELU6: operators.relux(6),
    Activation.SIGMOID: operators.activation("SIGMOID"),
    Activation.TANH: operators.activation("TANH"),
}
_PAIRS = {
    BinaryKind.SUB: EltwiseType.SUB,
    BinaryKind.DIV: EltwiseType.DIV,
    BinaryKind.MINIMUM: EltwiseType.MIN,
    BinaryKind.MAXIMUM: EltwiseType.MAX,
}
_FUSED = (Activation.RELU, Activation.RELU6)


def lower(graph: Graph, data_type: DataType, h_sigmoid: HSigmoid = HSigmoid.PORTABLE) -> Plan:
    """Turn `graph` into MACE operators.

    Raises:
        UnsupportedOperator: a node that MACE lacks or that would fall back to the CPU; the message names it.
    """
    plan = Plan(data_type=data_type, h_sigmoid=h_sigmoid)
    graph = prepared(maps_as_outputs(graph))
    lowering = _Lowering(graph, plan)
    problems: list[str] = []
    for node in graph.nodes:
        try:
            lowering.node(node)
        except UnsupportedOperator as error:
            problems.append(str(error))
    if problems:
        lines = dict.fromkeys(problems)
        shown = next(iter(lines)) if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)
        raise UnsupportedOperator(f"the network cannot become a MACE file: {shown}")
    made = {operator.output: operator.output_shape for operator in plan.operators}
    outputs = [lowering.holder(name) for name in graph.outputs]
    if missing := [name for name in outputs if name not in made]:
        raise UnsupportedOperator(
            f"the graph's output {missing[0]!r} is an input or a constant; a file needs operators"
        )
    plan.inputs = tuple(Port(tensor.name, nhwc(tensor.shape)) for tensor in graph.inputs)
    plan.outputs = tuple(Port(name, made[name]) for name in outputs)
    return plan


class _Lowering:
    """Turns one node after the other. `alias` maps a tensor without an operator of its own to the one that holds it."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.shapes = graph.shapes()
        self.makers = graph.makers()
        self.alias: dict[str, str] = {}
        self.followers = self._followers()
        self.absorbed = {activate.name for activate in self.followers.values()}

    def _followers(self) -> dict[str, Activate]:
        """Return the activations that move into the convolution or linear layer before them, by that layer's name."""
        readers = self.graph.readers()
        folded = (Activation.HSIGMOID,) if self.plan.h_sigmoid is HSigmoid.PORTABLE else ()
        found: dict[str, Activate] = {}
        for node in self.graph.nodes:
            if not isinstance(node, Activate) or node.function not in (*_FUSED, *folded):
                continue
            layer = self.makers.get(node.inputs[0])
            if (
                isinstance(layer, Conv2d | Linear)
                and layer.activation is Activation.NONE
                and len(readers[layer.name]) == 1
                and layer.name not in self.graph.outputs
            ):
                found[layer.name] = node
        return found

    def holder(self, tensor: str) -> str:
        """Return the tensor in the file that holds the value of a tensor of the graph."""
        while tensor in self.alias:
            tensor = self.alias[tensor]
        return tensor

    def node(self, node: Node) -> None:
        """Emit what one node needs."""
        match node:
            case Conv2d():
                self.conv(node)
            case Linear():
                self.linear(node)
            case Activate():
                if node.name not in self.absorbed:
                    self.activate(node.name, self.holder(node.inputs[0]), node.shape, node.function)
            case Add():
                self.pair(node, EltwiseType.SUM, node.activation)
            case Mul():
                self.pair(node, EltwiseType.PROD, node.activation)
            case Binary() if node.kind in _PAIRS:
                self.pair(node, _PAIRS[node.kind], Activation.NONE)
            case GlobalMean():
                shape = (node.shape[0], 1, 1, node.shape[1])
                self.plan.emit(OpType.REDUCE, node.name, self.sources(node), shape, *operators.reduce_mean())
            case Pool():
                self.pool(node)
            case Concat():
                self.concat(node)
            case Reduce(kind=ReduceKind.MEAN, axes=(1,), keep_dims=True) if len(node.shape) == 4:
                arguments = operators.reduce_mean((operators.NHWC_CHANNELS,))
                self.plan.emit(OpType.REDUCE, node.name, self.sources(node), nhwc(node.shape), *arguments)
            case Softmax() if node.axis == 1:
                self.plan.emit(OpType.SOFTMAX, node.name, self.sources(node), nhwc(node.shape), Argument("axis", 1))
            case Reshape():
                self.reshape(node)
            case _:
                raise UnsupportedOperator(f"node {node.name!r} is a {_described(node)}, which MACE files cannot hold")

    def sources(self, node: Node) -> tuple[str, ...]:
        """Return the tensors in the file that a node reads."""
        return tuple(self.holder(name) for name in node.inputs)

    # Layers with weights

    def conv(self, node: Conv2d) -> None:
        """Emit Conv2D, DepthwiseConv2d, or FullyConnected for a 1x1 input."""
        if node.groups > 1 and node.weight.shape[:2] != (node.groups, 1):
            raise UnsupportedOperator(
                f"convolution {node.name!r} has {node.groups} groups for {node.weight.shape[0]} outputs; MACE's GPU "
                "runs dense convolutions, and depthwise ones with a multiplier of 1"
            )
        if max(node.dilation) > 1 and max(node.stride) > 1:
            raise UnsupportedOperator(f"convolution {node.name!r} is dilated and strided; MACE allows one of the two")
        on_one_pixel = self.shapes[node.inputs[0]][2:] == (1, 1)
        if on_one_pixel and node.kernel == (1, 1) and not node.depthwise and not node.padding:
            self.layer(OpType.FULLY_CONNECTED, node, node.weight)
            return
        totals = padding_totals(node.name, node.padding)
        arguments = operators.window(node.kernel, node.stride, totals, node.dilation)
        if node.depthwise:
            self.layer(OpType.DEPTHWISE, node, node.weight.transpose(1, 0, 2, 3), *arguments)
        else:
            self.layer(OpType.CONV, node, node.weight, *arguments)

    def linear(self, node: Linear) -> None:
        """Emit FullyConnected on four dimensions; its weight is (O, C, H, W) where a map was flattened before it."""
        if len(node.shape) != 2:
            raise UnsupportedOperator(
                f"linear layer {node.name!r} reads {len(node.shape)} dimensions; MACE files hold those of (N, C)"
            )
        before = self.makers.get(node.inputs[0])
        flattened = self.shapes[before.inputs[0]] if isinstance(before, Reshape) else ()
        fits = len(flattened) == 4 and math.prod(flattened[1:]) == node.weight.shape[1]
        window = flattened[1:] if fits else (node.weight.shape[1], 1, 1)
        self.layer(OpType.FULLY_CONNECTED, node, node.weight.reshape(-1, *window))

    def layer(self, op_type: OpType, node: Conv2d | Linear, weight: FloatArray, *arguments: Argument) -> None:
        """Emit a layer with weights, and with it the activation that alone reads it."""
        follower = self.followers.get(node.name)
        output, function, bias = node.name, node.activation, node.bias
        if follower is not None:
            output, function = follower.name, follower.function
            self.alias[node.name] = output
        if function is Activation.HSIGMOID:
            weight, bias = weight / np.float32(6), bias / np.float32(6) + np.float32(0.5)
            arguments = (*arguments, *operators.relux(1))
            self.plan.forms["folded"] += 1
        elif function is not Activation.NONE:
            arguments = (*arguments, *_SIMPLE[function])
        inputs = (
            self.holder(node.inputs[0]),
            self.plan.constant(f"{node.name}.weight", weight),
            self.plan.constant(f"{node.name}.bias", bias),
        )
        self.plan.emit(op_type, output, inputs, nhwc(node.shape), *arguments)

    # Activations that stand alone

    def activate(self, output: str, source: str, shape: Shape, function: Activation) -> None:
        """Emit an activation of `source` as `output`; `shape` is torch's."""
        emit, target = self.plan.emit, nhwc(shape)
        match function:
            case Activation.HSIGMOID:
                self.h_sigmoid(output, source, target)
            case Activation.HSWISH | Activation.SILU:
                gate = f"{output}.gate"
                if function is Activation.HSWISH:
                    self.h_sigmoid(gate, source, target)
                else:
                    emit(OpType.ACTIVATION, gate, (source,), target, *_SIMPLE[Activation.SIGMOID])
                emit(OpType.ELTWISE, output, (source, gate), target, *operators.eltwise(EltwiseType.PROD))
            case Activation.NONE:
                self.alias[output] = source
            case _ if function not in _SIMPLE:
                raise UnsupportedOperator(f"node {output!r} computes {function}, which MACE files cannot hold")
            case _:
                emit(OpType.ACTIVATION, output, (source,), target, *_SIMPLE[function])

    def h_sigmoid(self, output: str, source: str, shape: Shape) -> None:
        """Emit relu6(x + 3) / 6; `shape` is NHWC."""
        if self.plan.h_sigmoid is HSigmoid.NATIVE:
            self.plan.forms["native"] += 1
            self.plan.emit(OpType.ACTIVATION, output, (source,), shape, *operators.hard_sigmoid())
            return
        channels = shape[-1]
        self.plan.forms["batch_norm_relux"] += 1
        scale = self.plan.constant(f"h_sigmoid.scale.{channels}", np.full(channels, 1 / 6, np.float32))
        offset = self.plan.constant(f"h_sigmoid.offset.{channels}", np.full(channels, 0.5, np.float32))
        self.plan.emit(OpType.BATCH_NORM, output, (source, scale, offset), shape, *operators.relux(1))

    # Everything else

    def pair(self, node: Add | Mul | Binary, kind: EltwiseType, function: Activation) -> None:
        """Emit a sum or product of two tensors, of a tensor and a scalar, or of a tensor and one value a channel."""
        first, second, turned = self._operands(node, kind)
        output = node.name if function is Activation.NONE else f"{node.name}.linear"
        scalar: float | None = None
        inputs: tuple[str, ...] = (self.holder(first), self.holder(second))
        if second in self.graph.constants:
            value = self.graph.constants[second]
            if value.size == 1:
                scalar, inputs = float(value.reshape(())), (self.holder(first),)
            elif _one_a_channel(value.shape, node.shape):
                inputs = (self.holder(first), self.plan.constant(second, value.reshape(-1)))
            else:
                raise UnsupportedOperator(
                    f"node {node.name!r} takes a constant of shape {value.shape}; MACE takes a scalar, or one value a "
                    "channel"
                )
        arguments = operators.eltwise(kind, scalar, place=0 if turned else 1)
        self.plan.emit(OpType.ELTWISE, output, inputs, nhwc(node.shape), *arguments)
        if function is not Activation.NONE:
            self.activate(node.name, output, node.shape, function)

    def _operands(self, node: Add | Mul | Binary, kind: EltwiseType) -> tuple[str, str, bool]:
        """Return the operands, the larger one first, and whether that turns a difference or quotient around.

        MACE broadcasts its second operand; a single number alone can be turned back.
        """
        first, second = node.inputs
        turned = first in self.graph.constants or math.prod(self.shapes[second]) > math.prod(self.shapes[first])
        commutes = kind not in (EltwiseType.SUB, EltwiseType.DIV)
        number = first in self.graph.constants and math.prod(self.shapes[first]) == 1
        if turned and not commutes and not number:
            raise UnsupportedOperator(
                f"node {node.name!r} subtracts or divides with the smaller operand first; MACE broadcasts its second"
            )
        if turned:
            first, second = second, first
        if first in self.graph.constants or self.shapes[first] != node.shape:
            raise UnsupportedOperator(
                f"node {node.name!r} broadcasts both operands, or a tensor to a constant; MACE broadcasts its second"
            )
        return first, second, turned and not commutes

    def pool(self, node: Pool) -> None:
        """Emit a pooling window; MACE's average leaves padding out, as most of the graph's do."""
        if node.counts_padding and node.padding:
            raise UnsupportedOperator(f"average pooling {node.name!r} counts its padding; MACE's leaves it out")
        kind = PoolingType.MAX if node.kind is PoolKind.MAX else PoolingType.AVG
        window = operators.window(node.kernel, node.stride, padding_totals(node.name, node.padding), (1, 1))
        self.plan.emit(
            OpType.POOLING, node.name, self.sources(node), nhwc(node.shape), *window, *operators.pooling(kind)
        )

    def concat(self, node: Concat) -> None:
        """Emit a join along the channels, the only axis that the GPU joins."""
        if any(name in self.graph.constants for name in node.inputs):
            raise UnsupportedOperator(f"node {node.name!r} joins a constant, which MACE files cannot hold")
        channels = [self.shapes[name][1] for name in node.inputs]
        if node.axis % len(node.shape) != 1:
            raise UnsupportedOperator(
                f"node {node.name!r} joins along axis {node.axis}; MACE's GPU joins channels only"
            )
        if len(channels) > 2 and any(count % 4 for count in channels):
            raise UnsupportedOperator(
                f"node {node.name!r} joins {channels} channels; MACE's GPU takes more than two inputs only where each "
                "has a multiple of 4"
            )
        axis = Argument("axis", operators.NHWC_CHANNELS)
        self.plan.emit(OpType.CONCAT, node.name, self.sources(node), nhwc(node.shape), axis)

    def reshape(self, node: Reshape) -> None:
        """Emit nothing: both supported forms leave a four-dimensional tensor as it is."""
        before = self.shapes[node.inputs[0]]
        flat = len(node.shape) == 2 and node.shape[0] == before[0]
        if not flat and not (len(before) == 2 and node.shape == (*before, 1, 1)) and node.shape != before:
            raise UnsupportedOperator(
                f"node {node.name!r} turns {before} into {node.shape}, which MACE files cannot hold"
            )
        flattens_a_map = len(before) == 4 and before[2:] != (1, 1)
        readers = self.graph.readers().get(node.name, ())
        if flattens_a_map and (node.name in self.graph.outputs or not all(isinstance(r, Linear) for r in readers)):
            raise UnsupportedOperator(f"node {node.name!r} flattens {before} for something else than a linear layer")
        self.alias[node.name] = node.inputs[0]


def _described(node: Node) -> str:
    """Return what a node computes, with the setting that tells it from what MACE has."""
    kind = type(node).__name__
    match node:
        case Activate():
            return f"{kind} ({node.function})"
        case Binary():
            return f"{kind} ({node.kind})"
        case Reduce():
            return f"{kind} ({node.kind} over axes {node.axes})"
        case Softmax():
            return f"{kind} over axis {node.axis}"
    return kind


def _one_a_channel(constant: Shape, result: Shape) -> bool:
    """Return whether a constant, aligned to the right as in numpy, varies along the channels only."""
    aligned = (*(1,) * (len(result) - len(constant)), *constant)
    return aligned[1] == result[1] and math.prod(aligned) == result[1]
