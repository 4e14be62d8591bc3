"""Images and labels: an image folder a class, scikit-learn's digits, or synthetic noise for timing.

Everything about a batch follows from (seed, epoch, position): a run that was killed and resumed sees the same images
in the same order with the same crops, without any state being saved.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from mogakit import records
from mogakit.errors import ClusterError, InputError

Images = npt.NDArray[np.float32]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


class Dataset(Protocol):
    """Labelled images that can be read by index, with or without augmentation."""

    @property
    def name(self) -> str:
        """Return what it is called in messages and records."""

    @property
    def num_classes(self) -> int:
        """Return the number of classes."""

    @property
    def input_size(self) -> int:
        """Return the height and width of its images in pixels."""

    def __len__(self) -> int:
        """Return the number of images."""

    def read(self, index: int, rng: np.random.Generator | None) -> tuple[Images, int] | None:
        """Return one normalised CHW image and its label, augmented with `rng` where given; None if it is broken."""


@dataclass(frozen=True)
class Batch:
    """Images (N, C, H, W) in float32 and labels (N)."""

    images: Tensor
    labels: Tensor


@dataclass(kw_only=True)
class ImageFolder:
    """ImageNet's layout: one folder a class, images inside.

    Attributes:
        broken: paths of images that could not be decoded, counted once each; never fatal, never silent.
    """

    name: str
    classes: tuple[str, ...]
    files: tuple[tuple[Path, int], ...]
    input_size: int = 224
    resize: int = 256
    broken: set[Path] = field(default_factory=set)

    @property
    def num_classes(self) -> int:
        """Return the number of class folders."""
        return len(self.classes)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    def read(self, index: int, rng: np.random.Generator | None) -> tuple[Images, int] | None:
        """Decode one image: random resized crop and flip with `rng`, resize and centre crop without."""
        path, label = self.files[index]
        try:
            image = records.read_picture(path).convert("RGB")
        except InputError:
            self.broken.add(path)
            return None
        cropped = _centre(image, self.resize, self.input_size) if rng is None else _random(image, self.input_size, rng)
        pixels = np.asarray(cropped, dtype=np.float32) / 255.0
        normalised = (pixels - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1)), label


def _centre(image: Image.Image, resize: int, size: int) -> Image.Image:
    """Scale the shorter side to `resize` pixels and cut `size` from the centre."""
    scale = resize / min(image.size)
    wide, high = (max(size, round(side * scale)) for side in image.size)
    left, top = (wide - size) // 2, (high - size) // 2
    return image.resize((wide, high), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))


def _random(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """Cut 8 to 100 % of the area at an aspect of 3/4 to 4/3 (Inception's augmentation), and flip half of the time."""
    wide, high = image.size
    for _ in range(10):
        area = wide * high * rng.uniform(0.08, 1.0)
        aspect = float(np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3))))
        w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < w <= wide and 0 < h <= high:
            left, top = int(rng.integers(0, wide - w + 1)), int(rng.integers(0, high - h + 1))
            break
    else:
        w = h = min(wide, high)
        left, top = (wide - w) // 2, (high - h) // 2
    cut = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h))
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else cut


class HeldOut(StrEnum):
    """Which images score, where an image folder has both `train/` and `val/`."""

    CARVED = "carved"
    """A share of `train/`, and `val/` stays unseen: for all that chooses (search, ranking, controllers)."""
    VAL_FOLDER = "val folder"
    """`val/`, and all of `train/` trains: for the last score of a network that was chosen."""


def open_image_folder(
    root: Path, input_size: int = 224, validation_percent: float = 4.0, held_out: HeldOut = HeldOut.CARVED
) -> tuple[ImageFolder, ImageFolder]:
    """Return the images that train and those that score.

    `validation_percent` of the images of `root/train`, or of `root` where there are not both `train/` and `val/`, is
    carved off by a hash of each file's relative path, so that the split survives files being added. MoGA holds out
    50 000 of ImageNet's 1.28 million training images, 4 %, and tests on `val/`: what is chosen by its score on `val/`
    would be tested on what chose it. `HeldOut.VAL_FOLDER` scores on `val/` where there are both.

    Raises:
        InputError: the folder has no class folders, or they hold no images.
    """
    has_both = (root / "train").is_dir() and (root / "val").is_dir()
    home = root / "train" if has_both else root
    classes, files = _scan(home)
    if has_both and held_out is HeldOut.VAL_FOLDER:
        validation_name, training, validation = "val", files, _scan(root / "val", classes)[1]
    else:
        validation_name = "held out of train" if has_both else "held out"
        training = tuple(each for each in files if not _is_held_out(each[0].relative_to(home), validation_percent))
        validation = tuple(each for each in files if _is_held_out(each[0].relative_to(home), validation_percent))
    if not training or not validation:
        raise InputError(
            f"{root} gives {len(training)} training and {len(validation)} validation images; both are needed: "
            f"add images, or hold out another share than {validation_percent} %"
        )
    resize = round(input_size * 256 / 224)
    return (
        ImageFolder(name=f"{root.name}/train", classes=classes, files=training, input_size=input_size, resize=resize),
        ImageFolder(
            name=f"{root.name}/{validation_name}",
            classes=classes,
            files=validation,
            input_size=input_size,
            resize=resize,
        ),
    )


def _scan(root: Path, classes: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], tuple[tuple[Path, int], ...]]:
    """List class folders and their images in sorted order."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; what is wanted is one folder a class with images inside")
    found = tuple(sorted(entry.name for entry in root.iterdir() if entry.is_dir()))
    classes = found if classes is None else classes
    if not classes:
        raise InputError(f"{root} has no folders; what is wanted is one folder a class with images inside")
    unknown = sorted(set(found) - set(classes))
    if unknown:
        raise InputError(f"{root} has folders that the training images lack: {', '.join(unknown[:5])}")
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((root / name).rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    return classes, tuple(files)


def _is_held_out(relative: Path, percent: float) -> bool:
    digest = hashlib.sha256(relative.as_posix().encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100 < percent


@dataclass(frozen=True)
class ArrayDataset:
    """Images in memory, shifted by up to an eighth of their size when augmented.

    Attributes:
        images: (N, C, H, W), float32, normalised.
        labels: (N), integers.
    """

    name: str
    images: Images
    labels: npt.NDArray[np.int64]
    num_classes: int

    @property
    def input_size(self) -> int:
        """Return the height and width of an image in pixels."""
        return int(self.images.shape[-1])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def read(self, index: int, rng: np.random.Generator | None) -> tuple[Images, int] | None:
        """Return one image and its label."""
        image, label = self.images[index], int(self.labels[index])
        if rng is None:
            return image, label
        reach = max(1, self.input_size // 8)
        padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
        top, left = (int(each) for each in rng.integers(0, 2 * reach + 1, size=2))
        return padded[:, top : top + self.input_size, left : left + self.input_size], label


def open_digits(input_size: int = 8) -> tuple[ArrayDataset, ArrayDataset, ArrayDataset]:
    """Return 1000 training, 300 validation and 497 test images of scikit-learn's digits, as three equal channels.

    Real and tiny: they show that the parts fit together, and prove nothing about architectures.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("the digits come with scikit-learn: pip install 'moga-kit[train]'") from error
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    pixels = (bunch.images[order].astype(np.float32) - 4.88) / 6.02  # mean and deviation over all digits
    factor = input_size // 8
    if factor < 1 or input_size % 8:
        raise InputError(f"digits are 8 pixels wide; {input_size} is not a multiple of 8")
    scaled = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    images = np.ascontiguousarray(np.broadcast_to(scaled[:, None], (len(order), 3, input_size, input_size)))
    labels = bunch.target[order].astype(np.int64)
    parts = (("train", 0, 1000), ("val", 1000, 1300), ("test", 1300, len(order)))
    train, val, test = (
        ArrayDataset(f"digits/{name}", images[start:stop], labels[start:stop], 10) for name, start, stop in parts
    )
    return train, val, test


def epoch_order(num_images: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the order in which an epoch visits the images: a permutation that depends on seed and epoch only."""
    return np.random.default_rng([seed, epoch]).permutation(num_images)


def read_batch(
    dataset: Dataset,
    indices: Sequence[int],
    seed: int,
    epoch: int,
    *,
    augment: bool,
    pool: ThreadPoolExecutor | None = None,
) -> Batch:
    """Read images by index; broken ones are left out.

    Raises:
        InputError: every image of the batch is broken.
    """

    def read(index: int) -> tuple[Images, int] | None:
        return dataset.read(index, np.random.default_rng([seed, epoch, index]) if augment else None)

    found = [each for each in (pool.map(read, indices) if pool else map(read, indices)) if each is not None]
    if not found:
        raise InputError(f"none of the {len(indices)} images of a batch of {dataset.name} could be decoded")
    images, labels = zip(*found, strict=True)
    return Batch(torch.from_numpy(np.stack(images)), torch.tensor(labels, dtype=torch.int64))


def evaluation_batches(dataset: Dataset, batch_size: int) -> Iterator[Batch]:
    """Yield every image once, in order, without augmentation."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(dataset), batch_size):
            indices = range(start, min(start + batch_size, len(dataset)))
            yield read_batch(dataset, indices, 0, 0, augment=False, pool=pool)


def open_dataset(text: str, input_size: int, held_out: HeldOut = HeldOut.CARVED) -> tuple[Dataset, Dataset]:
    """Open the images that train and those that score by what a command line gives: `digits`, or an image folder.

    Digits are scored on their 300 validation images either way.

    Raises:
        InputError: it is neither.
    """
    if text == "digits":
        return open_digits(input_size)[:2]
    root = Path(text)
    if not root.is_dir():
        raise InputError(f"--data {text!r} is neither a folder (one folder a class) nor the word digits")
    return open_image_folder(root, input_size, held_out=held_out)


def located(text: str) -> str:
    """Return what `open_dataset` takes in a form that means the same in a process which runs in another folder."""
    return text if text == "digits" else str(Path(text).resolve())


def check_sizes(text: str, found: tuple[Dataset, Dataset], wanted: tuple[int, int] | None) -> None:
    """Check that a worker of a cluster has opened as many images as the client has; None for no check.

    Raises:
        ClusterError: it has not.
    """
    sizes = (len(found[0]), len(found[1]))
    if wanted is not None and sizes != wanted:
        raise ClusterError(
            f"{text} holds {sizes[0]} training and {sizes[1]} validation images on a worker, and {wanted[0]} and "
            f"{wanted[1]} on this computer; give both the same images"
        )
