"""Integer TFLite files from float32 ones: activations in 8 or 16 bits, weights in 8 with one scale a channel.

The ranges of the activations are measured once (`calibrate`), stored (`Ranges`), and every integer file is made from
stored ranges (`quantize`): the float kernels, which differ in the last bit between CPUs, have no part in its bytes.

Both steps use the calibration wrapper inside ai-edge-litert. It keeps the true smallest and largest values, as
TensorFlow's converter does; ai-edge-quantizer's moving average clips them and loses about 10 dB. It is private, hence
the guard.
"""

import hashlib
import importlib
import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mogakit import records
from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Precision
from mogakit.export.calibration import CalibrationData
from mogakit.export.layer_names import chosen
from mogakit.export.quantize_channels import revive
from mogakit.export.quantize_float import put_back
from mogakit.export.tflite_model import operator_name, operators_in, packed

SUPPORTED_LITERT = "2.3.0"
RANGES_VERSION = 1
METADATA_NAME = "moga_kit.calibration"
TIMING_ONLY = "for timing only"


@dataclass(frozen=True)
class _Kind:
    """What the wrapper is asked for; types are NumPy's numbers, not TFLite's."""

    ends: type[np.generic]
    activations: type[np.generic] = np.int8
    bias: type[np.generic] = np.int32


_KINDS: dict[Precision, _Kind] = {
    Precision.INT8: _Kind(np.int8),
    Precision.UINT8: _Kind(np.uint8),
    Precision.INT8_FLOAT_IO: _Kind(np.float32),
    Precision.INT16X8: _Kind(np.int16, np.int16, np.int64),
}
"""Integer precisions: all have weights in 8 bits with one scale a channel."""

CALIBRATED = tuple(_KINDS)
"""Precisions whose files are made from calibration ranges."""


@records.stored(
    "calibration-ranges",
    version=RANGES_VERSION,
    made_by="moga export --precision int8",
    title="file of calibration ranges",
)
@dataclass(frozen=True, kw_only=True)
class Ranges:
    """Smallest and largest value of every activation of one float file.

    Attributes:
        float_sha256: of the float32 file they were measured on; they fit no other.
        source: what was fed.
        timing_only: True for synthetic inputs.
        tool: what measured them.
        values: by tensor name; numbers are exact float32.
    """

    schema_version: int
    float_sha256: str
    source: str
    timing_only: bool
    tool: str
    values: dict[str, tuple[float, float]]


def calibrate(model: bytes, data: CalibrationData) -> Ranges:
    """Run a float32 TFLite file on `data` and return the ranges of its activations.

    Raises:
        InputError: the data do not fit the model's input.
        ExportError: ai-edge-litert is another version than the one this was tested with.
    """
    wrapper = _wrapper(model)
    subgraph = _unpack(model).subgraphs[0]
    if len(subgraph.inputs) != 1:
        raise InputError(f"a model with {len(subgraph.inputs)} inputs cannot be calibrated; one is supported")
    shape = tuple(int(size) for size in subgraph.tensors[subgraph.inputs[0]].shape)
    wrapper.Prepare([list(shape)])
    count = 0
    for batch in data.batches(shape):
        if not np.isfinite(batch).all():
            raise InputError(f"calibration input {count} holds a number that is not finite")
        wrapper.FeedTensor([np.ascontiguousarray(batch)])
        count += 1
    if count == 0:
        raise InputError("the calibration data hold no input")
    return Ranges(
        schema_version=RANGES_VERSION,
        float_sha256=hashlib.sha256(model).hexdigest(),
        source=data.describe(),
        timing_only=data.timing_only,
        tool=f"ai-edge-litert {SUPPORTED_LITERT} calibration wrapper",
        values=_read_ranges(bytes(wrapper.Calibrate())),
    )


def quantize(model: bytes, ranges: Ranges, precision: Precision, float_layers: Sequence[str] = ()) -> bytes:
    """Return the integer file of a float32 TFLite file; equal arguments give equal bytes on every machine.

    The file says in its description and in metadata what it was calibrated on.

    Args:
        float_layers: names of layers that stay in float, between DEQUANTIZE and QUANTIZE (`layer_names.chosen`).

    Raises:
        InputError: `precision` is not an integer one, the ranges belong to another file, or a float layer is unknown.
        ExportError: a float tensor was left, or ai-edge-litert is another version.
    """
    if precision not in _KINDS:
        raise InputError(f"quantisation gives {' or '.join(_KINDS)}, not {precision}")
    if hashlib.sha256(model).hexdigest() != ranges.float_sha256:
        raise InputError(
            "the ranges were measured on another float file (its checksum differs): weights or structure have changed. "
            "Calibrate again"
        )
    original = _unpack(model)
    left = chosen(float_layers, made_tensors(model))
    unpacked = _unpack(_in_integers(model, ranges, _KINDS[precision], bool(left)))
    _fill_in_integers(unpacked)
    revive(unpacked, original)
    _scale_zeros(unpacked)
    if left:
        put_back(unpacked, original, left)
    if wrong := _floats_inside(unpacked, left):
        if left:
            raise ExportError(_lacking(model, {operator for operator, _ in wrong}))
        raise ExportError(f"quantisation left {len(wrong)} float tensors, the first is {wrong[0][1]!r}")
    return packed(unpacked)


def _in_integers(model: bytes, ranges: Ranges, kind: _Kind, allow_float: bool) -> bytes:
    """Let the wrapper quantise a float file.

    Args:
        allow_float: leave operators without an integer form as they are, rather than reject the file.
    """
    ends, activations, bias = (np.dtype(each).num for each in (kind.ends, kind.activations, kind.bias))
    ranged = _with_ranges(model, ranges)  # a name of its own: the wrapper reads these bytes and does not own them
    try:
        return bytes(_wrapper(ranged).QuantizeModel(ends, ends, allow_float, activations, bias, False, False))
    except RuntimeError as error:
        unknown = set(re.findall(r"not yet supported for op: '(\w+)'", str(error)))
        said = _lacking(model, unknown) if unknown else f"the quantiser of ai-edge-litert failed: {str(error).strip()}"
        raise ExportError(said) from error


def _floats_inside(unpacked: Any, left: Collection[str]) -> list[tuple[str, str]]:
    """Return (operator, tensor) of what makes a float and is neither meant to nor a turn into floats."""
    graph = unpacked.subgraphs[0]
    found = []
    for operator in graph.operators:
        entry = unpacked.operatorCodes[operator.opcodeIndex]
        code = max(entry.builtinCode, entry.deprecatedBuiltinCode)
        tensor = graph.tensors[operator.outputs[0]]
        name = _name(tensor)
        is_meant = name.endswith(".float") or name in left or code == schema.BuiltinOperator.DEQUANTIZE
        if tensor.type in _FLOATS and not is_meant:
            found.append((operator_name(code), name))
    return found


_FLOATS = (schema.TensorType.FLOAT16, schema.TensorType.FLOAT32, schema.TensorType.FLOAT64)


def _lacking(model: bytes, unknown: Collection[str]) -> str:
    """Return which operators have no integer form, and which tensors they make."""
    made = zip(operators_in(model), made_tensors(model), strict=True)
    places = [f"{operator} (makes {name!r})" for operator, name in made if operator.partition("+")[0] in unknown]
    return (
        f"no integer file can hold {', '.join(places)}: the quantiser has no integer form of these operators. Leave "
        "them in float by name (--float-layer), export the network in float32 or float16, or replace them"
    )


def float_tensors(model: bytes) -> list[str]:
    """Return the names of the tensors of a TFLite file that hold floating-point numbers."""
    return [_name(tensor) for graph in _unpack(model).subgraphs for tensor in graph.tensors if tensor.type in _FLOATS]


def made_tensors(model: bytes) -> list[str]:
    """Return the names of the tensors that a TFLite file's operators make, in order."""
    graph = _unpack(model).subgraphs[0]
    return [_name(graph.tensors[index]) for operator in graph.operators for index in operator.outputs]


def load_ranges(path: Path) -> Ranges:
    """Read the ranges that were stored beside an integer file.

    Raises:
        InputError: there is no such file, or it does not hold ranges; see `records.load`.
    """
    return records.load(Ranges, path)


def _wrapper(model: bytes) -> Any:
    """Open the private wrapper on a model, and reject a version that nobody has tested."""
    found = metadata.version("ai-edge-litert")
    if found != SUPPORTED_LITERT:
        raise ExportError(
            f"quantisation uses a private part of ai-edge-litert {SUPPORTED_LITERT}, and {found} is installed; run "
            f"`pip install ai-edge-litert=={SUPPORTED_LITERT}`"
        )
    private = importlib.import_module("ai_edge_litert._pywrap_tensorflow_lite_calibration_wrapper")
    return private.CalibrationWrapper(model, [], [])


def _read_ranges(model: bytes) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for tensor in _unpack(model).subgraphs[0].tensors:
        quantization = tensor.quantization
        if quantization is not None and quantization.min is not None and len(quantization.min):
            found[_name(tensor)] = (float(quantization.min[0]), float(quantization.max[0]))
    return found


MIN_SHARE = 1e-3
"""The narrowest range of an activation, as a share of the median range of the file.

An activation that training or pruning has left dead has a range like 1e-38, and a scale in which neither its values nor
the bias of the next layer (in units of that scale, in 32 bits) can be expressed. It carries nothing, so that a wider
range loses nothing.
"""


def widened(values: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return the ranges with those of dead activations made wide enough to be expressed."""
    sizes = [max(abs(low), abs(high)) for low, high in values.values()]
    least = MIN_SHARE * float(np.float32(statistics.median(sizes))) if sizes else 0.0
    return {
        name: (low, high) if max(abs(low), abs(high)) >= least else (-least if low < 0 else 0.0, least)
        for name, (low, high) in values.items()
    }


def _fill_in_integers(unpacked: Any) -> None:
    """Turn the number that a PADV2 fills with into an integer.

    The wrapper quantises what an operator computes with and leaves that number as it is, a float. In the integers of
    the tensor that is padded, the number that never wins a maximum is the smallest one.
    """
    graph = unpacked.subgraphs[0]
    for operator in graph.operators:
        if unpacked.operatorCodes[operator.opcodeIndex].builtinCode != schema.BuiltinOperator.PADV2:
            continue
        padded, filler = graph.tensors[operator.inputs[0]], graph.tensors[operator.inputs[2]]
        if filler.type != schema.TensorType.FLOAT32:
            continue
        value = np.frombuffer(bytes(unpacked.buffers[filler.buffer].data), np.float32)
        scale, zero_point = float(padded.quantization.scale[0]), int(padded.quantization.zeroPoint[0])
        kind = np.int16 if padded.type == schema.TensorType.INT16 else np.int8
        limits = np.iinfo(kind)
        steps = np.clip(np.round(value.astype(np.float64) / scale) + zero_point, limits.min, limits.max).astype(kind)
        unpacked.buffers[filler.buffer] = schema.BufferT(data=steps.view(np.uint8))
        filler.type, filler.quantization = padded.type, padded.quantization


def _scale_zeros(unpacked: Any) -> None:
    """Give constants that are all zero a step of 1: the wrapper gives those of 16 bits none, and kernels abort."""
    for tensor in unpacked.subgraphs[0].tensors:
        steps = None if tensor.quantization is None else tensor.quantization.scale
        if steps is not None and len(steps) == 1 and steps[0] == 0:
            tensor.quantization.scale = np.ones(1, np.float32)


def _with_ranges(model: bytes, ranges: Ranges) -> bytes:
    """Return the float file with the ranges, and where they come from, written into it."""
    unpacked = _unpack(model)
    known = {_name(tensor): tensor for tensor in unpacked.subgraphs[0].tensors}
    for name, (low, high) in widened(ranges.values).items():
        if name not in known:
            raise InputError(f"the ranges name a tensor {name!r}, which the float file does not have")
        known[name].quantization = schema.QuantizationParametersT(min=[low], max=[high])
    use = f"; {TIMING_ONLY}" if ranges.timing_only else ""
    note = f"calibrated on {ranges.source}{use}"
    unpacked.description = f"{_text(unpacked.description)}; {note}"
    unpacked.buffers.append(schema.BufferT(data=np.frombuffer(note.encode(), np.uint8)))
    unpacked.metadata = [
        *(unpacked.metadata or []),
        schema.MetadataT(name=METADATA_NAME, buffer=len(unpacked.buffers) - 1),
    ]
    return packed(unpacked)


def _unpack(model: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))


def _name(tensor: Any) -> str:
    return _text(tensor.name)


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
