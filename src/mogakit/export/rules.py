"""How each ATen operator becomes nodes. `RULES` is the list of what can be exported; the rest is rejected by name."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from mogakit.export.builder import ONLY_BEFORE_CONVOLUTION, ONLY_BEFORE_RESHAPE, Builder, array, rejected
from mogakit.export.graph import (
    Activate,
    Activation,
    Add,
    Concat,
    Conv2d,
    FloatArray,
    GlobalMean,
    Linear,
    Mul,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Rows,
    Softmax,
)
from mogakit.export.trace import Argument, Call, Ref

Rule: TypeAlias = Callable[[Builder, Call], str]


def _pair(value: Any) -> tuple[int, int]:
    """Return (height, width) from ATen's list of one or two."""
    return (int(value[0]), int(value[-1]))


def _convolution(builder: Builder, call: Call) -> str:
    arguments = call.arguments
    weight, bias, source = arguments["weight"], arguments["bias"], arguments["input"]
    if not isinstance(weight, torch.Tensor) or weight.ndim != 4 or not isinstance(source, Ref):
        raise rejected(call, "only 2-D convolutions with constant weights are supported")
    if arguments["transposed"]:
        raise rejected(call, "it is transposed")
    groups, out_channels, in_channels = arguments["groups"], weight.shape[0], weight.shape[1] * arguments["groups"]
    if groups not in (1, in_channels):
        raise rejected(call, f"it has {groups} groups over {in_channels} channels; supported: 1 and {in_channels}")
    name = builder.names[source.number]
    height, width = _pair(arguments["padding"])
    padding = Padding(height, height, width, width)
    if name in builder.padded:
        name, before = builder.padded[name]
        padding = _joined(before, padding)
    return builder.add(
        Conv2d(
            name=builder.name_for(call),
            inputs=(name,),
            shape=call.shape,
            weight=array(weight),
            bias=np.zeros(out_channels, np.float32) if bias is None else array(bias),
            stride=_pair(arguments["stride"]),
            padding=padding,
            dilation=_pair(arguments["dilation"]),
            groups=groups,
        )
    )


def _joined(first: Padding, second: Padding) -> Padding:
    return Padding(
        first.top + second.top, first.bottom + second.bottom, first.left + second.left, first.right + second.right
    )


def _pad(builder: Builder, call: Call) -> str:
    pad = [int(value) for value in call.arguments["pad"]]
    if call.arguments["value"] != 0 or len(pad) > 4 or min(pad) < 0 or len(call.shape) != 4:
        raise rejected(call, ONLY_BEFORE_CONVOLUTION)
    left, right, top, bottom = (*pad, 0, 0)[:4]
    source = builder.read(call)
    if not any(pad):
        return source
    name = builder.name_for(call)
    builder.padded[name] = (source, Padding(top, bottom, left, right))
    return name


def _batch_norm(builder: Builder, call: Call) -> str:
    arguments = call.arguments
    mean, variance = arguments["running_mean"], arguments["running_var"]
    if arguments.get("training") or mean is None or variance is None:
        raise rejected(call, "it normalises by the batch at hand; supported: eval mode with running statistics")
    factor = 1.0 / torch.sqrt(variance.double() + arguments["eps"])
    if arguments["weight"] is not None:
        factor = factor * arguments["weight"].double()
    shift = -mean.double() * factor
    if arguments["bias"] is not None:
        shift = shift + arguments["bias"].double()
    per_channel = (1, -1) + (1,) * (len(call.shape) - 2)
    scaled = _binary(builder, call, Mul, builder.read(call, "input"), array(factor.reshape(per_channel)))
    return _binary(builder, call, Add, scaled, array(shift.reshape(per_channel)))


def _binary(builder: Builder, call: Call, kind: type[Add] | type[Mul], source: str, operand: FloatArray | str) -> str:
    other = operand if isinstance(operand, str) else builder.constant(call, operand)
    return builder.add(kind(name=builder.name_for(call), inputs=(source, other), shape=call.shape))


def _sum(builder: Builder, call: Call, sign: float = 1.0) -> str:
    factor = sign * float(call.arguments["alpha"])
    source, other = _operands(call, factor == 1.0)
    if isinstance(other, Ref):
        if factor != 1.0:
            raise rejected(call, "it subtracts or scales one tensor of the trace from another")
        return _binary(builder, call, Add, builder.read(call, source), builder.read(call, "other"))
    return _binary(builder, call, Add, builder.read(call, source), _scaled(other, factor))


def _difference(builder: Builder, call: Call) -> str:
    return _sum(builder, call, sign=-1.0)


def _operands(call: Call, commutes: bool) -> tuple[str, Argument]:
    """Return the name of the traced argument and the other operand, turning `3 + x` into `x + 3` where supported."""
    if isinstance(call.arguments["self"], Ref):
        return "self", call.arguments["other"]
    if not commutes:
        raise rejected(call, "a constant stands on its left")
    return "other", call.arguments["self"]


def _scaled(value: Argument, factor: float) -> FloatArray:
    if isinstance(value, torch.Tensor):
        return array(value.double() * factor)
    return np.array(float(value) * factor, dtype=np.float32)


def _product(builder: Builder, call: Call) -> str:
    source, other = _operands(call, commutes=True)
    if isinstance(other, Ref):
        return _binary(builder, call, Mul, builder.read(call, source), builder.read(call, "other"))
    return _binary(builder, call, Mul, builder.read(call, source), _scaled(other, 1.0))


def _quotient(builder: Builder, call: Call) -> str:
    source, other = _operands(call, commutes=False)
    if isinstance(other, Ref):
        raise rejected(call, "it divides by a tensor of the trace")
    reciprocal = 1.0 / other.double() if isinstance(other, torch.Tensor) else 1.0 / float(other)
    return _binary(builder, call, Mul, builder.read(call, source), _scaled(reciprocal, 1.0))


def _activation(function: Activation) -> Rule:
    def rule(builder: Builder, call: Call) -> str:
        source = builder.read(call)
        return builder.add(Activate(name=builder.name_for(call), inputs=(source,), shape=call.shape, function=function))

    return rule


_CLAMPS = {(0.0, 6.0): Activation.RELU6, (0.0, None): Activation.RELU}


def _clamp(low: str, high: str | None) -> Rule:
    """Build the rule of an operator that clamps, from the names of its bounds."""

    def rule(builder: Builder, call: Call) -> str:
        bounds = (call.arguments[low], None if high is None else call.arguments[high])
        function = _CLAMPS.get(bounds)
        if function is None:
            raise rejected(call, f"it clamps to {bounds}; supported: (0, 6) and (0, None)")
        return _activation(function)(builder, call)

    return rule


def _mean(builder: Builder, call: Call) -> str:
    dims = call.arguments["dim"]
    source = builder.read(call)
    if dims is None or {dim % 4 for dim in dims} != {2, 3} or len(builder.shapes[source]) != 4:
        raise rejected(call, f"it takes the mean over axes {dims}; supported: height and width, (2, 3)")
    keep = bool(call.arguments["keepdim"])
    return builder.add(GlobalMean(name=builder.name_for(call), inputs=(source,), shape=call.shape, keep_dims=keep))


def _adaptive_average(builder: Builder, call: Call) -> str:
    source = builder.read(call)
    (height, width), (rows, columns) = builder.shapes[source][2:], call.shape[2:]
    if height % rows or width % columns:
        raise rejected(call, f"{height}x{width} does not divide into {rows}x{columns} equal windows")
    kernel = (height // rows, width // columns)
    return _pooled(builder, call, PoolKind.AVERAGE, source, kernel, kernel, Padding())


def _pool(kind: PoolKind) -> Rule:
    def rule(builder: Builder, call: Call) -> str:
        arguments = call.arguments
        kernel = _pair(arguments["kernel_size"])
        stride = _pair(arguments["stride"]) if arguments["stride"] else kernel
        height, width = _pair(arguments["padding"])
        source = builder.read(call)
        if kind is PoolKind.AVERAGE:
            if arguments["divisor_override"] is not None:
                raise rejected(call, "it overrides the divisor")
            if (height or width) and arguments["count_include_pad"]:
                raise rejected(call, "it counts padding as zeros; supported: count_include_pad=False")
        elif _pair(arguments["dilation"]) != (1, 1):
            raise rejected(call, "it is dilated")
        sizes = builder.shapes[source][2:]
        plain = tuple(
            (size + 2 * pad - window) // step + 1
            for size, pad, window, step in zip(sizes, (height, width), kernel, stride, strict=True)
        )
        if plain != call.shape[2:]:
            raise rejected(call, "ceil_mode adds a window that reaches beyond the input")
        return _pooled(builder, call, kind, source, kernel, stride, Padding(height, height, width, width))

    return rule


def _pooled(
    builder: Builder,
    call: Call,
    kind: PoolKind,
    source: str,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
) -> str:
    """Add a pooling node; an average over the whole map is a `GlobalMean`, a window of one is nothing."""
    if kernel == (1, 1) and stride == (1, 1) and not padding:
        return source
    name = builder.name_for(call)
    if kind is PoolKind.AVERAGE and kernel == builder.shapes[source][2:] and not padding:
        return builder.add(GlobalMean(name=name, inputs=(source,), shape=call.shape, keep_dims=True))
    return builder.add(
        Pool(name=name, inputs=(source,), shape=call.shape, kind=kind, kernel=kernel, stride=stride, padding=padding)
    )


def _linear(builder: Builder, call: Call) -> str:
    arguments = call.arguments
    addition = call.operator == "addmm"
    source, matrix = ("mat1", "mat2") if addition else ("self", "mat2")
    weight, bias = arguments[matrix], arguments["self"] if addition else None
    if not isinstance(weight, torch.Tensor) or isinstance(bias, Ref):
        raise rejected(call, "only a traced matrix times a constant one, plus a constant bias, is supported")
    if addition and (arguments["alpha"] != 1 or arguments["beta"] != 1):
        raise rejected(call, "it scales its operands")
    rows = array(weight.t())
    flat = np.zeros(len(rows), np.float32) if bias is None else array(bias.broadcast_to(len(rows)))
    inputs = (builder.read(call, source),)
    return builder.add(Linear(name=builder.name_for(call), inputs=inputs, shape=call.shape, weight=rows, bias=flat))


def _permute(builder: Builder, call: Call) -> str:
    source = builder.read(call)
    if [dim % 4 for dim in call.arguments["dims"]] != [0, 2, 3, 1]:
        raise rejected(call, ONLY_BEFORE_RESHAPE)
    name = builder.unique(f"{source}.channels_last")
    builder.turned[name] = source
    return name


def _rows(builder: Builder, call: Call, source: str) -> str:
    """Add the node for a map whose channels were moved last and that is now cut into rows."""
    before, after = builder.shapes[source], call.shape
    if len(after) != 3 or after[0] != before[0] or before[1] % after[2]:
        raise rejected(call, f"it turns {before} with channels last into {after}; {ONLY_BEFORE_RESHAPE}")
    return builder.add(Rows(name=builder.name_for(call), inputs=(source,), shape=after))


def _reshape(builder: Builder, call: Call) -> str:
    value = call.arguments["self"]
    if isinstance(value, Ref) and builder.names[value.number] in builder.turned:
        return _rows(builder, call, builder.turned[builder.names[value.number]])
    source = builder.read(call)
    before, after = builder.shapes[source], call.shape
    if before == after:
        return source
    flat = len(before) == 4 and after == (before[0], int(np.prod(before[1:])))
    if not flat and not (len(before) == 2 and after == (*before, 1, 1)):
        raise rejected(call, f"it turns {before} into {after}; supported: (N, C, H, W) to (N, C*H*W) and (N, C) to "
                            "(N, C, 1, 1)")  # fmt: skip
    return builder.add(Reshape(name=builder.name_for(call), inputs=(source,), shape=after))


def _identity(builder: Builder, call: Call) -> str:
    value = call.arguments.get("self", call.arguments.get("input"))
    if not isinstance(value, Ref):
        raise rejected(call, "it does not depend on the module's input")
    return builder.names[value.number]


def _concat(builder: Builder, call: Call) -> str:
    tensors = call.arguments["tensors"]
    if not all(isinstance(tensor, Ref) for tensor in tensors):
        raise rejected(call, "it joins a constant")
    inputs = tuple(builder.plain(call, builder.names[tensor.number]) for tensor in tensors)
    axis = call.arguments["dim"] % len(call.shape)
    return builder.add(Concat(name=builder.name_for(call), inputs=inputs, shape=call.shape, axis=axis))


def _softmax(builder: Builder, call: Call) -> str:
    if len(call.shape) != 2 or call.arguments["dim"] % 2 != 1:
        raise rejected(call, f"it is over axis {call.arguments['dim']} of {call.shape}; supported: the last of (N, C)")
    return builder.add(Softmax(name=builder.name_for(call), inputs=(builder.read(call),), shape=call.shape))


RULES: dict[str, Rule] = {
    "convolution": _convolution,
    "constant_pad_nd": _pad,
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "add": _sum,
    "sub": _difference,
    "mul": _product,
    "div": _quotient,
    "relu": _activation(Activation.RELU),
    "relu6": _activation(Activation.RELU6),
    "hardswish": _activation(Activation.HSWISH),
    "hardsigmoid": _activation(Activation.HSIGMOID),
    "sigmoid": _activation(Activation.SIGMOID),
    "silu": _activation(Activation.SILU),
    "hardtanh": _clamp("min_val", "max_val"),
    "clamp": _clamp("min", "max"),
    "clamp_min": _clamp("min", None),
    "mean": _mean,
    "_adaptive_avg_pool2d": _adaptive_average,
    "avg_pool2d": _pool(PoolKind.AVERAGE),
    "max_pool2d_with_indices": _pool(PoolKind.MAX),
    "addmm": _linear,
    "mm": _linear,
    "view": _reshape,
    "_unsafe_view": _reshape,
    "reshape": _reshape,
    "squeeze": _reshape,
    "unsqueeze": _reshape,
    "permute": _permute,
    "clone": _identity,
    "detach": _identity,
    "alias": _identity,
    "dropout": _identity,
    "cat": _concat,
    "_softmax": _softmax,
}
"""ATen operator -> how it becomes nodes. Linear layers, dropout and flatten arrive split into these."""
