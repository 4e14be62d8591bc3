"""Detectors: what is known of them, training, scoring, and finding objects in an image."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mogakit import files, records
from mogakit.bench.attempt import DEFAULT_MEMORY_BYTES, DEFAULT_SECONDS, Limits, attempt
from mogakit.errors import InputError
from mogakit.export.describe import describe_file
from mogakit.export.detection.files import DetectionMetadata, metadata_of, run_file
from mogakit.flows.train.classifier import CHECKPOINT, broken_images, tensorboard_scalars
from mogakit.nets.detection.boxes import Floats, PostProcessing, detections
from mogakit.nets.detection.modules import build_detector, detector_anchors
from mogakit.nets.detection.network import (
    INPUT_SIZE,
    Detector,
    count_madds,
    count_params,
    count_params_without_norm,
    get_detector,
)
from mogakit.nets.detection.published import PUBLISHED, PublishedDetector
from mogakit.nets.limits import check_sizes
from mogakit.nets.weights import load_weights
from mogakit.progress import Progress, silent
from mogakit.training.detection.data import CocoDataset, open_coco_folder
from mogakit.training.detection.loop import RawOutputs, raw_outputs, score_detections, train_detector
from mogakit.training.detection.map import CocoScore
from mogakit.training.detection.recipes import get_detection_recipe
from mogakit.training.loop import Settings
from mogakit.training.world import joined_world

RESULT = "detect.json"
"""File of a training folder, beside the checkpoint."""


@dataclass(frozen=True, kw_only=True)
class DetectorSummary:
    """A detector's counts, beside a published row where there is one.

    Attributes:
        params, params_without_norm, madds: our counts; None where the layers are not known.
        published: the row; None for a detector that was asked for by name.
    """

    name: str | None
    input_size: int
    num_classes: int
    num_anchors: int | None
    params: int | None
    params_without_norm: int | None
    madds: int | None
    published: PublishedDetector | None = None


def list_published() -> list[DetectorSummary]:
    """Count every detector of which papers say something, with as many classes as reproduce their counts."""
    found = []
    for row in PUBLISHED:
        if row.name is None:
            found.append(
                DetectorSummary(
                    name=None,
                    input_size=INPUT_SIZE,
                    num_classes=row.num_classes,
                    num_anchors=None,
                    params=None,
                    params_without_norm=None,
                    madds=None,
                    published=row,
                )
            )
        else:
            detector = replace(get_detector(row.name, num_classes=row.num_classes), name=row.name)
            found.append(summarise_detector(detector, row))
    return found


def summarise_detector(detector: Detector, published: PublishedDetector | None = None) -> DetectorSummary:
    """Count a detector."""
    return DetectorSummary(
        name=detector.name,
        input_size=detector.input_size,
        num_classes=detector.num_classes,
        num_anchors=detector.num_anchors,
        params=count_params(detector),
        params_without_norm=count_params_without_norm(detector),
        madds=count_madds(detector),
        published=published,
    )


@dataclass(frozen=True, kw_only=True)
class DetectTrainRequest:
    """What a person asks for.

    Attributes:
        detector: a name, as `nets.detection.get_detector` reads it.
        data: a folder in COCO's layout.
        backbone: a checkpoint of the classifier to start from, or None.
        device: `cpu`, `cuda`, or None for a GPU where there is one.
        tensorboard: folder for scalars, or None.
    """

    detector: str
    data: Path
    recipe: str
    folder: Path
    settings: Settings
    width: float = 1.0
    input_size: int | None = None
    backbone: Path | None = None
    device: str | None = None
    resume: bool = False
    tensorboard: Path | None = None


@records.stored(
    "detector-training",
    version=1,
    implied_version=1,
    made_by="moga detect train -o FOLDER",
    title="summary of a detector's training",
)
@dataclass(frozen=True, kw_only=True)
class DetectTrainSummary:
    """What came of it; kept as `detect.json` beside the checkpoint.

    Attributes:
        classes: names of the labels 1, 2, ... in order.
        backbone: sha256 of the classifier's checkpoint that training started from, or None.
        ours: what of the recipe its source does not state.
        images_per_second: of the training steps of this start; None where there were too few to time.
        broken_images: files that could not be decoded, and were left out.
    """

    detector: str
    data: str
    classes: tuple[str, ...]
    recipe: str
    recipe_source: str
    ours: dict[str, str]
    backbone: str | None
    seed: int
    num_steps: int
    score: CocoScore
    images_per_second: float | None
    checkpoint: str
    broken_images: tuple[str, ...]


def run_detector_training(request: DetectTrainRequest, progress: Progress = silent) -> DetectTrainSummary:
    """Train a detector, or go on where a killed run was; write the checkpoint and `detect.json`.

    Raises:
        InputError: the folder holds a run and `resume` is false, the data are not in COCO's layout, or do not fit.
        CheckpointError: the folder's checkpoint is of another run, or the backbone's weights do not fit.
    """
    recipe = get_detection_recipe(request.recipe)
    checkpoint = request.folder / CHECKPOINT
    if checkpoint.exists() and not request.resume:
        raise InputError(f"{request.folder} holds a training run; add --resume to go on, or name another folder")
    size = get_detector(request.detector, request.width, request.input_size).input_size
    data = open_coco_folder(request.data, size)
    detector = get_detector(request.detector, request.width, size, data[0].num_classes)
    with joined_world(request.device) as world, tensorboard_scalars(request.tensorboard) as scalars:
        trained = train_detector(
            detector, data, recipe, request.settings, world, checkpoint, request.backbone, progress, scalars
        )
        summary = DetectTrainSummary(
            detector=detector.name,
            data=str(request.data),
            classes=tuple(each.name for each in data[0].categories),
            recipe=recipe.name,
            recipe_source=recipe.base.source,
            ours=recipe.base.ours,
            backbone=None if request.backbone is None else files.sha256_of(request.backbone),
            seed=request.settings.seed,
            num_steps=trained.num_steps,
            score=trained.score,
            images_per_second=trained.images_per_second and round(trained.images_per_second, 1),
            checkpoint=str(checkpoint),
            broken_images=broken_images(*data),
        )
        if world.is_first:
            records.save(summary, request.folder / RESULT)
    return summary


@dataclass(frozen=True)
class DetectScore:
    """The score of a detector or of one of its files on the validation images of a folder in COCO's layout."""

    model: str
    data: str
    score: CocoScore
    broken_images: tuple[str, ...]


def score_model(
    model: str,
    data: Path,
    weights: Path | None = None,
    width: float = 1.0,
    input_size: int | None = None,
    device: str | None = None,
    progress: Progress = silent,
) -> DetectScore:
    """Compute the mAP of an exported file, or of a detector by name with the weights of a checkpoint.

    A file is run as an app would run it: what its outputs mean comes from the `.detection.json` beside it.

    Raises:
        InputError: neither such a file nor such a detector, weights are missing, or the data do not fit.
        CheckpointError: the weights do not fit the detector.
    """
    path = Path(model)
    if path.suffix in (".tflite", ".onnx", ".pb"):
        metadata = _opened(path)
        _, dataset = open_coco_folder(data, metadata.input_size)
        _check_classes(model, metadata.num_classes, dataset)
        return _scored(model, data, dataset, _file_outputs(path, metadata), _anchors(metadata), progress)
    if weights is None:
        raise InputError(f"{model} has no weights of its own; give --weights, or a file that was exported with them")
    size = get_detector(model, width, input_size).input_size
    _, dataset = open_coco_folder(data, size)
    detector = get_detector(model, width, size, dataset.num_classes)
    module = build_detector(detector)
    load_weights(module, weights)
    with joined_world(device) as world:
        raw = raw_outputs(module.to(world.device), world)
        return _scored(detector.name, data, dataset, raw, detector_anchors(detector), progress)


def _check_classes(model: str, num_classes: int, dataset: CocoDataset) -> None:
    if num_classes != dataset.num_classes:
        raise InputError(f"{model} knows {num_classes} classes, {dataset.name} has {dataset.num_classes}")


def _scored(
    model: str, data: Path, dataset: CocoDataset, raw: RawOutputs, against: Floats, progress: Progress
) -> DetectScore:
    score = score_detections(dataset, raw, against, progress=progress)
    return DetectScore(model, str(data), score, broken_images(dataset))


def _opened(path: Path) -> DetectionMetadata:
    """Return a file's metadata once it was run in a child: whoever made it also made what the runtime loads."""
    metadata = metadata_of(path)
    check_sizes(input_size=metadata.input_size, num_classes=metadata.num_classes)
    if not all(metadata.std):
        raise InputError(f"the metadata of {path} divide by a deviation of zero")
    describe_file(path)
    blank = np.zeros((1, 3, metadata.input_size, metadata.input_size), np.float32)
    limits = Limits(DEFAULT_MEMORY_BYTES + 8 * path.stat().st_size, DEFAULT_SECONDS)
    tried = attempt(lambda: run_file(path, metadata, blank), limits)
    if tried.error is not None:
        raise InputError(f"{path}: {tried.error}")
    return metadata


def _file_outputs(path: Path, metadata: DetectionMetadata) -> RawOutputs:
    """Return a function that runs a file, which takes one image at a time."""

    def run(images: Floats) -> tuple[Floats, Floats]:
        pairs = [run_file(path, metadata, images[index : index + 1]) for index in range(len(images))]
        boxes, scores = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return boxes, scores

    return run


def _anchors(metadata: DetectionMetadata) -> Floats:
    return np.array(metadata.anchors, np.float32)


@dataclass(frozen=True, kw_only=True)
class FoundObject:
    """An object in an image: its box in pixels of the image file, its class, 1 for the first, and its probability."""

    label: int
    score: float
    left: float
    top: float
    right: float
    bottom: float


DEFAULT_THRESHOLD = 0.3


def find_objects(model: Path, image: Path, threshold: float = DEFAULT_THRESHOLD) -> list[FoundObject]:
    """Run an exported file on one image, as an app would, best object first.

    Raises:
        InputError: the file has no metadata beside it, or the image cannot be read.
    """
    metadata = _opened(model)
    picture = records.read_picture(image).convert("RGB")
    boxes, scores = run_file(model, metadata, prepared(picture, metadata))
    given = metadata.post_processing
    settings = PostProcessing(threshold, given.iou_threshold, given.max_per_class, given.max_total)
    found = detections(boxes[0], scores[0], _anchors(metadata), settings)
    wide, high = picture.size
    return [
        FoundObject(
            label=int(label),
            score=float(score),
            left=left * wide,
            top=top * high,
            right=right * wide,
            bottom=bottom * high,
        )
        for (top, left, bottom, right), label, score in zip(
            found.boxes.tolist(), found.labels, found.scores, strict=True
        )
    ]


def prepared(picture: Image.Image, metadata: DetectionMetadata) -> Floats:
    """Return an image as a detector takes it, (1, C, H, W)."""
    square = picture.resize((metadata.input_size, metadata.input_size), Image.Resampling.BILINEAR)
    pixels = np.asarray(square, np.float32) / 255
    normalised = (pixels - np.array(metadata.mean, np.float32)) / np.array(metadata.std, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])
