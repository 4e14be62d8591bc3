"""From an image file to the numbers that a network expects: the recipe that calibration, evaluation and apps share."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mogakit import records
from mogakit.errors import InputError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"})


class Resample(StrEnum):
    """Interpolation when an image is resized."""

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


_FILTERS: dict[Resample, Image.Resampling] = {
    Resample.BILINEAR: Image.Resampling.BILINEAR,
    Resample.BICUBIC: Image.Resampling.BICUBIC,
}


@records.stored(
    "preprocessing",
    version=1,
    implied_version=1,
    made_by="docs/shipping.md",
    title="file of preprocessing",
    sealed=False,
)
@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resize the shorter side, cut the centre, scale to 0..1, subtract `mean` and divide by `std`.

    The defaults are those of the MoGA and FairNAS repositories (ImageNet, 224 from 256).

    Attributes:
        size: height and width of the network's input, in pixels.
        resize_shorter_side: in pixels, before the centre is cut.
        mean, std: of red, green, blue, in units of 0..1.
        layout: of one image as the network's own code sees it; TFLite and MACE files take HWC, ONNX takes CHW.
        stretch: make the whole image square instead of cutting the centre, as detectors take it.
    """

    size: int = 224
    resize_shorter_side: int = 256
    resample: Resample = Resample.BILINEAR
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    layout: str = "HWC, red green blue"
    stretch: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.size <= self.resize_shorter_side:
            raise InputError(f"a centre of {self.size} pixels cannot be cut from {self.resize_shorter_side}")

    def apply(self, image: Image.Image) -> NDArray[np.float32]:
        """Return (size, size, 3) float32."""
        image = _rgb(image)
        if self.stretch:
            return self._normalised(image.resize((self.size, self.size), _FILTERS[self.resample]))
        scale = self.resize_shorter_side / min(image.size)
        wide, high = (max(self.resize_shorter_side, round(side * scale)) for side in image.size)
        image = image.resize((wide, high), _FILTERS[self.resample])
        left, top = (wide - self.size) // 2, (high - self.size) // 2
        return self._normalised(image.crop((left, top, left + self.size, top + self.size)))

    def _normalised(self, image: Image.Image) -> NDArray[np.float32]:
        pixels = np.asarray(image, np.float32) / np.float32(255)
        return np.asarray((pixels - np.asarray(self.mean)) / np.asarray(self.std), np.float32)


def _rgb(image: Image.Image) -> Image.Image:
    """Return an image with three channels of 8 bits; one of 16 bits is scaled, where Pillow would clip it to white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8))
    return image.convert("RGB")


def for_size(size: int) -> Preprocessing:
    """Return the recipe for another input size, resized in the usual proportion of 256 to 224."""
    return Preprocessing(size=size, resize_shorter_side=round(size * 256 / 224))


def load_image(path: Path, recipe: Preprocessing) -> NDArray[np.float32]:
    """Read one image file as (size, size, 3).

    Raises:
        InputError: the file is not an image, or is broken; the message names it.
    """
    return recipe.apply(records.read_picture(path))


def image_paths(folder: Path) -> Sequence[Path]:
    """Return the images under a folder, in sorted order.

    Raises:
        InputError: it is not a folder, or holds no image.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not found:
        raise InputError(f"{folder} holds no image; looked for {', '.join(sorted(IMAGE_SUFFIXES))} at any depth")
    return found
