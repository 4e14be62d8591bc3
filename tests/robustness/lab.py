"""A folder with a small real file of every kind that the kit writes or is given, made by the installed command.

python tests/robustness/lab.py FOLDER      makes it, or what is absent of it
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

TESTS = Path(__file__).parents[1]
SEEDS = Path(__file__).parent / "seeds"
MOGA = [sys.executable, "-m", "mogakit"]
CHROMOSOME, OTHER = "0-1-2-3-4-5", "5-4-3-2-1-0"
NETWORK = f"digits/{CHROMOSOME}"


@dataclass(frozen=True)
class Step:
    """One command, or a function, that makes a part of the lab.

    Attributes:
        makes: a path in the lab; where it exists, the step is done.
        call: arguments of `moga`, or a function of the lab's folder.
        saved: whether standard output is what the step makes.
        quick: whether the step takes less than a second or two, and so belongs to the small lab of `make test`.
    """

    makes: str
    call: str | Callable[[Path], None]
    saved: bool = False
    quick: bool = False


def _own_module(folder: Path) -> None:
    code = "def evaluate(network):\n    return sum((7 * i + len(key) ** 2) % 13 for i, key in enumerate(block.key for block in network.blocks)) / 10\n"
    (folder / "own_accuracy.py").write_text(code, encoding="utf-8")


def _accuracies(folder: Path) -> None:
    rows = [(index % 12, index % 7, (3 * index) % 12, index % 5, index % 11, (5 * index) % 12) for index in range(40)]
    lines = [f"{'-'.join(map(str, row))},{70 + sum(row) / 10}" for row in dict.fromkeys(rows)]
    (folder / "accuracies.csv").write_text("\n".join(["chromosome,accuracy", *lines]) + "\n", encoding="utf-8")


def _labels(folder: Path) -> None:
    (folder / "labels.txt").write_text("".join(f"digit {number}\n" for number in range(10)), encoding="utf-8")


def _preprocessing(folder: Path) -> None:
    recipe = {"size": 8, "resize_shorter_side": 8, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (folder / "preprocessing.json").write_text(json.dumps(recipe), encoding="utf-8")


def _photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (folder / "photos" / name).mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(128 * label, 128 * label + 128, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{index}.png")


def _arrays(folder: Path) -> None:
    (folder / "arrays").mkdir()
    values = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
    np.save(folder / "arrays" / "inputs.npy", values)


def _tool(folder: Path) -> None:
    shutil.copy("/bin/true", folder / "benchmark_model")


def _input(folder: Path) -> None:
    np.save(folder / "input.npy", np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32))


def _shapes(folder: Path) -> None:
    """Write three images with one grey square each, and their annotations in COCO's layout."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (folder / "coco" / split).mkdir(parents=True)
        images, objects = [], []
        for index in range(3):
            pixels = rng.integers(90, 130, (64, 64, 3), dtype=np.uint8)
            left, top, side = (int(value) for value in rng.integers(4, 28, 3))
            pixels[top : top + side, left : left + side] = 230
            Image.fromarray(pixels).save(folder / "coco" / split / f"{index}.png")
            images.append({"id": index, "file_name": f"{index}.png", "width": 64, "height": 64})
            box = {"bbox": [left, top, side, side], "area": side * side, "iscrowd": 0}
            objects.append({"id": index + 1, "image_id": index, "category_id": 3, **box})
        content = {"images": images, "annotations": objects, "categories": [{"id": 3, "name": "square"}]}
        path = folder / "coco" / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


def _foreign(folder: Path) -> None:
    data = TESTS / "luts" / "data"
    shutil.copytree(data / "tunas", folder / "foreign" / "tunas")
    (folder / "foreign" / "qed_usc").mkdir()
    shutil.copy(data / "qed_usc" / "cnn_end_to_end.csv", folder / "foreign" / "qed_usc")
    with gzip.open(data / "qed_usc" / "cnn_ops_gpu.csv.gz", "rt", encoding="utf-8") as packed:
        (folder / "foreign" / "operators.csv").write_text(
            "".join(packed.readline() for _ in range(60)), encoding="utf-8"
        )
    lines = [
        f"Conv-input:224x224x3-output:112x112x{8 * i}-se:0: {{count: 9, mean: {i / 7:.3f}, std: 0.01}}"
        for i in range(1, 9)
    ]
    (folder / "foreign" / "ofa.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _models(folder: Path) -> None:
    cases, seeds = TESTS / "export" / "data" / "cases", TESTS / "robustness" / "seeds"
    (folder / "models").mkdir()
    for path in [*cases.glob("tflite/*.tflite"), *cases.glob("onnx/*.onnx"), *seeds.glob("*.*")]:
        if path.stat().st_size < 20_000:
            shutil.copy(path, folder / "models" / path.name)


STEPS: Sequence[Step] = (
    Step("own_accuracy.py", _own_module, quick=True),
    Step("accuracies.csv", _accuracies, quick=True),
    Step("labels.txt", _labels, quick=True),
    Step("preprocessing.json", _preprocessing, quick=True),
    Step("photos", _photos, quick=True),
    Step("arrays", _arrays, quick=True),
    Step("input.npy", _input, quick=True),
    Step("coco", _shapes, quick=True),
    Step("foreign", _foreign, quick=True),
    Step("models", _models, quick=True),
    Step("network.json", f"show {NETWORK} --save network.json", quick=True),
    Step("run", "profile --space digits --input-size 8 --quick -o run"),
    Step("run/validation.json", "validate run --models 2 --quick"),
    Step("run/fit.json", "fit run --pairs 20 --quick"),
    Step("run/search", "search --space digits --table run --set population=8 --set generations=4 -o run/search", quick=True),
    Step("own", "search --space digits --table run --accuracy own_accuracy:evaluate --set population=8 --set generations=3 -o own", quick=True),
    Step("fitted", "search --space digits --table run --accuracy own_accuracy:evaluate --engine fit-front --set num_fit=60 --set num_check=20 -o fitted"),
    Step("exact", "search --space digits --table run --engine exact -o exact", quick=True),
    Step("ppo", "search --space digits --table run --engine ppo --set population=6 --set generations=3 --set target_ms=0.05 -o ppo"),
    Step("controllers", "controllers --table run --space digits --seeds 1 --population 8 --generations 3 -o controllers"),
    Step("comparison.json", f"compare {NETWORK} digits/{OTHER} --table run --reference {NETWORK} --json", saved=True, quick=True),
    Step("bench.json", f"bench {NETWORK} --quick -o bench --json", saved=True),
    Step("blocks", "export blocks --space digits --format tflite -o blocks"),
    Step("files", f"export model {NETWORK} --format tflite --format onnx --format mace -o files", quick=True),
    Step("int8", f"export model {NETWORK} --format tflite --precision int8 --calibration arrays/inputs.npy -o int8"),
    Step("training", f"train {NETWORK} --data digits --recipe digits --epochs 0.2 -o training"),
    Step("supernet", "supernet train --space digits --data digits --recipe digits --epochs 0.2 -o supernet"),
    Step("picked.safetensors", f"supernet extract supernet/supernet.pt {CHROMOSOME} --raw -o picked.safetensors"),
    Step("ranking", "supernet rank supernet/supernet.pt --networks 2 --epochs 0.1 -o ranking"),
    Step("alternation", "supernet alternate --space digits --data digits --recipe digits --table run --target-ms 0.05 --epochs 0.2 -o alternation"),
    Step("detector", "detect train ssdlite-mobilenet-v2 --width 0.25 --input-size 64 --data coco --recipe small --epochs 1 --batch-size 2 -o detector"),
    Step("detection", "export model ssdlite-mobilenet-v2 --width 0.25 --input-size 64 --classes 3 --format tflite -o detection"),
    Step("bundle", f"ship {NETWORK} --labels labels.txt --preprocessing preprocessing.json --table run --measurement bench.json -o bundle"),
    Step("run/report.html", "report run"),
    Step("benchmark_model", _tool, quick=True),
    Step("home", "tools add benchmark_model", quick=True),
)  # fmt: skip


def environment(folder: Path, **changes: str) -> Mapping[str, str]:
    """Return the environment of every command in the lab: one thread, its own home, a fixed width."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "150",
        "MOGA_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")])),
        **changes,
    }


Caller = Callable[[Sequence[str], Path], tuple[int, bytes, bytes]]
"""Calls the command in a folder; returns its exit code and what it printed."""


def as_process(arguments: Sequence[str], folder: Path) -> tuple[int, bytes, bytes]:
    """Call the command as a process."""
    ended = subprocess.run([*MOGA, *arguments], cwd=folder, env=environment(folder), capture_output=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def build(
    folder: Path, say: Callable[[str], object] = print, small: bool = False, call: Caller = as_process
) -> list[str]:
    """Make what is absent; return what could not be made.

    Args:
        small: measure and train nothing; the run is one that lies among the tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if small and not (folder / "run").exists():
        shutil.copytree(SEEDS / "run", folder / "run")
    failed = []
    for step in STEPS:
        if (folder / step.makes).exists() or (small and not step.quick):
            continue
        started = time.monotonic()
        if callable(step.call):
            step.call(folder)
            continue
        code, out, err = call(step.call.split(), folder)
        if code:
            failed.append(step.makes)
            say(f"{step.makes}: exit code {code}: {err.decode()[-500:]}")
        elif step.saved:
            (folder / step.makes).write_bytes(out)
        say(f"{step.makes}: {time.monotonic() - started:.1f} s")
    return failed


if __name__ == "__main__":
    sys.exit(1 if build(Path(sys.argv[1]), lambda text: sys.stdout.write(text + "\n") and sys.stdout.flush()) else 0)
