"""Runs files on this computer as a phone's tool would: load, warm up, time; each in a process of its own.

With one thread the time is that thread's own CPU time, so that what else this computer does is no part of the phone.
Every process computes on the same cores, as a phone's big cluster is one place: in a virtual machine each core is as
fast as its neighbour on the host lets it be, and a file must not be slow for the core it happened to land on.

Called as a script it serves: a line of JSON on standard input is a task (`id`, `result`, file, runtime, threads, ...)
or `{"cancel": id}`. A task is run in a forked process, which saves the seconds of loading the runtimes; its times in
milliseconds, or its error, go to the file `result`, and then a line with the id to standard output.
"""

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_LOOK_S = 0.05


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


def _nothing() -> None:
    """Stand for what a tool does between its runs where it does nothing."""


@dataclass(frozen=True)
class _Loaded:
    """A file that is loaded: what is timed, and what the tool does before every run, which is not timed."""

    invoke: Callable[[], object]
    reset: Callable[[], None] = _nothing


def _tflite(task: dict[str, Any]) -> _Loaded:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    resolver = OpResolverType.AUTO if task.get("xnnpack", True) else plain
    interpreter = Interpreter(task["file"], num_threads=task["threads"], experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    values = _inputs([(tuple(detail["shape"]), detail["dtype"]) for detail in details])

    def reset() -> None:
        """Copy the inputs anew, as `benchmark_model` does."""
        for detail, value in zip(details, values, strict=True):
            interpreter.set_tensor(detail["index"], value)

    return _Loaded(interpreter.invoke, reset)


def _onnx(task: dict[str, Any]) -> _Loaded:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(task["file"], options, providers=["CPUExecutionProvider"])
    specs = [(tuple(node.shape), np.float32) for node in session.get_inputs()]
    feed = {node.name: value for node, value in zip(session.get_inputs(), _inputs(specs), strict=True)}
    return _Loaded(lambda: session.run(None, feed))


def _mace(task: dict[str, Any]) -> _Loaded:
    from mogakit.export.artifact import Format
    from mogakit.export.run import run

    inputs = _inputs([(tuple(shape), np.float32) for shape in task["input_shapes"]])
    return _Loaded(lambda: run(Path(task["file"]), Format.MACE, inputs))


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Load, warm up and time one file, on as many of this computer's last cores as there are threads."""
    if hasattr(os, "sched_setaffinity"):  # not on macOS
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-task["threads"] :])
    begun = time.perf_counter()
    loaded = {"tflite": _tflite, "onnx": _onnx, "mace": _mace}[task["runtime"]](task)
    init_ms = (time.perf_counter() - begun) * 1e3
    clock = time.thread_time if task["threads"] == 1 and task["runtime"] == "tflite" else time.perf_counter

    def series(num: int, min_s: float, max_s: float) -> list[float]:
        times: list[float] = []
        while (len(times) < num or sum(times) < min_s * 1e3) and sum(times) <= max_s * 1e3:
            loaded.reset()
            before = clock()
            loaded.invoke()
            times.append((clock() - before) * 1e3)
        return times

    warmup = series(max(1, task["warmup_runs"]), task["warmup_min_s"], task["max_s"])
    return {"init": init_ms, "warmup": warmup, "runs": series(task["num_runs"], task["min_s"], task["max_s"])}


def _child(task: dict[str, Any]) -> None:
    """Run one task in this forked process and leave it."""
    try:
        found = measure(task)
    except Exception:  # noqa: BLE001 - whatever a runtime raises is what the tool would have printed
        found = {"error": traceback.format_exc()[-400:]}
    Path(task["result"]).write_text(json.dumps(found))
    os.write(1, f"{task['id']}\n".encode())
    os._exit(0)


def serve() -> None:
    """Take tasks until standard input ends."""
    import ai_edge_litert.interpreter  # noqa: F401 - loaded once, for all that are forked

    children: dict[int, str] = {}
    waiting = b""
    while True:
        ready, _, _ = select.select([0], [], [], _LOOK_S)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                number = children.pop(ended[0])
                if ended[1]:
                    os.write(1, f"{number}\n".encode())  # it crashed: there is no result
        if not ready:
            continue
        data = os.read(0, 65536)
        if not data:
            break
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            task = json.loads(line)
            if "cancel" in task:
                for pid, number in children.items():
                    if number == task["cancel"]:
                        os.kill(pid, signal.SIGKILL)
                continue
            pid = os.fork()
            if pid == 0:
                _child(task)
            children[pid] = task["id"]
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    serve()
