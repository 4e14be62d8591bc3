"""The messages of a MACE model, as records that encode themselves.

Field numbers are those of mace/proto/mace.proto, proto2 (v0.13.0 to master of 2024-03-11). All shapes are NHWC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from mogakit.export.mace import wire


class DataType(IntEnum):
    """Element types that the kit writes (mace.proto, enum DataType)."""

    FLOAT = 1
    HALF = 3  # stored as IEEE binary16; CPU runtimes expand it at load, GPUs compute in half


class Generation(IntEnum):
    """Top-level message of the `.pb`: they exclude each other, and every released mace_run reads just one."""

    NET = 0  # NetDef, v0.12 to v1.0.4
    MULTI = 1  # MultiNetDef, v1.1.1 and later


class RuntimeType(IntEnum):
    """Values of the net argument `runtime_type`, which v1.1.1 and later demand."""

    CPU = 0
    GPU = 2


class DataFormat(IntEnum):
    """Values of `data_format` and `filter_format` arguments (C++ side of MACE)."""

    NHWC = 1
    NCHW = 2
    OIHW = 101
    AUTO = 1000


NHWC_IN_PORT = 1
FRAMEWORK_ONNX = 2
GPU_IMAGE = 2

ArgumentValue = int | float | str | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True)
class Argument:
    """A named setting of an operator or a net; the value's Python type chooses the field."""

    name: str
    value: ArgumentValue

    def encode(self) -> bytes:
        """Encode as message Argument. Repeated numbers are not packed: MACE's proto2 schema does not ask for it."""
        head = wire.string(1, self.name)
        match self.value:
            case int():
                return head + wire.integer(3, self.value)
            case float():
                return head + wire.real(2, self.value)
            case str():
                return head + wire.string(4, self.value)
        if any(isinstance(item, float) for item in self.value):
            return head + b"".join(wire.real(5, item) for item in self.value)
        return head + b"".join(wire.integer(6, int(item)) for item in self.value)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator: tensor names in and out, and the shape of its only output."""

    name: str
    type: str
    inputs: tuple[str, ...]
    output: str
    output_shape: tuple[int, ...]
    arguments: tuple[Argument, ...]

    def encode(self) -> bytes:
        """Encode as message OperatorDef. Its output types are left out: MACE then takes them from argument `T`."""
        shape = b"".join(wire.integer(1, size) for size in self.output_shape)
        return b"".join(
            (
                *(wire.string(1, name) for name in self.inputs),
                wire.string(2, self.output),
                wire.string(3, self.name),
                wire.string(4, self.type),
                *(wire.blob(6, argument.encode()) for argument in self.arguments),
                wire.blob(7, shape),
            )
        )


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A constant: where it lies in the `.data` file. `num_elements` is a count of elements, not of bytes."""

    name: str
    dims: tuple[int, ...]
    data_type: DataType
    offset: int
    num_elements: int

    def encode(self) -> bytes:
        """Encode as message ConstTensor with its values left to the `.data` file."""
        return b"".join(
            (
                *(wire.integer(1, size) for size in self.dims),
                wire.integer(2, self.data_type),
                wire.string(5, self.name),
                wire.integer(6, self.offset),
                wire.integer(7, self.num_elements),
            )
        )


@dataclass(frozen=True)
class Port:
    """An input or output of the net, NHWC and float32 whatever the weights are."""

    name: str
    dims: tuple[int, ...]

    def encode(self) -> bytes:
        """Encode as message InputOutputInfo."""
        dims = b"".join(wire.integer(3, size) for size in self.dims)
        return wire.string(1, self.name) + dims + wire.integer(5, DataType.FLOAT) + wire.integer(6, NHWC_IN_PORT)


@dataclass(frozen=True, kw_only=True)
class Net:
    """One net, independent of runtime and container. `data_size` is the length of the `.data` file in bytes."""

    name: str
    operators: tuple[Operator, ...]
    tensors: tuple[StoredTensor, ...]
    data_type: DataType
    data_size: int
    data_sha256: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def encode(self, generation: Generation, runtime: RuntimeType) -> bytes:
        """Encode as the file that `generation` reads; `runtime` is one integer in it."""
        net = self._encode_net(runtime)
        if generation is Generation.NET:
            return net
        return b"".join(
            (
                wire.integer(1, 1),  # version_code
                wire.string(2, self.name),
                wire.blob(3, net),
                *(wire.string(100, port.name) for port in self.inputs),
                *(wire.string(101, port.name) for port in self.outputs),
            )
        )

    def _encode_net(self, runtime: RuntimeType) -> bytes:
        return b"".join(
            (
                *(wire.blob(1, operator.encode()) for operator in self.operators),
                *(wire.blob(2, argument.encode()) for argument in self._arguments(runtime)),
                *(wire.blob(3, tensor.encode()) for tensor in self.tensors),
                wire.integer(4, self.data_type),
                wire.string(5, self.name),
                wire.integer(6, 0),  # data_offset: the only net in the file
                wire.integer(7, self.data_size),
                *(wire.blob(100, port.encode()) for port in self.inputs),
                *(wire.blob(101, port.encode()) for port in self.outputs),
            )
        )

    def _arguments(self, runtime: RuntimeType) -> Sequence[Argument]:
        return (
            Argument("filter_format", int(DataFormat.OIHW)),
            Argument("data_format", int(DataFormat.NCHW)),
            Argument("framework_type", FRAMEWORK_ONNX),
            Argument("opencl_mem_type", GPU_IMAGE),  # buffer mode lacks half of the operators
            Argument("runtime_type", int(runtime)),
            Argument("data_sha256", self.data_sha256),  # MACE looks arguments up by name and passes over this one
        )
