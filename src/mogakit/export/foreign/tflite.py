"""A TFLite file as plain records, read from bytes that nobody vouches for.

Slots follow the order of the fields in schema.fbs, version 3. Indices of tensors, buffers and operators are checked
here, so that whoever reads the records can use them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mogakit.errors import InputError
from mogakit.export.foreign.flatbuffer import Number, Reader, Table

IDENTIFIER = b"TFL3"
ABSENT = -1
"""The index of an optional input that an operator does not have."""


def _names(vocabulary: type) -> dict[int, str]:
    """Turn a generated enum, a class of integers, around."""
    return {value: name for name, value in vars(vocabulary).items() if isinstance(value, int)}


_OPERATORS, _TYPES, ACTIVATIONS = (
    _names(kind) for kind in (schema.BuiltinOperator, schema.TensorType, schema.ActivationFunctionType)
)
_WIDTHS: dict[str, np.dtype[Any]] = {"INT32": np.dtype("<i4"), "INT64": np.dtype("<i8")}

Slot: TypeAlias = tuple[int, str, Number]
_CONV: dict[str, Slot] = {"padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0)}
_POOL: dict[str, Slot] = {**_CONV, "filter_width": (3, "i", 0), "filter_height": (4, "i", 0), "activation": (5, "b", 0)}
_FUSED: dict[str, Slot] = {"activation": (0, "b", 0)}
_BLOCK: dict[str, Slot] = {"block_size": (0, "i", 0)}
_FIELDS: dict[str, dict[str, Slot]] = {
    "CONV_2D": {**_CONV, "activation": (3, "b", 0), "dilation_w": (4, "i", 1), "dilation_h": (5, "i", 1)},
    "DEPTHWISE_CONV_2D": {
        **_CONV,
        "depth_multiplier": (3, "i", 0),
        "activation": (4, "b", 0),
        "dilation_w": (5, "i", 1),
        "dilation_h": (6, "i", 1),
    },
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
    "TRANSPOSE_CONV": {**_CONV, "activation": (3, "b", 0)},
    "ADD": _FUSED,
    "SUB": _FUSED,
    "MUL": _FUSED,
    "DIV": _FUSED,
    "L2_NORMALIZATION": _FUSED,
    "CONCATENATION": {"axis": (0, "i", 0), "activation": (1, "b", 0)},
    "FULLY_CONNECTED": {"activation": (0, "b", 0), "weights_format": (1, "b", 0), "keep_num_dims": (2, "?", 0)},
    "SOFTMAX": {"beta": (0, "f", 0.0)},
    "RESIZE_BILINEAR": {"align_corners": (2, "?", 0), "half_pixel_centers": (3, "?", 0)},
    "RESIZE_NEAREST_NEIGHBOR": {"align_corners": (0, "?", 0), "half_pixel_centers": (1, "?", 0)},
    "SPACE_TO_DEPTH": _BLOCK,
    "DEPTH_TO_SPACE": _BLOCK,
    "STRIDED_SLICE": {
        "begin_mask": (0, "i", 0),
        "end_mask": (1, "i", 0),
        "ellipsis_mask": (2, "i", 0),
        "new_axis_mask": (3, "i", 0),
        "shrink_axis_mask": (4, "i", 0),
        "offset": (5, "?", 0),
    },
    "MIRROR_PAD": {"mode": (0, "b", 0)},
    "LEAKY_RELU": {"alpha": (0, "f", 0.0)},
    "LSTM": {"activation": (0, "b", 0), "cell_clip": (1, "f", 0.0), "proj_clip": (2, "f", 0.0), "kernel": (3, "b", 0)},
    "ONE_HOT": {"axis": (0, "i", 0)},
    "GATHER": {"axis": (0, "i", 0), "batch_dims": (1, "i", 0)},
    "PACK": {"values_count": (0, "i", 0), "axis": (1, "i", 0)},
    "UNPACK": {"num": (0, "i", 0), "axis": (1, "i", 0)},
    "SPLIT": {"num_splits": (0, "i", 0)},
    "MEAN": {"keep_dims": (0, "?", 0)},
    "SUM": {"keep_dims": (0, "?", 0)},
    "REDUCE_MAX": {"keep_dims": (0, "?", 0)},
    "REDUCE_MIN": {"keep_dims": (0, "?", 0)},
    "BATCH_MATMUL": {"adj_x": (0, "?", 0), "adj_y": (1, "?", 0)},
    "GELU": {"approximate": (0, "?", 0)},
}
"""Operator -> field -> (slot, letter in `struct`, default): the options that answers depend on."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor of a graph.

    Attributes:
        shape: as stored: a size that is free stands there as 1.
        signature: -1 for a size that is free; None where the file does not say, and all sizes are fixed.
        type: TFLite's name, `FLOAT32`.
        data: the constant's bytes, None for an activation.
        scales: of a quantised tensor, one or one a channel; empty for others.
    """

    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...] | None
    type: str
    data: memoryview | None = None
    scales: tuple[float, ...] = ()
    is_variable: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the shape with -1 for each size that is free."""
        return self.signature if self.signature is not None else self.shape

    def integers(self) -> list[int] | None:
        """Return a constant of whole numbers (axes, paddings) as a flat list, None where there is none."""
        width = _WIDTHS.get(self.type)
        if self.data is None or width is None or len(self.data) % width.itemsize:
            return None
        return [int(item) for item in np.frombuffer(self.data, width)]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator: `name` is TFLite's (`CONV_2D`), or `CUSTOM:` with the custom operator's."""

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A subgraph."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """A named way into a subgraph; `inputs` and `outputs` map names to tensors of `graphs[graph]`."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    graph: int


@dataclass(frozen=True)
class Model:
    """A TFLite file."""

    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...]


def read(data: bytes) -> Model:
    """Read a TFLite file.

    Raises:
        InputError: it is not a TFLite file, or it is damaged or truncated; the message says where.
    """
    reader = Reader(data, IDENTIFIER, "a TFLite model")
    root = reader.root()
    buffers = root.tables(4)
    codes = [(_operator_name(code), code.integer(2, "i", 1)) for code in root.tables(1)]
    graphs = tuple(_graph(table, buffers, codes) for table in root.tables(2))
    if not graphs:
        raise InputError("the file is damaged: it holds no graph")
    return Model(graphs, tuple(_signature(table, graphs) for table in root.tables(7)))


def _operator_name(code: Table) -> str:
    number = max(code.integer(0, "b"), code.integer(3, "i"))
    name = _OPERATORS.get(number, f"UNKNOWN_{number}")
    return f"CUSTOM:{code.text(1)}" if name == "CUSTOM" else name


def _graph(table: Table, buffers: tuple[Table, ...], codes: list[tuple[str, int]]) -> Graph:
    tensors = tuple(_tensor(item, buffers) for item in table.tables(0))
    inputs, outputs = (_indices(table.integers(slot, "i"), tensors, "graph") for slot in (1, 2))
    operators = tuple(_operator(item, tensors, codes) for item in table.tables(3))
    return Graph(name=table.text(4), tensors=tensors, operators=operators, inputs=inputs, outputs=outputs)


def _indices(found: tuple[int, ...] | None, tensors: tuple[Tensor, ...], where: str, least: int = 0) -> tuple[int, ...]:
    for index in found or ():
        if not least <= index < len(tensors):
            raise InputError(f"the file is damaged: {where} refers to tensor {index} of {len(tensors)}")
    return found or ()


def _operator(table: Table, tensors: tuple[Tensor, ...], codes: list[tuple[str, int]]) -> Operator:
    code = table.integer(0, "I")
    if code >= len(codes):
        raise InputError(f"the file is damaged: an operator refers to operator code {code} of {len(codes)}")
    name, version = codes[code]
    inputs = _indices(table.integers(1, "i"), tensors, name, least=ABSENT)
    outputs = _indices(table.integers(2, "i"), tensors, name)
    stored = table.table(4)
    options = {
        item: default if stored is None else stored.number(slot, letter, default)
        for item, (slot, letter, default) in _FIELDS.get(name, {}).items()
    }
    return Operator(name=name, version=version, inputs=inputs, outputs=outputs, options=options)


def _tensor(table: Table, buffers: tuple[Table, ...]) -> Tensor:
    index = table.integer(2, "I")
    if index >= len(buffers) and index:
        raise InputError(f"the file is damaged: a tensor refers to buffer {index} of {len(buffers)}")
    kind = table.integer(1, "b")
    quantisation = table.table(4)
    scales = () if quantisation is None else quantisation.numbers(2, "f") or ()
    shape, signature = table.integers(0, "i") or (), table.integers(7, "i")
    if signature is not None and len(signature) != len(shape):
        signature = None  # an empty list is how some converters write "all sizes are fixed"
    return Tensor(
        name=table.text(3),
        shape=shape,
        signature=signature if signature is not None else _free_by_shape(shape),
        type=_TYPES.get(kind, f"UNKNOWN_{kind}"),
        data=_data(buffers[index]) if index else None,
        scales=tuple(map(float, scales)),
        is_variable=bool(table.number(5, "?")),
    )


def _free_by_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the free sizes of a file that stores them in the shape itself, as negative numbers."""
    return tuple(max(size, -1) for size in shape) if any(size < 0 for size in shape) else None


def _data(buffer: Table) -> memoryview | None:
    """Return a buffer's bytes; those of files above 2 GB lie behind the flatbuffer, at an offset."""
    offset, size = buffer.integer(1, "Q"), buffer.integer(2, "Q")
    if offset <= 1:
        return buffer.data(0) or None
    if offset + size > len(buffer.reader.data):
        raise InputError("the file is damaged or truncated: the weights behind it end early")
    return memoryview(buffer.reader.data)[offset : offset + size]


def _signature(table: Table, graphs: tuple[Graph, ...]) -> Signature:
    graph = table.integer(4, "I")
    if graph >= len(graphs):
        raise InputError(f"the file is damaged: a signature refers to graph {graph} of {len(graphs)}")
    ends = []
    for slot in (0, 1):
        named = {item.text(0): item.integer(1, "I") for item in table.tables(slot)}
        _indices(tuple(named.values()), graphs[graph].tensors, "a signature")
        ends.append(named)
    return Signature(table.text(2), ends[0], ends[1], graph)
