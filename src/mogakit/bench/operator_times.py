"""Times of single operators on this computer, from the runtimes' own profilers: a program that prints JSON.

    python -m mogakit.bench.operator_times FILE TARGET SEED

LiteRT's profiler is part of its `CompiledModel`; the Python package does not expose it, its C library does, and the
calls below follow the headers of the versions named here. ONNX Runtime's is an option of a session. Each operator's
time is the median over batches of calls. It runs in a process of its own, since a call that the C library does not
expect ends it.
"""

import ctypes
import importlib
import importlib.metadata
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.bench.engines import runtime_version
from mogakit.bench.feed import Feed, fill, read_feed
from mogakit.bench.runner import OperatorTime
from mogakit.bench.target import Hardware, Runtime, Target, parse_target
from mogakit.errors import MeasurementError

LITERT_VERSIONS = ("2.3",)
"""Versions (major.minor) of ai-edge-litert whose C interface is the one called here."""

NUM_BATCHES, CALLS_A_BATCH, WARM_UP_CALLS = 15, 10, 5

_CPU = 1  # kLiteRtHwAcceleratorCpu
_WRITE = 1  # kLiteRtTensorBufferLockModeWrite
_ELEMENT_TYPES = {"float32": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "float16": 10}
_ROW = re.compile(
    r"\s*(?P<kind>\S.*?)\s+[\d.]+\s+[\d.]+\s+(?P<avg>[\d.]+)\s+[\d.]+%\s+[\d.]+%.*?\s\d+\s+(?P<name>\S.*)"
)
_DELEGATED = "Delegate/"


def unsupported(target: Target) -> str | None:
    """Return why the operators of `target` cannot be timed on this computer, or None where they can."""
    if target.hardware is not Hardware.CPU:
        return f"no profiler of this computer times the operators of {target}; cpu targets have one"
    if target.runtime is Runtime.ONNX:
        return None
    if target.runtime is not Runtime.TFLITE:
        return f"{target.runtime} does not run on this computer"
    if target.option("xnnpack", "on") == "off":
        return "LiteRT's profiler belongs to its CompiledModel, which always uses XNNPACK; leave out xnnpack=off"
    try:
        version = importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError:
        return "ai-edge-litert is not installed: pip install ai-edge-litert"
    if ".".join(version.split(".")[:2]) not in LITERT_VERSIONS or sys.platform != "linux":
        return (
            f"operators are timed with ai-edge-litert {', '.join(LITERT_VERSIONS)} on Linux, whose C interface is "
            f"known; here is {version} on {sys.platform}"
        )
    return None


def operators_of(path: Path, target: Target, seed: int) -> list[OperatorTime]:
    """Run a file on a CPU target and return its operators in the order of execution.

    Raises:
        MeasurementError: the runtime does not load or run the file, or prints no operator.
    """
    rows = (_onnx if target.runtime is Runtime.ONNX else _litert)(path, target, seed)
    if not rows:
        raise MeasurementError(f"{runtime_version(target.runtime)} timed no operator of {path}")
    return rows


class _Layout(ctypes.Structure):
    _fields_ = (
        ("rank_and_strides", ctypes.c_uint),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _TensorType(ctypes.Structure):
    _fields_ = (("element_type", ctypes.c_int), ("layout", _Layout))


class _LiteRt:
    """A compiled model with its profiler, through LiteRT's C interface. It lives as long as the process."""

    def __init__(self, path: Path, num_threads: int) -> None:
        package = importlib.import_module("ai_edge_litert")
        self._library = ctypes.CDLL(str(Path(str(package.__file__)).parent / "libLiteRt.so"))
        self._texts: list[ctypes.Array[ctypes.c_char]] = []
        self._keep = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
        self._environment = self._made("LiteRtCreateEnvironment", 0, None)
        model = self._made("LiteRtCreateModelFromFile", self._environment, str(path).encode())
        options = self._made("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        self._add(options, "runtime_options_string", "enable_profiling = true\n")
        self._add(options, "xnnpack", f"num_threads = {num_threads}\n")
        self._model = self._made("LiteRtCreateCompiledModel", self._environment, model, options)
        self._profiler = self._made("LiteRtCompiledModelGetProfiler", self._model)

    def _call(self, name: str, *given: object) -> None:
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        status = function(*given)
        if status:
            raise MeasurementError(f"LiteRT: {name} gave status {status}")

    def _made(self, name: str, *given: object) -> ctypes.c_void_p:
        made = ctypes.c_void_p()
        self._call(name, *given, ctypes.byref(made))
        return made

    def _add(self, options: ctypes.c_void_p, name: str, text: str) -> None:
        self._texts.append(ctypes.create_string_buffer(text.encode()))
        data = ctypes.cast(self._texts[-1], ctypes.c_void_p)
        self._call(
            "LiteRtAddOpaqueOptions",
            options,
            self._made("LiteRtCreateOpaqueOptions", name.encode(), data, self._keep),
        )

    def buffer(self, side: str, position: int, values: NDArray[Any]) -> ctypes.c_void_p:
        """Return the buffer of an input or output, `Input` or `Output`, of the type and shape of `values`, filled."""
        kind = _TensorType()
        kind.element_type = _ELEMENT_TYPES[values.dtype.name]
        kind.layout.rank_and_strides = values.ndim
        for axis, size in enumerate(values.shape):
            kind.layout.dimensions[axis] = size
        wanted = self._made(
            f"LiteRtGetCompiledModel{side}BufferRequirements",
            self._model,
            ctypes.c_size_t(0),
            ctypes.c_size_t(position),
        )
        made = self._made(
            "LiteRtCreateManagedTensorBufferFromRequirements", self._environment, ctypes.byref(kind), wanted
        )
        place = ctypes.c_void_p()
        self._call("LiteRtLockTensorBuffer", made, ctypes.byref(place), _WRITE)
        data = np.ascontiguousarray(values)
        ctypes.memmove(place, data.ctypes.data, data.nbytes)
        self._call("LiteRtUnlockTensorBuffer", made)
        return made

    def run(self, inputs: Sequence[ctypes.c_void_p], outputs: Sequence[ctypes.c_void_p]) -> None:
        """Run the model once."""
        self._call(
            "LiteRtRunCompiledModel",
            self._model,
            ctypes.c_size_t(0),
            ctypes.c_size_t(len(inputs)),
            (ctypes.c_void_p * len(inputs))(*inputs),
            ctypes.c_size_t(len(outputs)),
            (ctypes.c_void_p * len(outputs))(*outputs),
        )

    def summary(self, act: Callable[[], object]) -> str:
        """Return the profiler's table of what `act` ran."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        act()
        self._call("LiteRtStopProfiler", self._profiler)
        text = ctypes.c_char_p()
        self._call("LiteRtGetProfileSummary", self._profiler, self._model, ctypes.byref(text))
        return (text.value or b"").decode(errors="replace")


def _litert(path: Path, target: Target, seed: int) -> list[OperatorTime]:
    interpreter_module = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = interpreter_module.Interpreter(str(path), num_threads=1)
    draw = _Draw(read_feed(target), np.random.default_rng(seed))
    compiled = _LiteRt(path, target.num_threads)
    inputs = [
        compiled.buffer("Input", place, draw.values(place, each["name"], each["shape"], np.dtype(each["dtype"])))
        for place, each in enumerate(interpreter.get_input_details())
    ]
    outputs = [
        compiled.buffer("Output", place, np.zeros(each["shape"], each["dtype"]))
        for place, each in enumerate(interpreter.get_output_details())
    ]
    for _ in range(WARM_UP_CALLS):
        compiled.run(inputs, outputs)

    def batch() -> None:
        for _ in range(CALLS_A_BATCH):
            compiled.run(inputs, outputs)

    return _medians([parse_summary(compiled.summary(batch)) for _ in range(NUM_BATCHES)])


def parse_summary(text: str) -> list[OperatorTime]:
    """Return the rows of a profiler's table `Run Order`; what ran in the delegate has no prefix of its own."""
    rows: list[OperatorTime] = []
    inside = False
    for line in text.splitlines():
        if "Run Order" in line:
            inside = True
        elif inside and (line.startswith("=") or not line.strip()):
            break
        elif inside and (found := _ROW.fullmatch(line.rstrip())):
            rows.append(OperatorTime(found["kind"].removeprefix(_DELEGATED), found["name"], float(found["avg"])))
    return rows


def _onnx(path: Path, target: Target, seed: int) -> list[OperatorTime]:
    runtime = importlib.import_module("onnxruntime")
    draw = _Draw(read_feed(target), np.random.default_rng(seed))
    with tempfile.TemporaryDirectory(prefix="mogakit-") as folder:
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = target.num_threads, 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
        feeds = {
            each.name: draw.values(place, each.name, each.shape, np.dtype(names.get(each.type, each.type[7:-1])))
            for place, each in enumerate(session.get_inputs())
        }
        for _ in range(WARM_UP_CALLS + NUM_BATCHES * CALLS_A_BATCH):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            key = (str(event["args"]["op_name"]), str(event["name"]).removesuffix("_kernel_time"))
            times.setdefault(key, []).append(float(event["dur"]) / 1000)
    return [OperatorTime(kind, name, float(np.median(taken[WARM_UP_CALLS:]))) for (kind, name), taken in times.items()]


class _Draw:
    """Values for the inputs of a file, as the target's options say."""

    def __init__(self, feed: Feed, rng: np.random.Generator) -> None:
        self._feed, self._rng = feed, rng

    def values(self, place: int, name: str, shape: Sequence[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return values for the input at `place`."""
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in shape):
            raise MeasurementError(f"input {name} has an open size {list(shape)}: operators are timed at fixed shapes")
        return fill(place, name, [int(size) for size in shape], dtype, self._feed, self._rng)


def _medians(batches: Sequence[Sequence[OperatorTime]]) -> list[OperatorTime]:
    """Return each operator with the median of its batches' means."""
    return [
        OperatorTime(rows[0].op_type, rows[0].name, float(np.median([row.avg_ms for row in rows])))
        for rows in zip(*batches, strict=True)
    ]


def main(arguments: Sequence[str]) -> None:
    """Print the operators of FILE on TARGET as JSON, or a sentence that says why there are none."""
    path, target, seed = arguments
    try:
        rows = operators_of(Path(path), parse_target(target), int(seed))
        answer: dict[str, object] = {"operators": [[row.op_type, row.name, row.avg_ms] for row in rows]}
    except MeasurementError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
