"""An ONNX file's inputs, precision and further files, read with the `onnx` package and no runtime."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from mogakit.errors import InputError
from mogakit.export.artifact import Format, TensorSpec
from mogakit.export.foreign.model import EntryPoint, Input, ModelFile
from mogakit.export.foreign.precision import KINDS, Number, Role, Step, classify, words

_DTYPES: dict[int, str] = {
    **{int(number): name.lower() for name, number in TensorProto.DataType.items()},
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
}
_CONVERTING = words("QuantizeLinear DequantizeLinear Cast CastLike")
_DYNAMIC = words("DynamicQuantizeLinear DynamicQuantizeMatMul DynamicQuantizeLSTM MatMulIntegerToFloat")
_MOVING = words(
    "Reshape Squeeze Unsqueeze Flatten Transpose Slice Split Concat Gather GatherND GatherElements Pad Tile Expand "
    "Shape Size Identity Where ConstantOfShape Constant Range DepthToSpace SpaceToDepth Dropout"
)
_LAYERS = words("Conv ConvTranspose Gemm MatMul")
_CLIPPING = words("Relu Clip")
_IN_INTEGERS = Step(Role.COMPUTES, frozenset({Number.INT8}), frozenset())
_KEEPS_INDICES = words("Cast Reshape Squeeze Unsqueeze Flatten Transpose Identity Where Add Max Min Clip")
_MAX_DEPTH = 32
"""Of graphs inside control flow; real models have one or two."""


def describe(data: bytes, folder: Path) -> ModelFile:
    """Describe the bytes of an ONNX file; `folder` is where its external data lie.

    Raises:
        InputError: it is not an ONNX file, or its external data are missing or outside of the folder.
    """
    model = parse(data)
    return describe_graph(model.graph, external_files(model, folder))


def describe_graph(graph: onnx.GraphProto, companions: tuple[str, ...] = ()) -> ModelFile:
    """Describe a graph. Files with scaled integers inside count as int8 whatever their ends are: few have others."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    values = [value for value in graph.input if value.name not in constants]
    inputs = tuple(Input(_spec(value), num_rows=_num_rows(graph, constants, value.name)) for value in values)
    outputs = tuple(_spec(value) for value in graph.output)
    return ModelFile(
        format=Format.ONNX,
        precision=classify(list(_steps(graph)), (), ()),
        entries=(EntryPoint("", inputs, outputs),),
        companions=companions,
    )


def parse(data: bytes) -> onnx.ModelProto:
    """Parse the bytes of an ONNX file.

    Raises:
        InputError: they are not one.
    """
    if not data:
        raise InputError("the file is empty, so it is not an ONNX model")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise InputError("the file is damaged, truncated, or not an ONNX model: it is not a valid protobuf") from error
    if not model.graph.node and not model.graph.output:
        raise InputError("the file is not an ONNX model: it holds no graph")
    if not all(isinstance(text, str) for graph in graphs_of(model.graph) for text in _texts(graph)):
        raise InputError("the file is damaged: it holds names that are not UTF-8")
    return model


def _texts(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield every name of a graph; what is not UTF-8 comes from the protobuf package as bytes."""
    for node in graph.node:
        yield node.op_type
        yield from (*node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
    for tensor in graph.initializer:
        yield tensor.name
        for item in tensor.external_data:
            yield from (item.key, item.value)


def graphs_of(graph: onnx.GraphProto, depth: int = 0) -> Iterator[onnx.GraphProto]:
    """Yield a graph and those inside its control flow.

    Raises:
        InputError: they are nested too deep.
    """
    if depth > _MAX_DEPTH:
        raise InputError(f"the file's graphs are nested more than {_MAX_DEPTH} deep")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs_of(inner, depth + 1)


def external_files(model: onnx.ModelProto, folder: Path) -> tuple[str, ...]:
    """Return the names of the files beside the model that hold its weights, sorted.

    Raises:
        InputError: one is missing, or lies outside of `folder`.
    """
    names: set[str] = set()
    for graph in graphs_of(model.graph):
        tensors = [
            *graph.initializer,
            *(item.t for node in graph.node for item in node.attribute if item.HasField("t")),
        ]
        for tensor in tensors:
            if tensor.data_location == TensorProto.EXTERNAL:
                names.update(item.value for item in tensor.external_data if item.key == "location")
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not name or "\\" in name:
            raise InputError(f"its weights lie at {name!r}, outside of the model's folder; move them beside the model")
        found = folder / name
        if found.is_symlink() or not found.is_file():
            raise InputError(f"its weights lie in {name}, which is not beside it; put that file into {folder}")
    return tuple(sorted(names))


def _dtype(number: int) -> str:
    name = _DTYPES.get(number, f"unknown_{number}")
    return "float8" if name.startswith("float8") else name


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    """Describe an input or output; one that is not a tensor has the name of its kind as its type."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return TensorSpec(value.name, (), (kind or "unknown").removesuffix("_type"))
    tensor = value.type.tensor_type
    shape = tuple(size.dim_value if _is_fixed(size) else -1 for size in tensor.shape.dim)
    return TensorSpec(value.name, shape, _dtype(tensor.elem_type))


def _is_fixed(size: onnx.TensorShapeProto.Dimension) -> bool:
    return size.WhichOneof("value") == "dim_value" and size.dim_value >= 0


# --- precision


def _steps(root: onnx.GraphProto) -> Iterator[Step]:
    for graph in graphs_of(root):
        kinds = _known_kinds(graph)
        stored = {tensor.name: kinds[tensor.name] for tensor in graph.initializer}
        scaled = set()
        for node in graph.node:
            if node.op_type == "DequantizeLinear" and node.input and node.input[0] in stored:
                stored.update((name, stored[node.input[0]]) for name in node.output)
            elif node.op_type == "DequantizeLinear":
                scaled.update(node.output)
        for node in graph.node:
            step = _step(node, kinds, stored, scaled)
            if step == _IN_INTEGERS and _clipped_only(graph, node):
                scaled.update(node.output)
            yield step


def _clipped_only(graph: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    """Return whether nothing but a ReLU reads what a node makes: it becomes part of the node's integer kernel."""
    readers = [other.op_type for other in graph.node if set(other.input) & set(node.output)]
    return bool(readers) and set(readers) <= _CLIPPING


def _computed_in_integers(
    node: onnx.NodeProto, kinds: Mapping[str, Number], stored: Mapping[str, Number], scaled: set[str]
) -> bool:
    """Return whether runtimes fuse a node into an integer kernel: it reads nothing but integers turned into floats."""
    data = [name for name in node.input if name and name not in stored]
    floats = [name for name in data if kinds.get(name, Number.FLOAT) in (Number.FLOAT, Number.HALF)]
    weights = stored.get(node.input[1]) if node.op_type in _LAYERS and len(node.input) > 1 else None
    return bool(floats) and scaled.issuperset(floats) and weights not in (Number.FLOAT, Number.HALF)


def _step(node: onnx.NodeProto, kinds: Mapping[str, Number], stored: Mapping[str, Number], scaled: set[str]) -> Step:
    role = Role.COMPUTES
    if node.op_type in _DYNAMIC:
        role = Role.SCALES_DYNAMICALLY
    elif node.op_type in _CONVERTING:
        role = Role.CONVERTS
    elif node.op_type in _MOVING:
        role = Role.MOVES
    if role is Role.COMPUTES and (node.op_type.startswith("QLinear") or node.op_type.endswith("Integer")):
        return _IN_INTEGERS
    if role is Role.COMPUTES and _computed_in_integers(node, kinds, stored, scaled):
        return _IN_INTEGERS
    used, made = [name for name in node.input if name], [name for name in node.output if name]
    return Step(
        role,
        frozenset(kinds.get(name, Number.FLOAT) for name in (*used, *made) if name not in stored),
        frozenset(stored[name] for name in used if name in stored),
    )


def _known_kinds(graph: onnx.GraphProto) -> dict[str, Number]:
    """Return the kinds of a graph's tensors, passed on from node to node; files seldom name those of inner ones."""
    kinds = {tensor.name: KINDS.get(_dtype(tensor.data_type), Number.OTHER) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kinds[value.name] = KINDS.get(_spec(value).dtype, Number.OTHER)
    for node in graph.node:
        made = _made_kind(node, kinds)
        for name in node.output:
            kinds.setdefault(name, made)
    return kinds


def _made_kind(node: onnx.NodeProto, kinds: Mapping[str, Number]) -> Number:
    if node.op_type in ("Shape", "Size", "ArgMax", "ArgMin", "NonZero", "NonMaxSuppression"):
        return Number.OTHER
    to = next((item.i for item in node.attribute if item.name == "to"), None)
    if node.op_type == "Cast" and to is not None:
        return KINDS.get(_dtype(to), Number.OTHER)
    if node.op_type == "DequantizeLinear":
        return kinds.get(node.input[1], Number.FLOAT) if len(node.input) > 1 else Number.FLOAT
    if node.op_type == "QuantizeLinear":
        return kinds.get(node.input[2], Number.UINT8) if len(node.input) > 2 else Number.UINT8
    values = [kinds[name] for name in node.input if name in kinds]
    counted = [kind for kind in values if kind is not Number.OTHER]
    return (counted or values or [Number.FLOAT])[0]


# --- row numbers


def _num_rows(graph: onnx.GraphProto, constants: Mapping[str, onnx.TensorProto], name: str) -> int | None:
    """Return how many rows the smallest table has that an input's values index, None where no lookup shows it."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for used in node.input:
            users.setdefault(used, []).append(node)
    limits, seen, waiting = [], {name}, [name]
    while waiting:
        value = waiting.pop()
        for node in users.get(value, []):
            limit = _rows(node, value, constants)
            if limit is not None:
                limits.append(limit)
            if node.op_type in _KEEPS_INDICES:
                fresh = [item for item in node.output if item not in seen]
                seen.update(fresh)
                waiting.extend(fresh)
    return min(limits, default=None)


def _rows(node: onnx.NodeProto, value: str, constants: Mapping[str, onnx.TensorProto]) -> int | None:
    if node.op_type != "Gather" or len(node.input) != 2 or node.input[1] != value:
        return None
    table: Any = constants.get(node.input[0])
    axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
    sizes = [] if table is None else list(table.dims)
    return sizes[axis] if -len(sizes) <= axis < len(sizes) and sizes[axis] > 0 else None
