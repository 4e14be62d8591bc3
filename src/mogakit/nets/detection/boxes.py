"""Boxes in numpy: anchors, the code of a box against its anchor, overlaps, and what an app does with raw outputs.

Coordinates are shares of the image's height and width. A box is (top, left, bottom, right); an anchor is (centre y,
centre x, height, width).

Anchors are those of SSD (arXiv 1512.02325, section 2.2) as the Object Detection API makes them
(github.com/tensorflow/models, research/object_detection/anchor_generators/multiple_grid_anchor_generator.py), the code
of a box that of Faster R-CNN (arXiv 1506.01497) scaled by 10 and 5 (box_coders/faster_rcnn_box_coder.py), thresholds
those of samples/configs/ssdlite_mobilenet_v2_coco.config.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mogakit.errors import InputError

Floats: TypeAlias = npt.NDArray[np.float32]
Labels: TypeAlias = npt.NDArray[np.int64]

MIN_SCALE, MAX_SCALE = 0.2, 0.95
ASPECT_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
"""Width over height of the anchors of every map but the first, in the order of the configuration file."""

FINEST_SHAPES = ((0.1, 1.0), (MIN_SCALE, 2.0), (MIN_SCALE, 0.5))
"""(scale, aspect ratio) of the three anchors of the first map."""

CODE_SCALES = (10.0, 10.0, 5.0, 5.0)
"""Factors of a code's four numbers: centre y, centre x, height, width."""


def anchor_shapes(num_maps: int = 6) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return (scale, aspect ratio) of each map's anchors; the sixth is a square between this scale and the next."""
    step = (MAX_SCALE - MIN_SCALE) / (num_maps - 1)
    scales = [MIN_SCALE + step * index for index in range(num_maps)] + [1.0]
    later = [
        (*((scale, ratio) for ratio in ASPECT_RATIOS), (math.sqrt(scale * following), 1.0))
        for scale, following in pairwise(scales)
    ]
    return (FINEST_SHAPES, *later[1:])


def anchors(map_sizes: Sequence[int]) -> Floats:
    """Return the anchors of square maps, (anchors, 4): map by map, row by row, pixel by pixel, shape by shape.

    That is the order in which a channels-last prediction lies in memory. They are not clipped to the image.
    """
    found = []
    for size, shapes in zip(map_sizes, anchor_shapes(len(map_sizes)), strict=True):
        centres = (np.arange(size) + 0.5) / size
        y, x = np.meshgrid(centres, centres, indexing="ij")
        scales, ratios = (np.array(column) for column in zip(*shapes, strict=True))
        grid = np.empty((size, size, len(shapes), 4))
        grid[..., 0], grid[..., 1] = y[:, :, None], x[:, :, None]
        grid[..., 2], grid[..., 3] = scales / np.sqrt(ratios), scales * np.sqrt(ratios)
        found.append(grid.reshape(-1, 4))
    return np.concatenate(found).astype(np.float32)


def encode(boxes: Floats, against: Floats) -> Floats:
    """Return the codes of boxes (N, 4) of positive size against anchors (N, 4): what a detector learns to give."""
    heights, widths = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    code = np.stack(
        (
            (boxes[:, 0] + heights / 2 - against[:, 0]) / against[:, 2],
            (boxes[:, 1] + widths / 2 - against[:, 1]) / against[:, 3],
            np.log(heights / against[:, 2]),
            np.log(widths / against[:, 3]),
        ),
        axis=1,
    )
    return np.asarray(code * CODE_SCALES, np.float32)


def decode(codes: Floats, against: Floats) -> Floats:
    """Return the boxes that codes (N, 4) stand for: the inverse of `encode`."""
    scaled = codes / np.array(CODE_SCALES, np.float32)
    centres = scaled[:, :2] * against[:, 2:] + against[:, :2]
    halves = np.exp(scaled[:, 2:]) * against[:, 2:] / 2
    return np.concatenate((centres - halves, centres + halves), axis=1).astype(np.float32)


def corners(against: Floats) -> Floats:
    """Return anchors as boxes."""
    halves = against[:, 2:] / 2
    return np.concatenate((against[:, :2] - halves, against[:, :2] + halves), axis=1)


def overlaps(one: Floats, other: Floats) -> Floats:
    """Return the intersection over union of every box of `one` (N, 4) with every box of `other` (M, 4), as (N, M)."""
    top_left = np.maximum(one[:, None, :2], other[None, :, :2])
    bottom_right = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.prod(np.maximum(bottom_right - top_left, 0), axis=2)
    areas = [np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (one, other)]
    union = areas[0][:, None] + areas[1][None] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0), np.float32)


@dataclass(frozen=True)
class PostProcessing:
    """From raw outputs to objects.

    Attributes:
        score_threshold: what scores less is not an object.
        iou_threshold: of two boxes of a class that overlap more, the one with the lower score goes.
        max_per_class, max_total: of objects in an image.
    """

    score_threshold: float = 1e-8
    iou_threshold: float = 0.6
    max_per_class: int = 100
    max_total: int = 100


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects found in one image, best first: boxes (N, 4), labels (N) from 1 on, scores (N) between 0 and 1."""

    boxes: Floats
    labels: Labels
    scores: Floats


def detections(codes: Floats, scores: Floats, against: Floats, settings: PostProcessing | None = None) -> Detections:
    """Turn the raw outputs for one image into objects.

    Args:
        codes: (anchors, 4), as the network gives them.
        scores: (anchors, 1 + classes), as the network gives them; column 0 is the background.
        against: the anchors, (anchors, 4).
        settings: those of the Object Detection API if None.

    Raises:
        InputError: the three do not have the same number of rows.
    """
    if not len(codes) == len(scores) == len(against):
        raise InputError(f"{len(codes)} boxes and {len(scores)} scores do not belong to {len(against)} anchors")
    settings = settings or PostProcessing()
    boxes = np.clip(decode(codes, against), 0, 1)
    rows, labels = np.nonzero(scores[:, 1:] >= settings.score_threshold)
    labels = labels + 1
    kept = suppressed(boxes[rows], labels, scores[rows, labels], settings)
    return Detections(boxes[rows[kept]], labels[kept], scores[rows[kept], labels[kept]])


def suppressed(boxes: Floats, labels: Labels, scores: Floats, settings: PostProcessing) -> Labels:
    """Return the indices that greedy non-maximum suppression keeps, best first, each class by itself.

    All classes are walked through together from the best score down, so that the walk ends when `max_total` are kept.
    """
    kept: list[int] = []
    mates: dict[int, list[int]] = {}
    for index in np.argsort(-scores, kind="stable").tolist():
        if len(kept) == settings.max_total:
            break
        same = mates.setdefault(int(labels[index]), [])
        if len(same) == settings.max_per_class:
            continue
        if same and overlaps(boxes[index : index + 1], boxes[same]).max() > settings.iou_threshold:
            continue
        same.append(index)
        kept.append(index)
    return np.array(kept, np.int64)
