"""The graph under construction, and the words in which a call is refused."""

from dataclasses import dataclass, field

import numpy as np
import torch

from mogakit.errors import UnsupportedOperator
from mogakit.export.graph import FloatArray, Node, Padding, Shape
from mogakit.export.trace import Call, Ref

ONLY_BEFORE_CONVOLUTION = "padding is legal only with zeros, over height and width, and before convolutions"
ONLY_BEFORE_RESHAPE = "a permutation is legal only from NCHW to NHWC, and before a reshape to (N, H*W*A, V)"


def where(call: Call) -> str:
    """Name the module that a call came from, for a message."""
    return f"module {call.path!r}" if call.path else "the module's own forward"


def refused(call: Call, why: str) -> UnsupportedOperator:
    """Say that an operator is known, but not in this form."""
    return UnsupportedOperator(f"{where(call)} uses the operator {call.operator!r} in a form without export: {why}")


def array(value: torch.Tensor) -> FloatArray:
    """Return a constant tensor as the writers read it."""
    return np.array(value.detach().cpu().numpy(), dtype=np.float32, order="C")


@dataclass
class Builder:
    """The graph under construction. `names` maps numbers of the trace to names.

    `padded` holds pads and `turned` permutations to NHWC that are not yet merged with what reads them.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, FloatArray] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    padded: dict[str, tuple[str, Padding]] = field(default_factory=dict)
    turned: dict[str, str] = field(default_factory=dict)
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

    def name_for(self, call: Call) -> str:
        """Name a node after the module it came from, with the operator where a module has several."""
        return self.unique(call.path or call.operator)

    def add(self, node: Node) -> str:
        """Append a node and return its name."""
        self.nodes.append(node)
        self.shapes[node.name] = node.shape
        return node.name

    def read(self, call: Call, name: str = "self") -> str:
        """Return the name of a traced argument.

        Raises:
            UnsupportedOperator: it is a constant, or a padded tensor that only a convolution may read.
        """
        value = call.arguments[name]
        if not isinstance(value, Ref):
            raise refused(call, f"its argument {name!r} does not depend on the module's input")
        return self.plain(call, self.names[value.number])

    def plain(self, call: Call, tensor: str) -> str:
        """Return the name of a tensor that any operator may read.

        Raises:
            UnsupportedOperator: it is padded or permuted, and only what was announced may read it.
        """
        if tensor in self.padded:
            raise refused(call, f"it reads a padded tensor; {ONLY_BEFORE_CONVOLUTION}")
        if tensor in self.turned:
            raise refused(call, f"it reads a permuted tensor; {ONLY_BEFORE_RESHAPE}")
        return tensor

    def constant(self, call: Call, value: FloatArray) -> str:
        """Store an operand and return its name."""
        name = self.unique(f"{call.path or call.operator}.constant")
        self.constants[name] = value
        self.shapes[name] = value.shape
        return name
