"""Pooling, reductions, resizing and softmax, and TFLite's two schemes of padding."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mogakit.export.nodes import (
    Activate,
    Activation,
    Conv2d,
    Corners,
    GlobalMean,
    Node,
    Padding,
    Pool,
    PoolKind,
    Reduce,
    ReduceKind,
    Resize,
    ResizeKind,
    Shape,
    Softmax,
)
from mogakit.export.simplify import NEVER_WINS
from mogakit.export.tflite.layout import CHANNELS_LAST, restricted, with_last
from mogakit.export.tflite.writer import Operator, Options, Rule, Writer


def same_padding(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> Padding:
    """Return what TFLite's SAME adds: as little as gives ceil(size / stride) outputs, the odd one at the end.

    Args:
        size: of the input, (height, width).
        kernel: with dilation counted in.
    """

    def ends(length: int, window: int, step: int) -> tuple[int, int]:
        total = max((-(-length // step) - 1) * step + window - length, 0)
        return total // 2, total - total // 2

    vertical, horizontal = (ends(*axis) for axis in zip(size, kernel, stride, strict=True))
    return Padding(*vertical, *horizontal)


def scheme_of(before: Shape, node: Conv2d | Pool) -> int | None:
    """Return VALID or SAME where one of them pads a map of shape `before` as `node` does, else None."""
    if not node.padding:
        return int(schema.Padding.VALID)
    if isinstance(node, Pool) and node.counts_padding:
        return None  # SAME leaves padding out of an average
    dilation = node.dilation if isinstance(node, Conv2d) else (1, 1)
    kernel = ((node.kernel[0] - 1) * dilation[0] + 1, (node.kernel[1] - 1) * dilation[1] + 1)
    same = same_padding((before[2], before[3]), kernel, node.stride)
    return int(schema.Padding.SAME) if node.padding == same else None


def _pool(writer: Writer, node: Pool) -> None:
    average = node.kind is PoolKind.AVERAGE
    source, scheme = node.inputs[0], scheme_of(writer.shapes[node.inputs[0]], node)
    if scheme is None:
        zeros = average or _not_negative(writer, source)
        index = writer.padded(node, source, node.padding, 0.0 if zeros else NEVER_WINS)
        scheme = int(schema.Padding.VALID)
    else:
        index = writer.index(source, CHANNELS_LAST)
    options = schema.Pool2DOptionsT(
        padding=scheme,
        strideH=node.stride[0],
        strideW=node.stride[1],
        filterHeight=node.kernel[0],
        filterWidth=node.kernel[1],
    )
    code = Operator.AVERAGE_POOL_2D if average else Operator.MAX_POOL_2D
    writer.emit(node, code, [index], Options.Pool2DOptions, options)


def _not_negative(writer: Writer, name: str) -> bool:
    """Return whether a tensor comes out of a ReLU: zeros never win over it, and integers hold them exactly."""
    maker = writer.makers.get(name)
    function = maker.function if isinstance(maker, Activate) else getattr(maker, "activation", Activation.NONE)
    return function in (Activation.RELU, Activation.RELU6, Activation.SIGMOID)


def _global_mean(writer: Writer, node: GlobalMean) -> None:
    axes = writer.integers(f"{node.name}.axes", [1, 2])
    options = schema.ReducerOptionsT(keepDims=node.keep_dims)
    inputs = [writer.index(node.inputs[0], CHANNELS_LAST), axes]
    writer.emit(node, Operator.MEAN, inputs, Options.ReducerOptions, options)


_REDUCTIONS = {
    ReduceKind.MEAN: Operator.MEAN,
    ReduceKind.SUM: Operator.SUM,
    ReduceKind.MAX: Operator.REDUCE_MAX,
    ReduceKind.MIN: Operator.REDUCE_MIN,
}


def _reduce(writer: Writer, node: Reduce) -> None:
    order = writer.order(node.inputs[0])
    axes = writer.integers(f"{node.name}.axes", sorted(order.index(axis) for axis in node.axes))
    kept = [axis for axis in range(len(order)) if axis not in node.axes]
    left = order if node.keep_dims else restricted(order, kept)
    options = schema.ReducerOptionsT(keepDims=node.keep_dims)
    code = _REDUCTIONS[node.kind]
    writer.emit(node, code, [writer.index(node.inputs[0]), axes], Options.ReducerOptions, options, left)


def _softmax(writer: Writer, node: Softmax) -> None:
    order = with_last(writer.order(node.inputs[0]), node.axis)
    options = schema.SoftmaxOptionsT(beta=1.0)
    source = writer.index(node.inputs[0], order)
    writer.emit(node, Operator.SOFTMAX, [source], Options.SoftmaxOptions, options, order)


def _resize(writer: Writer, node: Resize) -> None:
    aligned, half = node.corners is Corners.ALIGNED, node.corners is Corners.HALF_PIXEL
    size = writer.integers(f"{node.name}.size", node.shape[2:])
    inputs = [writer.index(node.inputs[0], CHANNELS_LAST), size]
    if node.kind is ResizeKind.BILINEAR:
        options = schema.ResizeBilinearOptionsT(alignCorners=aligned, halfPixelCenters=half)
        writer.emit(node, Operator.RESIZE_BILINEAR, inputs, Options.ResizeBilinearOptions, options)
    else:
        options = schema.ResizeNearestNeighborOptionsT(alignCorners=aligned, halfPixelCenters=half)
        writer.emit(node, Operator.RESIZE_NEAREST_NEIGHBOR, inputs, Options.ResizeNearestNeighborOptions, options)


def area(pool: Pool) -> int:
    """Return how many elements a window holds."""
    return int(np.prod(pool.kernel))


RULES: dict[type[Node], Rule] = {
    Pool: _pool,
    GlobalMean: _global_mean,
    Reduce: _reduce,
    Softmax: _softmax,
    Resize: _resize,
}
