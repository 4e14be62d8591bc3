"""A TFLite flatbuffer under construction: tensors, buffers and operators by index, packed into deterministic bytes.

It uses the object API of the schema that comes with `ai-edge-litert`; nothing here knows what a network is.
"""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from mogakit.errors import ExportError
from mogakit.export.tflite_versions import operator_code, stamp

BUFFER_ALIGNMENT = 16
"""Bytes; XNNPACK and the GPU delegate read weights in place and expect them aligned (schema.fbs, `force_align: 16`)."""

MAX_BYTES = 2**31 - 1
"""A flatbuffer's offsets are 32 bits and signed in the Python builder."""

_TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
}


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # the generated schema has no types
    """A buffer whose bytes start at a multiple of 16 in the file; the generated code promises only 1."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 - the generated code calls it so
        """Write the buffer and return its offset."""
        vector = None
        if self.data is not None:
            data = memoryview(self.data).cast("B")
            builder.StartVector(1, len(data), BUFFER_ALIGNMENT)
            builder.head -= len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        packed: int = schema.BufferEnd(builder)
        return packed


class ModelBuilder:
    """Collects one subgraph with a `serving_default` signature.

    Tensor names are unique by construction, since tools such as ai-edge-quantizer reject twins.
    """

    def __init__(self) -> None:
        self._buffers: list[Any] = [_AlignedBuffer()]  # buffer 0 is empty by convention: it means "no data"
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._opcodes: dict[int, int] = {}
        self._names: set[str] = set()

    def activation(self, name: str, shape: Sequence[int], dtype: npt.DTypeLike = np.float32) -> int:
        """Add a tensor without data and return its index."""
        return self._tensor(name, shape, np.dtype(dtype), buffer=0)

    def constant(self, name: str, value: npt.NDArray[Any]) -> int:
        """Add a tensor with data and return its index."""
        data = np.ascontiguousarray(value)
        self._buffers.append(_AlignedBuffer(data=data.reshape(-1).view(np.uint8)))
        return self._tensor(name, value.shape, data.dtype, buffer=len(self._buffers) - 1)

    def scaled(self, name: str, value: npt.NDArray[np.int8], steps: npt.NDArray[np.float32], axis: int) -> int:
        """Add weights in integers around 0 with a step for each channel along `axis`, and return their index."""
        index = self.constant(name, value)
        zeros = np.zeros(len(steps), np.int64)
        self._tensors[index].quantization = schema.QuantizationParametersT(
            scale=steps, zeroPoint=zeros, quantizedDimension=axis
        )
        return index

    def _tensor(self, name: str, shape: Sequence[int], dtype: np.dtype[Any], buffer: int) -> int:
        unique, count = name, 0
        while unique in self._names:
            count += 1
            unique = f"{name}_{count}"
        self._names.add(unique)
        self._tensors.append(
            schema.TensorT(
                shape=[int(size) for size in shape], type=_TYPES[dtype], buffer=buffer, name=unique, hasRank=True
            )
        )
        return len(self._tensors) - 1

    def operator(
        self, code: int, inputs: Sequence[int], output: int, options_type: int = 0, options: Any = None
    ) -> None:
        """Append an operator: `code` of `BuiltinOperator`, its options of `BuiltinOptions`."""
        opcode = self._opcodes.setdefault(code, len(self._opcodes))
        self._operators.append(
            schema.OperatorT(
                opcodeIndex=opcode,
                inputs=list(inputs),
                outputs=[output],
                builtinOptionsType=options_type,
                builtinOptions=options,
            )
        )

    def pack(self, inputs: dict[str, int], outputs: dict[str, int], description: str) -> bytes:
        """Return the file's bytes; `inputs` and `outputs` map signature names to tensors.

        Raises:
            ExportError: the model is larger than the format can hold.
        """
        size = sum(len(buffer.data) for buffer in self._buffers if buffer.data is not None)
        if size > MAX_BYTES:
            raise ExportError(f"the weights are {size / 2**30:.1f} GiB; a TFLite file can hold 2 GiB")
        model = schema.ModelT(
            version=3,
            operatorCodes=[operator_code(code) for code in self._opcodes],
            subgraphs=[
                schema.SubGraphT(
                    tensors=self._tensors,
                    inputs=list(inputs.values()),
                    outputs=list(outputs.values()),
                    operators=self._operators,
                    name="main",
                )
            ],
            description=description,
            buffers=self._buffers,
            signatureDefs=[
                schema.SignatureDefT(
                    inputs=[schema.TensorMapT(name, index) for name, index in inputs.items()],
                    outputs=[schema.TensorMapT(name, index) for name, index in outputs.items()],
                    signatureKey="serving_default",
                    subgraphIndex=0,
                )
            ],
        )
        stamp(model)
        builder = flatbuffers.Builder(size + 2**16)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def packed(model: Any) -> bytes:
    """Return the bytes of a `ModelT` that was read from a file and changed; its weights stay aligned."""
    stamp(model)
    model.buffers = [_AlignedBuffer(data=buffer.data) for buffer in model.buffers]
    size = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(size + 2**16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def operator_name(code: int) -> str:
    """Return the schema's name of an operator."""
    return _names(schema.BuiltinOperator)[code]


def operators_in(data: bytes) -> list[str]:
    """Return the operators of a TFLite file in order, a fused activation behind a plus: `CONV_2D+RELU6`."""
    names, fused = _names(schema.BuiltinOperator), _names(schema.ActivationFunctionType)
    model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
    found = []
    for operator in model.subgraphs[0].operators:
        entry = model.operatorCodes[operator.opcodeIndex]
        name = names[max(entry.builtinCode, entry.deprecatedBuiltinCode)]
        activation = fused[getattr(operator.builtinOptions, "fusedActivationFunction", 0)]
        found.append(name if activation == "NONE" else f"{name}+{activation}")
    return found


def _names(vocabulary: type) -> dict[int, str]:
    """Turn a generated enum, a class of integers, around."""
    return {value: name for name, value in vars(vocabulary).items() if isinstance(value, int)}
