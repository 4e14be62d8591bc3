"""The version that each TFLite operator needs: so that a runtime too old for a file says so when it loads it.

A runtime knows every operator up to some version and rejects later ones by name. Without the right version it runs the
file and fails later, or computes another function. The rules are those of LiteRT's
`tflite/tools/versioning/op_version.cc` (@22f0209) for the operators that the kit writes; where those miss 16-bit
activations with 8-bit weights, since they ask for weights of 16 bits, the version that brought them is meant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

Operator, Type = schema.BuiltinOperator, schema.TensorType


@dataclass(frozen=True)
class Use:
    """One operator with its tensors, as the rules look at it; an input that is left out is None."""

    inputs: Sequence[Any]
    outputs: Sequence[Any]
    options: Any

    @property
    def kind(self) -> int:
        """Return the type of the first input."""
        return int(self.inputs[0].type)

    @property
    def rank(self) -> int:
        """Return the largest number of axes of an input."""
        return max(_rank(tensor) for tensor in self.inputs if tensor is not None)

    @property
    def hybrid(self) -> bool:
        """Return whether weights in 8 bits meet activations in float."""
        return self.kind == int(Type.FLOAT32) and int(self.inputs[1].type) == int(Type.INT8)

    @property
    def by_channel(self) -> bool:
        """Return whether the weights have a scale for each channel."""
        return len(_scales(self.inputs[1])) > 1

    def option(self, name: str) -> Any:
        """Return an option, 0 where the operator has none of that name."""
        return getattr(self.options, name, 0)


def _rank(tensor: Any) -> int:
    return 0 if tensor.shape is None else len(tensor.shape)


def _scales(tensor: Any) -> Sequence[float]:
    found = None if tensor.quantization is None else tensor.quantization.scale
    return () if found is None else found


def _conv(use: Use) -> int:
    if use.kind == Type.INT16:
        return 4
    weights, source = use.inputs[1].shape, use.inputs[0].shape
    if int(weights[3]) != int(source[3]):  # in groups
        return 6
    if use.kind == Type.INT8:
        return 3
    return (5 if use.by_channel else 2) if use.hybrid else 1


def _depthwise(use: Use) -> int:
    if use.kind == Type.INT16:
        return 5
    if use.hybrid:
        return 6 if use.by_channel else 4
    if use.kind == Type.INT8:
        return 3
    return 2 if (use.option("dilationHFactor"), use.option("dilationWFactor")) != (1, 1) else 1


def _fully_connected(use: Use) -> int:
    if use.hybrid and use.by_channel:
        return 12
    if use.kind == Type.INT16:
        return 7
    if len(use.inputs) == 2:
        return 6
    if use.option("keepNumDims"):
        return 5
    if use.kind == Type.INT8:
        return 4
    return (9 if use.option("asymmetricQuantizeInputs") else 3) if use.hybrid else 1


def _transpose_conv(use: Use) -> int:
    if use.option("fusedActivationFunction"):
        return 4
    if len(use.inputs) == 4 and use.inputs[3] is not None:
        return 3
    return 2 if int(use.inputs[1].type) == Type.INT8 else 1


def _mul(use: Use) -> int:
    if use.kind == Type.INT16:
        return 4
    scales = [_scales(tensor) for tensor in (*use.inputs[:2], use.outputs[0])]
    if all(len(found) == 1 for found in scales) and scales[0][0] * scales[1][0] / scales[2][0] >= 1:
        return 3
    return 2 if use.kind == Type.INT8 else 1


def _resize(use: Use) -> int:
    return 3 if use.option("halfPixelCenters") else _by_type(use, int8=2, int16=4)


def _resize_nearest(use: Use) -> int:
    if use.kind != Type.INT16 and use.option("alignCorners"):
        return 3
    return 4 if use.kind == Type.INT16 else _resize(use)


def _dequantize(use: Use) -> int:
    if use.kind in (Type.INT16, Type.FLOAT16):
        return 3
    if use.kind != Type.INT8:
        return 1
    return 5 if len(_scales(use.inputs[0])) > 1 else 2


def _quantize(use: Use) -> int:
    if len(_scales(use.outputs[0])) > 1:
        return 3
    return 2 if int(use.outputs[0].type) == Type.INT16 else 1


def _batch_matmul(use: Use) -> int:
    if use.hybrid and use.option("asymmetricQuantizeInputs"):
        return 4
    return _by_type(use, int8=2, int16=3)


def _by_type(use: Use, int8: int = 1, int16: int = 1, uint8: int = 1, other: int = 1) -> int:
    return {Type.INT8: int8, Type.INT16: int16, Type.UINT8: uint8}.get(use.kind, other)


Rule = Callable[[Use], int]


def _typed(**versions: int) -> Rule:
    return lambda use: _by_type(use, **versions)


def _ranked(*limits: tuple[int, int], **versions: int) -> Rule:
    """Return a rule of (rank, version): the version of the largest rank that is exceeded, before that of a type."""

    def rule(use: Use) -> int:
        beyond = [version for rank, version in limits if use.rank > rank]
        return max([*beyond, _by_type(use, **versions)])

    return rule


def _broadcast(version: int, **versions: int) -> Rule:
    """Return a rule with a version for operands of unequal shapes and more than four axes."""

    def rule(use: Use) -> int:
        unequal = list(use.inputs[0].shape) != list(use.inputs[1].shape)
        typed = _by_type(use, **versions)
        return max(typed, version) if unequal and use.rank > 4 else typed

    return rule


_BOTH = _typed(int8=2, int16=3)
RULES: dict[int, Rule] = {
    Operator.CONV_2D: _conv,
    Operator.DEPTHWISE_CONV_2D: _depthwise,
    Operator.FULLY_CONNECTED: _fully_connected,
    Operator.TRANSPOSE_CONV: _transpose_conv,
    Operator.BATCH_MATMUL: _batch_matmul,
    Operator.ADD: _BOTH,
    Operator.MUL: _mul,
    Operator.SUB: _broadcast(3, int8=2, int16=5),
    Operator.DIV: _broadcast(2),
    Operator.MAXIMUM: _broadcast(3, int8=2, int16=4),
    Operator.MINIMUM: _broadcast(3, int8=2, int16=4),
    Operator.RELU: _typed(int8=2, uint8=2, int16=3),
    Operator.GELU: _typed(int8=2, uint8=2),
    Operator.EXP: _typed(int8=2, int16=2),
    Operator.LOG: _typed(int8=2, int16=2),
    Operator.ABS: _typed(int8=2, uint8=2, int16=3),
    Operator.LEAKY_RELU: _typed(int16=2),
    Operator.SUM: _typed(int8=2),
    Operator.DEPTH_TO_SPACE: _typed(int8=2),
    Operator.GATHER: _typed(int8=2, int16=4),
    Operator.BROADCAST_TO: _typed(int8=3, int16=3, other=2, uint8=2),
    Operator.TRANSPOSE: _ranked((4, 4), (5, 6), int8=2, int16=5),
    Operator.SLICE: _ranked((4, 5), int8=2, int16=4),
    Operator.STRIDED_SLICE: _ranked((4, 4), int8=2),
    Operator.PAD: _ranked((4, 4), int8=2, int16=3),
    Operator.PADV2: _ranked((4, 4), int8=2, int16=3),
    Operator.RESIZE_BILINEAR: lambda use: 4 if use.kind == Type.INT16 else _resize(use),
    Operator.RESIZE_NEAREST_NEIGHBOR: _resize_nearest,
    Operator.DEQUANTIZE: _dequantize,
    Operator.QUANTIZE: _quantize,
    **dict.fromkeys(
        (
            Operator.LOGISTIC,
            Operator.TANH,
            Operator.RELU6,
            Operator.RSQRT,
            Operator.MAX_POOL_2D,
            Operator.AVERAGE_POOL_2D,
            Operator.CONCATENATION,
            Operator.SOFTMAX,
            Operator.MEAN,
            Operator.MIRROR_PAD,
            Operator.REDUCE_MAX,
            Operator.REDUCE_MIN,
        ),
        _BOTH,
    ),
}
"""By operator; the others have had version 1 only."""


def stamp(model: Any) -> None:
    """Give every operator of a `ModelT` the version that it needs, with an entry for each operator and version."""
    codes: dict[tuple[int, int], int] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            old = model.operatorCodes[operator.opcodeIndex]
            code = max(old.builtinCode, old.deprecatedBuiltinCode)
            use = Use(
                [graph.tensors[index] if index >= 0 else None for index in operator.inputs],
                [graph.tensors[index] for index in operator.outputs],
                operator.builtinOptions,
            )
            version = RULES[code](use) if code in RULES else 1
            operator.opcodeIndex = codes.setdefault((code, version), len(codes))
    model.operatorCodes = [operator_code(code, version) for code, version in codes]


def operator_code(code: int, version: int = 1) -> Any:
    """Return the entry for an operator.

    Old readers look at `deprecatedBuiltinCode` only, one byte, in which codes from 127 on say "look at the new field".
    """
    return schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=version)
