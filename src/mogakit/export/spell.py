"""Activations that a format lacks, spelled out in simpler nodes."""

import math
from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from mogakit.export.graph import Graph
from mogakit.export.nodes import Activate, Activation, Add, Binary, BinaryKind, FloatArray, Mul, Node, Shape


def split_activations(graph: Graph, kinds: Collection[Activation]) -> Graph:
    """Spell out activations of `kinds` for a format that lacks them; `_SPELLED` has those that can be.

    `fold_scales` afterwards moves the `+ 3` of an h-sigmoid into the convolution before it.
    """
    constants = dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, Activate) and node.function in kinds:
            spelling = _Spelling(node, constants)
            _SPELLED[node.function](spelling, node.inputs[0])
            nodes += spelling.named()
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), constants=constants)


class _Spelling:
    """The nodes that stand for one activation; the last takes its name, the others get one each."""

    def __init__(self, node: Activate, constants: dict[str, FloatArray]) -> None:
        self._node = node
        self._constants = constants
        self._nodes: list[Node] = []

    def named(self) -> list[Node]:
        last = self._nodes[-1]
        return [*self._nodes[:-1], replace(last, name=self._node.name)]

    def apply(self, kind: type[Add] | type[Mul] | BinaryKind | Activation, *inputs: str | float, part: str) -> str:
        """Append a node on tensors and numbers and return its name."""
        name, node = f"{self._node.name}.{part}", self._node
        sources = tuple(self._number(value, part) if isinstance(value, float) else value for value in inputs)
        if isinstance(kind, Activation):
            self._nodes.append(_activate(name, sources[0], node.shape, kind))
        elif isinstance(kind, BinaryKind):
            self._nodes.append(Binary(name=name, inputs=sources, shape=node.shape, kind=kind))
        else:
            self._nodes.append(kind(name=name, inputs=sources, shape=node.shape))
        return name

    def _number(self, value: float, part: str) -> str:
        name = f"{self._node.name}.{part}.{value:.4g}"
        self._constants[name] = np.full(1, value, np.float32)
        return name


def _spell_hsigmoid(spelling: _Spelling, x: str) -> str:
    """relu6(x + 3) * (1/6)."""
    clamped = spelling.apply(Activation.RELU6, spelling.apply(Add, x, 3.0, part="shifted"), part="clamped")
    return spelling.apply(Mul, clamped, 1 / 6, part="gate")


def _spell_mish(spelling: _Spelling, x: str) -> str:
    """x * u / (2 - u) with u = s * (2 - s), s = sigmoid(x): tanh(log(1 + exp(x))), no exponential to overflow.

    2 - u is written as relu(1 - u) + 1, so that it is seen to be positive; u is at most 1.
    """
    gate = spelling.apply(Activation.SIGMOID, x, part="gate")
    u = spelling.apply(Mul, gate, spelling.apply(BinaryKind.SUB, 2.0, gate, part="rest"), part="u")
    rest = spelling.apply(Activation.RELU, spelling.apply(BinaryKind.SUB, 1.0, u, part="beyond"), part="positive")
    ratio = spelling.apply(BinaryKind.DIV, u, spelling.apply(Add, rest, 1.0, part="divisor"), part="ratio")
    return spelling.apply(Mul, x, ratio, part="product")


def _spell_softplus(spelling: _Spelling, x: str) -> str:
    """relu(x) + log(1 + exp(-|x|))."""
    minus = spelling.apply(Mul, spelling.apply(Activation.ABS, x, part="size"), -1.0, part="minus")
    grown = spelling.apply(Add, spelling.apply(Activation.EXP, minus, part="exp"), 1.0, part="grown")
    positive = spelling.apply(Activation.RELU, x, part="positive")
    return spelling.apply(Add, positive, spelling.apply(Activation.LOG, grown, part="log"), part="sum")


def _spell_gelu(spelling: _Spelling, x: str) -> str:
    """0.5 * x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x**3)))."""
    squared = spelling.apply(Mul, x, x, part="squared")
    inner = spelling.apply(Add, spelling.apply(Mul, squared, 0.044715, part="small"), 1.0, part="inner")
    scaled = spelling.apply(Mul, x, math.sqrt(2 / math.pi), part="scaled")
    angle = spelling.apply(Mul, scaled, inner, part="angle")
    grown = spelling.apply(Add, spelling.apply(Activation.TANH, angle, part="tanh"), 1.0, part="grown")
    half = spelling.apply(Mul, x, 0.5, part="half")
    return spelling.apply(Mul, half, grown, part="product")


_SPELLED: dict[Activation, Callable[[_Spelling, str], str]] = {
    Activation.HSIGMOID: _spell_hsigmoid,
    Activation.HSWISH: lambda spelling, x: spelling.apply(Mul, x, _spell_hsigmoid(spelling, x), part="product"),
    Activation.SILU: lambda spelling, x: spelling.apply(
        Mul, x, spelling.apply(Activation.SIGMOID, x, part="gate"), part="product"
    ),
    Activation.MISH: _spell_mish,
    Activation.SOFTPLUS: _spell_softplus,
    Activation.GELU_TANH: _spell_gelu,
    Activation.NEG: lambda spelling, x: spelling.apply(Mul, x, -1.0, part="minus"),
    Activation.RSQRT: lambda spelling, x: spelling.apply(
        BinaryKind.DIV, 1.0, spelling.apply(Activation.SQRT, x, part="root"), part="ratio"
    ),
}


def _activate(name: str, source: str, shape: Shape, function: Activation) -> Activate:
    return Activate(name=name, inputs=(source,), shape=shape, function=function)
