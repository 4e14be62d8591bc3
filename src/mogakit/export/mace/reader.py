"""Read a MACE `.pb` and its `.data` back. Shares no code and no field table with the writer, so that each checks the
other.

Field numbers are written out a second time here, from mace/proto/mace.proto.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mogakit.errors import InputError
from mogakit.export.mace.naming import data_of

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Value = int | bytes
Fields = dict[int, list[Value]]
Setting = int | float | str | list[int] | list[float]

_NUMPY_TYPES: dict[int, str] = {1: "<f4", 2: "u1", 3: "<f2", 4: "<i4", 8: "i1"}
_TYPE_NAMES: dict[int, str] = {1: "float32", 2: "uint8", 3: "float16", 4: "int32", 8: "int8"}


@dataclass(frozen=True, kw_only=True)
class Op:
    """An operator as found in a file."""

    name: str
    type: str
    inputs: list[str]
    output: str
    output_shape: tuple[int, ...]
    settings: dict[str, Setting]


@dataclass(frozen=True)
class End:
    """An input or output of the model; `shape` as stored, `data_format` 1 for NHWC and 2 for NCHW."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    data_format: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """A whole model in memory.

    Attributes:
        is_multi: True for the container of v1.1.1 and later (MultiNetDef).
        settings: the net's own arguments.
        constants: by tensor name, in the type they are stored in.
    """

    name: str
    is_multi: bool
    ops: list[Op]
    settings: dict[str, Setting]
    constants: dict[str, NDArray[np.generic]]
    inputs: list[End]
    outputs: list[End]


def read_file(path: Path) -> Model:
    """Read the `.pb` at `path` with the `.data` that belongs to it.

    Raises:
        InputError: the files are not a MACE model, are cut short, or do not belong together.
        OSError: a file is missing.
    """
    data = data_of(path)
    if not data.is_file():
        raise InputError(f"the weights of {path} lie in {data.name}, which is not beside it")
    return read(path.read_bytes(), data.read_bytes(), str(path))


def read(pb: bytes, data: bytes, where: str = "the model") -> Model:
    """Parse both parts of a model; see `read_file`."""
    try:
        top = _fields(pb)
        is_multi = isinstance(top.get(1, [b""])[0], int)
        if is_multi:
            nets = top.get(3, [])
            if len(nets) != 1:
                raise InputError(f"{where} holds {len(nets)} nets; the kit reads models of one net")
            if not top.get(100) or not top.get(101):  # written last: a file cut between its fields lacks them
                raise InputError(f"{where} is cut short: it does not name its input and output tensors")
            net = _fields(_blob(nets[0]))
        else:
            net = top
        model = _model(net, data, is_multi, where)
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{where} is not a MACE model, or is cut short: {error}") from error
    if not model.ops or not model.inputs or not model.outputs:
        raise InputError(f"{where} is not a MACE model: it has no operators, inputs or outputs")
    return model


def _model(net: Fields, data: bytes, is_multi: bool, where: str) -> Model:
    settings = dict(_argument(_blob(item)) for item in net.get(2, []))
    wanted = settings.get("data_sha256")
    if wanted is not None and wanted != hashlib.sha256(data).hexdigest():
        raise InputError(f"{where} and its .data file do not belong together: the checksum in the .pb is another one")
    base = _number(net, 6, 0)
    return Model(
        name=_text(net, 5, ""),
        is_multi=is_multi,
        ops=[_op(_blob(item)) for item in net.get(1, [])],
        settings=settings,
        constants=dict(_tensor(_blob(item), data, base, where) for item in net.get(3, [])),
        inputs=[_end(_blob(item)) for item in net.get(100, [])],
        outputs=[_end(_blob(item)) for item in net.get(101, [])],
    )


def _op(raw: bytes) -> Op:
    fields = _fields(raw)
    outputs = [_blob(item).decode() for item in fields.get(2, [])]
    shapes = [_fields(_blob(item)) for item in fields.get(7, [])]
    if len(outputs) != 1 or len(shapes) != 1:
        raise ValueError(f"operator {_text(fields, 3, '?')} has {len(outputs)} outputs and {len(shapes)} shapes")
    return Op(
        name=_text(fields, 3, ""),
        type=_text(fields, 4, ""),
        inputs=[_blob(item).decode() for item in fields.get(1, [])],
        output=outputs[0],
        output_shape=tuple(_ints(shapes[0], 1)),
        settings=dict(_argument(_blob(item)) for item in fields.get(6, [])),
    )


def _argument(raw: bytes) -> tuple[str, Setting]:
    fields = _fields(raw)
    name = _text(fields, 1, "")
    if 2 in fields:
        return name, _float(fields[2][0])
    if 3 in fields:
        return name, _ints(fields, 3)[0]
    if 4 in fields:
        return name, _blob(fields[4][0]).decode()
    if 5 in fields:
        return name, [_float(item) for item in fields[5]]
    return name, _ints(fields, 6)


def _tensor(raw: bytes, data: bytes, base: int, where: str) -> tuple[str, NDArray[np.generic]]:
    fields = _fields(raw)
    name, dims, kind = _text(fields, 5, ""), _ints(fields, 1), _number(fields, 2, 1)
    if kind not in _NUMPY_TYPES:
        raise InputError(f"tensor {name} in {where} has element type {kind}; known are {sorted(_NUMPY_TYPES)}")
    dtype = np.dtype(_NUMPY_TYPES[kind])
    start, count = base + _number(fields, 6, 0), _number(fields, 7, 0)
    if count != int(np.prod(dims, dtype=np.int64)):
        raise ValueError(f"tensor {name} of shape {dims} says it has {count} elements")
    if start % 4 or start + count * dtype.itemsize > len(data):
        raise ValueError(f"tensor {name} at byte {start} does not fit the .data file of {len(data)} bytes")
    return name, np.frombuffer(data, dtype, count, start).reshape(dims)


def _end(raw: bytes) -> End:
    fields = _fields(raw)
    kind = _number(fields, 5, 1)
    return End(_text(fields, 1, ""), tuple(_ints(fields, 3)), _TYPE_NAMES.get(kind, str(kind)), _number(fields, 6, 1))


# Wire level: values by field number, in file order.


def _fields(raw: bytes) -> Fields:
    found: Fields = {}
    for number, value in _walk(raw):
        found.setdefault(number, []).append(value)
    return found


def _walk(raw: bytes) -> Iterator[tuple[int, Value]]:
    position = 0
    while position < len(raw):
        key, position = _read_varint(raw, position)
        number, kind = key // 8, key % 8
        if number == 0:
            raise ValueError(f"field number 0 at byte {position}")
        if kind == _VARINT:
            value, position = _read_varint(raw, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _read_varint(raw, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind} at byte {position}")
        if position + length > len(raw):
            raise ValueError(f"field {number} of {length} bytes runs past the end")
        yield number, raw[position : position + length]
        position += length


def _read_varint(raw: bytes, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = raw[position]
        position += 1
        value += (byte % 128) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(f"an integer longer than ten bytes ends at byte {position}")


def _blob(value: Value) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where a message or text must stand")
    return value


def _float(value: Value) -> float:
    return float(struct.unpack("<f", _blob(value))[0])


def _ints(fields: Fields, number: int) -> list[int]:
    """Return a repeated integer field, packed or not, with 64-bit two's complement undone."""
    found: list[int] = []
    for value in fields.get(number, []):
        if isinstance(value, int):
            found.append(value)
        else:
            position = 0
            while position < len(value):
                item, position = _read_varint(value, position)
                found.append(item)
    return [item - (1 << 64) if item >> 63 else item for item in found]


def _number(fields: Fields, number: int, default: int) -> int:
    values = _ints(fields, number)
    return values[-1] if values else default


def _text(fields: Fields, number: int, default: str) -> str:
    values = fields.get(number, [])
    return _blob(values[-1]).decode() if values else default
