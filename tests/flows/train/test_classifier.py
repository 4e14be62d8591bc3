"""Training under `torchrun`: what one process saw, all say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mogakit.training.data import HeldOut, epoch_order, open_image_folder
from mogakit.training.detection.data import open_coco_folder

TWO_PROCESSES = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


def read_by_the_first(num_images: int, batch_size: int) -> set[int]:
    """Return the images that the first of two processes trains on in the first epoch."""
    order = epoch_order(num_images, 0, 0)
    starts = range(0, num_images - batch_size + 1, batch_size)
    return {int(index) for start in starts for index in order[start : start + batch_size // 2]}


def test_two_processes_name_the_broken_images_of_both(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data, out = tmp_path / "images", tmp_path / "out"
    for part, label in (("train", "a"), ("train", "b"), ("val", "a"), ("val", "b")):
        (data / part / label).mkdir(parents=True)
        for number in range(16):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(data / part / label / f"{number}.png")
    broken = [data / "train" / "a" / f"{number}.png" for number in range(3, 9)] + [data / "val" / "b" / "0.png"]
    for path in broken:
        path.write_bytes(b"no image")
    training, _ = open_image_folder(data, 8, held_out=HeldOut.VAL_FOLDER)
    first = {training.files[index][0] for index in read_by_the_first(len(training), 16)}
    assert 0 < len(first & set(broken)) < 6  # neither process alone sees all
    words = ["mogakit", "train", "digits/0-0-0-0-0-0", "--data", str(data), "--recipe", "digits", "--epochs", "1"]
    subprocess.run([*TWO_PROCESSES, *words, "--batch-size", "16", "--torch-device", "cpu", "-o", str(out)], check=True)
    summary = json.loads((out / "train.json").read_text())
    assert summary["broken_images"] == sorted(map(str, broken))
    assert summary["scored_on"] == "images/val" and summary["score"]["num_images"] == 31


def test_two_processes_that_train_a_detector_do_so_too(shapes_folder: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes_folder, tmp_path / "data")
    training, _ = open_coco_folder(data, 64)
    first = sorted(read_by_the_first(len(training), 10))
    second = sorted(set(range(len(training))) - set(first))
    broken = [training.images[index].path for index in (first[0], second[0])]
    for path in broken:
        path.write_bytes(b"no image")
    words = ["mogakit", "detect", "train", "ssdlite-mobilenet-v2", "--data", str(data), "--recipe", "small"]
    options = ["--width", "0.1", "--input-size", "64", "--epochs", "1", "--batch-size", "10", "--torch-device", "cpu"]
    subprocess.run([*TWO_PROCESSES, *words, *options, "-o", str(tmp_path / "out")], check=True)
    summary = json.loads((tmp_path / "out" / "detect.json").read_text())
    assert summary["broken_images"] == sorted(map(str, broken))
