"""What a model file computes, as a list of operators: the additive truth is a sum over them.

Reads TFLite (flatbuffer), ONNX and MACE (protocol buffer) files. What an operator costs depends on its kind, shapes and
type and on nothing else, so a network costs what its blocks cost, whoever wrote the files.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

Shape = tuple[int, ...]


class NotAModel(Exception):  # noqa: N818 - named for what it says
    """The bytes are no model that the phone's tools would load."""


@dataclass(frozen=True)
class Operator:
    """One operator: `kind` of the simulator's few, `label` as the runtime's own tables call it."""

    kind: str
    label: str
    name: str
    dtype: str
    inputs: tuple[Shape, ...]
    output: Shape
    kernel: Shape
    macs: int

    @property
    def num_bytes(self) -> int:
        """Return the bytes of activations and weights that are moved."""
        width = 1 if self.dtype in ("int8", "uint8") else 4
        return width * (sum(math.prod(shape) for shape in self.inputs) + math.prod(self.output))

    @property
    def signature(self) -> str:
        """Return what decides the cost."""
        return f"{self.kind} {self.dtype} {sorted(self.inputs)} {self.output} {self.kernel}"


@dataclass(frozen=True)
class Model:
    """A readable model file; shapes as the file holds them."""

    operators: tuple[Operator, ...]
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    num_bytes: int


_TFLITE_KINDS = {
    "CONV_2D": "CONV",
    "DEPTHWISE_CONV_2D": "DWCONV",
    "FULLY_CONNECTED": "FC",
    "AVERAGE_POOL_2D": "POOL",
    "MAX_POOL_2D": "POOL",
} | {name: name for name in ("ADD", "MUL", "HARD_SWISH", "LOGISTIC", "MEAN", "PAD", "RESHAPE")}

_ONNX_KINDS = {
    "Gemm": "FC",
    "MatMul": "FC",
    "Add": "ADD",
    "Mul": "MUL",
    "HardSwish": "HARD_SWISH",
    "Sigmoid": "LOGISTIC",
    "ReduceMean": "MEAN",
    "GlobalAveragePool": "MEAN",
    "Pad": "PAD",
    "Flatten": "RESHAPE",
    "Reshape": "RESHAPE",
}

_MACE_KINDS = {
    "Conv2D": "CONV",
    "DepthwiseConv2d": "DWCONV",
    "FullyConnected": "FC",
    "Eltwise": "ADD",
    "Reduce": "MEAN",
    "Pooling": "POOL",
    "Squeeze": "RESHAPE",
}


def read_model(path: Path) -> Model:
    """Read a model file of any format.

    Raises:
        NotAModel: its bytes are none.
    """
    data = path.read_bytes()
    try:
        if data[4:8] == b"TFL3":
            return _read_tflite(data)
        if path.suffix == ".onnx":
            return _read_onnx(data)
        if path.suffix == ".pb":
            return _read_mace(data)
    except (ValueError, KeyError, IndexError, struct.error, TypeError) as error:
        raise NotAModel(f"{path}: {error}") from error
    raise NotAModel(f"{path}: neither TFLite, ONNX nor MACE")


def _macs(kind: str, output: Shape, weights: Shape, per_output: int) -> int:
    if kind in ("CONV", "DWCONV"):
        return math.prod(output) * per_output
    return math.prod(weights) if kind == "FC" else 0


def _read_tflite(data: bytes) -> Model:
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    types = {code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)

    def shape(index: int) -> Shape:
        tensor = graph.Tensors(index)
        return tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength()))

    def constant(index: int) -> bool:
        return bool(model.Buffers(graph.Tensors(index).Buffer()).DataLength())

    operators = []
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        code = model.OperatorCodes(operator.OpcodeIndex())
        label = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [operator.Inputs(i) for i in range(operator.InputsLength()) if operator.Inputs(i) >= 0]
        if label == "DEQUANTIZE" and constant(inputs[0]):
            continue  # half weights, unpacked once at loading
        kind = _TFLITE_KINDS.get(label, "OTHER")
        output = shape(operator.Outputs(0))
        weights = shape(inputs[1]) if kind in ("CONV", "DWCONV", "FC") else ()
        per_output = {"CONV": math.prod(weights[1:]), "DWCONV": math.prod(weights[1:3])}.get(kind, 0)
        tensor = graph.Tensors(operator.Outputs(0))
        operators.append(
            Operator(
                kind,
                label,
                (tensor.Name() or b"").decode(errors="replace"),
                types[tensor.Type()],
                tuple(shape(i) for i in inputs if not (kind in ("MEAN", "PAD", "RESHAPE") and i != inputs[0])),
                output,
                weights,
                _macs(kind, output, weights, per_output),
            )
        )
    ends = [
        {(graph.Tensors(index).Name() or b"").decode(errors="replace"): shape(index) for index in indices}
        for indices in (
            [graph.Inputs(i) for i in range(graph.InputsLength())],
            [graph.Outputs(i) for i in range(graph.OutputsLength())],
        )
    ]
    return Model(tuple(operators), ends[0], ends[1], len(data))


def _read_onnx(data: bytes) -> Model:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    except DecodeError as error:
        raise NotAModel(str(error)) from error
    graph = model.graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    values = [*graph.input, *graph.value_info, *graph.output]
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    types = {v.name: v.type.tensor_type.elem_type for v in values}
    operators = []
    for node in graph.node:
        if node.op_type in ("Constant", "Identity"):
            continue
        output = shapes.get(node.output[0], ())
        attributes = {a.name: a for a in node.attribute}
        kernel = next((weights[name] for name in node.input[1:] if len(weights.get(name, ())) >= 2), ())
        kind = _ONNX_KINDS.get(node.op_type, "OTHER")
        if node.op_type == "Conv":
            grouped = "group" in attributes and attributes["group"].i > 1
            kind = "DWCONV" if grouped else "CONV"
        inputs = tuple(shapes.get(name, weights.get(name, ())) for name in node.input if name)
        dtype = {1: "float32", 2: "uint8", 3: "int8", 10: "float16"}.get(types.get(node.output[0], 1), "float32")
        macs = _macs(kind, output, kernel, math.prod(kernel[1:]) if kernel else 0)
        operators.append(Operator(kind, node.op_type, node.name, dtype, inputs, output, kernel, macs))
    if not operators:
        raise NotAModel("the ONNX file holds no operator")
    inputs_of_graph = {v.name: shapes[v.name] for v in graph.input if v.name not in weights}
    return Model(tuple(operators), inputs_of_graph, {v.name: shapes[v.name] for v in graph.output}, len(data))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> dict[int, list[int | bytes]]:
    """Decode one protocol buffer message: field number to its values in order."""
    found: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at : at + size], at + size
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise NotAModel("a protocol buffer that ends too soon")
            value, at = data[at : at + size], at + size
        else:
            raise NotAModel(f"no protocol buffer: wire type {wire}")
        found.setdefault(number, []).append(value)
    return found


def _ints(values: list[int | bytes]) -> Shape:
    """Return repeated integers, packed or not."""
    result: list[int] = []
    for value in values:
        if isinstance(value, int):
            result.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            result.append(number)
    return tuple(result)


def mace_container(data: bytes) -> tuple[str, bytes]:
    """Return ("multi" or "net", the NetDef's bytes) of a MACE `.pb` file (MACE mace.proto)."""
    top = fields(data)
    operators_at_top = any(isinstance(value, bytes) for value in top.get(1, []))  # there: a MultiNetDef's version
    if not operators_at_top and 3 in top:
        return "multi", _message(top[3][0])
    return "net", data


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise NotAModel("a number where a message must be")
    return value


def mace_argument(net: bytes, name: str) -> int | None:
    """Return an integer argument of a NetDef, e.g. `runtime_type`."""
    for raw in fields(net).get(2, []):
        argument = fields(_message(raw))
        if argument.get(1) == [name.encode()]:
            value = argument.get(3, [0])[0]
            return value if isinstance(value, int) else None
    return None


def _read_mace(data: bytes) -> Model:
    _, net_bytes = mace_container(data)
    net = fields(net_bytes)
    weights: dict[bytes, Shape] = {}
    for raw in net.get(3, []):
        tensor = fields(_message(raw))
        weights[_message(tensor[5][0])] = _ints(tensor.get(1, []))
    shapes: dict[bytes, Shape] = {}
    ends: list[dict[str, Shape]] = []
    for number in (100, 101):
        end = {}
        for raw in net.get(number, []):
            info = fields(_message(raw))
            shapes[_message(info[1][0])] = _ints(info.get(3, []))
            end[_message(info[1][0]).decode()] = _ints(info.get(3, []))
        ends.append(end)
    operators = []
    for raw in net.get(1, []):
        op = fields(_message(raw))
        label = _message(op[4][0]).decode()
        output = _ints(fields(_message(op[7][0])).get(1, [])) if 7 in op else ()
        inputs = [_message(name) for name in op.get(1, [])]
        kernel = next((weights[name] for name in inputs if len(weights.get(name, ())) == 4), ())
        kind = _MACE_KINDS.get(label, "OTHER")
        per_output = math.prod(kernel[1:]) if kind == "CONV" else math.prod(kernel[2:])
        known = tuple(shapes.get(name, weights.get(name, ())) for name in inputs)
        name = _message(op[3][0]).decode()
        macs = _macs(kind, output, kernel, per_output)
        operators.append(Operator(kind, label, name, "float32", known, output, kernel, macs))
        for result in op.get(2, []):
            shapes[_message(result)] = output
    if not operators:
        raise NotAModel("the MACE graph holds no operator")
    return Model(tuple(operators), ends[0], ends[1], len(data))
