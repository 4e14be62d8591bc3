"""How each kind of node becomes ONNX nodes: a name and attributes for most, a function where constants are needed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    Along,
    Binary,
    BinaryKind,
    BlocksFirst,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Corners,
    DepthToSpace,
    Elu,
    Expand,
    Gather,
    GlobalMean,
    LeakyRelu,
    Linear,
    MatMul,
    Mul,
    Node,
    Pad,
    Padding,
    PadKind,
    Permute,
    Pool,
    PoolKind,
    PRelu,
    Reduce,
    ReduceKind,
    Reshape,
    Resize,
    ResizeKind,
    Slice,
    Softmax,
)

if TYPE_CHECKING:
    from mogakit.export.onnx import Writer

Rule: TypeAlias = Callable[["Writer", Any], None]

STANDALONE = {
    Activation.RELU: "Relu",
    Activation.HSWISH: "HardSwish",
    Activation.SIGMOID: "Sigmoid",
    Activation.TANH: "Tanh",
    Activation.SOFTPLUS: "Softplus",
    Activation.EXP: "Exp",
    Activation.LOG: "Log",
    Activation.SQRT: "Sqrt",
    Activation.ABS: "Abs",
    Activation.NEG: "Neg",
    Activation.FLOOR: "Floor",
    Activation.SIN: "Sin",
    Activation.COS: "Cos",
}
_PAIRS = {
    BinaryKind.SUB: "Sub",
    BinaryKind.DIV: "Div",
    BinaryKind.MAXIMUM: "Max",
    BinaryKind.MINIMUM: "Min",
    BinaryKind.POW: "Pow",
}
_REDUCTIONS = {ReduceKind.MEAN: "ReduceMean", ReduceKind.MAX: "ReduceMax", ReduceKind.MIN: "ReduceMin"}


def _pads(padding: Padding) -> list[int]:
    """Return ONNX's order: the beginning of every axis, then the end of every axis."""
    return [padding.top, padding.left, padding.bottom, padding.right]


def _conv(writer: "Writer", node: Conv2d) -> None:
    weight = writer.constant(f"{node.name}.weight", node.weight)
    bias = writer.constant(f"{node.name}.bias", node.bias)
    writer.emit(
        node,
        "Conv",
        [*node.inputs, weight, bias],
        kernel_shape=node.kernel,
        strides=node.stride,
        pads=_pads(node.padding),
        dilations=node.dilation,
        group=node.groups,
    )


def _conv_transpose(writer: "Writer", node: ConvTranspose2d) -> None:
    """Emit ConvTranspose; what the output lacks at its end is output padding, what it has too much is padding."""
    sizes = writer.shapes[node.inputs[0]][2:]
    ends, extra = [], []
    for size, count, window, step, first, dilation in zip(
        sizes, node.shape[2:], node.kernel, node.stride, node.padding, node.dilation, strict=True
    ):
        left = (size - 1) * step + (window - 1) * dilation + 1 - first - count
        ends.append(max(left, 0))
        extra.append(max(-left, 0))
    writer.emit(
        node,
        "ConvTranspose",
        [
            *node.inputs,
            writer.constant(f"{node.name}.weight", node.weight),
            writer.constant(f"{node.name}.bias", node.bias),
        ],
        kernel_shape=node.kernel,
        strides=node.stride,
        pads=[*node.padding, *ends],
        output_padding=extra,
        dilations=node.dilation,
        group=node.groups,
    )


def _linear(writer: "Writer", node: Linear) -> None:
    bias = writer.constant(f"{node.name}.bias", node.bias)
    if len(node.shape) == 2:
        writer.emit(node, "Gemm", [*node.inputs, writer.constant(f"{node.name}.weight", node.weight), bias], transB=1)
        return
    weight = writer.constant(f"{node.name}.weight", np.ascontiguousarray(node.weight.T))
    product = writer.part(node, "product", "MatMul", [*node.inputs, weight])
    writer.emit(node, "Add", [product, bias])


def _along(writer: "Writer", node: Along) -> None:
    """Multiply from the left along the axis before the last, from the right along the last, else turned around."""
    rank, source = len(node.shape), node.inputs[0]
    if node.axis == rank - 1:
        matrix = writer.constant(f"{node.name}.matrix", np.ascontiguousarray(node.matrix.T))
        writer.emit(node, "MatMul", [source, matrix])
        return
    matrix = writer.constant(f"{node.name}.matrix", node.matrix)
    if node.axis == rank - 2:
        writer.emit(node, "MatMul", [matrix, source])
        return
    perm = [axis for axis in range(rank) if axis != node.axis]
    perm.insert(rank - 2, node.axis)
    turned = writer.part(node, "turned", "Transpose", [source], perm=perm)
    product = writer.part(node, "product", "MatMul", [matrix, turned])
    writer.emit(node, "Transpose", [product], perm=[perm.index(axis) for axis in range(rank)])


def _activate(writer: "Writer", node: Activate) -> None:
    match node.function:
        case Activation.RELU6:
            low = writer.constant("constant.zero", np.array(0, np.float32))
            high = writer.constant("constant.six", np.array(6, np.float32))
            writer.emit(node, "Clip", [*node.inputs, low, high])
        case Activation.HSIGMOID:
            writer.emit(node, "HardSigmoid", alpha=1 / 6, beta=0.5)
        case Activation.GELU:
            _gelu(writer, node)
        case Activation.MISH:
            tail = writer.part(node, "tanh", "Tanh", [writer.part(node, "softplus", "Softplus", list(node.inputs))])
            writer.emit(node, "Mul", [*node.inputs, tail])
        case function:
            writer.emit(node, STANDALONE[function])


def _gelu(writer: "Writer", node: Activate) -> None:
    """x * (erf(x / sqrt(2)) + 1) * 0.5: an operator of its own only from opset 20."""
    one, half, root = (
        writer.constant(f"constant.{name}", np.array(value, np.float32))
        for name, value in (("one", 1), ("half", 0.5), ("root_of_half", 0.5**0.5))
    )
    scaled = writer.part(node, "scaled", "Mul", [*node.inputs, root])
    grown = writer.part(node, "grown", "Add", [writer.part(node, "erf", "Erf", [scaled]), one])
    gate = writer.part(node, "gate", "Mul", [grown, half])
    writer.emit(node, "Mul", [*node.inputs, gate])


def _prelu(writer: "Writer", node: PRelu) -> None:
    slopes = node.slopes.reshape(-1, *(1,) * (len(node.shape) - 2))
    writer.emit(node, "PRelu", [*node.inputs, writer.constant(f"{node.name}.slopes", slopes)])


def _clamp(writer: "Writer", node: Clamp) -> None:
    bounds = [
        writer.constant(f"{node.name}.{name}", np.array(value, np.float32)) if np.isfinite(value) else ""
        for name, value in (("low", node.low), ("high", node.high))
    ]
    writer.emit(node, "Clip", [*node.inputs, *bounds] if bounds[1] else [*node.inputs, bounds[0]])


def _global_mean(writer: "Writer", node: GlobalMean) -> None:
    if node.keep_dims:
        writer.emit(node, "GlobalAveragePool")
    else:
        writer.emit(node, "ReduceMean", axes=[2, 3], keepdims=0)


def _reduce(writer: "Writer", node: Reduce) -> None:
    keep = int(node.keep_dims)
    if node.kind is ReduceKind.SUM:  # its axes became an input in opset 13
        axes = writer.constant(f"{node.name}.axes", np.array(node.axes, np.int64))
        writer.emit(node, "ReduceSum", [*node.inputs, axes], keepdims=keep)
    else:
        writer.emit(node, _REDUCTIONS[node.kind], axes=node.axes, keepdims=keep)


def _pool(writer: "Writer", node: Pool) -> None:
    average = node.kind is PoolKind.AVERAGE
    counted: dict[str, Any] = {"count_include_pad": 1} if average and node.counts_padding else {}
    operator = "AveragePool" if average else "MaxPool"
    writer.emit(node, operator, kernel_shape=node.kernel, strides=node.stride, pads=_pads(node.padding), **counted)


def _reshape(writer: "Writer", node: Reshape) -> None:
    before = writer.shapes[node.inputs[0]]
    if len(node.shape) == 2 and len(before) > 2 and node.shape[0] == before[0]:
        writer.emit(node, "Flatten", axis=1)
    else:
        shape = writer.constant(f"{node.name}.shape", np.array(node.shape, np.int64))
        writer.emit(node, "Reshape", [*node.inputs, shape])


def _slice(writer: "Writer", node: Slice) -> None:
    stop = node.start + (node.shape[node.axis] - 1) * node.step + 1
    numbers = [
        writer.constant(f"{node.name}.{name}", np.array([value], np.int64))
        for name, value in (("start", node.start), ("stop", stop), ("axis", node.axis), ("step", node.step))
    ]
    writer.emit(node, "Slice", [*node.inputs, *numbers])


def _gather(writer: "Writer", node: Gather) -> None:
    indices = writer.constant(f"{node.name}.indices", np.array(node.indices, np.int64))
    writer.emit(node, "Gather", [*node.inputs, indices], axis=node.axis)


def _pad(writer: "Writer", node: Pad) -> None:
    pads = writer.constant(f"{node.name}.pads", np.array([*node.before, *node.after], np.int64))
    if node.kind is PadKind.REFLECT:
        writer.emit(node, "Pad", [*node.inputs, pads], mode="reflect")
    else:
        value = writer.constant(f"{node.name}.value", np.array(node.value, np.float32))
        writer.emit(node, "Pad", [*node.inputs, pads, value], mode="constant")


def _expand(writer: "Writer", node: Expand) -> None:
    writer.emit(node, "Expand", [*node.inputs, writer.constant(f"{node.name}.shape", np.array(node.shape, np.int64))])


_MODES = {
    Corners.ASYMMETRIC: "asymmetric",
    Corners.HALF_PIXEL: "half_pixel",
    Corners.ALIGNED: "align_corners",
}


def _resize(writer: "Writer", node: Resize) -> None:
    sizes = writer.constant(f"{node.name}.sizes", np.array(node.shape, np.int64))
    nearest = node.kind is ResizeKind.NEAREST
    rounding: dict[str, Any] = {"nearest_mode": "floor"} if nearest else {}
    mode = "nearest" if nearest else "linear"
    inputs = [*node.inputs, "", "", sizes]
    writer.emit(node, "Resize", inputs, mode=mode, coordinate_transformation_mode=_MODES[node.corners], **rounding)


def _named(operator: str, **fixed: Any) -> Rule:
    return lambda writer, node: writer.emit(node, operator, **fixed)


RULES: dict[type[Node], Rule] = {
    Conv2d: _conv,
    ConvTranspose2d: _conv_transpose,
    Linear: _linear,
    MatMul: _named("MatMul"),
    Along: _along,
    Add: _named("Add"),
    Mul: _named("Mul"),
    Binary: lambda writer, node: writer.emit(node, _PAIRS[node.kind]),
    Activate: _activate,
    LeakyRelu: lambda writer, node: writer.emit(node, "LeakyRelu", alpha=node.slope),
    PRelu: _prelu,
    Elu: lambda writer, node: writer.emit(node, "Elu", alpha=node.alpha),
    Clamp: _clamp,
    GlobalMean: _global_mean,
    Reduce: _reduce,
    Pool: _pool,
    Softmax: lambda writer, node: writer.emit(node, "Softmax", axis=node.axis),
    Concat: lambda writer, node: writer.emit(node, "Concat", axis=node.axis),
    Slice: _slice,
    Gather: _gather,
    Pad: _pad,
    Reshape: _reshape,
    Permute: lambda writer, node: writer.emit(node, "Transpose", perm=node.axes),
    Expand: _expand,
    Resize: _resize,
    DepthToSpace: lambda writer, node: writer.emit(node, "DepthToSpace", blocksize=node.block, mode="CRD"),
    BlocksFirst: lambda writer, node: writer.emit(node, "DepthToSpace", blocksize=node.block, mode="DCR"),
}
"""How each kind of node becomes an ONNX node."""
