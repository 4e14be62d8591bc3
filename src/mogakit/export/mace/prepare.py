"""A graph in operators that MACE has: what it lacks is spelled out in element-wise operators, where that is exact."""

import math
from dataclasses import replace

import numpy as np

from mogakit.export import spell
from mogakit.export.graph import Graph
from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    Binary,
    BinaryKind,
    Clamp,
    Concat,
    FloatArray,
    GlobalMean,
    LeakyRelu,
    Mul,
    Node,
    PRelu,
    Reduce,
    ReduceKind,
    Shape,
)

_SPELLED = (Activation.NEG, Activation.MISH, Activation.GELU_TANH)


def prepared(graph: Graph) -> Graph:
    """Return `graph` with limits, leaky ReLUs, sums and joins of more than two odd numbers of channels spelled out."""
    graph = spell.split_activations(graph, _SPELLED)
    shapes, constants = graph.shapes(), dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += _Spelling(node, shapes, constants).nodes()
    return replace(graph, nodes=tuple(nodes), constants=constants)


class _Spelling:
    """The nodes that stand for one; the last has its name."""

    def __init__(self, node: Node, shapes: dict[str, Shape], constants: dict[str, FloatArray]) -> None:
        self._node = node
        self._shapes = shapes
        self._constants = constants

    def nodes(self) -> list[Node]:
        node = self._node
        x = node.inputs[0] if node.inputs else ""
        match node:
            case Clamp():
                return self._clamp(node, x)
            case LeakyRelu():
                kind = BinaryKind.MAXIMUM if node.slope <= 1 else BinaryKind.MINIMUM
                scaled = self._mul("scaled", x, self._number("slope", node.slope))
                return [scaled, self._binary("", kind, x, scaled.name)]
            case PRelu():
                below = self._binary("below", BinaryKind.MINIMUM, x, self._number("zero", 0.0))
                slopes = self._constant("slopes", node.slopes.reshape(1, -1, *(1,) * (len(node.shape) - 2)))
                above = Activate(name=f"{node.name}.above", inputs=(x,), shape=node.shape, function=Activation.RELU)
                scaled = self._mul("scaled", below.name, slopes)
                return [
                    below, scaled, above, Add(name=node.name, inputs=(above.name, scaled.name), shape=node.shape)
                ]  # fmt: skip
            case Reduce(kind=ReduceKind.SUM):
                count = math.prod(self._shapes[x][axis] for axis in node.axes)
                mean = replace(node, name=f"{node.name}.mean", kind=ReduceKind.MEAN)
                return [_plain_mean(mean, self._shapes[x]), self._mul("", mean.name, self._number("count", count))]
            case Reduce():
                return [_plain_mean(node, self._shapes[x])]
            case Concat() if len(node.inputs) > 2 and any(self._shapes[name][1] % 4 for name in node.inputs):
                return self._joined(node)
        return [node]

    def _clamp(self, node: Clamp, x: str) -> list[Node]:
        steps = [
            (kind, name, bound)
            for kind, name, bound in ((BinaryKind.MAXIMUM, "low", node.low), (BinaryKind.MINIMUM, "high", node.high))
            if math.isfinite(bound)
        ]
        made: list[Node] = []
        for place, (kind, name, bound) in enumerate(steps):
            part = "" if place == len(steps) - 1 else "bounded"
            made.append(self._binary(part, kind, x, self._number(name, bound)))
            x = made[-1].name
        return made

    def _joined(self, node: Concat) -> list[Node]:
        """Join two at a time: MACE's GPU takes more only where every number of channels is a multiple of 4."""
        made: list[Node] = []
        first = node.inputs[0]
        for place, second in enumerate(node.inputs[1:], 1):
            last = place == len(node.inputs) - 1
            shape = list(node.shape)
            shape[node.axis] = sum(self._shapes[name][node.axis] for name in node.inputs[: place + 1])
            name = node.name if last else f"{node.name}.first_{place + 1}"
            made.append(Concat(name=name, inputs=(first, second), shape=tuple(shape), axis=node.axis))
            first = name
        return made

    def _name(self, part: str) -> str:
        return f"{self._node.name}.{part}" if part else self._node.name

    def _mul(self, part: str, x: str, y: str) -> Mul:
        return Mul(name=self._name(part), inputs=(x, y), shape=self._node.shape)

    def _binary(self, part: str, kind: BinaryKind, x: str, y: str) -> Binary:
        return Binary(name=self._name(part), inputs=(x, y), shape=self._node.shape, kind=kind)

    def _number(self, part: str, value: float) -> str:
        return self._constant(part, np.full(1, value, np.float32))

    def _constant(self, part: str, value: FloatArray) -> str:
        name = self._name(part)
        self._constants[name] = value
        return name


def _plain_mean(node: Reduce, before: Shape) -> Node:
    """Return a mean over height and width as the node that MACE's lowering knows."""
    if node.kind is ReduceKind.MEAN and len(before) == 4 and node.axes == (2, 3):
        return GlobalMean(name=node.name, inputs=node.inputs, shape=node.shape, keep_dims=node.keep_dims)
    return node
