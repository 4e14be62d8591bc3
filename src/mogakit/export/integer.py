"""Integer TFLite files as one row of the table of writers: calibrate or find ranges, quantise, report the quality."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mogakit import files, records
from mogakit.errors import ExportError, InputError
from mogakit.export import quality, tflite
from mogakit.export.artifact import Agreement, Format, Precision
from mogakit.export.calibration import CalibrationData, Synthetic
from mogakit.export.graph import Graph
from mogakit.export.quantize import TIMING_ONLY, Ranges, calibrate, load_ranges, quantize
from mogakit.export.run import Run, runtime_of

RANGES_SUFFIX = ".ranges.json"
MIN_SQNR_DB = 3.0
"""Below this, noise is as large as the output."""

NUM_NOISE_INPUTS = 3
NUM_REAL_INPUTS = 64


@dataclass(frozen=True)
class Integers:
    """An integer file in memory, with the ranges it was made from and what the user should know of it."""

    model: bytes
    ranges: bytes
    notes: dict[str, str]
    agreement: Agreement


def write(graph: Graph, precision: Precision, calibration: CalibrationData, stored: Path | None) -> Integers:
    """Return the integer file of a graph.

    Args:
        calibration: what to feed where ranges have to be measured.
        stored: a folder with `*.ranges.json` of an earlier export, at any depth; with it nothing is measured, and the
            bytes are those of that export.

    Raises:
        InputError: the data do not fit, or the folder has no ranges for this float file.
        ExportError: what the integer file gives has little to do with what the float file gives.
    """
    built = tflite.build(graph, integers=True)
    float_model = built.data
    ranges = _measured(float_model, calibration) if stored is None else _found(float_model, stored)
    model = quantize(float_model, ranges, precision)
    notes = built.notes | {"calibration": ranges.source} | ({"purpose": TIMING_ONLY} if ranges.timing_only else {})
    inputs, described = quality_inputs(graph, calibration)
    found = quality.compare(float_model, model, inputs)
    if found.sqnr_db < MIN_SQNR_DB:
        raise ExportError(
            f"the {precision} file is too far from the float file that it was made from: {found.sqnr_db:.1f} dB of "
            f"signal to noise on {described}, an error of {found.relative:.2g} of the output's scale; at least "
            f"{MIN_SQNR_DB:g} dB are needed. Calibrate on inputs like those that the network will see (--calibration), "
            "or export it in float16"
        )
    notes |= {"sqnr_db": f"{found.sqnr_db:.1f}", "quality_on": described}
    if found.top1_agreement is not None:
        notes["top1_agreement"] = f"{found.top1_agreement:.3f}"
    agreement = Agreement(
        max_abs_error=found.max_abs_error,
        relative=found.relative,
        num_inputs=found.num_inputs,
        checked_with=runtime_of(Format.TFLITE),
    )
    return Integers(model, files.json_bytes(records.to_json(ranges)), notes, agreement)


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
