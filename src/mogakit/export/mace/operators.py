"""MACE's operators as the writer builds them: the arguments that both runtimes of both generations need.

What is required was found by running files with single arguments left out on mace_run v1.0.4 and master, CPU and
OpenCL: without `padding_values` MACE pads SAME, which is silently wrong at stride 2; without `has_data_format` the CPU
aborts and the GPU falls back.
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum

from mogakit.export.mace.netdef import FRAMEWORK_ONNX, Argument, DataFormat, DataType


class OpType(StrEnum):
    """Operator types that the writer uses; none of them falls back from GPU to CPU."""

    CONV = "Conv2D"
    DEPTHWISE = "DepthwiseConv2d"
    FULLY_CONNECTED = "FullyConnected"
    ACTIVATION = "Activation"
    ELTWISE = "Eltwise"
    REDUCE = "Reduce"
    POOLING = "Pooling"
    BATCH_NORM = "BatchNorm"
    CONCAT = "Concat"
    SOFTMAX = "Softmax"


class EltwiseType(IntEnum):
    """Values of Eltwise's argument `type`."""

    SUM = 0
    SUB = 1
    PROD = 2
    DIV = 3
    MIN = 4
    MAX = 5


class PoolingType(IntEnum):
    """Values of Pooling's argument `pooling_type`. AVG leaves padding out of the divisor."""

    AVG = 1
    MAX = 2


REDUCE_MEAN = 0
ROUND_FLOOR = 0  # the default is CEIL
NHWC_CHANNELS = 3
LAYOUT_AGNOSTIC = frozenset(
    {OpType.ACTIVATION, OpType.ELTWISE, OpType.REDUCE, OpType.BATCH_NORM, OpType.CONCAT, OpType.SOFTMAX}
)


def common(op_type: OpType, data_type: DataType) -> tuple[Argument, ...]:
    """Return the arguments that every operator of this type carries."""
    arguments = (
        Argument("T", int(data_type)),
        Argument("framework_type", FRAMEWORK_ONNX),
        Argument("data_format", int(DataFormat.AUTO)),
    )
    if op_type in LAYOUT_AGNOSTIC:
        return (*arguments, Argument("has_data_format", 1))
    return arguments


def relux(max_limit: float) -> tuple[Argument, ...]:
    """Return a fused or stand-alone min(max(x, 0), max_limit)."""
    return (Argument("activation", "RELUX"), Argument("max_limit", float(max_limit)))


def activation(name: str) -> tuple[Argument, ...]:
    """Return a fused or stand-alone activation without a parameter: RELU or SIGMOID."""
    return (Argument("activation", name),)


def hard_sigmoid() -> tuple[Argument, ...]:
    """Return the native h-sigmoid, which only the CPU runtime of v1.1.1 and later has."""
    return (
        Argument("activation", "HARDSIGMOID"),
        Argument("hardsigmoid_alpha", 1.0 / 6.0),
        Argument("hardsigmoid_beta", 0.5),
    )


def window(
    kernel: Sequence[int], stride: Sequence[int], padding_totals: Sequence[int], dilation: Sequence[int]
) -> tuple[Argument, ...]:
    """Return what convolutions and pooling share; `padding_totals` are (top + bottom, left + right)."""
    return (
        Argument("kernels", tuple(kernel)),
        Argument("strides", tuple(stride)),
        Argument("padding_values", tuple(padding_totals)),
        Argument("dilations", tuple(dilation)),
    )


def pooling(kind: PoolingType) -> tuple[Argument, ...]:
    """Return what only pooling has."""
    return (Argument("pooling_type", int(kind)), Argument("round_mode", ROUND_FLOOR))


def eltwise(kind: EltwiseType, scalar: float | None = None, place: int = 1) -> tuple[Argument, ...]:
    """Return an element-wise operator on two tensors, or on one and a scalar: its right operand (1) or left one (0)."""
    head = (Argument("type", int(kind)),)
    if scalar is None:
        return head
    return (*head, Argument("scalar_input", float(scalar)), Argument("scalar_input_index", place))


def reduce_mean(axes: tuple[int, ...] = (1, 2)) -> tuple[Argument, ...]:
    """Return a mean that keeps four dimensions, over height and width or over the channels, as the GPU demands."""
    return (Argument("reduce_type", REDUCE_MEAN), Argument("axis", axes), Argument("keepdims", 1))
