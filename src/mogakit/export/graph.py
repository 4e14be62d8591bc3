"""`Graph`: a network as a short list of typed nodes, the one thing that every writer reads.

Layout. Shapes are those of torch, `(N, C, H, W)` or `(N, C)`; convolution weights are `(O, I/groups, KH, KW)`, linear
weights `(O, I)`, all float32. A writer whose format wants channels last turns shapes and weights itself; nothing in a
graph depends on the order in memory but `Reshape`, whose two supported forms are given there.

Names. A node has one output, and both carry the node's name, which is unique in the graph; names come from module
paths (`blocks.3.expand.conv`), so that a tensor in a file can be traced to its layer.

Batch normalisation has been folded. Activations stand as nodes of their own until `fold.fuse_activations` moves those
that a format can fuse into the node before them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]


class Activation(StrEnum):
    """Functions of one number. HSIGMOID is relu6(x + 3) / 6 and HSWISH is x times that; SILU is x * sigmoid(x)."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    HSWISH = "hswish"
    HSIGMOID = "hsigmoid"
    SIGMOID = "sigmoid"
    SILU = "silu"


class PoolKind(StrEnum):
    """What a pooling window gives: its largest value, or its mean over the elements that are not padding."""

    MAX = "max"
    AVERAGE = "average"


@dataclass(frozen=True)
class Padding:
    """Zeros added before a window slides (for max pooling: values that never win)."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return any((self.top, self.bottom, self.left, self.right))

    @property
    def symmetric(self) -> bool:
        """Return whether both ends of each axis get the same."""
        return self.top == self.bottom and self.left == self.right


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One operation with one output.

    Attributes:
        name: of the node and of its output tensor.
        inputs: names of graph inputs, constants or earlier nodes.
        shape: of the output.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2d(Node):
    """Cross-correlation, dense (`groups` 1) or depthwise (`groups` = input channels).

    Attributes:
        weight: (O, I/groups, KH, KW). Of a depthwise convolution, output o reads channel o // (O/I).
        bias: (O,).
        stride, dilation: (height, width).
        activation: fused after the bias; NONE, RELU or RELU6.
    """

    weight: FloatArray
    bias: FloatArray
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: Activation = Activation.NONE

    @property
    def depthwise(self) -> bool:
        """Return whether each output channel reads one input channel (a dense 1-channel input counts as dense)."""
        return self.groups > 1

    @property
    def kernel(self) -> tuple[int, int]:
        """Return (KH, KW)."""
        return (self.weight.shape[2], self.weight.shape[3])


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Node):
    """Fully connected layer on (N, I): `weight` is (O, I), `bias` is (O,)."""

    weight: FloatArray
    bias: FloatArray
    activation: Activation = Activation.NONE


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """Sum of two inputs that broadcast as in numpy; the second may be a constant."""

    activation: Activation = Activation.NONE


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(Node):
    """Product of two inputs that broadcast as in numpy; the second may be a constant."""

    activation: Activation = Activation.NONE


@dataclass(frozen=True, eq=False, kw_only=True)
class Activate(Node):
    """An activation on its own."""

    function: Activation


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalMean(Node):
    """Mean over height and width; `keep_dims` gives (N, C, 1, 1) rather than (N, C)."""

    keep_dims: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Node):
    """Pooling in windows. Average pooling never counts padding."""

    kind: PoolKind
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Node):
    """Inputs joined along `axis`, counted as in torch (1 is the channels)."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Node):
    """Softmax over the last axis of an (N, C) input."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Node):
    """(N, C, H, W) to (N, C*H*W) in torch's order of elements, or (N, C) to (N, C, 1, 1).

    The first with H*W > 1 is for use before `Linear` nodes: a channels-last writer reorders their weights then.
    """


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows(Node):
    """(N, A*V, H, W) to (N, H*W*A, V): the channels of each pixel as A rows of V values, pixels in reading order.

    In channels-last memory nothing moves. What detectors make of their maps, before they join them.
    """


@dataclass(frozen=True)
class Tensor:
    """A graph input."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in an order in which they can run.

    Attributes:
        inputs: what is fed.
        nodes: each reads inputs, constants and earlier nodes only.
        outputs: names of the nodes that are read out.
        constants: float32 operands of `Add` and `Mul`; weights lie in their nodes.
    """

    inputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {tensor.name for tensor in self.inputs} | set(self.constants)
        if len(known) != len(self.inputs) + len(self.constants):
            raise ValueError("two graph inputs or constants share a name")
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in known]
            if missing:
                raise ValueError(f"node {node.name!r} reads {missing[0]!r}, which is neither an input nor before it")
            if node.name in known:
                raise ValueError(f"the name {node.name!r} is used twice in the graph")
            known.add(node.name)
        for name in self.outputs:
            if name not in known:
                raise ValueError(f"the graph's output {name!r} is made by no node")

    def shapes(self) -> dict[str, Shape]:
        """Return the shape of every tensor: inputs, constants and node outputs."""
        found: dict[str, Shape] = {tensor.name: tensor.shape for tensor in self.inputs}
        found.update((name, value.shape) for name, value in self.constants.items())
        found.update((node.name, node.shape) for node in self.nodes)
        return found

    def makers(self) -> dict[str, Node]:
        """Return the node behind each name."""
        return {node.name: node for node in self.nodes}

    def readers(self) -> dict[str, tuple[Node, ...]]:
        """Return the nodes that read each tensor; one that no node reads is absent."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}
