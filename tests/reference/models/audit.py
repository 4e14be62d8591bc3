"""Which networks of other packages the kit exports, and whether the files compute what torch computes.

    python audit.py --list networks.txt -o results.jsonl [NAME ...]
    python audit.py --list networks.txt -o results.jsonl --converters

Each network is exported through the kit's own pipeline, in TFLite float32, ONNX and TFLite int8, by a worker process
with a limit of time and memory. The files are then run by LiteRT and ONNX Runtime as any app would run them, on four
kinds of input, and compared with torch in double precision: nothing here calls the kit's own comparison. A file of
floats passes where its error is at most ten times torch's own, or 1e-5 of the output's scale (1e-4 on a constant
input); an integer file, calibrated on other inputs of the same four kinds, where its signal is at least 3 dB over its
noise.

Every result is kept at once, so that a second run does what is missing. The order is that of a hash of the names: what
was done when a run is stopped is a fair sample. `--converters` takes those that the kit's own writers did not, and lets
litert-torch and torch.onnx convert them, through the kit and under the same comparison. `--side 128` makes inputs of
convolutional networks smaller, where the network takes them so.
"""

import argparse
import collections
import copy
import hashlib
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
TIMEOUT_S = 300.0
MEMORY_LIMIT_BYTES = 12 * 2**30
FORMATS = ("tflite", "onnx", "int8")
OTHERS = {"tflite": "litert-torch", "onnx": "torch.onnx"}
"""By a format of ours, the converter of its makers."""
FLOAT_LIMITS = (1e-5, 1e-5, 1e-5, 1e-4)
"""Of each input. On a constant one the runtimes' means add equal numbers, whose rounding errors all point one way."""
LEAST_DB = 3.0
NUM_CALIBRATION = 3
"""Sets of four inputs."""
TIMES_TORCH = 10.0

Shape = tuple[int, ...]


def read_list(path: Path) -> dict[str, tuple[str, Shape]]:
    """Read lines of name, kind and input shape; further columns are left alone."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, kind, shape = line.split("\t")[:3]
            found[name] = (kind, tuple(int(size) for size in shape.split("x")))
    return found


# In a worker


def inputs_of(shape: Shape, seed: int = 7) -> list[np.ndarray]:
    """Return a normal, an image-like, a negative and a constant input."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(shape, dtype=np.float32)
    return [normal, rng.random(shape, dtype=np.float32), -np.abs(normal), np.full(shape, 0.5, np.float32)]


def flat(returned: Any) -> list[np.ndarray]:
    if hasattr(returned, "numpy"):
        return [returned.numpy()]
    items = returned.values() if isinstance(returned, dict) else returned
    return [value for item in items for value in flat(item)]


def by_litert(path: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()

    def compute(value: np.ndarray) -> list[np.ndarray]:
        fed = np.moveaxis(value, 1, -1) if value.ndim == 4 else value
        if taken["dtype"] != np.float32:
            scale, zero = taken["quantization"]
            fed = np.clip(np.round(fed / scale) + zero, -128, 127).astype(taken["dtype"])
        interpreter.set_tensor(taken["index"], np.ascontiguousarray(fed))
        interpreter.invoke()
        found = []
        for detail in given:
            made = interpreter.get_tensor(detail["index"])
            if made.dtype != np.float32:
                scale, zero = detail["quantization"]
                made = (made.astype(np.float32) - zero) * np.float32(scale)
            found.append(np.moveaxis(made, -1, 1) if made.ndim == 4 else made)
        return found

    return compute


def by_onnxruntime(path: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda value: list(session.run(None, {name: value}))


def distance(found: list[list[np.ndarray]], wanted: list[list[np.ndarray]]) -> float:
    """Return the largest difference over the scale, of every output on every input apart."""
    worst = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            if one.shape != other.shape:
                raise ValueError(f"shape {one.shape} instead of {other.shape}")
            scale = float(np.abs(other).max())
            error = float(np.abs(one.astype(np.float64) - other).max())
            worst = max(worst, error / scale if scale else error)
    return worst


def noise_ratio_db(found: list[list[np.ndarray]], wanted: list[list[np.ndarray]]) -> float:
    """Return the signal over the noise of an integer file, over all inputs."""
    signal = sum(float((other.astype(np.float64) ** 2).sum()) for theirs in wanted for other in theirs)
    noise = sum(
        float(((one.astype(np.float64) - other) ** 2).sum())
        for ours, theirs in zip(found, wanted, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    )
    return 10 * float(np.log10(signal / noise)) if noise and signal else 0.0


class Judge:
    """A network's outputs in double precision, and torch's own error in single."""

    def __init__(self, module: Any, shape: Shape) -> None:
        import torch

        self.inputs = inputs_of(shape)
        with torch.no_grad():
            single = [flat(module(torch.from_numpy(value))) for value in self.inputs]
            double = copy.deepcopy(module).double()
            self.exact = [flat(double(torch.from_numpy(value).double())) for value in self.inputs]
        self.own = distance(single, self.exact)

    def measured(self, path: Path) -> list[list[np.ndarray]]:
        run = by_onnxruntime(path) if path.suffix == ".onnx" else by_litert(path)
        return [run(value) for value in self.inputs]

    def verdict(self, path: Path) -> tuple[str, float]:
        """Return whether a file of floats passes, and its error, largest for what is allowed."""
        measured = self.measured(path)
        errors = [distance([found], [wanted]) for found, wanted in zip(measured, self.exact, strict=True)]
        limits = [max(floor, TIMES_TORCH * self.own) for floor in FLOAT_LIMITS]
        error, limit = max(zip(errors, limits, strict=True), key=lambda pair: pair[0] / pair[1])
        return "yes" if error <= limit else f"WRONG: {error:.2g} of the scale, torch itself {self.own:.2g}", error

    def quality_db(self, path: Path) -> float:
        return noise_ratio_db(self.measured(path), self.exact)


def calibration_in(folder: Path, shape: Shape) -> Path:
    """Write what integer files are calibrated on: other inputs of the same four kinds, as the file takes them."""
    path = folder / "calibration.npy"
    drawn = [value for seed in range(NUM_CALIBRATION) for value in inputs_of(shape, seed)]
    np.save(path, np.concatenate([np.moveaxis(value, 1, -1) if value.ndim == 4 else value for value in drawn]))
    return path


def examine(name: str, shape: Shape, folder: Path) -> dict[str, Any]:
    """Export one network in every format by the kit's own writers and measure the files."""
    from build import build

    from mogakit.errors import MogaKitError
    from mogakit.export.artifact import Format, Precision, Role
    from mogakit.export.calibration import from_path
    from mogakit.export.pipeline import export, prepare
    from mogakit.export.writers import Options

    module = build(name, shape)
    options = Options(calibration=from_path(calibration_in(folder, shape)))
    result: dict[str, Any] = {"name": name, "shape": list(shape)}
    began = time.process_time()
    try:
        source = prepare(module, "net", Role.NETWORK, shape)
    except MogaKitError as error:
        return result | {"prepare": f"{type(error).__name__}: {error}"}
    result["prepare_s"] = time.process_time() - began
    judge = Judge(module, shape)
    result["torch_error"] = judge.own
    kinds = {"tflite": (Format.TFLITE, Precision.FLOAT32), "onnx": (Format.ONNX, Precision.FLOAT32),
             "int8": (Format.TFLITE, Precision.INT8)}  # fmt: skip
    for key, (format, precision) in kinds.items():
        began = time.process_time()
        try:
            artifact = export(source, format, precision, folder, options)
        except MogaKitError as error:
            result[key] = f"{type(error).__name__}: {error}"
            continue
        result[f"{key}_s"] = time.process_time() - began
        result.update(
            {f"{key}_{note}": value for note, value in (artifact.notes or {}).items() if note == "transposes"}
        )
        if key == "int8":
            quality = result["int8_db"] = judge.quality_db(artifact.path)
            result[key] = "yes" if quality >= LEAST_DB else f"WRONG: {quality:.1f} dB"
        else:
            result[key], result[f"{key}_error"] = judge.verdict(artifact.path)
        artifact.path.unlink()
    return result


def convert(name: str, shape: Shape, folder: Path, wanted: list[str]) -> dict[str, Any]:
    """Let the makers' converters make files of one network, and measure them in the same way."""
    from build import build

    from mogakit.errors import MogaKitError
    from mogakit.export import pipeline
    from mogakit.export.artifact import Converter, Role

    module = build(name, shape)
    judge = Judge(module, shape)
    result: dict[str, Any] = {"name": name}
    for key in wanted:
        began = time.process_time()
        try:
            artifact = pipeline.convert(module, "net", Role.NETWORK, [shape], Converter(key), folder)
        except MogaKitError as error:
            result[key] = f"{type(error).__name__}: {error}"
            continue
        result[f"{key}_s"] = time.process_time() - began
        result[key], result[f"{key}_error"] = judge.verdict(artifact.path)
        artifact.path.unlink()
    return result


def serve(folder: Path) -> None:
    """Examine the networks named on standard input, one answer a line."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        name, shape, wanted = json.loads(line)
        try:
            one = tuple(shape)
            answer = convert(name, one, folder, wanted) if wanted else examine(name, one, folder)
        except BaseException as error:  # noqa: BLE001 - a network's own code may raise anything; it is written down
            answer = failed(name, wanted, f"CRASH {type(error).__name__}: {error}"[:2000])
        print("ANSWER" + json.dumps(answer), flush=True)


# In the parent


def failed(name: str, wanted: list[str], why: str) -> dict[str, Any]:
    """Return the record of a network of which nothing is known but why."""
    return {"name": name, **dict.fromkeys(wanted or ["prepare"], why)}


class Worker:
    """A process that examines networks; one that hangs or dies is replaced."""

    def __init__(self, folder: Path, timeout_s: float) -> None:
        self._folder = folder
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(Path(__file__)), "--serve", str(self._folder)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self._lines = queue.Queue()
        threading.Thread(target=self._read, args=(process, self._lines), daemon=True).start()
        return process

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: "queue.Queue[str]") -> None:
        for line in process.stdout or ():
            if line.startswith("ANSWER"):
                lines.put(line[6:])
        lines.put("")

    def examine(self, name: str, shape: Shape, wanted: list[str]) -> dict[str, Any]:
        """Return the record of a network; `wanted` are the converters to be called, none for the kit's writers."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, shape, wanted]) + "\n")
        self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=self._timeout_s)
        except queue.Empty:
            self.stop()
            return failed(name, wanted, f"TIMEOUT after {self._timeout_s:g} s")
        if not line:
            self.stop()
            return failed(name, wanted, "DIED (memory or crash)")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def results_in(path: Path) -> dict[str, dict[str, Any]]:
    """Read what is known by name: a later line adds to an earlier one."""
    found: dict[str, dict[str, Any]] = collections.defaultdict(dict)
    for record in map(json.loads, path.read_text().splitlines() if path.is_file() else ()):
        found[record["name"]].update(record)
    return dict(found)


def keep_whole_lines(path: Path) -> None:
    """Cut a line off that a killed run left unfinished."""
    text = path.read_text() if path.is_file() else ""
    if text and not text.endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1])


def smaller(name: str, kind: str, shape: Shape, side: int | None) -> Shape:
    """Return the shape with sides of at most `side` pixels; networks that are listed for their size keep it.

    Those of super-resolution compute at the full size throughout, and get a quarter.
    """
    if side is None or kind != "conv" or len(shape) != 4 or name.startswith(("size/", "hand/")):
        return shape
    side = side // 4 if name.startswith("super_image/") else side
    return (*shape[:2], *(min(side, size) for size in shape[2:]))


def missing(record: dict[str, Any]) -> list[str]:
    """Return the converters that have not been asked about a network which the kit's writers do not take."""
    return [other for key, other in OTHERS.items() if record.get(key) != "yes" and other not in record]


def report(listed: dict[str, tuple[str, Shape]], results: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the coverage by kind and format, then the reasons of rejections, the most frequent first."""
    kinds = sorted({kind for kind, _ in listed.values()})
    for kind in kinds:
        done = [results[name] for name, (its, _) in listed.items() if its == kind and name in results]
        yield f"{kind}: {len(done)} networks; {', '.join(shares_of(done))}"
    done = [results[name] for name in listed if name in results]
    yield f"all: {len(done)} networks; {', '.join(shares_of(done))}"
    reasons: dict[str, list[str]] = collections.defaultdict(list)
    for name, record in results.items():
        for key in ("prepare", *FORMATS, *OTHERS.values()):
            if key in record and record[key] != "yes" and name in listed:
                for reason in reasons_in(record[key]):
                    reasons[f"{key}: {reason}"].append(name)
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        yield f"{len(names):4} {reason} [{', '.join(names[:4])}]"


def shares_of(done: list[dict[str, Any]]) -> Iterator[str]:
    """Yield how many networks each format takes, by the kit's writers and with the converters."""
    for key in FORMATS:
        count = sum(one.get(key) == "yes" for one in done)
        yield f"{key} {count} ({100 * count / max(len(done), 1):.1f} %)"
    for key, other in OTHERS.items():
        count = sum("yes" in (one.get(key), one.get(other)) for one in done)
        yield f"{key} with {other} {count} ({100 * count / max(len(done), 1):.1f} %)"


def reasons_in(message: str) -> list[str]:
    """Return the operators of a rejection without the modules they stand in, or its first words."""
    lines = [line.strip() for line in message.splitlines() if line.startswith("  ")]
    if not lines:
        return [message[:160]]
    return sorted({f"{line.split(' in ')[0]}: {line.rsplit(': ', 1)[-1]}"[:160] for line in lines})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", type=Path, default=HERE / "networks.txt", dest="listed")
    parser.add_argument("-o", "--output", type=Path, default=Path("models.jsonl"))
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    parser.add_argument("--kind")
    parser.add_argument("--side", type=int, help="of the inputs of convolutional networks, in pixels, at most")
    parser.add_argument("--timeout-s", type=float, default=TIMEOUT_S, help="for one network")
    parser.add_argument("--converters", action="store_true", help="of what our own writers did not take")
    parser.add_argument("--report", action="store_true", help="only print what is known")
    parser.add_argument("--serve", type=Path)
    chosen = parser.parse_args()
    if chosen.serve is not None:
        serve(chosen.serve)
        return
    listed = read_list(chosen.listed)
    keep_whole_lines(chosen.output)
    results = results_in(chosen.output)
    named = chosen.names or [name for name, (kind, _) in listed.items() if chosen.kind in (None, kind)]
    jobs: list[tuple[str, list[str]]] = []
    for name in sorted(named, key=lambda one: hashlib.sha256(one.encode()).digest()):
        wanted = missing(results[name]) if chosen.converters and name in results else []
        if wanted or (not chosen.converters and (name not in results or chosen.names)):
            jobs.append((name, wanted))
    chosen.folder.mkdir(parents=True, exist_ok=True)
    worker = Worker(chosen.folder, chosen.timeout_s)
    with chosen.output.open("a", encoding="utf-8") as file:
        for name, wanted in [] if chosen.report else jobs:
            kind, shape = listed[name]
            record = worker.examine(name, smaller(name, kind, shape, chosen.side), wanted)
            if (
                any("CRASH" in str(value) for value in record.values())
                and smaller(name, kind, shape, chosen.side) != shape
            ):
                record = worker.examine(name, shape, wanted)
            results[name] = results.get(name, {}) | record
            file.write(json.dumps(record) + "\n")
            file.flush()
            shown = wanted or ("prepare", *FORMATS)
            print(name, {key: str(record.get(key))[:100] for key in shown}, file=sys.stderr, flush=True)
    worker.stop()
    print("\n".join(report(listed, results)))


if __name__ == "__main__":
    main()
