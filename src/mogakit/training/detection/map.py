"""COCO's mean average precision, computed by pycocotools and by nothing of our own."""

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mogakit.errors import InputError
from mogakit.nets.detection.boxes import Detections
from mogakit.training.detection.data import CocoDataset


@dataclass(frozen=True, kw_only=True)
class CocoScore:
    """COCO's metrics between 0 and 1 (cocodataset.org, Detection Evaluation); None where no object is of that size.

    Attributes:
        mean_ap: mean over classes and over overlaps 0.50, 0.55, ... 0.95: COCO's primary metric.
        ap50, ap75: at one overlap.
        small, medium, large: `mean_ap` over objects of up to 32 x 32, up to 96 x 96, and more pixels.
    """

    num_images: int
    mean_ap: float | None
    ap50: float | None
    ap75: float | None
    small: float | None
    medium: float | None
    large: float | None


def coco_score(dataset: CocoDataset, found: Mapping[int, Detections]) -> CocoScore:
    """Score detections against a dataset's annotations.

    Args:
        dataset: with the annotations.
        found: by the annotations' image id; images that are not in it (broken ones) are left out on both sides.

    Raises:
        InputError: pycocotools is not installed, or nothing was detected in.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise InputError("COCO's mAP needs pycocotools: pip install 'moga-kit[train]'") from error
    if not found:
        raise InputError(f"no image of {dataset.name} was looked at, so there is nothing to score")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        truth = COCO()
        truth.dataset = _completed(dataset.annotations)
        truth.createIndex()
        results = _results(dataset, found)
        if not results:
            return CocoScore(
                num_images=len(found), mean_ap=0.0, ap50=0.0, ap75=0.0, small=None, medium=None, large=None
            )
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.imgIds = sorted(found)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = ("mean_ap", "ap50", "ap75", "small", "medium", "large")  # the order of pycocotools' first six
    stats = {name: None if value < 0 else float(value) for name, value in zip(names, evaluation.stats[:6], strict=True)}
    return CocoScore(num_images=len(found), **stats)


def _completed(annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return annotations with what pycocotools takes for granted."""
    objects = []
    for index, each in enumerate(annotations["annotations"], start=1):
        _, _, width, height = each["bbox"]
        objects.append({"id": index, "iscrowd": 0, "area": width * height, **each})
    return {"info": {}, **annotations, "annotations": objects}


def _results(dataset: CocoDataset, found: Mapping[int, Detections]) -> list[dict[str, Any]]:
    """Return detections as COCO's result records: boxes as left, top, width, height in pixels."""
    results = []
    for image in dataset.images:
        if image.id not in found:
            continue
        objects = found[image.id]
        for (top, left, bottom, right), label, score in zip(
            objects.boxes.tolist(), objects.labels.tolist(), objects.scores.tolist(), strict=True
        ):
            wide, high = (right - left) * image.width, (bottom - top) * image.height
            box = [left * image.width, top * image.height, wide, high]
            category = dataset.categories[label - 1].id
            results.append({"image_id": image.id, "category_id": category, "bbox": box, "score": score})
    return results
