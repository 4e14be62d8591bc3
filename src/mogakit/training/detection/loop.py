"""The training loop of detectors: as `loop`, with anchors in place of labels and mAP in place of accuracy."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from mogakit.errors import InputError
from mogakit.nets.detection.boxes import Detections, Floats, PostProcessing, detections
from mogakit.nets.detection.modules import DetectorModule, Predictor, PredictorPair, detector_anchors, load_backbone
from mogakit.nets.detection.network import Detector
from mogakit.progress import Progress, silent
from mogakit.training.data import epoch_order
from mogakit.training.detection.data import CocoDataset, DetectionBatch, read_detection_batch
from mogakit.training.detection.loss import detection_loss
from mogakit.training.detection.map import CocoScore, coco_score
from mogakit.training.detection.recipes import DetectionRecipe
from mogakit.training.driver import Course, Scalars, StepReport, drive
from mogakit.training.learner import Learner
from mogakit.training.loop import Settings, autocast, check_sizes, initialise, one_ahead, run_identity
from mogakit.training.recipes import Recipe
from mogakit.training.world import World, synchronise_norms

RawOutputs: TypeAlias = Callable[[Floats], tuple[Floats, Floats]]
"""From images (N, C, H, W) to boxes (N, anchors, 4) and scores (N, anchors, 1 + classes)."""


@dataclass
class TrainedDetector:
    """The outcome of `train_detector`: the module in eval mode, and its score on the validation images.

    Attributes:
        images_per_second: of this process's training steps after the first few; None where it made no more.
    """

    module: DetectorModule
    score: CocoScore
    num_steps: int
    images_per_second: float | None


def train_detector(
    detector: Detector,
    data: tuple[CocoDataset, CocoDataset],
    recipe: DetectionRecipe,
    settings: Settings,
    world: World,
    checkpoint: Path | None = None,
    backbone: Path | None = None,
    progress: Progress = silent,
    scalars: Scalars | None = None,
) -> TrainedDetector:
    """Train a detector; a run whose `checkpoint` exists goes on from there.

    Args:
        detector: its input size and classes must be those of the data.
        data: training and validation images.
        checkpoint: written every `checkpoint_interval_s` and at the end, by the first process; None for none.
        backbone: a classifier's checkpoint to start from; None starts at random.

    Raises:
        InputError: sizes or classes do not fit, or the batch does not divide over the processes.
        CheckpointError: the checkpoint is of another run, or the backbone's weights do not fit.
    """
    training, validation = data
    recipe = replace(recipe, base=settings.applied_to(recipe.base))
    base = recipe.base
    _reject_unused(base)
    batch_size = settings.batch_size or base.batch_size
    check_sizes(detector, training, "detector")
    _check_batch_size(batch_size, training, world)
    steps_per_epoch = len(training) // batch_size
    num_steps = round(base.epochs * steps_per_epoch)
    module = _fresh_module(detector, recipe, settings, world, backbone)
    loop = _DetectorLoop(
        module=module,
        learner=Learner(module, base, world),
        recipe=recipe,
        settings=settings,
        world=world,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
    )

    def batches(first_step: int, last_step: int) -> Iterator[DetectionBatch]:
        return _batches(detector, training, recipe, settings, world, first_step, last_step, batch_size)

    identity = run_identity(settings, batch_size, num_steps)
    course = Course(
        run={"network": detector.name, "recipe": recipe.name, "settings": identity, "data": training.name},
        num_steps=num_steps,
        batch_size=batch_size,
        world=world,
        checkpoint=checkpoint,
        checkpoint_interval_s=settings.checkpoint_interval_s,
        progress=progress,
        scalars=scalars,
    )
    speed = drive(loop, batches, course)
    loop.learner.finish()
    score = evaluate_detector(module, validation, world)
    if scalars is not None and world.is_first and score.mean_ap is not None:
        scalars("validation/mean_ap", score.mean_ap, num_steps)
    return TrainedDetector(module, score, num_steps, speed)


@dataclass(frozen=True, kw_only=True)
class _DetectorLoop:
    """Classification and localisation over the anchors, one update a batch."""

    module: DetectorModule
    learner: Learner
    recipe: DetectionRecipe
    settings: Settings
    world: World
    batch_size: int
    steps_per_epoch: int

    def take(self, batch: DetectionBatch, step: int) -> StepReport:
        """Take one step on a batch."""
        self.module.train()
        placed = _placed(batch, self.world, self.settings)
        with autocast(self.world, self.settings.bfloat16):
            codes, logits = self.module.raw(placed.images)
        loss = detection_loss(codes.float(), logits.float(), placed.labels, placed.codes, self.recipe.loss)
        loss.total.backward()  # type: ignore[no-untyped-call]
        rate = self.recipe.base.learning_rate_at(step / self.steps_per_epoch, self.batch_size)
        self.learner.update(rate)
        values = {
            "classification": float(loss.classification.detach()),
            "localisation": float(loss.localisation.detach()),
        }
        return StepReport(f"loss {sum(values.values()):.3f}", {**values, "learning_rate": rate})

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.learner.load_state_dict(state)


def _check_batch_size(batch_size: int, dataset: CocoDataset, world: World) -> None:
    world.check_batch_size(batch_size, len(dataset))
    if batch_size // world.size < 2:
        raise InputError("batch norm on the last map, of one pixel, needs at least two images in each process")


def _reject_unused(base: Recipe) -> None:
    """Reject what a detector's training has no place for.

    Raises:
        InputError: the recipe asks for dropout or label smoothing.
    """
    if base.dropout or base.label_smoothing:
        raise InputError(
            f"dropout {base.dropout:g} and label smoothing {base.label_smoothing:g}: detectors are trained without "
            "either, since they have no classifier and no softmax over exclusive classes; leave both at 0"
        )


def initialise_detector(module: DetectorModule, recipe: DetectionRecipe, seed: int) -> None:
    """Draw initial weights: as for a classifier, but small ones in the predictors, and the recipe's class bias."""
    initialise(module, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for layer in module.predictors.modules():
            if isinstance(layer, Predictor):
                layer.project.weight.normal_(0.0, recipe.predictor_std, generator=generator)
            if isinstance(layer, PredictorPair) and layer.label.project.bias is not None:
                layer.label.project.bias.fill_(recipe.class_bias)


def _fresh_module(
    detector: Detector, recipe: DetectionRecipe, settings: Settings, world: World, backbone: Path | None
) -> DetectorModule:
    module = DetectorModule(detector)
    initialise_detector(module, recipe, settings.seed)
    if backbone is not None:
        load_backbone(module, backbone)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = recipe.base.norm_momentum
    if settings.synchronise_norm and world.size > 1:
        synchronise_norms(module)
    return module.to(world.device, memory_format=settings.layout)  # type: ignore[call-overload, no-any-return]


def _placed(batch: DetectionBatch, world: World, settings: Settings) -> DetectionBatch:
    """Move a batch to the device in the memory format that convolutions want."""
    images = batch.images.to(world.device, memory_format=settings.layout, non_blocking=True)
    return DetectionBatch(images, batch.labels.to(world.device), batch.codes.to(world.device))


def _batches(
    detector: Detector,
    dataset: CocoDataset,
    recipe: DetectionRecipe,
    settings: Settings,
    world: World,
    first_step: int,
    last_step: int,
    batch_size: int,
) -> Iterator[DetectionBatch]:
    """Yield this process's share of each batch, decoded one step ahead; see `loop.training_batches`."""
    against = detector_anchors(detector)
    steps_per_epoch, share = len(dataset) // batch_size, batch_size // world.size
    with ThreadPoolExecutor(settings.num_workers) as pool:

        def load(step: int) -> DetectionBatch:
            epoch, position = divmod(step, steps_per_epoch)
            start = position * batch_size + world.rank * share
            indices = epoch_order(len(dataset), settings.seed, epoch)[start : start + share].tolist()
            return read_detection_batch(
                dataset, indices, against, settings.seed, epoch, augment=recipe.augment, pool=pool
            )

        yield from one_ahead(load, first_step, last_step)


def evaluate_detector(
    module: DetectorModule, dataset: CocoDataset, world: World, progress: Progress = silent
) -> CocoScore:
    """Score a detector in eval mode on every image of a dataset."""
    against = detector_anchors(module.detector)
    return score_detections(dataset, raw_outputs(module, world), against, progress=progress)


def raw_outputs(module: DetectorModule, world: World) -> RawOutputs:
    """Return the function from images to boxes and scores that a module computes, in eval mode."""
    module.eval()

    def run(images: Floats) -> tuple[Floats, Floats]:
        placed = torch.from_numpy(images).to(world.device, memory_format=torch.channels_last)
        with torch.inference_mode():
            raw = module(placed)
        return raw["boxes"].float().cpu().numpy(), raw["scores"].float().cpu().numpy()

    return run


def score_detections(
    dataset: CocoDataset,
    raw: RawOutputs,
    against: Floats,
    settings: PostProcessing | None = None,
    batch_size: int = 32,
    progress: Progress = silent,
) -> CocoScore:
    """Score whatever gives boxes and scores, a module or an exported file, on every image that can be decoded.

    Args:
        dataset: images and truth.
        raw: from images (N, C, H, W) to boxes (N, anchors, 4) and scores (N, anchors, 1 + classes).
        against: the anchors, (anchors, 4).
        settings: those of the Object Detection API if None.
        batch_size: images in one call of `raw`.
        progress: called after each image.

    Raises:
        InputError: pycocotools is not installed, or no image could be decoded.
    """
    found: dict[int, Detections] = {}
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(dataset), batch_size):
            indices = range(start, min(start + batch_size, len(dataset)))
            examples = pool.map(lambda index: dataset.read(index, None), indices)
            whole = [(index, each.image) for index, each in zip(indices, examples, strict=True) if each is not None]
            if not whole:
                continue
            boxes, scores = raw(np.stack([image for _, image in whole]))
            for row, (index, _) in enumerate(whole):
                found[dataset.images[index].id] = detections(boxes[row], scores[row], against, settings)
                progress(index + 1, len(dataset), dataset.images[index].path.name)
    return coco_score(dataset, found)
