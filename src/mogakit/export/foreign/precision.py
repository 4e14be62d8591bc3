"""The one classifier of precision: what the operators of a graph compute in, whatever its inputs and outputs are.

A graph of any format is handed over as one `Step` an operator. Operators that only move data, and those that change the
type between two others, decide nothing while there is any that computes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mogakit.export.artifact import Precision


class Number(StrEnum):
    """A kind of number in a tensor, as far as precision goes."""

    FLOAT = "float"
    HALF = "half"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    SMALL = "small"  # 4 bits or fewer
    OTHER = "other"  # indices, sizes, masks, text

    @property
    def is_integer(self) -> bool:
        """Return whether values of this kind are scaled integers."""
        return self in (Number.INT8, Number.UINT8, Number.INT16, Number.SMALL)


KINDS: dict[str, Number] = {
    "float64": Number.FLOAT,
    "float32": Number.FLOAT,
    "bfloat16": Number.HALF,
    "float16": Number.HALF,
    "int8": Number.INT8,
    "uint8": Number.UINT8,
    "int16": Number.INT16,
    "uint16": Number.INT16,
    "int4": Number.SMALL,
    "uint4": Number.SMALL,
    "int2": Number.SMALL,
    "float8": Number.SMALL,
}
"""NumPy's name of a type, as `TensorSpec.dtype` has it -> what it counts as."""


def words(text: str) -> frozenset[str]:
    """Return the operator names of a text, separated by spaces."""
    return frozenset(text.split())


class Role(StrEnum):
    """What an operator does to the numbers."""

    COMPUTES = "computes"
    MOVES = "moves"  # reshapes, joins, cuts
    CONVERTS = "converts"  # between types: QUANTIZE, DEQUANTIZE, CAST
    SCALES_DYNAMICALLY = "scales-dynamically"  # ranges are read off the values at each run


@dataclass(frozen=True)
class Step:
    """One operator: the kinds of its activations (inputs and outputs) and of its constants."""

    role: Role
    activations: frozenset[Number]
    constants: frozenset[Number]


def classify(steps: Sequence[Step], inputs: Iterable[Number], outputs: Iterable[Number]) -> Precision:
    """Return the precision of a graph.

    Args:
        steps: its operators, those of all subgraphs together.
        inputs, outputs: kinds of its ends.
    """
    computing = [step for step in steps if step.role is Role.COMPUTES] or list(steps)
    arithmetic = {_arithmetic(step) for step in computing} - {None}
    ends = set(inputs) | set(outputs)
    if not arithmetic:
        arithmetic = {_of_kind(kind) for kind in ends} - {None}
    if any(step.role is Role.SCALES_DYNAMICALLY for step in steps):
        arithmetic = {Precision.DYNAMIC_RANGE if one is Precision.INT8 else one for one in arithmetic}
    if arithmetic <= {Precision.FLOAT32}:
        return _stored(steps)
    if arithmetic <= {Precision.FLOAT32, Precision.DYNAMIC_RANGE}:
        return Precision.DYNAMIC_RANGE
    if arithmetic == {Precision.FLOAT16}:
        return Precision.FLOAT16
    if arithmetic in ({Precision.INT8}, {Precision.UINT8}):
        if ends & {Number.FLOAT, Number.HALF}:
            return Precision.INT8_FLOAT_IO
        return Precision.UINT8 if Number.UINT8 in ends else Precision.INT8
    return Precision.INT16X8 if arithmetic == {Precision.INT16X8} else Precision.MIXED


def _arithmetic(step: Step) -> Precision | None:
    """Return what one operator computes in: its activations decide, integer weights beside floats are dynamic range."""
    kinds = step.activations - {Number.OTHER} or step.constants - {Number.OTHER}
    if not kinds:
        return None
    if Number.FLOAT in kinds or Number.HALF in kinds:
        if any(kind.is_integer for kind in step.constants):
            return Precision.DYNAMIC_RANGE
        return Precision.FLOAT32 if Number.FLOAT in kinds else Precision.FLOAT16
    if Number.INT16 in kinds:
        return Precision.INT16X8
    if kinds == {Number.UINT8}:
        return Precision.UINT8
    return Precision.INT8 if Number.UINT8 not in kinds else Precision.MIXED


def _of_kind(kind: Number) -> Precision | None:
    return _arithmetic(Step(Role.COMPUTES, frozenset({kind}), frozenset()))


def _stored(steps: Sequence[Step]) -> Precision:
    """Return the precision of a graph that computes in float32, by how its constants are stored."""
    unpacked = set().union(*(step.constants for step in steps if step.role is Role.CONVERTS))
    if any(kind.is_integer for kind in unpacked):
        return Precision.DYNAMIC_RANGE
    return Precision.FLOAT16 if Number.HALF in unpacked else Precision.FLOAT32
