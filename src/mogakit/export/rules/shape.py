"""What moves numbers without computing: reshapes, permutations, slices, padding, shuffles."""

from collections.abc import Sequence

import torch

from mogakit.export.builder import Builder, NotInThisForm
from mogakit.export.nodes import DepthToSpace, PadKind
from mogakit.export.rules.rule import Made, Rule, axis_of, constant
from mogakit.export.trace import Call


def _reshape(builder: Builder, call: Call) -> str:
    return builder.reshape(builder.read(call), call.shape)


def _as_strided(builder: Builder, call: Call) -> str:
    """Read memory by strides: supported where that is the tensor itself, as torch says it of a pooled 1x1 map."""
    x = builder.read(call)
    axes = [axis for axis, size in enumerate(call.shape) if size != 1]
    step = 1
    for axis in reversed(axes):
        if int(call.arguments["stride"][axis]) != step:
            raise NotInThisForm("it reads memory by strides; supported are views and reshapes")
        step *= call.shape[axis]
    if [call.shape[axis] for axis in axes] != [size for size in builder.shape(x) if size != 1]:
        raise NotInThisForm("it reads memory by strides; supported are views and reshapes")
    return builder.reshape(x, call.shape)


def _permute(builder: Builder, call: Call) -> str:
    return builder.permute(builder.read(call), call.arguments["dims"])


def _transpose(builder: Builder, call: Call) -> str:
    x = builder.read(call)
    axes = list(range(len(call.shape)))
    if len(axes) < 2:
        return x
    first, second = (0, 1) if call.operator == "t" else (axis_of(call, name, len(axes)) for name in ("dim0", "dim1"))
    axes[first], axes[second] = axes[second], axes[first]
    return builder.permute(x, axes)


def _expand(builder: Builder, call: Call) -> str:
    return builder.expand(builder.read(call), call.shape)


def _repeat(builder: Builder, call: Call) -> str:
    x, repeats = builder.read(call), [int(count) for count in call.arguments["repeats"]]
    x = builder.reshape(x, (*(1,) * (len(repeats) - len(builder.shape(x))), *builder.shape(x)))
    for axis, count in enumerate(repeats):
        shape = builder.shape(x)
        if count > 1 and shape[axis] == 1:
            x = builder.expand(x, (*shape[:axis], count, *shape[axis + 1 :]))
        elif count > 1:
            x = builder.concat([x] * count, axis)
    return x


def _slice(builder: Builder, call: Call) -> str:
    x = builder.read(call)
    axis = axis_of(call, "dim", len(call.shape))
    size = builder.shape(x)[axis]
    start, stop, step = call.arguments["start"] or 0, call.arguments["end"], int(call.arguments["step"])
    start = max(start + size, 0) if start < 0 else min(start, size)
    stop = size if stop is None else max(stop + size, 0) if stop < 0 else min(stop, size)
    return builder.slice(x, axis, int(start), int(stop), step)


def _select(builder: Builder, call: Call) -> str:
    x = builder.read(call)
    axis = axis_of(call, "dim", len(builder.shape(x)))
    index = int(call.arguments["index"]) % builder.shape(x)[axis]
    return builder.reshape(builder.slice(x, axis, index, index + 1), call.shape)


def _split(builder: Builder, call: Call) -> Made:
    """Cut an axis into the parts that torch returned; `unbind` also drops the axis."""
    x = builder.read(call)
    axis = axis_of(call, "dim", len(builder.shape(x)))
    dropped = call.operator == "unbind"
    parts, start = [], 0
    for shape in call.shapes:
        size = 1 if dropped else shape[axis]
        parts.append(builder.reshape(builder.slice(x, axis, start, start + size), shape) if size else None)
        start += size
    return parts


def _padding(call: Call, rank: int) -> tuple[list[int], list[int]]:
    """Return torch's list (last axis first) as what is added before and after every axis."""
    pad = [int(value) for value in call.arguments["pad" if "pad" in call.arguments else "padding"]]
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(range(rank - 1, rank - 1 - len(pad) // 2, -1)):
        before[axis], after[axis] = pad[2 * place], pad[2 * place + 1]
    return before, after


def _pad_constant(builder: Builder, call: Call) -> str:
    before, after = _padding(call, len(call.shape))
    return builder.pad(builder.read(call), before, after, PadKind.CONSTANT, float(call.arguments["value"]))


def _pad_reflect(builder: Builder, call: Call) -> str:
    before, after = _padding(call, len(call.shape))
    return builder.pad(builder.read(call), before, after, PadKind.REFLECT)


def _pad_replicate(builder: Builder, call: Call) -> str:
    x = builder.read(call)
    for axis, (first, last) in enumerate(zip(*_padding(call, len(call.shape)), strict=True)):
        size = builder.shape(x)[axis]
        if first or last:
            x = builder.gather(x, axis, [min(max(index, 0), size - 1) for index in range(-first, size + last)])
    return x


def _flip(builder: Builder, call: Call) -> str:
    x = builder.read(call)
    for axis in call.arguments["dims"]:
        x = builder.gather(x, axis % len(call.shape), range(builder.shape(x)[axis])[::-1])
    return x


def _roll(builder: Builder, call: Call) -> str:
    x, dims = builder.read(call), list(call.arguments["dims"])
    if not dims:
        raise NotInThisForm("it rolls the flattened tensor; supported is a roll along named axes")
    for axis, shift in zip(dims, call.arguments["shifts"], strict=True):
        axis %= len(call.shape)
        size = builder.shape(x)[axis]
        if cut := -int(shift) % size:
            x = builder.concat([builder.slice(x, axis, cut, size), builder.slice(x, axis, 0, cut)], axis)
    return x


def _index_select(builder: Builder, call: Call) -> str:
    axis = axis_of(call, "dim", len(call.shape))
    return builder.gather(builder.read(call), axis, constant(call, "index", "indices").tolist())


def _index(builder: Builder, call: Call) -> str:
    """Take elements by constant indices of one axis: `x[:, index]`."""
    x, indices = builder.read(call), call.arguments["indices"]
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1 or not isinstance(given[0][1], torch.Tensor):
        raise NotInThisForm("it indexes by several tensors or by data; supported are constant indices of one axis")
    axis, index = given[0]
    if index.dtype == torch.bool:
        if index.ndim != 1:
            raise NotInThisForm("it indexes by a mask of several dimensions")
        index = index.nonzero()
    return builder.reshape(builder.gather(x, axis, index.reshape(-1).tolist()), call.shape)


def _unfold(builder: Builder, call: Call) -> str:
    """`x.unfold(axis, size, step)`: windows along an axis as a new last axis."""
    x = builder.read(call)
    rank = len(builder.shape(x))
    axis, size, step = axis_of(call, "dimension", rank), int(call.arguments["size"]), int(call.arguments["step"])
    count = call.shape[axis]
    indices = [window * step + place for window in range(count) for place in range(size)]
    shape = builder.shape(x)
    windows = builder.reshape(builder.gather(x, axis, indices), (*shape[:axis], count, size, *shape[axis + 1 :]))
    order = [place for place in range(rank + 1) if place != axis + 1]
    return builder.permute(windows, [*order, axis + 1])


def _pixel_shuffle(builder: Builder, call: Call) -> str:
    x, block = builder.read(call), int(call.arguments["upscale_factor"])
    if len(call.shape) != 4:
        raise NotInThisForm(f"it shuffles {len(call.shape)} dimensions; supported are 4")
    return builder.add_node(DepthToSpace(name="", inputs=(x,), shape=call.shape, block=block))


def _pixel_unshuffle(builder: Builder, call: Call) -> str:
    x, block = builder.read(call), int(call.arguments["downscale_factor"])
    batch, channels, height, width = builder.shape(x)
    split = builder.reshape(x, (batch, channels, height // block, block, width // block, block))
    return builder.reshape(builder.permute(split, (0, 1, 3, 5, 2, 4)), call.shape)


def _channel_shuffle(builder: Builder, call: Call) -> str:
    return shuffled(builder, builder.read(call), int(call.arguments["groups"]))


def shuffled(builder: Builder, x: str, groups: int) -> str:
    """Interleave the channels of `groups` equal parts."""
    shape: Sequence[int] = builder.shape(x)
    batch, channels, *rest = shape
    split = builder.reshape(x, (batch, groups, channels // groups, *rest))
    return builder.reshape(builder.permute(split, (0, 2, 1, *range(3, len(rest) + 3))), shape)


RULES: dict[str, Rule] = {
    "view": _reshape,
    "_unsafe_view": _reshape,
    "_reshape_alias": _reshape,
    "reshape": _reshape,
    "flatten": _reshape,
    "squeeze": _reshape,
    "as_strided": _as_strided,
    "unsqueeze": _reshape,
    "permute": _permute,
    "transpose": _transpose,
    "t": _transpose,
    "expand": _expand,
    "repeat": _repeat,
    "slice": _slice,
    "select": _select,
    "split": _split,
    "split_with_sizes": _split,
    "unsafe_split": _split,
    "unsafe_split_with_sizes": _split,
    "chunk": _split,
    "unbind": _split,
    "constant_pad_nd": _pad_constant,
    "reflection_pad1d": _pad_reflect,
    "reflection_pad2d": _pad_reflect,
    "replication_pad1d": _pad_replicate,
    "replication_pad2d": _pad_replicate,
    "flip": _flip,
    "roll": _roll,
    "index_select": _index_select,
    "index": _index,
    "unfold": _unfold,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "channel_shuffle": _channel_shuffle,
    "native_channel_shuffle": _channel_shuffle,
}
