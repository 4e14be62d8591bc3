"""What the lowering to MACE produces: operators and constants in file order, in MACE's shapes."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from mogakit.errors import UnsupportedOperator
from mogakit.export.mace import operators
from mogakit.export.mace.netdef import Argument, DataType, Operator, Port
from mogakit.export.mace.operators import OpType
from mogakit.export.nodes import FloatArray, Padding, Shape


class HSigmoid(StrEnum):
    """How h-sigmoid is written. The function is the same, the latency is not."""

    PORTABLE = "portable"  # folded where exact, else BatchNorm + RELUX: every runtime of every version
    NATIVE = "native"  # HARDSIGMOID: the CPU of v1.1.1 and later only


@dataclass(kw_only=True)
class Plan:
    """Operators and constants in file order; `forms` counts how each h-sigmoid was written."""

    data_type: DataType
    h_sigmoid: HSigmoid
    operators: list[Operator] = field(default_factory=list)
    constants: dict[str, FloatArray] = field(default_factory=dict)
    forms: Counter[str] = field(default_factory=Counter)
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()

    def emit(self, op_type: OpType, output: str, inputs: tuple[str, ...], shape: Shape, *arguments: Argument) -> str:
        """Append an operator, named after its output; `shape` is NHWC. Returns the output's name."""
        common = operators.common(op_type, self.data_type)
        self.operators.append(
            Operator(
                name=output,
                type=op_type,
                inputs=inputs,
                output=output,
                output_shape=shape,
                arguments=(*common, *arguments),
            )
        )
        return output

    def constant(self, name: str, value: FloatArray) -> str:
        """Add a constant unless it is there already, and return its name."""
        if name not in self.constants:
            self.constants[name] = np.ascontiguousarray(value, np.float32)
        return name


def nhwc(shape: Shape) -> Shape:
    """Turn a torch shape, (N, C, H, W) or (N, C), into MACE's (N, H, W, C)."""
    if len(shape) == 4:
        return (shape[0], shape[2], shape[3], shape[1])
    if len(shape) == 2:
        return (shape[0], 1, 1, shape[1])
    raise UnsupportedOperator(f"MACE files hold tensors of 2 or 4 dimensions; this graph has one of shape {shape}")


def padding_totals(name: str, padding: Padding) -> tuple[int, int]:
    """Return (top + bottom, left + right). MACE gives the first half, rounded down, to the top and left.

    Raises:
        UnsupportedOperator: MACE would split the total in another way.
    """
    height, width = padding.top + padding.bottom, padding.left + padding.right
    if (padding.top, padding.left) != (height // 2, width // 2):
        raise UnsupportedOperator(
            f"node {name!r} pads {padding.top}+{padding.bottom} rows and {padding.left}+{padding.right} columns; MACE "
            "stores totals only and puts the smaller half first"
        )
    return height, width
