"""Integer files as rows of the table of writers: calibrate or find ranges, quantise, report the quality."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mogakit import files, records
from mogakit.errors import ExportError, InputError
from mogakit.export import axes, onnx, quality, tflite
from mogakit.export import run as runs
from mogakit.export.artifact import Agreement, Format, Precision
from mogakit.export.calibration import CalibrationData, Synthetic
from mogakit.export.foreign import describe_onnx, describe_tflite
from mogakit.export.graph import Graph
from mogakit.export.layer_names import chosen
from mogakit.export.quantize import TIMING_ONLY, Ranges, calibrate, load_ranges, quantize, widened
from mogakit.export.quantize_weights import with_weights_of
from mogakit.export.run import Run, runtime_of
from mogakit.export.tflite import Form

RANGES_SUFFIX = ".ranges.json"
MIN_SQNR_DB = 3.0
"""Below this, noise is as large as the output."""

MIN_OWN_SQNR_DB = {Precision.INT16X8: 30.0, Precision.DYNAMIC_RANGE: 10.0}
"""The least signal to noise against the float file with the same rounded weights: rounding activations to 16 bits, or
to 8 with a scale for each run, adds little."""

NUM_NOISE_INPUTS = 3
NUM_REAL_INPUTS = 64


@dataclass(frozen=True, kw_only=True)
class Request:
    """How integer files are made.

    Attributes:
        calibration: what to feed where ranges have to be measured.
        stored: a folder with `*.ranges.json` of an earlier export, at any depth; with it nothing is measured, and the
            bytes are those of that export.
        float_layers: names of layers that stay in float (`layer_names.chosen`).
    """

    calibration: CalibrationData = field(default_factory=Synthetic)
    stored: Path | None = None
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Integers:
    """An integer file in memory, with the ranges it was made from and what the user should know of it.

    Attributes:
        precision: what the file computes in: `MIXED` where layers were left in float.
        ranges: the bytes of the ranges' file; none where no range is needed.
    """

    model: bytes
    precision: Precision
    notes: dict[str, str]
    agreement: Agreement
    ranges: bytes = b""


def write(graph: Graph, precision: Precision, request: Request) -> Integers:
    """Return the integer TFLite file of a graph.

    Raises:
        InputError: the data do not fit, the folder has no ranges for this float file, or a float layer is unknown.
        ExportError: what the integer file gives has little to do with what the float file gives.
    """
    built = tflite.build(graph, form=form_of(precision))
    ranges = _ranges(built.data, request)
    model = quantize(built.data, ranges, precision, request.float_layers)
    notes = built.notes | _calibrated_notes(ranges)
    return _judged(graph, precision, request, model, built.data, notes, ranges)


def write_dynamic(graph: Graph, request: Request) -> Integers:
    """Return the TFLite file of a graph with weights in 8 bits and activations in float, with the errors of `write`.

    Nothing is calibrated, so that a graph may have several inputs; where it has, noise is fed to them.
    """
    floats = tflite.build(graph)
    built = tflite.build(graph, Precision.DYNAMIC_RANGE, float_layers=request.float_layers)
    if len(graph.inputs) == 1:
        return _judged(graph, Precision.DYNAMIC_RANGE, request, built.data, floats.data, built.notes, None)
    shapes = [tflite.channels_last(tensor.shape) for tensor in graph.inputs]
    noise = Synthetic(NUM_NOISE_INPUTS, seed=1)
    # Each input draws from a stream of its own: equal shapes shall not get equal numbers.
    each = [Synthetic(NUM_NOISE_INPUTS, seed=1 + place).batches(shape) for place, shape in enumerate(shapes)]
    given = [list(one) for one in zip(*each, strict=True)]
    reference, made = (
        runs.load(data, Format.TFLITE) for data in (with_weights_of(built.data, floats.data), built.data)
    )
    found = quality.compare_runs(reference, made, given)
    what = "the float file with its own rounded weights"
    least = MIN_OWN_SQNR_DB[Precision.DYNAMIC_RANGE]
    _check(found.sqnr_db, least, Precision.DYNAMIC_RANGE, what, noise.describe(), found.relative)
    found = quality.compare_runs(runs.load(floats.data, Format.TFLITE), made, given)
    return Integers(
        model=built.data,
        precision=Precision.DYNAMIC_RANGE,
        notes=built.notes | _quality_notes(found, noise.describe()),
        agreement=_agreement(found, Format.TFLITE),
    )


def write_onnx(graph: Graph, opset: int, request: Request) -> Integers:
    """Return the integer ONNX file of a graph, with the errors of `write`: its ranges are the TFLite file's."""
    ranges = _ranges(tflite.build(graph, form=Form.BYTES).data, request)
    ready = tflite.prepared(graph)
    left = chosen(request.float_layers, [node.name for node in ready.nodes])
    model = onnx.write_integers(ready, widened(ranges.values), opset, left)
    floats, integers = (runs.load(data, Format.ONNX) for data in (onnx.write(graph, opset=opset), model))
    inputs, described = quality_inputs(graph, request.calibration)
    found = quality.compare_runs(floats, integers, [[axes.to_channels_first(one)] for one in inputs])
    _check(found.sqnr_db, MIN_SQNR_DB, "ONNX int8", "the float file", described, found.relative)
    precision = describe_onnx.describe_graph(describe_onnx.parse(model).graph).precision if left else Precision.INT8
    return Integers(
        model=model,
        precision=precision,
        notes=_calibrated_notes(ranges) | _quality_notes(found, described),
        agreement=_agreement(found, Format.ONNX),
        ranges=_bytes_of(ranges),
    )


def form_of(precision: Precision) -> Form:
    """Return the form of the float TFLite file that a file in `precision` is made from."""
    if precision is Precision.DYNAMIC_RANGE:
        return Form.FLOAT
    return Form.WORDS if precision is Precision.INT16X8 else Form.BYTES


def _ranges(float_model: bytes, request: Request) -> Ranges:
    if request.stored is None:
        return _measured(float_model, request.calibration)
    return _found(float_model, request.stored)


def _bytes_of(ranges: Ranges) -> bytes:
    return files.json_bytes(records.to_json(ranges))


def _calibrated_notes(ranges: Ranges) -> dict[str, str]:
    return {"calibration": ranges.source} | ({"purpose": TIMING_ONLY} if ranges.timing_only else {})


def _quality_notes(found: quality.Quality, described: str) -> dict[str, str]:
    notes = {"sqnr_db": f"{found.sqnr_db:.1f}", "quality_on": described}
    if found.top1_agreement is not None:
        notes["top1_agreement"] = f"{found.top1_agreement:.3f}"
    return notes


def _agreement(found: quality.Quality, format: Format) -> Agreement:
    return Agreement(
        max_abs_error=found.max_abs_error,
        relative=found.relative,
        num_inputs=found.num_inputs,
        checked_with=runtime_of(format),
    )


def _judged(
    graph: Graph,
    precision: Precision,
    request: Request,
    model: bytes,
    float_model: bytes,
    notes: dict[str, str],
    ranges: Ranges | None,
) -> Integers:
    """Compare a TFLite file with its float file, and with that one in its own weights where that says more."""
    inputs, described = quality_inputs(graph, request.calibration)
    found = quality.compare(float_model, model, inputs)
    _check(found.sqnr_db, MIN_SQNR_DB, precision, "the float file", described, found.relative)
    data = request.calibration
    if precision in MIN_OWN_SQNR_DB and (ranges is None or ranges.source == data.describe()):
        # On inputs that were calibrated on: others may lie outside of the ranges, and are cut off there.
        shape = tflite.channels_last(graph.inputs[0].shape)
        given = islice(data.batches(shape), NUM_NOISE_INPUTS)
        own = quality.compare(with_weights_of(model, float_model), model, given)
        what = "the float file with its own rounded weights"
        _check(own.sqnr_db, MIN_OWN_SQNR_DB[precision], precision, what, data.describe(), own.relative)
    is_mixed = bool(request.float_layers)
    return Integers(
        model=model,
        precision=describe_tflite.describe(model).precision if is_mixed else precision,
        notes=notes | _quality_notes(found, described),
        agreement=_agreement(found, Format.TFLITE),
        ranges=b"" if ranges is None else _bytes_of(ranges),
    )


def _check(sqnr_db: float, least: float, what: str, reference: str, described: str, relative: float) -> None:
    if sqnr_db < least:
        raise ExportError(
            f"the {what} file is too far from {reference} that it was made from: {sqnr_db:.1f} dB of signal to noise "
            f"on {described}, an error of {relative:.2g} of the output's scale; at least {least:g} dB are needed. "
            "Calibrate on inputs like those that the network will see (--calibration), leave layers in float "
            "(--float-layer), or export it in float16"
        )


def load(model: bytes) -> Run:
    """Open an integer file that takes float inputs in the file's layout and gives floats again."""
    return quality.in_floats(model)


def quality_inputs(graph: Graph, calibration: CalibrationData) -> tuple[list[NDArray[np.float32]], str]:
    """Return inputs on which an integer file is compared with its float file, and what they are in words."""
    shape = tflite.channels_last(graph.inputs[0].shape)
    # Noise can be drawn afresh, so that it is not the noise that was calibrated on; images are what they are.
    noise = isinstance(calibration, Synthetic)
    data = Synthetic(NUM_NOISE_INPUTS, seed=1) if noise else calibration
    inputs = list(islice(data.batches(shape), NUM_NOISE_INPUTS if noise else NUM_REAL_INPUTS))
    return inputs, f"{len(inputs)} inputs: {data.describe()}"


_KNOWN: dict[tuple[str, CalibrationData], Ranges] = {}
"""Ranges measured by this process, so that a graph is calibrated once for its int8 and its uint8 file."""


def _measured(float_model: bytes, calibration: CalibrationData) -> Ranges:
    key = (hashlib.sha256(float_model).hexdigest(), calibration)
    if key not in _KNOWN:
        _KNOWN[key] = calibrate(float_model, calibration)
    return _KNOWN[key]


def _found(float_model: bytes, folder: Path) -> Ranges:
    wanted = hashlib.sha256(float_model).hexdigest()
    path = _index(tuple(sorted(folder.rglob(f"*{RANGES_SUFFIX}")))).get(wanted)
    if path is None:
        raise InputError(
            f"{folder} holds no {RANGES_SUFFIX} for the float file with sha256 {wanted[:12]}...; it comes from "
            "other weights or from another version of the kit. Calibrate again"
        )
    return load_ranges(path)


@lru_cache(maxsize=2)
def _index(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Return range files by the float file that they belong to."""
    found: dict[str, Path] = {}
    for path in paths:
        found[load_ranges(path).float_sha256] = path
    return found
