"""Functions of one or two numbers."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    Binary,
    BinaryKind,
    Clamp,
    Elu,
    LeakyRelu,
    Mul,
    Node,
    PRelu,
)
from mogakit.export.tflite.layout import Order, physical, standard
from mogakit.export.tflite.writer import FUSED, Operator, Options, Rule, Writer

STANDALONE: dict[Activation, tuple[int, int, Any]] = {
    Activation.RELU: (Operator.RELU, 0, None),
    Activation.RELU6: (Operator.RELU6, 0, None),
    Activation.HSWISH: (Operator.HARD_SWISH, Options.HardSwishOptions, schema.HardSwishOptionsT),
    Activation.SIGMOID: (Operator.LOGISTIC, 0, None),
    Activation.TANH: (Operator.TANH, 0, None),
    Activation.GELU: (Operator.GELU, Options.GeluOptions, schema.GeluOptionsT),
    Activation.GELU_TANH: (Operator.GELU, Options.GeluOptions, lambda: schema.GeluOptionsT(approximate=True)),
    Activation.EXP: (Operator.EXP, Options.ExpOptions, schema.ExpOptionsT),
    Activation.LOG: (Operator.LOG, 0, None),
    Activation.SQRT: (Operator.SQRT, 0, None),
    Activation.RSQRT: (Operator.RSQRT, 0, None),
    Activation.ABS: (Operator.ABS, Options.AbsOptions, schema.AbsOptionsT),
    Activation.NEG: (Operator.NEG, Options.NegOptions, schema.NegOptionsT),
    Activation.FLOOR: (Operator.FLOOR, 0, None),
    Activation.SIN: (Operator.SIN, 0, None),
    Activation.COS: (Operator.COS, Options.CosOptions, schema.CosOptionsT),
}
"""Operator, its options, and what makes them; the others are spelled out before."""

_PAIRS: dict[BinaryKind, tuple[int, int, Any]] = {
    BinaryKind.SUB: (Operator.SUB, Options.SubOptions, schema.SubOptionsT),
    BinaryKind.DIV: (Operator.DIV, Options.DivOptions, schema.DivOptionsT),
    BinaryKind.MAXIMUM: (Operator.MAXIMUM, Options.MaximumMinimumOptions, schema.MaximumMinimumOptionsT),
    BinaryKind.MINIMUM: (Operator.MINIMUM, Options.MaximumMinimumOptions, schema.MaximumMinimumOptionsT),
    BinaryKind.POW: (Operator.POW, Options.PowOptions, schema.PowOptionsT),
}


def _operands(writer: Writer, node: Node) -> tuple[list[int], Order]:
    """Return both inputs in one order: that of the larger one which has all of the result's axes."""
    rank = len(node.shape)
    whole = [name for name in node.inputs if name not in writer.graph.constants and len(writer.shapes[name]) == rank]
    largest = max(whole, key=lambda name: int(np.prod(writer.shapes[name])), default=None)
    order = standard(rank) if largest is None else writer.order(largest)
    return [writer.lifted(name, rank, order) for name in node.inputs], order


def _add(writer: Writer, node: Add) -> None:
    inputs, order = _operands(writer, node)
    options = schema.AddOptionsT(fusedActivationFunction=FUSED[node.activation])
    writer.emit(node, Operator.ADD, inputs, Options.AddOptions, options, order)


def _mul(writer: Writer, node: Mul) -> None:
    inputs, order = _operands(writer, node)
    options = schema.MulOptionsT(fusedActivationFunction=FUSED[node.activation])
    writer.emit(node, Operator.MUL, inputs, Options.MulOptions, options, order)


def _binary(writer: Writer, node: Binary) -> None:
    inputs, order = _operands(writer, node)
    code, kind, options = _PAIRS[node.kind]
    writer.emit(node, code, inputs, kind, options(), order)


def _activate(writer: Writer, node: Activate) -> None:
    code, kind, options = STANDALONE[node.function]
    order = writer.order(node.inputs[0])
    writer.emit(node, code, [writer.index(node.inputs[0])], kind, options() if options else None, order)


def _leaky_relu(writer: Writer, node: LeakyRelu) -> None:
    options = schema.LeakyReluOptionsT(alpha=node.slope)
    order = writer.order(node.inputs[0])
    source = [writer.index(node.inputs[0])]
    writer.emit(node, Operator.LEAKY_RELU, source, Options.LeakyReluOptions, options, order)


def _prelu(writer: Writer, node: PRelu) -> None:
    order = writer.order(node.inputs[0])
    spread = node.slopes.reshape(1, -1, *(1,) * (len(node.shape) - 2))
    slopes = writer.weight(f"{node.name}.slopes", spread.transpose(order)[0])
    writer.emit(node, Operator.PRELU, [writer.index(node.inputs[0]), slopes], 0, None, order)


def _elu(writer: Writer, node: Elu) -> None:
    """Emit ELU, which knows alpha 1 only; another is relu(x) + alpha * elu(min(x, 0))."""
    source, order = writer.index(node.inputs[0]), writer.order(node.inputs[0])
    if node.alpha == 1.0:
        writer.emit(node, Operator.ELU, [source], 0, None, order)
        return
    shape = physical(node.shape, order)
    limits = (Options.MaximumMinimumOptions, schema.MaximumMinimumOptionsT())
    zero, alpha = writer.number(f"{node.name}.zero", 0.0), writer.number(f"{node.name}.alpha", node.alpha)
    below = writer.part(node, "below", shape, Operator.MINIMUM, [source, zero], *limits)
    curve = writer.part(node, "curve", shape, Operator.ELU, [below])
    scaled = writer.part(node, "scaled", shape, Operator.MUL, [curve, alpha], Options.MulOptions, schema.MulOptionsT())
    above = writer.part(node, "above", shape, Operator.RELU, [source])
    writer.emit(node, Operator.ADD, [above, scaled], Options.AddOptions, schema.AddOptionsT(), order)


def _clamp(writer: Writer, node: Clamp) -> None:
    source, order = writer.index(node.inputs[0]), writer.order(node.inputs[0])
    whole = {(-1.0, 1.0): Operator.RELU_N1_TO_1, (0.0, 1.0): Operator.RELU_0_TO_1}.get((node.low, node.high))
    if whole is not None:
        writer.emit(node, whole, [source], 0, None, order)
        return
    limits = (Options.MaximumMinimumOptions, schema.MaximumMinimumOptionsT())
    steps = [
        (code, writer.number(f"{node.name}.{name}", bound))
        for code, name, bound in ((Operator.MAXIMUM, "low", node.low), (Operator.MINIMUM, "high", node.high))
        if np.isfinite(bound)
    ]
    for code, bound in steps[:-1]:
        source = writer.part(node, "bounded", physical(node.shape, order), code, [source, bound], *limits)
    if not steps:
        writer.stand_for(node, source, order)
        return
    code, bound = steps[-1]
    writer.emit(node, code, [source, bound], *limits, order)


RULES: dict[type[Node], Rule] = {
    Add: _add,
    Mul: _mul,
    Binary: _binary,
    Activate: _activate,
    LeakyRelu: _leaky_relu,
    PRelu: _prelu,
    Elu: _elu,
    Clamp: _clamp,
}
