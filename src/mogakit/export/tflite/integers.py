"""A graph in operators that LiteRT's quantiser knows: the same function, in forms that int8 kernels have.

The float file that integer ones are made from, and compared with, is written from this form.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mogakit.export.graph import Graph
from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    Binary,
    BinaryKind,
    Clamp,
    Concat,
    Elu,
    Expand,
    FloatArray,
    GlobalMean,
    Mul,
    Node,
    Permute,
    Pool,
    PRelu,
    Reduce,
    ReduceKind,
    Reshape,
    Slice,
    Softmax,
)


def integer_ready(graph: Graph, words: bool = False) -> Graph:
    """Spell out what the quantiser lacks: ELU, limits at 1, sums, and quotients by what is positive by construction.

    Args:
        words: for activations of 16 bits, of which it also lacks PReLU and limits at -1.
    """
    made: list[Node] = []
    constants = dict(graph.constants)
    bounds = _Bounds(graph)
    for node in graph.nodes:
        spelling = _Spelling(node, constants)
        rule = (_RULES_OF_WORDS if words else _RULES).get(type(node))
        if rule is not None and rule(spelling, node, bounds):
            made += spelling.nodes
        else:
            made.append(node)
    return replace(graph, nodes=tuple(made), constants=constants)


class _Spelling:
    """The nodes that stand for one; the last takes its name."""

    def __init__(self, node: Node, constants: dict[str, FloatArray]) -> None:
        self._node = node
        self._constants = constants
        self.nodes: list[Node] = []

    def number(self, value: float, part: str) -> str:
        return self.constant(np.full(1, value, np.float32), part)

    def constant(self, value: FloatArray, part: str) -> str:
        name = f"{self._node.name}.{part}"
        self._constants[name] = value
        return name

    def name(self, part: str) -> str:
        """Return the name of an inner node; no part is the last one."""
        return f"{self._node.name}.{part}" if part else self._node.name

    def activate(self, function: Activation, x: str, shape: tuple[int, ...], part: str = "") -> str:
        self.nodes.append(Activate(name=self.name(part), inputs=(x,), shape=shape, function=function))
        return self.name(part)

    def pair(self, kind: type[Add] | type[Mul], x: str, y: str, shape: tuple[int, ...], part: str = "") -> str:
        self.nodes.append(kind(name=self.name(part), inputs=(x, y), shape=shape))
        return self.name(part)

    def minimum(self, x: str, bound: float, part: str = "") -> str:
        return self.limit(BinaryKind.MINIMUM, x, bound, part)

    def limit(self, kind: BinaryKind, x: str, bound: float, part: str = "") -> str:
        limit = self.number(bound, f"{part}limit")
        self.nodes.append(Binary(name=self.name(part), inputs=(x, limit), shape=self._node.shape, kind=kind))
        return self.name(part)


class _Bounds:
    """Lower bounds of tensors that follow from the operators that make them."""

    def __init__(self, graph: Graph) -> None:
        self.shapes = graph.shapes()
        self._constants = graph.constants
        self._known: dict[str, float] = {}
        for node in graph.nodes:
            self._known[node.name] = self._of(node)

    def lower(self, name: str) -> float:
        """Return a number that no element is below; minus infinity where nothing is known."""
        if name in self._constants:
            return float(self._constants[name].min())
        return self._known.get(name, -math.inf)

    def _of(self, node: Node) -> float:
        below = [self.lower(name) for name in node.inputs]
        match node:
            case Activate(function=function) if function in _NOT_NEGATIVE:
                return 0.0
            case Clamp():
                return node.low
            case Add():
                return sum(below)
            case Mul() if node.inputs[0] == node.inputs[1]:
                return max(below[0], 0.0) ** 2
            case Mul() if min(below) >= 0:
                return below[0] * below[1]
            case Binary(kind=BinaryKind.MAXIMUM):
                return max(below)
            case Softmax():
                return 0.0
            case Reduce(kind=ReduceKind.SUM):
                return 0.0 if below[0] >= 0 else -math.inf
            case Pool() | GlobalMean() | Reduce() | Reshape() | Permute() | Slice() | Expand() | Concat():
                return min(below)
        return -math.inf


_NOT_NEGATIVE = (
    Activation.RELU,
    Activation.RELU6,
    Activation.SIGMOID,
    Activation.HSIGMOID,
    Activation.EXP,
    Activation.SQRT,
    Activation.RSQRT,
    Activation.ABS,
    Activation.SOFTPLUS,
)


def _elu(spelling: _Spelling, node: Elu, bounds: _Bounds) -> bool:
    """relu(x) + alpha * (exp(min(x, 0)) - 1)."""
    x, shape = node.inputs[0], node.shape
    curve = spelling.activate(Activation.EXP, spelling.minimum(x, 0.0, "below"), shape, "exp")
    moved = spelling.pair(Add, curve, spelling.number(-1.0, "minus_one"), shape, "moved")
    scaled = spelling.pair(Mul, moved, spelling.number(node.alpha, "alpha"), shape, "scaled")
    spelling.pair(Add, spelling.activate(Activation.RELU, x, shape, "above"), scaled, shape)
    return True


def _clamp(spelling: _Spelling, node: Clamp, bounds: _Bounds) -> bool:
    """relu(x), then the smaller of it and 1: for the limits 0 and 1 alone."""
    if (node.low, node.high) != (0.0, 1.0):
        return False
    spelling.minimum(spelling.activate(Activation.RELU, node.inputs[0], node.shape, "positive"), 1.0)
    return True


def _clamp_of_words(spelling: _Spelling, node: Clamp, bounds: _Bounds) -> bool:
    """The larger of x and -1, then the smaller of it and 1."""
    if (node.low, node.high) != (-1.0, 1.0):
        return _clamp(spelling, node, bounds)
    spelling.minimum(spelling.limit(BinaryKind.MAXIMUM, node.inputs[0], -1.0, "above"), 1.0)
    return True


def _prelu(spelling: _Spelling, node: PRelu, bounds: _Bounds) -> bool:
    """relu(x) + slopes * min(x, 0)."""
    below = spelling.minimum(node.inputs[0], 0.0, "below")
    slopes = spelling.constant(node.slopes.reshape(-1, *(1,) * (len(node.shape) - 2)), "slopes")
    scaled = spelling.pair(Mul, below, slopes, node.shape, "scaled")
    spelling.pair(Add, spelling.activate(Activation.RELU, node.inputs[0], node.shape, "above"), scaled, node.shape)
    return True


def _sum(spelling: _Spelling, node: Reduce, bounds: _Bounds) -> bool:
    """The mean times the count: LiteRT's int8 kernel of SUM loses most of its bits."""
    if node.kind is not ReduceKind.SUM:
        return False
    count = math.prod(bounds.shapes[node.inputs[0]][axis] for axis in node.axes)
    mean = replace(node, name=spelling.name("mean"), kind=ReduceKind.MEAN)
    spelling.nodes.append(mean)
    spelling.pair(Mul, mean.name, spelling.number(count, "count"), node.shape)
    return True


def _binary(spelling: _Spelling, node: Binary, bounds: _Bounds) -> bool:
    """x * rsqrt(y) * rsqrt(y) and exp(log(x) * y), for what is above 0 by construction."""
    x, y = node.inputs
    if node.kind is BinaryKind.POW and bounds.lower(x) > 0:
        logarithm = spelling.activate(Activation.LOG, x, bounds.shapes[x], "log")
        product = spelling.pair(Mul, logarithm, y, node.shape, "product")
        spelling.activate(Activation.EXP, product, node.shape)
        return True
    if node.kind is not BinaryKind.DIV or bounds.lower(y) <= 0:
        return False
    shape = bounds.shapes[y]
    root = spelling.activate(Activation.RSQRT, y, shape, "root")
    reciprocal = spelling.pair(Mul, root, root, shape, "reciprocal")
    spelling.pair(Mul, reciprocal, x, node.shape)
    return True


_Rules = dict[type[Node], Callable[..., bool]]
_RULES: _Rules = {Elu: _elu, Clamp: _clamp, Reduce: _sum, Binary: _binary}
_RULES_OF_WORDS: _Rules = {**_RULES, Clamp: _clamp_of_words, PRelu: _prelu}
