"""What moves numbers without computing: most of it only says in which order the axes lie."""

from ai_edge_litert import schema_py_generated as schema

from mogakit.export.nodes import (
    BlocksFirst,
    Concat,
    DepthToSpace,
    Expand,
    Gather,
    Linear,
    Node,
    Pad,
    PadKind,
    Permute,
    Reshape,
    Slice,
)
from mogakit.export.tflite.layout import CHANNELS_LAST, permuted, physical, reshaped
from mogakit.export.tflite.writer import Operator, Options, Rule, Writer

MAX_JOINED = 4
"""Inputs of one CONCATENATION: XNNPACK leaves longer ones to the slow kernels, and with them a part of the graph."""


def _reshape(writer: Writer, node: Reshape) -> None:
    source, before = node.inputs[0], writer.shapes[node.inputs[0]]
    readers = writer.readers.get(node.name, ())
    flat = len(node.shape) == 2 and len(before) == 4 and node.shape[0] == before[0]
    inner = node.name not in writer.graph.outputs and writer.order(source)[0] == 0
    if flat and inner and readers and all(isinstance(reader, Linear) for reader in readers):
        writer.flattened[node.name] = source
        return
    needed, left = reshaped(before, node.shape, writer.order(source))
    index = writer.index(source, needed)
    shape = physical(node.shape, left)
    if shape == physical(before, needed):
        writer.stand_for(node, index, left)
        return
    target = writer.integers(f"{node.name}.shape", shape)
    options = schema.ReshapeOptionsT(newShape=list(shape))
    writer.emit(node, Operator.RESHAPE, [index, target], Options.ReshapeOptions, options, left)


def _permute(writer: Writer, node: Permute) -> None:
    source = node.inputs[0]
    writer.stand_for(node, writer.index(source), permuted(writer.order(source), node.axes))


def _slice(writer: Writer, node: Slice) -> None:
    source, order = node.inputs[0], writer.order(node.inputs[0])
    starts = [node.start if axis == node.axis else 0 for axis in order]
    begin = writer.integers(f"{node.name}.start", starts)
    if node.step == 1:
        size = writer.integers(f"{node.name}.size", physical(node.shape, order))
        inputs = [writer.index(source), begin, size]
        writer.emit(node, Operator.SLICE, inputs, Options.SliceOptions, schema.SliceOptionsT(), order)
        return
    steps = [node.step if axis == node.axis else 1 for axis in order]
    stops = [start + (count - 1) * step + 1 for start, count, step in zip(starts, physical(node.shape, order), steps,
                                                                          strict=True)]  # fmt: skip
    inputs = [
        writer.index(source),
        begin,
        writer.integers(f"{node.name}.stop", stops),
        writer.integers(f"{node.name}.steps", steps),
    ]
    options = schema.StridedSliceOptionsT()
    writer.emit(node, Operator.STRIDED_SLICE, inputs, Options.StridedSliceOptions, options, order)


def _gather(writer: Writer, node: Gather) -> None:
    order = writer.order(node.inputs[0])
    options = schema.GatherOptionsT(axis=order.index(node.axis))
    inputs = [writer.index(node.inputs[0]), writer.integers(f"{node.name}.indices", node.indices)]
    writer.emit(node, Operator.GATHER, inputs, Options.GatherOptions, options, order)


def _concat(writer: Writer, node: Concat) -> None:
    traced = [name for name in node.inputs if name not in writer.graph.constants]
    order = writer.order(traced[0])
    axis = order.index(node.axis)
    options = schema.ConcatenationOptionsT(axis=axis)
    inputs = [writer.index(name, order) for name in node.inputs]
    shapes = [physical(writer.shapes[name], order) for name in node.inputs]
    while len(inputs) > MAX_JOINED:  # the last ones first: in a pyramid of maps these are the small ones
        size = sum(shape[axis] for shape in shapes[-MAX_JOINED:])
        shape = (*shapes[-1][:axis], size, *shapes[-1][axis + 1 :])
        code, kind = Operator.CONCATENATION, Options.ConcatenationOptions
        joined = writer.part(node, "end", shape, code, inputs[-MAX_JOINED:], kind, options)
        inputs[-MAX_JOINED:], shapes[-MAX_JOINED:] = [joined], [shape]
    writer.emit(node, Operator.CONCATENATION, inputs, Options.ConcatenationOptions, options, order)


def _pad(writer: Writer, node: Pad) -> None:
    order = writer.order(node.inputs[0])
    amounts = [[node.before[axis], node.after[axis]] for axis in order]
    inputs = [writer.index(node.inputs[0]), writer.integers(f"{node.name}.paddings", amounts)]
    if node.kind is PadKind.REFLECT:
        options = schema.MirrorPadOptionsT(mode=schema.MirrorPadMode.REFLECT)
        writer.emit(node, Operator.MIRROR_PAD, inputs, Options.MirrorPadOptions, options, order)
    elif node.value == 0.0:
        writer.emit(node, Operator.PAD, inputs, Options.PadOptions, schema.PadOptionsT(), order)
    else:
        inputs.append(writer.number(f"{node.name}.value", node.value))
        writer.emit(node, Operator.PADV2, inputs, Options.PadV2Options, schema.PadV2OptionsT(), order)


def _expand(writer: Writer, node: Expand) -> None:
    order = writer.order(node.inputs[0])
    shape = writer.integers(f"{node.name}.shape", physical(node.shape, order))
    options = schema.BroadcastToOptionsT()
    writer.emit(
        node, Operator.BROADCAST_TO, [writer.index(node.inputs[0]), shape], Options.BroadcastToOptions, options, order
    )


def _depth_to_space(writer: Writer, node: DepthToSpace) -> None:
    """Emit DEPTH_TO_SPACE, which has the place in the block before the channel: `prepare` has put the channels so."""
    options = schema.DepthToSpaceOptionsT(blockSize=node.block)
    source = writer.index(node.inputs[0], CHANNELS_LAST)
    writer.emit(node, Operator.DEPTH_TO_SPACE, [source], Options.DepthToSpaceOptions, options)


RULES: dict[type[Node], Rule] = {
    Reshape: _reshape,
    Permute: _permute,
    Slice: _slice,
    Gather: _gather,
    Concat: _concat,
    Pad: _pad,
    Expand: _expand,
    BlocksFirst: _depth_to_space,
}
