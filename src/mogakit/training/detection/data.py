"""Images with boxes: datasets in COCO's layout, and what a detector is to give for them.

Everything about an example follows from (seed, epoch, index), as in `data`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.detection.boxes import Floats, corners, encode, overlaps
from mogakit.training.data import IMAGENET_MEAN, IMAGENET_STD
from mogakit.training.detection.crop import flipped, random_crop

Labels: TypeAlias = npt.NDArray[np.int64]

MATCHED_IOU = 0.5
"""An anchor that overlaps an object by so much is to find it (ssdlite_mobilenet_v2_coco.config, argmax_matcher)."""


@dataclass(frozen=True)
class Category:
    """A class of objects by the number and name that the annotations give it."""

    id: int
    name: str


@dataclass(frozen=True, eq=False, kw_only=True)
class AnnotatedImage:
    """An image file and its objects.

    Attributes:
        width, height: in pixels, as annotated.
        boxes: (objects, 4), top, left, bottom, right in shares of the image.
        labels: (objects), 1 for the dataset's first category; crowds are left out.
    """

    id: int
    path: Path
    width: int
    height: int
    boxes: Floats
    labels: Labels


@dataclass(frozen=True, eq=False, kw_only=True)
class CocoDataset:
    """Images with boxes as COCO annotates them.

    Attributes:
        annotations: the JSON file, as read.
        broken: paths of images that could not be decoded, counted once each; never fatal, never silent.
    """

    name: str
    images: tuple[AnnotatedImage, ...]
    categories: tuple[Category, ...]
    annotations: Mapping[str, Any]
    input_size: int
    broken: set[Path] = field(default_factory=set)

    @property
    def num_classes(self) -> int:
        """Return the number of classes of objects, without the background."""
        return len(self.categories)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def read(self, index: int, rng: np.random.Generator | None) -> "Example | None":
        """Decode one image, cropped and flipped with `rng` where given; None if it is broken."""
        found = self.images[index]
        try:
            image = records.read_picture(found.path).convert("RGB")
        except InputError:
            self.broken.add(found.path)
            return None
        boxes, labels = found.boxes, found.labels
        window = (0.0, 0.0, 1.0, 1.0)
        if rng is not None:
            window, boxes, labels = random_crop(boxes, labels, rng)
        top, left, bottom, right = window
        area = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        image = image.resize((self.input_size, self.input_size), Image.Resampling.BILINEAR, box=area)
        pixels = np.asarray(image, np.float32) / 255
        if rng is not None and rng.random() < 0.5:
            pixels, boxes = pixels[:, ::-1], flipped(boxes)
        normalised = (pixels - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
        return Example(np.ascontiguousarray(normalised.transpose(2, 0, 1)), boxes, labels)


@dataclass(frozen=True, eq=False)
class Example:
    """A normalised CHW image, its boxes (objects, 4) in shares of it, and their labels (objects)."""

    image: Floats
    boxes: Floats
    labels: Labels


@dataclass(frozen=True)
class DetectionBatch:
    """Images (N, C, H, W), and for every anchor its label (N, anchors), 0 for background, and code (N, anchors, 4)."""

    images: Tensor
    labels: Tensor
    codes: Tensor


def open_coco_folder(root: Path, input_size: int) -> tuple[CocoDataset, CocoDataset]:
    """Open training and validation images of a folder in COCO's layout.

    `annotations/instances_train*.json` describes the images in the folder `train*` beside `annotations`, and the same
    for `val`, as in the COCO downloads (`instances_train2017.json`, `train2017/`).

    Raises:
        InputError: a file or folder of that layout is missing or is there twice, or the classes of the two differ.
    """
    training, validation = (_open_split(root, split, input_size) for split in ("train", "val"))
    if training.categories != validation.categories:
        raise InputError(f"{root}: the training and validation annotations do not have the same categories")
    return training, validation


def _open_split(root: Path, split: str, input_size: int) -> CocoDataset:
    found = sorted((root / "annotations").glob(f"instances_{split}*.json"))
    if len(found) != 1:
        raise InputError(
            f"{root} has {len(found)} files annotations/instances_{split}*.json; a folder in COCO's layout has one, "
            f"and the images in {split}* beside it"
        )
    images = root / found[0].stem.removeprefix("instances_")
    if not images.is_dir():
        raise InputError(f"{found[0]} describes the images in {images}, which is not a folder")
    return open_coco(found[0], images, input_size)


COCO_LIMITS = records.Limits(max_bytes=2 * 2**30)
"""`instances_train2017.json` has 450 MB."""


def open_coco(annotations: Path, images: Path, input_size: int) -> CocoDataset:
    """Open one annotation file and its folder of images.

    Raises:
        InputError: the file is not one of COCO's object annotations, or describes no image.
        OSError: it cannot be read.
    """
    content = records.read_json(annotations, "file of COCO's object annotations", COCO_LIMITS)
    try:
        categories = tuple(sorted((Category(int(each["id"]), str(each["name"])) for each in content["categories"]),
                                  key=lambda each: each.id))  # fmt: skip
        label_of = {each.id: index for index, each in enumerate(categories, start=1)}
        objects: dict[int, list[tuple[list[float], int]]] = {}
        for each in content["annotations"]:
            if not each.get("iscrowd", 0):
                box = [float(value) for value in each["bbox"]]
                objects.setdefault(int(each["image_id"]), []).append((box, label_of[int(each["category_id"])]))
        found = tuple(_annotated(each, objects.get(int(each["id"]), []), images) for each in content["images"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{annotations} does not hold object annotations as COCO writes them (images, annotations with bbox, "
            f"categories): {type(error).__name__} {error}"
        ) from error
    if not found or not categories:
        raise InputError(f"{annotations} describes {len(found)} images and {len(categories)} categories")
    return CocoDataset(
        name=images.name, images=found, categories=categories, annotations=content, input_size=input_size
    )


def _annotated(entry: Mapping[str, Any], objects: Sequence[tuple[list[float], int]], folder: Path) -> AnnotatedImage:
    width, height = int(entry["width"]), int(entry["height"])
    boxes = np.array([[y, x, y + h, x + w] for (x, y, w, h), _ in objects], np.float32).reshape(-1, 4)
    boxes = np.clip(boxes / np.array([height, width, height, width], np.float32), 0, 1)
    labels = np.array([label for _, label in objects], np.int64)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    path = folder / str(entry["file_name"])
    return AnnotatedImage(
        id=int(entry["id"]), path=path, width=width, height=height, boxes=boxes[solid], labels=labels[solid]
    )


def targets(boxes: Floats, labels: Labels, against: Floats) -> tuple[Labels, Floats]:
    """Return what each anchor is to give: its label (anchors), 0 for background, and its code (anchors, 4).

    An anchor takes the object that it overlaps most, if by `MATCHED_IOU`; and every object gets the anchor that
    overlaps it most, however little (SSD section 2.2; `force_match_for_each_row` in the Object Detection API). Codes of
    background anchors are zero.
    """
    wanted = np.zeros(len(against), np.int64)
    codes = np.zeros((len(against), 4), np.float32)
    if len(boxes) == 0:
        return wanted, codes
    common = overlaps(boxes, corners(against))
    nearest = common.argmax(axis=0)
    matched = common.max(axis=0) >= MATCHED_IOU
    for row in range(len(boxes))[::-1]:  # where two objects have the same best anchor, the first keeps it
        best = int(common[row].argmax())
        nearest[best], matched[best] = row, True
    wanted[matched] = labels[nearest[matched]]
    codes[matched] = encode(boxes[nearest[matched]], against[matched])
    return wanted, codes


def read_detection_batch(
    dataset: CocoDataset,
    indices: Sequence[int],
    against: Floats,
    seed: int,
    epoch: int,
    *,
    augment: bool,
    pool: Executor,
) -> DetectionBatch:
    """Read images by index and match their objects with the anchors; broken images are left out.

    Raises:
        InputError: every image of the batch is broken.
    """

    def read(index: int) -> tuple[Floats, Labels, Floats] | None:
        example = dataset.read(index, np.random.default_rng([seed, epoch, index]) if augment else None)
        return None if example is None else (example.image, *targets(example.boxes, example.labels, against))

    found = [each for each in pool.map(read, indices) if each is not None]
    if not found:
        raise InputError(f"none of the {len(indices)} images of a batch of {dataset.name} could be decoded")
    images, labels, codes = (torch.from_numpy(np.stack(column)) for column in zip(*found, strict=True))
    return DetectionBatch(images, labels, codes)
