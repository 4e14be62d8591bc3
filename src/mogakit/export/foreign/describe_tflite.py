"""A TFLite file's ways in and its precision."""

from collections.abc import Mapping
from typing import TypeAlias

from mogakit.export.artifact import Format, Precision, TensorSpec
from mogakit.export.foreign.model import EntryPoint, Input, ModelFile
from mogakit.export.foreign.precision import KINDS, Number, Role, Step, classify, words
from mogakit.export.foreign.tflite import ABSENT, Graph, Model, Operator, Tensor, read

Uses: TypeAlias = Mapping[int, list[tuple[Operator, int]]]

_DTYPES = {"BOOL": "bool", "STRING": "string", "BFLOAT16": "bfloat16"}
_CONVERTING = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST", "DENSIFY", "FAKE_QUANT"})
_MOVING = words(
    "RESHAPE SQUEEZE EXPAND_DIMS TRANSPOSE SLICE STRIDED_SLICE SPLIT SPLIT_V PACK UNPACK TILE PAD PADV2 MIRROR_PAD "
    "GATHER GATHER_ND CONCATENATION SPACE_TO_DEPTH DEPTH_TO_SPACE SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND BROADCAST_TO "
    "SHAPE FILL REVERSE_V2 EMBEDDING_LOOKUP ASSIGN_VARIABLE READ_VARIABLE VAR_HANDLE SELECT SELECT_V2 WHERE"
)
_KEEPS_INDICES = words("CAST RESHAPE SQUEEZE EXPAND_DIMS TRANSPOSE SELECT SELECT_V2 ADD MAXIMUM MINIMUM")
"""Operators behind which a row number is still one: `ids < 0 ? ids + rows : ids` is how TensorFlow writes a lookup."""


def describe(data: bytes) -> ModelFile:
    """Describe the bytes of a TFLite file.

    Raises:
        InputError: it is not a TFLite file, or it is damaged.
    """
    model = read(data)
    return ModelFile(Format.TFLITE, precision_of(model), _entries(model))


def precision_of(model: Model) -> Precision:
    """Return what a file computes in, over the operators of all its graphs; the ends are those of the first."""
    steps = [_step(operator, graph) for graph in model.graphs for operator in graph.operators]
    main = model.graphs[0]
    inputs, outputs = ([_kind(main.tensors[index]) for index in ends] for ends in (main.inputs, main.outputs))
    return classify(steps, inputs, outputs)


def _step(operator: Operator, graph: Graph) -> Step:
    role = Role.COMPUTES
    if operator.name in _CONVERTING:
        role = Role.CONVERTS
    elif operator.name in _MOVING:
        role = Role.MOVES
    taken = [graph.tensors[index] for index in operator.inputs if index != ABSENT]
    made = [graph.tensors[index] for index in operator.outputs]
    return Step(
        role,
        frozenset(_kind(tensor) for tensor in (*taken, *made) if tensor.data is None),
        frozenset(_kind(tensor) for tensor in taken if tensor.data is not None),
    )


def dtype_of(tensor: Tensor) -> str:
    """Return NumPy's name for a tensor's type."""
    return _DTYPES.get(tensor.type, tensor.type.lower())


def _kind(tensor: Tensor) -> Number:
    kind = KINDS.get(dtype_of(tensor), Number.OTHER)
    if kind in (Number.INT8, Number.UINT8, Number.INT16) and not tensor.scales and tensor.data is not None:
        return Number.OTHER  # a constant without a scale holds indices or sizes
    return kind


# --- ways in


def _entries(model: Model) -> tuple[EntryPoint, ...]:
    signatures = model.signatures
    if len(signatures) > 1:
        return tuple(
            _entry(model.graphs[item.graph], item.key, {index: name for name, index in item.inputs.items()})
            for item in signatures
        )
    aliases = {index: name for item in signatures if item.graph == 0 for name, index in item.inputs.items()}
    return (_entry(model.graphs[0], "", aliases),)


def _entry(graph: Graph, signature: str, aliases: Mapping[int, str]) -> EntryPoint:
    uses: dict[int, list[tuple[Operator, int]]] = {}
    for operator in graph.operators:
        for position, tensor in enumerate(operator.inputs):
            uses.setdefault(tensor, []).append((operator, position))
    inputs = tuple(
        Input(_spec(graph.tensors[index]), aliases.get(index, ""), _num_rows(graph, uses, index))
        for index in graph.inputs
    )
    if signature:  # a runtime hands the inputs of a signature over by name, not in the file's order
        inputs = tuple(sorted(inputs, key=lambda item: item.spec.name))
    return EntryPoint(signature, inputs, tuple(_spec(graph.tensors[index]) for index in graph.outputs))


def _spec(tensor: Tensor) -> TensorSpec:
    return TensorSpec(tensor.name, tensor.sizes, dtype_of(tensor))


def _num_rows(graph: Graph, uses: Uses, tensor: int) -> int | None:
    """Return how many rows the smallest table has that a tensor's values index, None where no lookup shows it."""
    limits, seen, waiting = [], {tensor}, [tensor]
    while waiting:
        for operator, position in uses.get(waiting.pop(), []):
            table = _table(operator, position)
            if table is not None and 0 <= table[0] < len(operator.inputs) and operator.inputs[table[0]] != ABSENT:
                shape = graph.tensors[operator.inputs[table[0]]].sizes
                if shape and -len(shape) <= table[1] < len(shape) and shape[table[1]] > 0:
                    limits.append(shape[table[1]])
            if operator.name in _KEEPS_INDICES:
                fresh = [index for index in operator.outputs if index not in seen]
                seen.update(fresh)
                waiting.extend(fresh)
    return min(limits, default=None)


def _table(operator: Operator, position: int) -> tuple[int, int] | None:
    """Return (which input is the table, along which axis it is indexed) where input `position` holds row numbers."""
    if operator.name == "GATHER" and position == 1:
        return 0, int(operator.options["axis"])
    return (1, 0) if operator.name == "EMBEDDING_LOOKUP" and position == 0 else None
