"""Pictures on disk for the jobs that train on them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mogakit.training.data import open_image_folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of two classes with 100 pictures each; one to train on and one to validate are broken."""
    root = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for index in range(100):
            pixels = rng.integers(128 * label, 128 * label + 128, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    for part in open_image_folder(root):
        part.files[0][0].write_bytes(b"no picture")
    return root
