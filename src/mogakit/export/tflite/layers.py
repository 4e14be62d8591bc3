"""Layers with weights: convolutions, linear layers, products of matrices."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mogakit.export.nodes import Along, Conv2d, ConvTranspose2d, FloatArray, Linear, MatMul, Node
from mogakit.export.tflite.layout import CHANNELS_LAST, Order, physical, with_last
from mogakit.export.tflite.windows import scheme_of
from mogakit.export.tflite.writer import FUSED, Operator, Options, Rule, Writer


def _conv(writer: Writer, node: Conv2d) -> None:
    scheme = scheme_of(writer.shapes[node.inputs[0]], node)
    if scheme is None:
        source, scheme = writer.padded(node, node.inputs[0], node.padding), int(schema.Padding.VALID)
    else:
        source = writer.index(node.inputs[0], CHANNELS_LAST)
    common: dict[str, Any] = {
        "padding": scheme,
        "strideH": node.stride[0],
        "strideW": node.stride[1],
        "dilationHFactor": node.dilation[0],
        "dilationWFactor": node.dilation[1],
        "fusedActivationFunction": FUSED[node.activation],
    }
    if node.depthwise:
        # (O, 1, KH, KW) to (1, KH, KW, O): output o = input o // multiplier in both.
        weight = writer.weight(f"{node.name}.weight", node.weight.transpose(1, 2, 3, 0))
        multiplier = node.weight.shape[0] // node.groups
        options = schema.DepthwiseConv2DOptionsT(depthMultiplier=multiplier, **common)
        code, kind = Operator.DEPTHWISE_CONV_2D, Options.DepthwiseConv2DOptions
    else:  # how many groups there are, LiteRT reads off the weights: they have I/groups channels
        laid = node.weight.transpose(0, 2, 3, 1)
        weight = writer.weight(f"{node.name}.weight", laid) if node.grouped else writer.layer_weight(node, laid)
        options = schema.Conv2DOptionsT(**common)
        code, kind = Operator.CONV_2D, Options.Conv2DOptions
    bias = writer.weight(f"{node.name}.bias", node.bias)
    writer.emit(node, code, [source, weight, bias], kind, options)


def _conv_transpose(writer: Writer, node: ConvTranspose2d) -> None:
    """Emit TRANSPOSE_CONV with SAME's padding where it is torch's, else without padding and cut to size."""
    before = writer.shapes[node.inputs[0]]
    kernel = dense_kernel(node)  # (O, I, KH, KW), undilated and without groups, which TFLite lacks
    sizes, outputs = before[2:], node.shape[2:]
    missing = [
        max(first + count - (size - 1) * step - window, 0)
        for first, count, size, step, window in zip(
            node.padding, outputs, sizes, node.stride, kernel.shape[2:], strict=True
        )
    ]
    kernel = np.pad(kernel, [(0, 0), (0, 0), (0, missing[0]), (0, missing[1])])
    full = [(size - 1) * step + window for size, step, window in zip(sizes, node.stride, kernel.shape[2:], strict=True)]
    same = all(
        -(-count // step) == size and first == max(reach - count, 0) // 2 and reach >= count
        for count, step, size, first, reach in zip(outputs, node.stride, sizes, node.padding, full, strict=True)
    )
    shape = (node.shape[0], *(outputs if same else full), node.shape[1])
    weight = writer.weight(f"{node.name}.weight", kernel.transpose(0, 2, 3, 1))
    inputs = [
        writer.integers(f"{node.name}.size", shape),
        weight,
        writer.index(node.inputs[0], CHANNELS_LAST),
        writer.weight(f"{node.name}.bias", node.bias),
    ]
    scheme = schema.Padding.SAME if same else schema.Padding.VALID
    options = schema.TransposeConvOptionsT(padding=int(scheme), strideH=node.stride[0], strideW=node.stride[1])
    if same or tuple(full) == outputs:
        writer.emit(node, Operator.TRANSPOSE_CONV, inputs, Options.TransposeConvOptions, options)
        return
    whole = writer.part(node, "full", shape, Operator.TRANSPOSE_CONV, inputs, Options.TransposeConvOptions, options)
    start = writer.integers(f"{node.name}.start", [0, *node.padding, 0])
    size = writer.integers(f"{node.name}.kept", [node.shape[0], *outputs, node.shape[1]])
    writer.emit(node, Operator.SLICE, [whole, start, size], Options.SliceOptions, schema.SliceOptionsT())


def dense_kernel(node: ConvTranspose2d) -> FloatArray:
    """Return the weights as (O, I, KH, KW) of one group, with zeros between groups and where a dilation skips."""
    inputs, per_group, high, wide = node.weight.shape
    step_h, step_w = node.dilation
    kernel = np.zeros((per_group * node.groups, inputs, (high - 1) * step_h + 1, (wide - 1) * step_w + 1), np.float32)
    each = inputs // node.groups
    for group in range(node.groups):
        rows, columns = slice(group * per_group, (group + 1) * per_group), slice(group * each, (group + 1) * each)
        kernel[rows, columns, ::step_h, ::step_w] = node.weight[columns].transpose(1, 0, 2, 3)
    return kernel


def _linear(writer: Writer, node: Linear) -> None:
    rows, source = node.weight, node.inputs[0]
    if source in writer.flattened:
        # FULLY_CONNECTED flattens what it reads, in the order in which that lies: reorder the columns, not the map.
        source = writer.flattened[source]
        order = writer.order(source)
        columns = rows.reshape(-1, *writer.shapes[source][1:])
        rows = columns.transpose(0, *(axis for axis in order if axis != 0)).reshape(rows.shape)
        order = (0, 1)
        inputs = [writer.index(source)]
    else:
        rank = len(node.shape)
        order = with_last(writer.order(source), rank - 1)
        inputs = [writer.index(source, order)]
    inputs += [writer.layer_weight(node, rows), writer.weight(f"{node.name}.bias", node.bias)]
    options = schema.FullyConnectedOptionsT(
        fusedActivationFunction=FUSED[node.activation], keepNumDims=len(node.shape) > 2
    )
    writer.emit(node, Operator.FULLY_CONNECTED, inputs, Options.FullyConnectedOptions, options, order)


def _matmul(writer: Writer, node: MatMul) -> None:
    rank = len(node.shape)
    inputs, turned = [], []
    for name in node.inputs:
        plain: Order = tuple(range(rank))
        swapped: Order = (*range(rank - 2), rank - 1, rank - 2)
        is_swapped = name not in writer.graph.constants and writer.order(name) == swapped
        inputs.append(writer.lifted(name, rank, swapped if is_swapped else plain))
        turned.append(is_swapped)
    options = schema.BatchMatMulOptionsT(adjX=turned[0], adjY=turned[1])
    writer.emit(node, Operator.BATCH_MATMUL, inputs, Options.BatchMatMulOptions, options, tuple(range(rank)))


def _along(writer: Writer, node: Along) -> None:
    """Emit the product of a matrix and every slice along an axis, wherever the axis lies."""
    source, order = node.inputs[0], writer.order(node.inputs[0])
    place = order.index(node.axis)
    shape = physical(writer.shapes[source], order)
    before, after = int(np.prod(shape[:place])), int(np.prod(shape[place + 1 :]))
    count, size = node.matrix.shape
    flat = writer.reshaped(f"{node.name}.flat", writer.index(source), (before, size, after))
    matrix = writer.weight(f"{node.name}.matrix", node.matrix[None])
    options = (Options.BatchMatMulOptions, schema.BatchMatMulOptionsT(adjX=False, adjY=False))
    made = writer.part(node, "product", (before, count, after), Operator.BATCH_MATMUL, [matrix, flat], *options)
    _cut(writer, node, made, order)


def _cut(writer: Writer, node: Node, source: int, order: Order) -> None:
    shape = physical(node.shape, order)
    target = writer.integers(f"{node.name}.shape", shape)
    options = schema.ReshapeOptionsT(newShape=list(shape))
    writer.emit(node, Operator.RESHAPE, [source, target], Options.ReshapeOptions, options, order)


RULES: dict[type[Node], Rule] = {
    Conv2d: _conv,
    ConvTranspose2d: _conv_transpose,
    Linear: _linear,
    MatMul: _matmul,
    Along: _along,
}
