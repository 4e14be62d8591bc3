"""A dataset of noise that costs nothing to read, for timing a training loop."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mogakit.training.data import Images

NUM_SYNTHETIC = 8
"""Different images of a synthetic dataset, which come again and again."""


@dataclass(frozen=True, kw_only=True)
class SyntheticDataset:
    """Noise that is there already, so that reading it costs next to nothing: for timing.

    Attributes:
        images: (NUM_SYNTHETIC, C, H, W), float32. labels: (NUM_SYNTHETIC), integers.
        num_images: how many it counts as.
    """

    images: Images
    labels: npt.NDArray[np.int64]
    num_classes: int
    num_images: int
    name: str = "synthetic"

    @property
    def input_size(self) -> int:
        """Return the height and width of an image in pixels."""
        return int(self.images.shape[-1])

    def __len__(self) -> int:
        """Return the number of images."""
        return self.num_images

    def read(self, index: int, rng: np.random.Generator | None) -> tuple[Images, int] | None:
        """Return one image and its label, never augmented."""
        return self.images[index % NUM_SYNTHETIC], int(self.labels[index % NUM_SYNTHETIC])


def open_synthetic(num_images: int, input_size: int, num_classes: int, seed: int = 0) -> SyntheticDataset:
    """Return noise with random labels, for timing."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((NUM_SYNTHETIC, 3, input_size, input_size), dtype=np.float32)
    return SyntheticDataset(
        images=images,
        labels=rng.integers(0, num_classes, NUM_SYNTHETIC),
        num_classes=num_classes,
        num_images=num_images,
    )
