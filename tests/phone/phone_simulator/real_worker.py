"""Runs one file on this computer as a phone's tool would: load, warm up, time; prints JSON in milliseconds.

With one thread the time is that thread's own CPU time, so that what else this computer does is no part of the phone.
Called as a script with one JSON argument: file, runtime (tflite, onnx or mace), threads, xnnpack, and the repetitions.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def _inputs(specs: list[tuple[tuple[int, ...], Any]]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    made = []
    for shape, dtype in specs:
        kind = np.dtype(dtype)
        if kind.kind in "iu":
            bounds = np.iinfo(kind)
            made.append(rng.integers(bounds.min, bounds.max, shape, endpoint=True, dtype=kind))
        else:
            made.append(rng.random(shape).astype(kind))
    return made


def _tflite(task: dict[str, Any]) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    resolver = OpResolverType.AUTO if task.get("xnnpack", True) else plain
    interpreter = Interpreter(task["file"], num_threads=task["threads"], experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    values = _inputs([(tuple(detail["shape"]), detail["dtype"]) for detail in details])
    for detail, value in zip(details, values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    return interpreter.invoke


def _onnx(task: dict[str, Any]) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(task["file"], options, providers=["CPUExecutionProvider"])
    specs = [(tuple(node.shape), np.float32) for node in session.get_inputs()]
    feed = {node.name: value for node, value in zip(session.get_inputs(), _inputs(specs), strict=True)}
    return lambda: session.run(None, feed)


def _mace(task: dict[str, Any]) -> Callable[[], object]:
    from mogakit.export.run import run

    inputs = _inputs([(tuple(shape), np.float32) for shape in task["input_shapes"]])
    return lambda: run(Path(task["file"]), "mace", inputs)


def main() -> None:
    """Load, warm up, time and print."""
    task = json.loads(sys.argv[1])
    begun = time.perf_counter()
    invoke = {"tflite": _tflite, "onnx": _onnx, "mace": _mace}[task["runtime"]](task)
    init_ms = (time.perf_counter() - begun) * 1e3
    clock = time.thread_time if task["threads"] == 1 and task["runtime"] == "tflite" else time.perf_counter

    def series(num: int, min_s: float, max_s: float) -> list[float]:
        times: list[float] = []
        while (len(times) < num or sum(times) < min_s * 1e3) and sum(times) <= max_s * 1e3:
            before = clock()
            invoke()
            times.append((clock() - before) * 1e3)
        return times

    warmup = series(max(1, task["warmup_runs"]), task["warmup_min_s"], task["max_s"])
    runs = series(task["num_runs"], task["min_s"], task["max_s"])
    sys.stdout.write(json.dumps({"init": init_ms, "warmup": warmup, "runs": runs}))


if __name__ == "__main__":
    main()
