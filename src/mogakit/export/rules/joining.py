"""Tensors joined, and softmax and running sums along an axis."""

import numpy as np

from mogakit.export.builder import Builder
from mogakit.export.nodes import Activation
from mogakit.export.rules.rule import Rule, axis_of
from mogakit.export.trace import Call


def _concat(builder: Builder, call: Call) -> str:
    return builder.concat(
        [builder.operand(item) for item in call.arguments["tensors"]], axis_of(call, "dim", len(call.shape))
    )


def _stack(builder: Builder, call: Call) -> str:
    axis = axis_of(call, "dim", len(call.shape))
    shape = (*call.shape[:axis], 1, *call.shape[axis + 1 :])
    parts = [builder.reshape(builder.operand(item), shape) for item in call.arguments["tensors"]]
    return builder.concat(parts, axis)


def _softmax(builder: Builder, call: Call) -> str:
    made = builder.softmax(builder.read(call), call.arguments["dim"])
    return builder.activate(Activation.LOG, made) if call.operator == "_log_softmax" else made


def _cumsum(builder: Builder, call: Call) -> str:
    axis = axis_of(call, "dim", len(call.shape))
    size = call.shape[axis]
    return builder.along(builder.read(call), axis, np.tril(np.ones((size, size))))


RULES: dict[str, Rule] = {
    "cat": _concat,
    "stack": _stack,
    "_softmax": _softmax,
    "_log_softmax": _softmax,
    "cumsum": _cumsum,
}
