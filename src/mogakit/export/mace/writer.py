"""Write a graph as MACE's `.pb` and `.data`."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mogakit.errors import InputError
from mogakit.export.artifact import Precision
from mogakit.export.graph import Graph
from mogakit.export.mace.lower import lower
from mogakit.export.mace.naming import PB_SUFFIXES
from mogakit.export.mace.netdef import DataType, Generation, Net, Port, RuntimeType, StoredTensor
from mogakit.export.mace.plan import HSigmoid
from mogakit.export.nodes import FloatArray

_DATA_TYPES: dict[Precision, DataType] = {Precision.FLOAT32: DataType.FLOAT, Precision.FLOAT16: DataType.HALF}
_NUMPY_TYPES: dict[DataType, str] = {DataType.FLOAT: "<f4", DataType.HALF: "<f2"}
_ALIGNMENT = 4


@dataclass(frozen=True, kw_only=True)
class MaceFiles:
    """One model in memory.

    Attributes:
        pb: the `.pb` of each container generation and runtime. They share `data`.
        data: the weights.
        inputs, outputs: of the net, NHWC.
        notes: what changes latency but not the function: how each h-sigmoid was written.
    """

    pb: dict[tuple[Generation, RuntimeType], bytes]
    data: bytes
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: dict[str, str]


def write(
    graph: Graph, precision: Precision = Precision.FLOAT32, name: str = "net", h_sigmoid: HSigmoid = HSigmoid.PORTABLE
) -> MaceFiles:
    """Write `graph`; equal graphs give equal bytes.

    With `HSigmoid.NATIVE` there is only one `.pb`, for the CPU of v1.1.1 and later: nothing else runs HARDSIGMOID.

    Raises:
        InputError: a precision other than float32 and float16.
        UnsupportedOperator: see `mace.lower.lower`.
    """
    if precision not in _DATA_TYPES:
        supported = ", ".join(_DATA_TYPES)
        raise InputError(f"MACE files hold {supported} weights, not {precision}; write TFLite for integer precisions")
    data_type = _DATA_TYPES[precision]
    plan = lower(graph, data_type, h_sigmoid)
    tensors, data = _pack(plan.constants, data_type)
    net = Net(
        name=name,
        operators=tuple(plan.operators),
        tensors=tensors,
        data_type=data_type,
        data_size=len(data),
        data_sha256=hashlib.sha256(data).hexdigest(),
        inputs=plan.inputs,
        outputs=plan.outputs,
    )
    forms = ", ".join(f"{form} {count}" for form, count in sorted(plan.forms.items()))
    pb = {key: net.encode(*key) for key in _variants(plan.forms["native"] > 0)}
    return MaceFiles(
        pb=pb, data=data, inputs=plan.inputs, outputs=plan.outputs, notes={"h_sigmoid": forms} if forms else {}
    )


def _variants(native: bool) -> Iterable[tuple[Generation, RuntimeType]]:
    if native:
        return ((Generation.MULTI, RuntimeType.CPU),)
    return tuple(PB_SUFFIXES)


def _pack(constants: Mapping[str, FloatArray], data_type: DataType) -> tuple[tuple[StoredTensor, ...], bytes]:
    """Lay the constants one behind the other, each starting at a multiple of four bytes."""
    dtype = np.dtype(_NUMPY_TYPES[data_type])
    tensors, data = [], bytearray()
    for name, value in constants.items():
        data.extend(bytes(-len(data) % _ALIGNMENT))
        tensors.append(
            StoredTensor(name=name, dims=value.shape, data_type=data_type, offset=len(data), num_elements=value.size)
        )
        data.extend(value.astype(dtype).tobytes())
    return tuple(tensors), bytes(data)
