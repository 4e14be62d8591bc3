"""Run a MACE file in numpy: what a mace_run build should answer, computed without torch and without the writer.

It keeps MACE's own rules where they differ from torch's, so that a wrong file gives a wrong answer here too: padding
totals give the smaller half to the top and left, pooling rounds up by default, an average leaves padding
out. Weights in half precision are expanded to float32 first, as MACE's CPU does at load.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mogakit.errors import ExportError, InputError
from mogakit.export.mace.naming import data_of
from mogakit.export.mace.reader import Model, Op, read

Array = NDArray[np.float32]

_SUM, _SUB, _PROD, _DIV, _MIN, _MAX = range(6)
_RELU6_LIMIT_DEFAULT = 0.0


def load(pb: bytes | Path, data: bytes | Path | None = None) -> "Interpreter":
    """Load a model from memory or from files; without `data`, the `.data` beside the `.pb` is taken.

    Raises:
        InputError: not a MACE model, or the parts do not belong together.
    """
    where = str(pb) if isinstance(pb, Path) else "the model"
    if data is None:
        if not isinstance(pb, Path):
            raise InputError("a model given as bytes needs its .data as bytes too")
        data = data_of(pb)
    raw_pb = pb.read_bytes() if isinstance(pb, Path) else pb
    raw_data = data.read_bytes() if isinstance(data, Path) else data
    return Interpreter(read(raw_pb, raw_data, where))


class Interpreter:
    """Runs one model. Tensors are NHWC float32 arrays, whatever the weights are stored as."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._constants = {name: np.asarray(value, np.float32) for name, value in model.constants.items()}
        unknown = sorted({op.type for op in model.ops} - set(_RULES))
        if unknown:
            raise InputError(f"the model has operators {unknown}; this interpreter runs {sorted(_RULES)}")

    def run(self, inputs: Sequence[NDArray[np.generic]]) -> list[Array]:
        """Return the outputs, in the order of the file.

        Raises:
            InputError: the number or the shapes of the inputs are not the file's.
            ExportError: an operator's result has another shape than the file says.
        """
        values = self.trace(inputs)
        return [values[end.name] for end in self.model.outputs]

    def trace(self, inputs: Sequence[NDArray[np.generic]]) -> dict[str, Array]:
        """Return every tensor of a run by name, constants left out."""
        ends = self.model.inputs
        if len(inputs) != len(ends):
            raise InputError(f"the model has {len(ends)} inputs, {len(inputs)} were given")
        values: dict[str, Array] = {}
        for end, given in zip(ends, inputs, strict=True):
            if given.shape != end.shape:
                raise InputError(f"input {end.name!r} has shape {end.shape} (NHWC), {given.shape} was given")
            values[end.name] = np.asarray(given, np.float32)
        for op in self.model.ops:
            values[op.output] = self.step(op, values)
        return values

    def step(self, op: Op, values: dict[str, Array]) -> Array:
        """Compute one operator from the tensors it reads."""
        try:
            operands = [values[name] if name in values else self._constants[name] for name in op.inputs]
        except KeyError as error:
            raise ExportError(f"operator {op.name!r} reads {error}, which nothing before it makes") from error
        result = _RULES[op.type](op, operands)
        if result.shape != op.output_shape:
            raise ExportError(f"operator {op.name!r} gives {result.shape}, the file says {op.output_shape}")
        return result


# Settings


def _int(op: Op, name: str, default: int) -> int:
    value = op.settings.get(name, default)
    if not isinstance(value, int):
        raise ExportError(f"operator {op.name!r}: argument {name} is {value!r}, not an integer")
    return value


def _real(op: Op, name: str, default: float) -> float:
    value = op.settings.get(name, default)
    if not isinstance(value, int | float):
        raise ExportError(f"operator {op.name!r}: argument {name} is {value!r}, not a number")
    return float(value)


def _numbers(op: Op, name: str, default: Sequence[int] | None) -> list[int]:
    value = op.settings.get(name, list(default) if default is not None else None)
    if not isinstance(value, list):
        raise ExportError(f"operator {op.name!r} lacks the argument {name}, without which MACE guesses")
    return [int(item) for item in value]


def _activated(op: Op, x: Array) -> Array:
    """Apply the fused (or only) activation of an operator."""
    kind = op.settings.get("activation", "NOOP")
    limit = np.float32(_real(op, "max_limit", _RELU6_LIMIT_DEFAULT))
    match kind:
        case "NOOP":
            return x
        case "RELU":
            return np.maximum(x, np.float32(0))
        case "RELUX":
            return np.minimum(np.maximum(x, np.float32(0)), limit)
        case "SIGMOID":
            with np.errstate(over="ignore"):  # exp(-x) past float32 is infinite, and its sigmoid 0
                return np.asarray(1 / (1 + np.exp(-x)), np.float32)
        case "TANH":
            return np.tanh(x)
        case "HARDSIGMOID":
            alpha, beta = _real(op, "hardsigmoid_alpha", 0.2), _real(op, "hardsigmoid_beta", 0.5)
            return np.asarray(np.clip(x * np.float32(alpha) + np.float32(beta), 0, 1), np.float32)
    raise ExportError(f"operator {op.name!r} has the activation {kind!r}, which no MACE version knows")


# Operators. Operand 0 is the tensor, the others are weights or a second tensor.


def _padded(op: Op, x: Array, fill: float, kernel: Sequence[int]) -> Array:
    height, width = _numbers(op, "padding_values", None)
    strides = _numbers(op, "strides", (1, 1))
    extra = [0, 0]
    if op.type == "Pooling" and _int(op, "round_mode", 1) == 1:  # the default rounds the output size up
        for axis, total in enumerate((height, width)):
            extra[axis] = -(x.shape[1 + axis] + total - kernel[axis]) % strides[axis]
    pads = [(0, 0), (height // 2, height - height // 2 + extra[0]), (width // 2, width - width // 2 + extra[1]), (0, 0)]
    return np.pad(x, pads, constant_values=fill) if any(map(sum, pads)) else x


def _biased(op: Op, result: Array, operands: Sequence[Array]) -> Array:
    return _activated(op, result + operands[2] if len(operands) > 2 else result)


def _conv(op: Op, operands: Sequence[Array]) -> Array:
    x, weight = operands[0], operands[1]  # weight (O, I, KH, KW)
    (dilate_h, dilate_w), (step_h, step_w) = _numbers(op, "dilations", (1, 1)), _numbers(op, "strides", (1, 1))
    out_channels, in_channels, high, wide = weight.shape
    span_h, span_w = (high - 1) * dilate_h + 1, (wide - 1) * dilate_w + 1
    x = _padded(op, x, 0.0, (span_h, span_w))
    if x.shape[3] != in_channels:
        raise ExportError(f"operator {op.name!r} reads {x.shape[3]} channels with a filter for {in_channels}")
    if (span_h, span_w) == (1, 1):
        taps: Array = x[:, ::step_h, ::step_w, :]
        flat = weight.reshape(out_channels, in_channels)
    else:
        windows = sliding_window_view(x, (span_h, span_w), axis=(1, 2))[
            :, ::step_h, ::step_w, :, ::dilate_h, ::dilate_w
        ]
        taps = windows.reshape(*windows.shape[:3], -1)  # (N, OH, OW, I * KH * KW)
        flat = weight.reshape(out_channels, -1)
    return _biased(op, np.asarray(taps @ flat.T, np.float32), operands)


def _depthwise(op: Op, operands: Sequence[Array]) -> Array:
    x, weight = operands[0], operands[1]  # weight (1, C, KH, KW)
    (dilate_h, dilate_w), (step_h, step_w) = _numbers(op, "dilations", (1, 1)), _numbers(op, "strides", (1, 1))
    multiplier, channels, high, wide = weight.shape
    if multiplier != 1 or channels != x.shape[3]:
        raise ExportError(
            f"operator {op.name!r}: a filter {weight.shape} on {x.shape[3]} channels; the multiplier is 1"
        )
    x = _padded(op, x, 0.0, (high, wide))
    out_h = (x.shape[1] - (high - 1) * dilate_h - 1) // step_h + 1
    out_w = (x.shape[2] - (wide - 1) * dilate_w - 1) // step_w + 1
    result = np.zeros((x.shape[0], out_h, out_w, channels), np.float32)
    for row in range(high):
        for column in range(wide):
            top, left = row * dilate_h, column * dilate_w
            tap = x[:, top : top + (out_h - 1) * step_h + 1 : step_h, left : left + (out_w - 1) * step_w + 1 : step_w]
            result += tap * weight[0, :, row, column]
    return _biased(op, result, operands)


def _fully_connected(op: Op, operands: Sequence[Array]) -> Array:
    x, weight = operands[0], operands[1]  # weight (O, C, H, W)
    flat = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    if x.transpose(0, 3, 1, 2).shape[1:] != weight.shape[1:]:
        raise ExportError(f"operator {op.name!r}: a filter {weight.shape} on an input {x.shape}")
    result = np.asarray(flat @ weight.reshape(weight.shape[0], -1).T, np.float32)
    return _biased(op, result.reshape(x.shape[0], 1, 1, -1), operands)


def _activation(op: Op, operands: Sequence[Array]) -> Array:
    return _activated(op, operands[0])


def _eltwise(op: Op, operands: Sequence[Array]) -> Array:
    left = operands[0]
    right: Array = operands[1] if len(operands) > 1 else np.asarray(_real(op, "scalar_input", 0.0), np.float32)
    if len(operands) == 1 and _int(op, "scalar_input_index", 1) == 0:
        left, right = right, left
    kinds: dict[int, Callable[[Array, Array], Array]] = {
        _SUM: np.add,
        _SUB: np.subtract,
        _PROD: np.multiply,
        _DIV: np.divide,
        _MIN: np.minimum,
        _MAX: np.maximum,
    }
    kind = _int(op, "type", -1)
    if kind not in kinds or "coeff" in op.settings:
        raise ExportError(f"operator {op.name!r} is of Eltwise type {kind}; this interpreter knows {sorted(kinds)}")
    return kinds[kind](left, right)


def _reduce(op: Op, operands: Sequence[Array]) -> Array:
    if _int(op, "reduce_type", -1) != 0:
        raise ExportError(f"operator {op.name!r} reduces other than by the mean")
    axes = tuple(_numbers(op, "axis", None))
    return np.asarray(operands[0].mean(axes, keepdims=_int(op, "keepdims", 0) == 1), np.float32)


def _pooling(op: Op, operands: Sequence[Array]) -> Array:
    kind, kernel = _int(op, "pooling_type", 0), _numbers(op, "kernels", None)
    step_h, step_w = _numbers(op, "strides", (1, 1))

    def windows(x: Array, fill: float) -> Array:
        view = sliding_window_view(_padded(op, x, fill, kernel), tuple(kernel), axis=(1, 2))
        return np.asarray(view[:, ::step_h, ::step_w], np.float32)

    if kind == 2:
        return np.asarray(windows(operands[0], -np.inf).max((-2, -1)), np.float32)
    if kind != 1:
        raise ExportError(f"operator {op.name!r} has pooling_type {kind}; MACE knows 1 (AVG) and 2 (MAX)")
    counted = windows(np.ones_like(operands[0]), 0.0).sum((-2, -1))
    return np.asarray(windows(operands[0], 0.0).sum((-2, -1)) / counted, np.float32)


def _batch_norm(op: Op, operands: Sequence[Array]) -> Array:
    return _activated(op, operands[0] * operands[1] + operands[2])


def _concat(op: Op, operands: Sequence[Array]) -> Array:
    return np.concatenate(list(operands), axis=_int(op, "axis", 3))


def _softmax(op: Op, operands: Sequence[Array]) -> Array:
    if _int(op, "axis", -1) != 1:  # counted in NCHW: the only axis right on both runtimes of both generations
        raise ExportError(f"operator {op.name!r} takes the softmax over another axis than the channels")
    shifted = np.exp(operands[0] - operands[0].max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True), np.float32)


_RULES: dict[str, Callable[[Op, Sequence[Array]], Array]] = {
    "Conv2D": _conv,
    "DepthwiseConv2d": _depthwise,
    "FullyConnected": _fully_connected,
    "Activation": _activation,
    "Eltwise": _eltwise,
    "Reduce": _reduce,
    "Pooling": _pooling,
    "BatchNorm": _batch_norm,
    "Concat": _concat,
    "Softmax": _softmax,
}
