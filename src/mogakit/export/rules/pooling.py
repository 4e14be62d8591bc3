"""Pooling in windows of a size, and to a size."""

import itertools

import numpy as np
import numpy.typing as npt

from mogakit.export.builder import Builder, NotInThisForm
from mogakit.export.nodes import GlobalMean, Padding, Pool, PoolKind, ReduceKind
from mogakit.export.rules.rule import Made, Rule, pair
from mogakit.export.trace import Call

Pair = tuple[int, int]


def _mapped(builder: Builder, call: Call) -> tuple[str, tuple[int, ...]]:
    """Return the input and the output's shape as maps: one of three dimensions counts as one row high."""
    x, shape = builder.read(call), call.shape
    if len(shape) == 4:
        return x, shape
    before = builder.shape(x)
    return builder.reshape(x, (*before[:-1], 1, before[-1])), (*shape[:-1], 1, shape[-1])


def _settings(call: Call, names: tuple[str, ...]) -> list[Pair]:
    """Return settings for (height, width); one of a single number stands for the width of a map one row high."""
    flat = len(call.shape) == 3
    rows = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
    found = []
    for name in names:
        value = call.arguments[name] or call.arguments["kernel_size"]
        if name == "padding":
            value = call.arguments[name]
        value = value if isinstance(value, list) else [value]
        found.append((rows[name], int(value[-1])) if flat else pair(value))
    return found


def _padding(sizes: Pair, outputs: Pair, kernel: Pair, stride: Pair, before: Pair) -> Padding:
    """Return the padding with which windows reach exactly `outputs` places: the same at both ends where that is so."""
    after = []
    for size, count, window, step, first in zip(sizes, outputs, kernel, stride, before, strict=True):
        same = (size + 2 * first - window) // step + 1 == count
        after.append(first if same else max((count - 1) * step + window - size - first, 0))
    return Padding(before[0], after[0], before[1], after[1])


def _clipped(sizes: Pair, outputs: Pair, kernel: Pair, stride: Pair, before: Pair) -> tuple[Pair, Pair, Pair]:
    """Shrink the only window of an axis to the map that it covers; users write far larger ones for a whole map."""
    axes = [
        (size, 1, 0) if count == 1 and window - first >= size else (window, step, first)
        for size, count, window, step, first in zip(sizes, outputs, kernel, stride, before, strict=True)
    ]
    (high, down, top), (wide, across, left) = axes
    return (high, wide), (down, across), (top, left)


def _max_pool(builder: Builder, call: Call) -> Made:
    x, shape = _mapped(builder, call)
    kernel, stride, before, dilation = _settings(call, ("kernel_size", "stride", "padding", "dilation"))
    sizes = (builder.shape(x)[2], builder.shape(x)[3])
    if dilation != (1, 1):
        raise NotInThisForm(f"its dilation is {dilation}; supported is 1")
    kernel, stride, before = _clipped(sizes, (shape[2], shape[3]), kernel, stride, before)
    padding = _padding(sizes, (shape[2], shape[3]), kernel, stride, before)
    made = _pooled(builder, x, shape, PoolKind.MAX, kernel, stride, padding)
    made = builder.reshape(made, call.shape)
    return [made, None] if len(call.results) > 1 else made


def _average_pool(builder: Builder, call: Call) -> str:
    x, shape = _mapped(builder, call)
    kernel, stride, before = _settings(call, ("kernel_size", "stride", "padding"))
    sizes, outputs = (builder.shape(x)[2], builder.shape(x)[3]), (shape[2], shape[3])
    counts, override = bool(call.arguments["count_include_pad"]), call.arguments["divisor_override"]
    # What torch divides by differs from window to window where a window leaves the padded map (ceil_mode).
    divisors = np.outer(
        *(
            _counted(size, count, window, step, first, counts)
            for size, count, window, step, first in zip(sizes, outputs, kernel, stride, before, strict=True)
        )
    )
    if override is not None:
        divisors = np.full_like(divisors, override)
    kernel, stride, before = _clipped(sizes, outputs, kernel, stride, before)
    padding, area = _padding(sizes, outputs, kernel, stride, before), kernel[0] * kernel[1]
    if (divisors == area).all():
        made = _pooled(builder, x, shape, PoolKind.AVERAGE, kernel, stride, padding, counts_padding=bool(padding))
    elif not counts and override is None:
        made = _pooled(builder, x, shape, PoolKind.AVERAGE, kernel, stride, padding)
    else:
        made = _pooled(builder, x, shape, PoolKind.AVERAGE, kernel, stride, padding, counts_padding=bool(padding))
        factors = (area / divisors).astype(np.float32)
        uniform = bool((factors == factors[0, 0]).all())
        made = builder.mul(made, builder.constant(factors[:1, :1].reshape(()) if uniform else factors[None, None]))
    return builder.reshape(made, call.shape)


def _counted(
    size: int, count: int, window: int, step: int, before: int, counts_padding: bool
) -> npt.NDArray[np.float64]:
    """Return how many elements of an axis each window is divided by: those of the map, or of the map as padded."""
    starts = np.arange(count) * step - before
    low, high = (-before, size + before) if counts_padding else (0, size)
    return np.asarray(np.minimum(starts + window, high) - np.maximum(starts, low), np.float64)


def _pooled(
    builder: Builder,
    x: str,
    shape: tuple[int, ...],
    kind: PoolKind,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    counts_padding: bool = False,
) -> str:
    """Add a pooling node; an average over the whole map is a `GlobalMean`, a window of one is a slice or nothing."""
    before = builder.shape(x)
    if kernel == (1, 1) and not padding:
        for axis, step in ((2, stride[0]), (3, stride[1])):
            x = builder.slice(x, axis, 0, before[axis], step) if step > 1 else x
        return x
    whole = kernel == before[2:] and not padding
    if whole and kind is PoolKind.AVERAGE:
        return builder.add_node(GlobalMean(name="", inputs=(x,), shape=shape, keep_dims=True))
    if whole:
        return builder.reduce(ReduceKind.MAX, x, (2, 3), keep_dims=True)
    return builder.add_node(
        Pool(
            name="",
            inputs=(x,),
            shape=shape,
            kind=kind,
            kernel=kernel,
            stride=stride,
            padding=padding,
            counts_padding=counts_padding,
        )
    )


def _windows(size: int, count: int) -> tuple[list[int], list[int]]:
    """Return where each of `count` adaptive windows starts and stops, as torch cuts them."""
    starts = [index * size // count for index in range(count)]
    return starts, [-(-(index + 1) * size // count) for index in range(count)]


def _even(size: int, count: int) -> tuple[int, int] | None:
    """Return the window and stride with which plain pooling does an axis, or None."""
    starts, stops = _windows(size, count)
    widths = {stop - start for start, stop in zip(starts, stops, strict=True)}
    steps = {second - first for first, second in itertools.pairwise(starts)} or {size}
    return (widths.pop(), steps.pop()) if len(widths) == len(steps) == 1 else None


def _adaptive(kind: PoolKind) -> Rule:
    def rule(builder: Builder, call: Call) -> Made:
        x, shape = _mapped(builder, call)
        sizes, outputs = builder.shape(x)[2:], shape[2:]
        plain = [_even(*axis) for axis in zip(sizes, outputs, strict=True)]
        if plain[0] is not None and plain[1] is not None:
            kernel, stride = (plain[0][0], plain[1][0]), (plain[0][1], plain[1][1])
            made = _pooled(builder, x, shape, kind, kernel, stride, Padding())
        else:
            made = x
            for axis, size, count in zip((2, 3), sizes, outputs, strict=True):
                made = _uneven(builder, kind, made, axis, size, count)
        made = builder.reshape(made, call.shape)
        return [made, None] if len(call.results) > 1 else made

    return rule


def _uneven(builder: Builder, kind: PoolKind, x: str, axis: int, size: int, count: int) -> str:
    """Pool one axis into windows of unequal size: a matrix for averages, slices for extremes."""
    starts, stops = _windows(size, count)
    if size == count:
        return x
    if kind is PoolKind.AVERAGE:
        matrix = np.zeros((count, size))
        for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            matrix[row, start:stop] = 1 / (stop - start)
        return builder.along(x, axis, matrix)
    parts = [
        builder.reduce(ReduceKind.MAX, builder.slice(x, axis, start, stop), [axis], keep_dims=True)
        for start, stop in zip(starts, stops, strict=True)
    ]
    return builder.concat(parts, axis)


RULES: dict[str, Rule] = {
    "avg_pool2d": _average_pool,
    "avg_pool1d": _average_pool,
    "max_pool2d_with_indices": _max_pool,
    "max_pool2d": _max_pool,
    "max_pool1d": _max_pool,
    "_adaptive_avg_pool2d": _adaptive(PoolKind.AVERAGE),
    "adaptive_avg_pool1d": _adaptive(PoolKind.AVERAGE),
    "adaptive_max_pool2d": _adaptive(PoolKind.MAX),
}
