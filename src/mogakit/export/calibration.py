"""What is fed to a float model so that the ranges of its tensors can be seen, before it is quantised."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mogakit import records
from mogakit.errors import InputError
from mogakit.export.preprocessing import Preprocessing, for_size, image_paths, load_image

Shape = tuple[int, ...]


class CalibrationData(Protocol):
    """Inputs for one model; hashable, so that ranges measured with them can be kept."""

    def __hash__(self) -> int: ...

    @property
    def timing_only(self) -> bool:
        """Return whether the resulting file must not be judged for accuracy."""

    def describe(self) -> str:
        """Say in a few words what the inputs are."""

    def batches(self, shape: Shape) -> Iterator[NDArray[np.float32]]:
        """Yield inputs of `shape` (channels last where there are four dimensions).

        Raises:
            InputError: the data do not fit the shape, or cannot be read.
        """


@dataclass(frozen=True)
class Synthetic:
    """Seeded standard normal noise: good for timing, of no use for accuracy."""

    num_inputs: int = 3
    seed: int = 0

    @property
    def timing_only(self) -> bool:
        """Return True: a file calibrated on noise is for timing only."""
        return True

    def describe(self) -> str:
        """Describe what the inputs are."""
        return f"synthetic, {self.num_inputs} standard normal inputs, seed {self.seed}"

    def batches(self, shape: Shape) -> Iterator[NDArray[np.float32]]:
        """Yield noise."""
        rng = np.random.default_rng(self.seed)
        for _ in range(self.num_inputs):
            yield rng.standard_normal(shape, np.float32)


@dataclass(frozen=True)
class ImageFolder:
    """Images under a folder, at any depth, evenly taken from the sorted list up to `max_images`.

    `recipe` None means the usual recipe at the model's own input size.
    """

    folder: Path
    recipe: Preprocessing | None = None
    max_images: int = 128
    timing_only: bool = field(default=False, init=False)

    def describe(self) -> str:
        """Describe what the inputs are, without the place they were read from."""
        count = min(len(image_paths(self.folder)), self.max_images)
        return f"{count} images from folder {self.folder.resolve().name}"

    def batches(self, shape: Shape) -> Iterator[NDArray[np.float32]]:
        """Yield one preprocessed image at a time."""
        if len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] != 3:
            raise InputError(
                f"images calibrate a network with one square input of 3 channels; this model takes {shape}. Give an "
                ".npy file of its inputs instead"
            )
        paths = image_paths(self.folder)
        chosen = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), self.max_images)).astype(int))
        recipe = self.recipe or for_size(shape[1])
        for index in chosen:
            yield load_image(paths[index], recipe)[np.newaxis]


@dataclass(frozen=True)
class NpyFile:
    """Inputs as the model takes them, stacked in one `.npy` file: (number of inputs, height, width, channels)."""

    path: Path
    timing_only: bool = field(default=False, init=False)

    def describe(self) -> str:
        """Describe what the inputs are."""
        stacked = self._load()
        return f"{len(stacked)} inputs from {self.path.name}, values {stacked.min():.3g} to {stacked.max():.3g}"

    def batches(self, shape: Shape) -> Iterator[NDArray[np.float32]]:
        """Yield one input at a time."""
        stacked = self._load()
        if stacked.shape[1:] != shape[1:] or len(stacked) == 0:
            turned = len(shape) == 4 and stacked.ndim == 4 and (*stacked.shape[2:], stacked.shape[1]) == shape[1:]
            advice = ". These are channels first; save array.transpose(0, 2, 3, 1)" if turned else ""
            raise InputError(
                f"{self.path} holds an array of shape {stacked.shape}; this model takes inputs of {shape[1:]}, stacked "
                f"along a first axis{advice}"
            )
        for one in stacked:
            yield np.broadcast_to(one.astype(np.float32), shape).copy()

    def _load(self) -> NDArray[np.generic]:
        stacked = records.read_npy(self.path, ".npy file of inputs")
        if stacked.dtype.kind != "f":
            raise InputError(
                f"{self.path} holds {stacked.dtype}, the pixels of images perhaps; ranges are measured on what the "
                "network reads, which is float32 after its preprocessing (scaled, mean subtracted, divided by std). "
                "Save those numbers, or give the folder of images"
            )
        if stacked.size == 0 or not np.isfinite(stacked).all():
            raise InputError(f"{self.path} holds {'no number' if stacked.size == 0 else 'infinities or NaN'}")
        return stacked


def from_path(path: Path | None) -> CalibrationData:
    """Return what a user points at: a folder of images, an `.npy` file, or nothing (synthetic).

    Raises:
        InputError: it is another kind of file.
    """
    if path is None:
        return Synthetic()
    if path.is_dir():
        image_paths(path)  # an empty folder is rejected before anything is built
        return ImageFolder(path)
    if path.suffix == ".npy":
        return NpyFile(path)
    raise InputError(f"{path} is neither a folder of images nor an .npy file of inputs")
