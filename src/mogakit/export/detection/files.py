"""What an app needs beside a detector's files: anchors, the code of boxes, thresholds, and what the outputs mean."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mogakit import records
from mogakit.errors import InputError
from mogakit.export import quality, run
from mogakit.export.artifact import Format
from mogakit.export.axes import to_channels_last
from mogakit.export.mace import ends
from mogakit.export.preprocessing import Preprocessing
from mogakit.nets.detection.boxes import CODE_SCALES, Floats, PostProcessing, anchor_shapes
from mogakit.nets.detection.modules import detector_anchors
from mogakit.nets.detection.network import Detector

SCHEMA_VERSION = 1
SUFFIX = ".detection.json"


@dataclass(frozen=True)
class AnchorMap:
    """Anchors of one feature map: `shapes` (scale, aspect ratio) at the centre of each of `size` x `size` cells."""

    size: int
    shapes: tuple[tuple[float, float], ...]


@records.stored(
    "detection-metadata",
    version=SCHEMA_VERSION,
    made_by="moga export model ssdlite-...",
    title="description of a detector",
)
@dataclass(frozen=True, kw_only=True)
class DetectionMetadata:
    """What turns a detector's outputs into objects.

    Attributes:
        num_classes: classes of objects; scores have one column more, the first, for the background.
        mean, std: of red, green, blue, in units of 0..1; `resize` says how the image becomes square before.
        outputs: what the two outputs hold.
        mace_outputs: how a MACE file's outputs become the two.
        code: how a box is computed from its code and its anchor.
        code_scales: divisors of a code's four numbers, in that formula.
        anchor_maps: from which the anchors can be computed again.
        anchors: (centre y, centre x, height, width) as shares of the image, in the order of the outputs' rows.
        post_processing: thresholds of the non-maximum suppression, class by class.
    """

    schema_version: int
    detector: str
    input_size: int
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: str
    outputs: dict[str, str]
    mace_outputs: str
    code: str
    code_scales: tuple[float, float, float, float]
    anchor_maps: tuple[AnchorMap, ...]
    anchors: tuple[tuple[float, float, float, float], ...]
    post_processing: PostProcessing


_OUTPUTS = {
    "boxes": "(1, anchors, 4): codes of centre y, centre x, height, width",
    "scores": "(1, anchors, 1 + classes): probabilities, each by itself; column 0 is the background",
}
_MACE_OUTPUTS = (
    "MACE files give boxes_0, boxes_1, ... and scores_0, scores_1, ... instead: one map each, channels last. One "
    "behind the other in memory they are the rows of boxes and of scores."
)
_CODE = (
    "centre = code / scale * anchor size + anchor centre; size = exp(code / scale) * anchor size; in shares of the "
    "image's height and width"
)
RESIZE = "stretch the whole image to a square, bilinear"


def detection_metadata(detector: Detector) -> DetectionMetadata:
    """Return what belongs to a detector's files."""
    usual = Preprocessing()
    sizes = [each.size for each in detector.feature_maps]
    shapes = anchor_shapes(len(sizes))
    return DetectionMetadata(
        schema_version=SCHEMA_VERSION,
        detector=detector.name,
        input_size=detector.input_size,
        num_classes=detector.num_classes,
        mean=usual.mean,
        std=usual.std,
        resize=RESIZE,
        outputs=_OUTPUTS,
        mace_outputs=_MACE_OUTPUTS,
        code=_CODE,
        code_scales=CODE_SCALES,
        anchor_maps=tuple(AnchorMap(size, each) for size, each in zip(sizes, shapes, strict=True)),
        anchors=tuple((float(y), float(x), float(h), float(w)) for y, x, h, w in detector_anchors(detector)),
        post_processing=PostProcessing(),
    )


def save_metadata(path: Path, detector: Detector) -> None:
    """Write a detector's metadata as JSON, atomically."""
    records.save(detection_metadata(detector), path)


def load_metadata(path: Path) -> DetectionMetadata:
    """Read what `save_metadata` wrote.

    Raises:
        InputError: there is no such file, or it is not a detector's metadata; see `records.load`.
    """
    return records.load(DetectionMetadata, path)


FORMATS = {".tflite": Format.TFLITE, ".onnx": Format.ONNX, ".pb": Format.MACE}
"""Suffixes of the files that can be run here."""


def metadata_of(model: Path) -> DetectionMetadata:
    """Read the metadata that lies beside a detector's file.

    Raises:
        InputError: there is no such file, or no metadata beside it.
    """
    if not model.is_file() or model.suffix not in FORMATS:
        raise InputError(f"{model} is not a model file; supported suffixes: {', '.join(FORMATS)}")
    # A name may hold dots (`@0.5x`), and a file's suffix too (`.float16.tflite`): the longest stem that fits is meant.
    fitting = [path for path in model.parent.glob(f"*{SUFFIX}") if model.name.startswith(_stem(path) + ".")]
    if not fitting:
        raise InputError(
            f"{model} has no {SUFFIX} file beside it, which says what its outputs mean; "
            "`moga export model ssdlite-...` writes one"
        )
    return load_metadata(max(fitting, key=lambda path: len(path.name)))


def _stem(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)


def run_file(model: Path, metadata: DetectionMetadata, image: Floats) -> tuple[Floats, Floats]:
    """Return boxes (1, anchors, 4) and scores (1, anchors, 1 + classes) that a file gives for an image (1, C, H, W).

    Raises:
        InputError: the file does not load, or its outputs are not a detector's.
    """
    format = FORMATS[model.suffix]
    shapes = [(1, len(metadata.anchors), 4), (1, len(metadata.anchors), metadata.num_classes + 1)]
    if format is Format.ONNX:
        found = run.run(model, format, [image])
    else:
        turned = np.ascontiguousarray(to_channels_last(image))
        if format is Format.TFLITE:
            found = _tflite_outputs(model, turned)
        else:
            found = list(ends.joined(run.run(model, format, [turned]), shapes))
    if [value.shape for value in found] != shapes:
        raise InputError(f"{model} gives {[value.shape for value in found]}; its metadata says {shapes}")
    if not all(np.isfinite(value).all() for value in found):
        raise InputError(f"{model} gives numbers that are not finite")
    return np.asarray(found[0], np.float32), np.asarray(found[1], np.float32)


def _tflite_outputs(model: Path, image: Floats) -> list[Floats]:
    try:
        return list(quality.in_floats(model.read_bytes())([image]))
    except (ValueError, RuntimeError, TypeError, IndexError, KeyError) as error:  # as LiteRT and its wrapper have it
        raise InputError(f"{model} does not run in LiteRT on an image of {image.shape}: {error}") from error
