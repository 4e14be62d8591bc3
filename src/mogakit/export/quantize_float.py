"""Operators of an integer TFLite file that are put back into float, with a DEQUANTIZE before and a QUANTIZE behind.

Between two operators in float, and at a float end of the file, no integers stand: each tensor is turned once, and only
where another operator reads it.
"""

from collections.abc import Collection
from typing import Any

from ai_edge_litert import schema_py_generated as schema

Operator, Type = schema.BuiltinOperator, schema.TensorType
_TURNS = (Operator.QUANTIZE, Operator.DEQUANTIZE)


def put_back(quantized: Any, original: Any, names: Collection[str]) -> None:
    """Change an unpacked integer file: operators that make a tensor of `names` compute in float.

    Args:
        original: the unpacked float file it was made from, which has their constants.
        names: of tensors of the float file. An operator that is in float already is left as it is.
    """
    _Rewriting(quantized, original, names).run()
    drop_unread(quantized)


class _Rewriting:
    def __init__(self, quantized: Any, original: Any, names: Collection[str]) -> None:
        self._model, self._graph = quantized, quantized.subgraphs[0]
        self._floats, self._float_model = original.subgraphs[0], original
        self._in_float: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._constants: dict[int, int] = {}
        self._made: list[Any] = []
        # The quantiser keeps the operators and their order; what it adds turns numbers.
        kept = [operator for operator in self._graph.operators if self._code(operator) not in _TURNS]
        pairs = zip(kept, self._floats.operators, strict=True)
        self._twins = {
            int(operator.outputs[0]): twin
            for operator, twin in pairs
            if _text(self._floats.tensors[twin.outputs[0]].name) in names and not self._is_float(operator.outputs[0])
        }

    def run(self) -> None:
        """Rewrite the operators in order; those behind read integers again where they compute in them."""
        self._take_ends()
        others = [operator for operator in self._graph.operators if int(operator.outputs[0]) not in self._twins]
        read = {int(index) for operator in others for index in operator.inputs} | set(map(int, self._graph.outputs))
        for operator in self._graph.operators:
            output = int(operator.outputs[0])
            if output not in self._twins:
                self._made.append(operator)
                continue
            self._append_float(operator)
            if output in read:
                self._convert(Operator.QUANTIZE, self._in_float[output], output)
        self._graph.operators = self._made

    def _take_ends(self) -> None:
        """Let operators in float at a float end of the file read and make that end itself."""
        others = []
        for operator in self._graph.operators:
            source, made = int(operator.inputs[0]), int(operator.outputs[0])
            code = self._code(operator)
            if code == Operator.QUANTIZE and self._is_float(source):
                self._in_float[made] = source
            if code == Operator.DEQUANTIZE and source in self._twins:
                self._ends[source] = made
            else:
                others.append(operator)
        self._graph.operators = others

    def _code(self, operator: Any) -> int:
        entry = self._model.operatorCodes[operator.opcodeIndex]
        return int(max(entry.builtinCode, entry.deprecatedBuiltinCode))

    def _is_float(self, index: int) -> bool:
        return bool(self._graph.tensors[index].type == Type.FLOAT32)

    def _append_float(self, operator: Any) -> None:
        output = int(operator.outputs[0])
        twin = self._twins[output]
        inputs = [
            self._constant(theirs) if theirs >= 0 and self._is_constant(theirs) else self._dequantized(int(ours))
            for ours, theirs in zip(operator.inputs, twin.inputs, strict=True)
        ]
        made = self._ends.get(output)
        if made is None:
            tensor = self._graph.tensors[output]
            made = self._activation(f"{_text(tensor.name)}.float", tensor.shape)
        self._in_float[output] = made
        code = self._float_model.operatorCodes[twin.opcodeIndex]
        self._append(code, inputs, made, twin.builtinOptionsType, twin.builtinOptions)

    def _is_constant(self, index: int) -> bool:
        buffer = self._float_model.buffers[self._floats.tensors[index].buffer]
        return buffer.data is not None and len(buffer.data) > 0

    def _constant(self, index: int) -> int:
        """Return a copy of a constant of the float file."""
        if index not in self._constants:
            tensor = self._floats.tensors[index]
            self._model.buffers.append(schema.BufferT(data=self._float_model.buffers[tensor.buffer].data))
            name = f"{_text(tensor.name)}.float"
            copy = schema.TensorT(shape=tensor.shape, type=tensor.type, buffer=len(self._model.buffers) - 1, name=name)
            self._constants[index] = self._add(copy)
        return self._constants[index]

    def _dequantized(self, index: int) -> int:
        if index < 0 or self._is_float(index):
            return index
        if index not in self._in_float:
            tensor = self._graph.tensors[index]
            self._in_float[index] = self._activation(f"{_text(tensor.name)}.float", tensor.shape)
            self._convert(Operator.DEQUANTIZE, index, self._in_float[index])
        return self._in_float[index]

    def _activation(self, name: str, shape: Any) -> int:
        return self._add(schema.TensorT(shape=shape, type=Type.FLOAT32, buffer=0, name=name, hasRank=True))

    def _add(self, tensor: Any) -> int:
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _convert(self, code: int, source: int, made: int) -> None:
        quantizes = code == Operator.QUANTIZE
        options = schema.QuantizeOptionsT() if quantizes else schema.DequantizeOptionsT()
        kind = schema.BuiltinOptions.QuantizeOptions if quantizes else schema.BuiltinOptions.DequantizeOptions
        entry = schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)
        self._append(entry, [source], made, kind, options)

    def _append(self, code: Any, inputs: list[int], output: int, kind: int, options: Any) -> None:
        self._model.operatorCodes.append(code)  # one entry for each: packing joins equal ones
        index = len(self._model.operatorCodes) - 1
        self._made.append(
            schema.OperatorT(
                opcodeIndex=index, inputs=inputs, outputs=[output], builtinOptionsType=kind, builtinOptions=options
            )
        )


def drop_unread(model: Any) -> None:
    """Take away what nothing reads: operators of an unpacked file, then tensors, then buffers."""
    graph = model.subgraphs[0]
    read = set(map(int, graph.outputs))
    kept = []
    for operator in reversed(graph.operators):
        if not read.isdisjoint(map(int, operator.outputs)):
            kept.append(operator)
            read.update(map(int, operator.inputs))
    graph.operators = kept[::-1]
    used = {*map(int, graph.inputs), *map(int, graph.outputs)}
    for operator in graph.operators:
        used.update(int(index) for index in (*operator.inputs, *operator.outputs) if index >= 0)
    places = {old: new for new, old in enumerate(sorted(used))}
    graph.tensors = [graph.tensors[index] for index in places]
    graph.inputs, graph.outputs = ([places[int(index)] for index in ends] for ends in (graph.inputs, graph.outputs))
    for operator in graph.operators:
        operator.inputs, operator.outputs = (
            [places.get(int(index), -1) for index in ends] for ends in (operator.inputs, operator.outputs)
        )
    for signature in model.signatureDefs or []:
        for end in (*signature.inputs, *signature.outputs):
            end.tensorIndex = places[end.tensorIndex]
    holders = [*graph.tensors, *(model.metadata or [])]
    buffers = {old: new for new, old in enumerate(dict.fromkeys([0, *sorted({item.buffer for item in holders})]))}
    model.buffers = [model.buffers[index] for index in buffers]
    for item in holders:
        item.buffer = buffers[item.buffer]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
