"""The graph under construction: one method for each kind of node that rules put together, which works out its shape.

Operands are names of tensors. `number` and `constant` make names of numbers and arrays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from mogakit.errors import UnsupportedOperator
from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    Along,
    Binary,
    BinaryKind,
    Clamp,
    Concat,
    Expand,
    FloatArray,
    Gather,
    MatMul,
    Mul,
    Node,
    Pad,
    PadKind,
    Permute,
    Reduce,
    ReduceKind,
    Reshape,
    Shape,
    Slice,
    Softmax,
)
from mogakit.export.trace import Argument, Call, Ref

PAIRS: dict[str, BinaryKind | None] = {"add": None, "mul": None} | {kind.value: kind for kind in BinaryKind}


def where(call: Call) -> str:
    """Name the module that a call came from, for a message."""
    return f"module {call.path!r}" if call.path else "the module's own forward"


def array(value: torch.Tensor) -> FloatArray:
    """Return a constant tensor as the writers read it."""
    return np.array(value.detach().cpu().numpy(), dtype=np.float32, order="C")


class NotInThisForm(UnsupportedOperator):
    """An operator is known, but not with these arguments; the message says what is supported instead."""


@dataclass(kw_only=True)
class Builder:
    """The graph under construction. `names` maps numbers of the trace to names; `call` is the one being turned."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, FloatArray] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    path: str = ""
    _taken: dict[str, int] = field(default_factory=dict)

    def unique(self, wanted: str) -> str:
        """Return `wanted`, or the first free `wanted_1`, `wanted_2`, ..."""
        name, count = wanted, self._taken.get(wanted, 0)
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken[wanted] = count
        self._taken.setdefault(name, 0)
        return name

    # Operands

    def read(self, call: Call, name: str = "self") -> str:
        """Return the name of an argument that is a tensor or a number."""
        return self.operand(call.arguments[name])

    def operand(self, value: Argument) -> str:
        """Return the name of a traced tensor, a constant tensor or a number."""
        if isinstance(value, Ref):
            return self.names[value.number]
        if isinstance(value, torch.Tensor):
            if value.is_complex():
                raise NotInThisForm(f"it reads a constant of {value.dtype}")
            return self.constant(array(value))
        if isinstance(value, bool | int | float):
            return self.number(float(value))
        raise NotInThisForm(f"it reads {type(value).__name__}")

    def constant(self, value: FloatArray) -> str:
        """Store an operand and return its name."""
        name = self.unique(f"{self.path}.constant")
        self.constants[name] = value
        self.shapes[name] = value.shape
        return name

    def number(self, value: float) -> str:
        """Store a single number and return its name."""
        return self.constant(np.array(value, dtype=np.float32))

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor."""
        return self.shapes[name]

    # Nodes

    def add_node(self, node: Node) -> str:
        """Append a node that carries its shape, name it, and return the name."""
        node = replace(node, name=self.unique(self.path))
        self.nodes.append(node)
        self.shapes[node.name] = node.shape
        return node.name

    def activate(self, function: Activation, x: str) -> str:
        """Apply a function of one number."""
        return self.add_node(Activate(name="", inputs=(x,), shape=self.shapes[x], function=function))

    def clamp(self, x: str, low: float = -np.inf, high: float = np.inf) -> str:
        """Limit to `low` and `high`; the limits with a name of their own become that activation."""
        named = {(0.0, np.inf): Activation.RELU, (0.0, 6.0): Activation.RELU6}.get((low, high))
        if named is not None:
            return self.activate(named, x)
        return self.add_node(Clamp(name="", inputs=(x,), shape=self.shapes[x], low=float(low), high=float(high)))

    def add(self, x: str, y: str) -> str:
        """Add, a constant second."""
        return self._pair("add", x, y)

    def mul(self, x: str, y: str) -> str:
        """Multiply, a constant second."""
        return self._pair("mul", x, y)

    def scaled(self, x: str, factor: float) -> str:
        """Multiply by a number; by 1 is nothing."""
        return x if factor == 1.0 else self.mul(x, self.number(factor))

    def shifted(self, x: str, term: float) -> str:
        """Add a number; 0 is nothing."""
        return x if term == 0.0 else self.add(x, self.number(term))

    def binary(self, kind: BinaryKind, x: str, y: str) -> str:
        """Apply a function of two numbers."""
        shape = np.broadcast_shapes(self.shapes[x], self.shapes[y])
        return self.add_node(Binary(name="", inputs=(x, y), shape=shape, kind=kind))

    def _pair(self, kind: str, x: str, y: str) -> str:
        if x in self.constants:
            x, y = y, x
        shape = np.broadcast_shapes(self.shapes[x], self.shapes[y])
        node = Add if kind == "add" else Mul
        return self.add_node(node(name="", inputs=(x, y), shape=shape))

    def reduce(self, kind: ReduceKind, x: str, axes: Iterable[int] | None, keep_dims: bool) -> str:
        """Reduce over axes, which may be negative; None is all of them."""
        before = self.shapes[x]
        rank = len(before)
        over = tuple(sorted({axis % rank for axis in axes})) if axes else tuple(range(rank))
        if all(before[axis] == 1 for axis in over):
            return x if keep_dims else self.reshape(x, [n for axis, n in enumerate(before) if axis not in over])
        shape = tuple(1 if axis in over else n for axis, n in enumerate(before) if keep_dims or axis not in over)
        return self.add_node(Reduce(name="", inputs=(x,), shape=shape, kind=kind, axes=over, keep_dims=keep_dims))

    def mean(self, x: str, axes: Iterable[int]) -> str:
        """Return the mean over axes, which stay with size 1."""
        return self.reduce(ReduceKind.MEAN, x, axes, keep_dims=True)

    def matmul(self, x: str, y: str) -> str:
        """Multiply matrices in the last two axes."""
        (*batch, rows, _), (*other, _, columns) = self.shapes[x], self.shapes[y]
        shape = (*np.broadcast_shapes(tuple(batch), tuple(other)), rows, columns)
        return self.add_node(MatMul(name="", inputs=(x, y), shape=shape))

    def along(self, x: str, axis: int, matrix: npt.NDArray[np.floating]) -> str:
        """Apply a matrix (OUT, IN) along an axis."""
        before = self.shapes[x]
        shape = (*before[:axis], matrix.shape[0], *before[axis + 1 :])
        narrow = np.ascontiguousarray(matrix, np.float32)
        return self.add_node(Along(name="", inputs=(x,), shape=shape, axis=axis, matrix=narrow))

    def softmax(self, x: str, axis: int) -> str:
        """Return the softmax over an axis."""
        shape = self.shapes[x]
        return self.add_node(Softmax(name="", inputs=(x,), shape=shape, axis=axis % len(shape)))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Give a tensor another shape; its own is nothing."""
        target = tuple(int(size) for size in shape)
        if target == self.shapes[x]:
            return x
        if x in self.constants:
            return self.constant(self.constants[x].reshape(target))
        return self.add_node(Reshape(name="", inputs=(x,), shape=target))

    def permute(self, x: str, axes: Sequence[int]) -> str:
        """Reorder axes, which may be negative."""
        before = self.shapes[x]
        order = tuple(axis % len(before) for axis in axes)
        if order == tuple(range(len(before))):
            return x
        if x in self.constants:
            return self.constant(np.ascontiguousarray(self.constants[x].transpose(order)))
        return self.add_node(Permute(name="", inputs=(x,), shape=tuple(before[axis] for axis in order), axes=order))

    def slice(self, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """Take elements `start`, `start + step`, ... before `stop` of an axis; all of them is nothing."""
        before = self.shapes[x]
        count = max(-(-(stop - start) // step), 0)
        if count == 0:
            raise NotInThisForm("it takes no element at all")
        if count == before[axis]:
            return x
        if x in self.constants:
            taken = np.take(self.constants[x], range(start, start + count * step, step), axis)
            return self.constant(np.ascontiguousarray(taken))
        shape = (*before[:axis], count, *before[axis + 1 :])
        return self.add_node(Slice(name="", inputs=(x,), shape=shape, axis=axis, start=start, step=step))

    def gather(self, x: str, axis: int, indices: Sequence[int]) -> str:
        """Take the elements at `indices`, which may be negative, of an axis."""
        before = self.shapes[x]
        wanted = tuple(int(index) % before[axis] for index in indices)
        if len(wanted) > 0 and wanted == tuple(range(wanted[0], wanted[0] + len(wanted))):
            return self.slice(x, axis, wanted[0], wanted[0] + len(wanted))
        shape = (*before[:axis], len(wanted), *before[axis + 1 :])
        return self.add_node(Gather(name="", inputs=(x,), shape=shape, axis=axis, indices=wanted))

    def concat(self, xs: Sequence[str], axis: int) -> str:
        """Join along an axis; empty tensors are left out, as torch does."""
        full = [x for x in xs if np.prod(self.shapes[x]) > 0]
        if len(full) == 1:
            return full[0]
        if all(x in self.constants for x in full):
            return self.constant(np.concatenate([self.constants[x] for x in full], axis))
        first = self.shapes[full[0]]
        size = sum(self.shapes[x][axis] for x in full)
        shape = (*first[:axis], size, *first[axis + 1 :])
        return self.add_node(Concat(name="", inputs=tuple(full), shape=shape, axis=axis))

    def pad(
        self, x: str, before: Sequence[int], after: Sequence[int], kind: PadKind = PadKind.CONSTANT, value: float = 0.0
    ) -> str:
        """Add elements before and after, given for every axis; a negative number takes elements away."""
        for axis, (first, last) in enumerate(zip(before, after, strict=True)):
            size = self.shapes[x][axis]
            if min(first, last) < 0:
                x = self.slice(x, axis, max(-first, 0), size - max(-last, 0))
        before, after = (tuple(max(int(size), 0) for size in sizes) for sizes in (before, after))
        if not any((*before, *after)):
            return x
        shape = tuple(a + n + b for a, n, b in zip(before, self.shapes[x], after, strict=True))
        node = Pad(name="", inputs=(x,), shape=shape, kind=kind, before=before, after=after, value=float(value))
        return self.add_node(node)

    def expand(self, x: str, shape: Sequence[int]) -> str:
        """Repeat axes of size 1 up to `shape`, with new axes in front."""
        target = tuple(int(size) for size in shape)
        x = self.reshape(x, (*(1,) * (len(target) - len(self.shapes[x])), *self.shapes[x]))
        if x in self.constants:
            return self.constant(np.ascontiguousarray(np.broadcast_to(self.constants[x], target)))
        return x if self.shapes[x] == target else self.add_node(Expand(name="", inputs=(x,), shape=target))
