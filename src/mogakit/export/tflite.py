"""Write a `Graph` as a TFLite file, float32 or with weights in float16.

The operators are those that litert-torch chooses for the same network: channels last from end to end with no
TRANSPOSE, HARD_SWISH kept whole, relu and relu6 fused, the h-sigmoid of a squeeze-and-excite gate as relu6 with its
`+ 3` in the convolution's bias and a MUL by 1/6. Where TFLite's SAME padding would be another function than torch's
(stride 2 on an even size), a PAD and a VALID convolution stand instead.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from mogakit.errors import ExportError, InputError
from mogakit.export import fold
from mogakit.export.artifact import Precision
from mogakit.export.graph import (
    Activate,
    Activation,
    Add,
    Concat,
    Conv2d,
    FloatArray,
    GlobalMean,
    Graph,
    Linear,
    Mul,
    Node,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Rows,
    Shape,
    Softmax,
)
from mogakit.export.tflite_model import ModelBuilder

Operator = schema.BuiltinOperator
Options = schema.BuiltinOptions

FUSED = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU: schema.ActivationFunctionType.RELU,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
}
"""Activations that ride on another operator."""

STANDALONE = {
    Activation.RELU: Operator.RELU,
    Activation.RELU6: Operator.RELU6,
    Activation.HSWISH: Operator.HARD_SWISH,
    Activation.SIGMOID: Operator.LOGISTIC,
}

DESCRIPTION = "MoGA Kit"


def write(graph: Graph, precision: Precision = Precision.FLOAT32) -> bytes:
    """Return the bytes of a TFLite file; the same graph gives the same bytes.

    Float16 halves the file: every weight and bias is stored in half and turned back by a DEQUANTIZE, which XNNPACK and
    the GPU delegate fold away; input, output and single numbers stay float32.

    Raises:
        InputError: `precision` is neither float32 nor float16, or a flattened map does not feed a linear layer.
        ExportError: a weight does not fit into float16.
    """
    if precision not in (Precision.FLOAT32, Precision.FLOAT16):
        raise InputError(
            f"this writer makes float32 and float16, not {precision}; integer files come from quantisation"
        )
    return _Writer(prepared(graph), half=precision is Precision.FLOAT16).write()


def prepared(graph: Graph) -> Graph:
    """Return `graph` in the form in which TFLite's operators can say it: h-sigmoid and SiLU split, relu fused."""
    graph = fold.split_activations(graph, (Activation.HSIGMOID, Activation.SILU))
    return fold.fuse_activations(fold.fold_scales(graph), (Activation.RELU, Activation.RELU6))


def channels_last(shape: Shape) -> Shape:
    """Turn (N, C, H, W) into (N, H, W, C); other ranks stay."""
    return (shape[0], shape[2], shape[3], shape[1]) if len(shape) == 4 else shape


class _Writer:
    """Turns nodes into operators one by one; `RULES` says how."""

    def __init__(self, graph: Graph, half: bool) -> None:
        self.graph = graph
        self.model = ModelBuilder()
        self.shapes = graph.shapes()
        self._half = half
        self._indices: dict[str, int] = {}

    def write(self) -> bytes:
        """Emit every node and pack."""
        for tensor in self.graph.inputs:
            self._indices[tensor.name] = self.model.activation(tensor.name, channels_last(tensor.shape))
        for node in self.graph.nodes:
            RULES[type(node)](self, node)
        inputs = {tensor.name: self._indices[tensor.name] for tensor in self.graph.inputs}
        return self.model.pack(inputs, {name: self._indices[name] for name in self.graph.outputs}, DESCRIPTION)

    def index(self, name: str) -> int:
        """Return the tensor of a name; an operand of `Add` or `Mul` is made at its first reading."""
        if name not in self._indices:
            value = self.graph.constants[name]
            self._indices[name] = self.weight(name, value.transpose(0, 2, 3, 1) if value.ndim == 4 else value)
        return self._indices[name]

    def alias(self, name: str, source: str) -> None:
        """Let `name` stand for the tensor of `source`."""
        self._indices[name] = self.index(source)

    def weight(self, name: str, value: FloatArray) -> int:
        """Add a constant in the precision asked for."""
        if not self._half or value.size == 1:
            return self.model.constant(name, value)
        with np.errstate(over="ignore"):
            narrow = value.astype(np.float16)
        if not np.isfinite(narrow).all():
            raise ExportError(f"{name} holds {np.abs(value).max():g}, beyond float16's 65504; export it as float32")
        stored = self.model.constant(f"{name}.half", narrow)
        wide = self.model.activation(name, value.shape)
        self.model.operator(Operator.DEQUANTIZE, [stored], wide, Options.DequantizeOptions, schema.DequantizeOptionsT())
        return wide

    def integers(self, name: str, value: npt.ArrayLike) -> int:
        """Add an int32 constant: axes, paddings, shapes."""
        return self.model.constant(name, np.asarray(value, dtype=np.int32))

    def emit(self, node: Node, code: int, inputs: list[int], options_type: int = 0, options: Any = None) -> None:
        """Append the operator that makes `node`'s output."""
        output = self.model.activation(node.name, channels_last(node.shape))
        self._indices[node.name] = output
        self.model.operator(code, inputs, output, options_type, options)

    def padded(self, node: Node, source: str, padding: Padding, value: float = 0.0) -> int:
        """Return the tensor `source` with `padding` around it."""
        batch, channels, height, width = self.shapes[source]
        shape = (batch, height + padding.top + padding.bottom, width + padding.left + padding.right, channels)
        amounts = self.integers(
            f"{node.name}.paddings", [[0, 0], [padding.top, padding.bottom], [padding.left, padding.right], [0, 0]]
        )
        output = self.model.activation(f"{node.name}.padded", shape)
        inputs = [self.index(source), amounts]
        if value == 0.0:
            self.model.operator(Operator.PAD, inputs, output, Options.PadOptions, schema.PadOptionsT())
        else:
            inputs.append(self.model.constant(f"{node.name}.padding_value", np.array([value], np.float32)))
            self.model.operator(Operator.PADV2, inputs, output, Options.PadV2Options, schema.PadV2OptionsT())
        return output


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


def _scheme(writer: _Writer, node: Conv2d | Pool) -> int | None:
    """Return VALID or SAME where one of them pads as `node` does, else None."""
    if not node.padding:
        return int(schema.Padding.VALID)
    _, _, height, width = writer.shapes[node.inputs[0]]
    dilation = node.dilation if isinstance(node, Conv2d) else (1, 1)
    kernel = ((node.kernel[0] - 1) * dilation[0] + 1, (node.kernel[1] - 1) * dilation[1] + 1)
    same = same_padding((height, width), kernel, node.stride)
    return int(schema.Padding.SAME) if node.padding == same else None


def _window(writer: _Writer, node: Conv2d | Pool, filler: float = 0.0) -> tuple[int, int]:
    """Return the tensor a window slides over, and TFLite's padding scheme; a PAD is emitted where neither fits."""
    scheme = _scheme(writer, node)
    if scheme is None:
        return writer.padded(node, node.inputs[0], node.padding, filler), int(schema.Padding.VALID)
    return writer.index(node.inputs[0]), scheme


def _conv(writer: _Writer, node: Conv2d) -> None:
    source, padding = _window(writer, node)
    common: dict[str, Any] = {
        "padding": padding,
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
    else:
        weight = writer.weight(f"{node.name}.weight", node.weight.transpose(0, 2, 3, 1))
        options = schema.Conv2DOptionsT(**common)
        code, kind = Operator.CONV_2D, Options.Conv2DOptions
    bias = writer.weight(f"{node.name}.bias", node.bias)
    writer.emit(node, code, [source, weight, bias], kind, options)


def _linear(writer: _Writer, node: Linear) -> None:
    maker = writer.graph.makers().get(node.inputs[0])
    rows = node.weight
    if isinstance(maker, Reshape):
        _, channels, height, width = writer.shapes[maker.inputs[0]]
        if height * width > 1:
            # The flattened map lies in memory as H, W, C here and as C, H, W in torch: reorder the columns instead.
            rows = rows.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(rows.shape)
    weight = writer.weight(f"{node.name}.weight", rows)
    bias = writer.weight(f"{node.name}.bias", node.bias)
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=FUSED[node.activation])
    inputs = [writer.index(node.inputs[0]), weight, bias]
    writer.emit(node, Operator.FULLY_CONNECTED, inputs, Options.FullyConnectedOptions, options)


def _add(writer: _Writer, node: Add) -> None:
    options = schema.AddOptionsT(fusedActivationFunction=FUSED[node.activation])
    writer.emit(node, Operator.ADD, [writer.index(name) for name in node.inputs], Options.AddOptions, options)


def _mul(writer: _Writer, node: Mul) -> None:
    options = schema.MulOptionsT(fusedActivationFunction=FUSED[node.activation])
    writer.emit(node, Operator.MUL, [writer.index(name) for name in node.inputs], Options.MulOptions, options)


def _activate(writer: _Writer, node: Activate) -> None:
    source = [writer.index(node.inputs[0])]
    if node.function is Activation.HSWISH:
        writer.emit(node, Operator.HARD_SWISH, source, Options.HardSwishOptions, schema.HardSwishOptionsT())
    else:
        writer.emit(node, STANDALONE[node.function], source)


def _mean(writer: _Writer, node: GlobalMean) -> None:
    axes = writer.integers(f"{node.name}.axes", [1, 2])
    options = schema.ReducerOptionsT(keepDims=node.keep_dims)
    writer.emit(node, Operator.MEAN, [writer.index(node.inputs[0]), axes], Options.ReducerOptions, options)


def _pool(writer: _Writer, node: Pool) -> None:
    average = node.kind is PoolKind.AVERAGE
    lowest = float(np.finfo(np.float32).min)
    if average and _scheme(writer, node) is None:
        raise InputError(
            f"{node.name}: average pooling with padding {node.padding} has no TFLite form; supported: none, or SAME's"
        )
    source, padding = _window(writer, node, lowest)
    options = schema.Pool2DOptionsT(
        padding=padding,
        strideH=node.stride[0],
        strideW=node.stride[1],
        filterHeight=node.kernel[0],
        filterWidth=node.kernel[1],
    )
    code = Operator.AVERAGE_POOL_2D if average else Operator.MAX_POOL_2D
    writer.emit(node, code, [source], Options.Pool2DOptions, options)


MAX_JOINED = 4
"""Inputs of one CONCATENATION: XNNPACK leaves longer ones to the slow kernels, and with them a part of the graph."""


def _concat(writer: _Writer, node: Concat) -> None:
    axis = {0: 0, 1: 3, 2: 1, 3: 2}[node.axis] if len(node.shape) == 4 else node.axis
    options = schema.ConcatenationOptionsT(axis=axis)
    inputs = [writer.index(name) for name in node.inputs]
    shapes = [channels_last(writer.shapes[name]) for name in node.inputs]
    while len(inputs) > MAX_JOINED:  # the last ones first: in a pyramid of maps these are the small ones
        size = sum(shape[axis] for shape in shapes[-MAX_JOINED:])
        shape = (*shapes[-1][:axis], size, *shapes[-1][axis + 1 :])
        joined = writer.model.activation(f"{node.name}.end", shape)
        code, kind = Operator.CONCATENATION, Options.ConcatenationOptions
        writer.model.operator(code, inputs[-MAX_JOINED:], joined, kind, options)
        inputs[-MAX_JOINED:], shapes[-MAX_JOINED:] = [joined], [shape]
    writer.emit(node, Operator.CONCATENATION, inputs, Options.ConcatenationOptions, options)


def _softmax(writer: _Writer, node: Softmax) -> None:
    options = schema.SoftmaxOptionsT(beta=1.0)
    writer.emit(node, Operator.SOFTMAX, [writer.index(node.inputs[0])], Options.SoftmaxOptions, options)


def _reshape(writer: _Writer, node: Reshape) -> None:
    before = writer.shapes[node.inputs[0]]
    readers = writer.graph.readers().get(node.name, ())
    inner = node.name not in writer.graph.outputs
    if inner and len(node.shape) == 2 and all(isinstance(reader, Linear) for reader in readers):
        # FULLY_CONNECTED flattens what it reads: no operator is needed, and the converters of others emit none.
        writer.alias(node.name, node.inputs[0])
        return
    if len(before) == 4 and before[2] * before[3] > 1:
        raise InputError(
            f"{node.name} flattens a map of {before}, whose order differs in channels-last memory; supported: a "
            "flatten after pooling to 1x1, or one that only linear layers read"
        )
    _reordered(writer, node)


def _reordered(writer: _Writer, node: Reshape | Rows) -> None:
    """Emit a RESHAPE: the elements stay where they are in channels-last memory."""
    shape = channels_last(node.shape)
    target = writer.integers(f"{node.name}.shape", shape)
    options = schema.ReshapeOptionsT(newShape=list(shape))
    writer.emit(node, Operator.RESHAPE, [writer.index(node.inputs[0]), target], Options.ReshapeOptions, options)


Rule: TypeAlias = Callable[[_Writer, Any], None]

RULES: dict[type[Node], Rule] = {
    Conv2d: _conv,
    Linear: _linear,
    Add: _add,
    Mul: _mul,
    Activate: _activate,
    GlobalMean: _mean,
    Pool: _pool,
    Concat: _concat,
    Softmax: _softmax,
    Reshape: _reshape,
    Rows: _reordered,
}
"""How each kind of node becomes operators."""
