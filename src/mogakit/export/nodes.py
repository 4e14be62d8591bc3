"""The kinds of node that a `Graph` is made of. Shapes and axes are those of torch; every tensor is float32.

One class for each operation that a format can have an operator of its own for. What no format has (normalisations,
attention, variance) is spelled out in these by the rules that make nodes (`rules`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]


class Activation(StrEnum):
    """Functions of one number without parameters.

    HSIGMOID is relu6(x + 3) / 6 and HSWISH is x times that; SILU is x * sigmoid(x); SOFTPLUS is log(1 + exp(x)) and
    MISH is x * tanh(softplus(x)); GELU is exact (erf), GELU_TANH its tanh approximation.
    """

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    HSWISH = "hswish"
    HSIGMOID = "hsigmoid"
    SIGMOID = "sigmoid"
    SILU = "silu"
    TANH = "tanh"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"
    SOFTPLUS = "softplus"
    MISH = "mish"
    EXP = "exp"
    LOG = "log"
    SQRT = "sqrt"
    RSQRT = "rsqrt"
    ABS = "abs"
    NEG = "neg"
    FLOOR = "floor"
    SIN = "sin"
    COS = "cos"


class PoolKind(StrEnum):
    """What a pooling window gives: its largest value, or its mean."""

    MAX = "max"
    AVERAGE = "average"


class BinaryKind(StrEnum):
    """Functions of two numbers beside sum and product, which are `Add` and `Mul`."""

    SUB = "sub"
    DIV = "div"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    POW = "pow"


class ReduceKind(StrEnum):
    """What is left of the axes that are reduced."""

    MEAN = "mean"
    SUM = "sum"
    MAX = "max"
    MIN = "min"


class ResizeKind(StrEnum):
    """How a map is enlarged or shrunk."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


class Corners(StrEnum):
    """Where output pixel `i` of `n` reads an axis of `m` pixels.

    ASYMMETRIC: at i * m / n. HALF_PIXEL: at (i + 0.5) * m / n - 0.5, torch's `align_corners=False`. ALIGNED: at
    i * (m - 1) / (n - 1), torch's `align_corners=True`.
    """

    ASYMMETRIC = "asymmetric"
    HALF_PIXEL = "half_pixel"
    ALIGNED = "aligned"


class PadKind(StrEnum):
    """What stands in padding: one value, or the map mirrored without its edge."""

    CONSTANT = "constant"
    REFLECT = "reflect"


@dataclass(frozen=True)
class Padding:
    """Zeros added before a window slides (for max pooling: values that never win)."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return any((self.top, self.bottom, self.left, self.right))


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


# Layers with weights


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2d(Node):
    """Cross-correlation: dense (`groups` 1), depthwise (`groups` = input channels), or in groups.

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
        return self.groups > 1 and self.weight.shape[1] == 1

    @property
    def grouped(self) -> bool:
        """Return whether it is neither dense nor depthwise."""
        return self.groups > 1 and self.weight.shape[1] > 1

    @property
    def kernel(self) -> tuple[int, int]:
        """Return (KH, KW)."""
        return (self.weight.shape[2], self.weight.shape[3])


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvTranspose2d(Node):
    """Transposed convolution; what torch calls output padding is in `shape`.

    Attributes:
        weight: (I, O/groups, KH, KW).
        bias: (O,).
        padding: rows and columns taken off the beginning of each axis.
    """

    weight: FloatArray
    bias: FloatArray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def kernel(self) -> tuple[int, int]:
        """Return (KH, KW)."""
        return (self.weight.shape[2], self.weight.shape[3])


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Node):
    """Fully connected layer over the last axis: `weight` is (O, I), `bias` is (O,)."""

    weight: FloatArray
    bias: FloatArray
    activation: Activation = Activation.NONE


@dataclass(frozen=True, eq=False, kw_only=True)
class Along(Node):
    """A constant matrix (OUT, IN) applied along one axis: resampling and pooling that no operator of a format does."""

    axis: int
    matrix: FloatArray


# Element by element


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """Sum of two inputs that broadcast as in numpy; the second may be a constant."""

    activation: Activation = Activation.NONE


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(Node):
    """Product of two inputs that broadcast as in numpy; the second may be a constant."""

    activation: Activation = Activation.NONE


@dataclass(frozen=True, eq=False, kw_only=True)
class Binary(Node):
    """Another function of two inputs that broadcast as in numpy; either may be a constant."""

    kind: BinaryKind


@dataclass(frozen=True, eq=False, kw_only=True)
class Activate(Node):
    """An activation on its own."""

    function: Activation


@dataclass(frozen=True, eq=False, kw_only=True)
class LeakyRelu(Node):
    """x where positive, `slope` * x elsewhere."""

    slope: float


@dataclass(frozen=True, eq=False, kw_only=True)
class PRelu(Node):
    """Leaky ReLU with a slope for each channel (axis 1): `slopes` is (C,)."""

    slopes: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Elu(Node):
    """x where positive, `alpha` * (exp(x) - 1) elsewhere."""

    alpha: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Clamp(Node):
    """The nearest number within `low` and `high`; an infinite bound is none."""

    low: float
    high: float


# Windows and reductions


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalMean(Node):
    """Mean over height and width; `keep_dims` gives (N, C, 1, 1) rather than (N, C)."""

    keep_dims: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduce(Node):
    """Mean, sum or extreme over `axes`, which are sorted and not negative."""

    kind: ReduceKind
    axes: tuple[int, ...]
    keep_dims: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Node):
    """Pooling in windows; an average divides by the window's size where `counts_padding`, else by what it holds."""

    kind: PoolKind
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
    counts_padding: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Node):
    """Softmax over `axis`, not negative."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class MatMul(Node):
    """Product of matrices in the last two axes; the axes before broadcast. Either operand may be a constant."""


# What moves numbers without computing


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Node):
    """Inputs joined along `axis`, counted as in torch (1 is the channels)."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Node):
    """Elements `start`, `start + step`, ... of one axis; how many is in `shape`."""

    axis: int
    start: int
    step: int = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Gather(Node):
    """The elements of one axis at `indices`, which are not negative."""

    axis: int
    indices: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Node):
    """Elements added `before` and `after`, given for every axis; `value` stands in CONSTANT padding."""

    kind: PadKind
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Node):
    """The same numbers in torch's order under another shape."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Permute(Node):
    """Axes in another order: axis i of the output is axis `axes[i]` of the input."""

    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Expand(Node):
    """Axes of size 1 repeated up to `shape`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Resize(Node):
    """A map enlarged or shrunk in height and width."""

    kind: ResizeKind
    corners: Corners


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthToSpace(Node):
    """(N, C*b*b, H, W) to (N, C, H*b, W*b) in torch's order of channels (C, b, b), its `pixel_shuffle`."""

    block: int


@dataclass(frozen=True, eq=False, kw_only=True)
class BlocksFirst(DepthToSpace):
    """The same with channels in the order (b, b, C), as TFLite has them."""
