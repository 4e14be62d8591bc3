"""What is written in place: values copied or filled in, and tensors of which parts were written."""

from mogakit.export.aliasing import Box
from mogakit.export.builder import Builder
from mogakit.export.rules.rule import Rule
from mogakit.export.trace import OVERWRITTEN, Call


def _copy(builder: Builder, call: Call) -> str:
    return builder.expand(builder.read(call, "src"), call.shape)


def _fill(builder: Builder, call: Call) -> str:
    value = builder.number(0.0) if call.operator == "zero" else builder.read(call, "value")
    return builder.expand(value, call.shape)


def _overwritten(builder: Builder, call: Call) -> str:
    """Put a block of one tensor in place of a block of another."""
    target, source = call.arguments["target"], call.arguments["source"]
    part = builder.read(call, "part")
    for axis, (start, stop) in enumerate(source):
        part = builder.slice(part, axis, start, stop)
    part = builder.reshape(part, [stop - start for start, stop in target])
    return _joined(builder, builder.read(call), part, target, 0)


def _joined(builder: Builder, x: str, part: str, box: Box, axis: int) -> str:
    """Return `x` with `part` in a block, from an axis on: what lies before, the rest of the axes, what lies behind."""
    shape = builder.shape(x)
    if axis == len(box):
        return part
    start, stop = box[axis]
    inner = _joined(builder, builder.slice(x, axis, start, stop), part, box, axis + 1)
    before = [builder.slice(x, axis, 0, start)] if start else []
    behind = [builder.slice(x, axis, stop, shape[axis])] if stop < shape[axis] else []
    return builder.concat([*before, inner, *behind], axis)


RULES: dict[str, Rule] = {"copy": _copy, "fill": _fill, "zero": _fill, OVERWRITTEN: _overwritten}
