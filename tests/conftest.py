"""Settings of all tests."""

import gc
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw

# Timings on a shared machine say nothing about the code, and the first call of torch takes a second.
# The same examples in every run of continuous integration; new ones on every other run.
settings.register_profile("kit", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("kit")


def pytest_collection_finish() -> None:
    """Leave out of every later garbage collection what the imports made, which stays to the end.

    A full collection over torch and 5000 tests takes a fifth of a second; tests that close what others leave open need
    one each.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in COCO's layout: ten images of squares, discs and bars, the same to train on and to validate."""
    root = tmp_path_factory.mktemp("shapes")
    for split in ("train", "val"):
        write_shapes(root / split, root / "annotations" / f"instances_{split}.json", np.random.default_rng(0))
    return root


SHAPES = (("square", 3, (230, 40, 40)), ("disc", 7, (40, 210, 60)), ("bar", 9, (60, 60, 240)))
"""Name, category id (with gaps, as COCO's have) and colour."""


def write_shapes(images: Path, annotations: Path, rng: np.random.Generator, count: int = 10, size: int = 160) -> None:
    """Write images with one to three shapes that do not touch, and their annotations."""
    images.mkdir(parents=True)
    annotations.parent.mkdir(exist_ok=True)
    entries, objects = [], []
    for index in range(count):
        picture = Image.fromarray(rng.integers(90, 130, (size, size, 3), dtype=np.uint8))
        taken: list[tuple[int, int, int, int]] = []
        for _ in range(int(rng.integers(1, 4))):
            kind, side = int(rng.integers(3)), int(rng.integers(35, 80))
            wide, high = (side, side) if kind < 2 else (int(side * 1.3), int(side * 0.65))
            left, top = int(rng.integers(0, size - wide)), int(rng.integers(0, size - high))
            box = (left, top, left + wide, top + high)
            if any(box[0] <= r and left <= box[2] and box[1] <= b and t <= box[3] for left, t, r, b in taken):
                continue
            taken.append(box)
            draw = ImageDraw.Draw(picture)
            shape = draw.ellipse if kind == 1 else draw.rectangle
            shape((left, top, left + wide - 1, top + high - 1), fill=SHAPES[kind][2])
            record = {"id": len(objects) + 1, "image_id": 100 + index, "category_id": SHAPES[kind][1], "iscrowd": 0}
            objects.append({**record, "bbox": [left, top, wide, high], "area": wide * high})
        entries.append({"id": 100 + index, "file_name": f"{index}.png", "width": size, "height": size})
        picture.save(images / f"{index}.png")
    categories = [{"id": number, "name": name} for name, number, _ in SHAPES]
    content = {"images": entries, "annotations": objects, "categories": categories}
    annotations.write_text(json.dumps(content), encoding="utf-8")
