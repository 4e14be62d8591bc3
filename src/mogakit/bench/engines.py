"""A file loaded into a runtime, ready to be called: what a worker process times.

Nothing here imports torch: a worker starts in a fraction of a second. Inputs are seeded random numbers, set once;
no copy happens inside a timed call.
"""

import importlib
import importlib.metadata
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.bench.measurement import Delegation, DelegationKind
from mogakit.bench.target import Hardware, Runtime, Target
from mogakit.errors import MeasurementError
from mogakit.export.artifact import Precision

PACKAGES = {Runtime.TFLITE: "ai-edge-litert", Runtime.ONNX: "onnxruntime"}
"""The Python package that runs each runtime on this computer."""


@dataclass(frozen=True)
class Engine:
    """A loaded file: `invoke()` runs it once; `delegation` says what took the graph."""

    invoke: Callable[[], object]
    delegation: Delegation


def runtime_version(runtime: Runtime) -> str:
    """Return the package that runs `runtime` here with its version, `ai-edge-litert 2.3.0`.

    Raises:
        MeasurementError: the package is not installed.
    """
    package = PACKAGES[runtime]
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise MeasurementError(f"{package} is not installed: pip install {package}") from error


def unsupported(target: Target) -> str | None:
    """Return why `target` cannot be measured on this computer and what would fix it, or None where it can."""
    if target.runtime not in PACKAGES:
        supported = ", ".join(PACKAGES)
        return f"{target.runtime} does not run on this computer (it runs {supported}); give a phone with --device"
    if target.hardware is not Hardware.CPU and not on_gpu(target):
        return (
            f"{target.hardware} is not measured on this computer in {target.precision} with {target.runtime}, only cpu "
            "and, through Vulkan, tflite/gpu/float32; give a phone with --device"
        )
    supported_options = {Runtime.TFLITE: {"threads", "xnnpack"}, Runtime.ONNX: {"threads"}}[target.runtime]
    if target.hardware is Hardware.GPU:
        supported_options = set()
    unknown = sorted({name for name, _ in target.options} - supported_options)
    if unknown:
        return (
            f"option {', '.join(unknown)} has no meaning for {target.runtime}/{target.hardware} on this computer; "
            f"supported: {', '.join(sorted(supported_options)) or 'none'}"
        )
    return None


def on_gpu(target: Target) -> bool:
    """Return whether `target` is this computer's GPU: LiteRT's Vulkan accelerator, with float32 arithmetic enforced."""
    return (target.runtime, target.hardware, target.precision) == (Runtime.TFLITE, Hardware.GPU, Precision.FLOAT32)


def prepare(runtimes: Iterable[Runtime]) -> None:
    """Import the packages that run `runtimes`, so that no file's loading time or memory includes that."""
    modules = {Runtime.TFLITE: "ai_edge_litert.interpreter", Runtime.ONNX: "onnxruntime"}
    for runtime in runtimes:
        importlib.import_module(modules[runtime])


def load(path: Path, target: Target, seed: int) -> Engine:
    """Load a file for a target.

    Raises:
        MeasurementError: the runtime rejects the file; the message names both.
    """
    loaders = {Runtime.TFLITE: _load_tflite, Runtime.ONNX: _load_onnx}
    if not path.is_file():
        raise MeasurementError(f"{path} is not there; export it again")
    try:
        return loaders[target.runtime](path, target, np.random.default_rng(seed))
    except (ValueError, RuntimeError) as error:  # onnxruntime's own exceptions are RuntimeErrors
        raise MeasurementError(f"{path} cannot be loaded for {target}: {error}") from error


def _random_input(shape: Sequence[int], dtype: np.dtype[Any], rng: np.random.Generator) -> NDArray[Any]:
    sizes = [max(int(size), 1) for size in shape]
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(max(limits.min, -128), min(limits.max, 255), sizes, endpoint=True).astype(dtype)
    return rng.standard_normal(sizes).astype(dtype)


# --- TFLite through ai-edge-litert


def _load_tflite(path: Path, target: Target, rng: np.random.Generator) -> Engine:
    if on_gpu(target):
        return _load_gpu(path, rng)
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    wants_delegate = target.option("xnnpack", "on") == "on"
    resolver = OpResolverType.AUTO if wants_delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_path=str(path), num_threads=target.num_threads, experimental_op_resolver_type=resolver
    )
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        value = _random_input(detail["shape"], np.dtype(detail["dtype"]), rng)
        interpreter.set_tensor(detail["index"], value)
    if wants_delegate:
        delegation = _tflite_delegation(interpreter)
    else:
        delegation = Delegation(kind=DelegationKind.NOT_ASKED, backend="built-in kernels")
    return Engine(interpreter.invoke, delegation)


def _load_gpu(path: Path, rng: np.random.Generator) -> Engine:
    """Compile a file for the GPU; one that is not taken whole is rejected there, so delegation is full."""
    from mogakit.export.gpu import GpuModel, vulkan_drivers

    model = GpuModel(path)
    model.set_inputs([rng.standard_normal(shape, np.float32) for shape in model.input_shapes])
    return Engine(model.invoke, Delegation(kind=DelegationKind.FULL, backend=f"Vulkan: {vulkan_drivers(os.environ)}"))


def _tflite_delegation(interpreter: Any) -> Delegation:
    """Read from the interpreter's node list which nodes XNNPACK took.

    After delegation the list holds the original nodes followed by one DELEGATE node a partition. A node was taken if it
    lies on a way from a partition's inputs to its outputs. The list is not a public interface of the runtime, so where
    it is missing or does not look like this the answer is "unknown".
    """
    read_nodes = getattr(interpreter, "_get_ops_details", None)
    if read_nodes is None:
        return Delegation(kind=DelegationKind.UNKNOWN, reason="this version of the runtime does not list its nodes")
    nodes = [(node["op_name"], set(map(int, node["inputs"])), set(map(int, node["outputs"]))) for node in read_nodes()]
    partitions = [(inputs, outputs) for name, inputs, outputs in nodes if name == "DELEGATE"]
    originals = [(inputs, outputs) for name, inputs, outputs in nodes if name != "DELEGATE"]
    maker = {tensor: index for index, (_, outputs) in enumerate(originals) for tensor in outputs}
    taken: set[int] = set()
    for inputs, outputs in partitions:
        waiting = [tensor for tensor in outputs if tensor in maker]
        while waiting:
            node = maker[waiting.pop()]
            if node not in taken:
                taken.add(node)
                waiting.extend(tensor for tensor in originals[node][0] - inputs if tensor in maker)
    kind = DelegationKind.FULL if len(taken) == len(originals) else DelegationKind.PARTIAL
    if not taken:
        kind = DelegationKind.NONE
    return Delegation(
        kind=kind,
        nodes_delegated=len(taken),
        nodes_total=len(originals),
        num_partitions=len(partitions),
        backend="XNNPACK",
    )


# --- ONNX Runtime


def _load_onnx(path: Path, target: Target, rng: np.random.Generator) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = target.num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for spec in session.get_inputs():
        value = _random_input(_fixed_shape(spec), _numpy_dtype(spec.type), rng)
        binding.bind_ortvalue_input(spec.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
    for spec in session.get_outputs():
        empty = onnxruntime.OrtValue.ortvalue_from_shape_and_type(_fixed_shape(spec), _numpy_dtype(spec.type))
        binding.bind_ortvalue_output(spec.name, empty)
    delegation = Delegation(kind=DelegationKind.NOT_ASKED, backend="CPUExecutionProvider")
    return Engine(lambda: session.run_with_iobinding(binding), delegation)


def _fixed_shape(spec: Any) -> list[int]:
    """Return a tensor's shape with every free (named or unknown) size as one."""
    return [size if isinstance(size, int) else 1 for size in spec.shape]


def _numpy_dtype(name: str) -> np.dtype[Any]:
    """Turn `tensor(float)` into a NumPy type."""
    names = {"float": "float32", "double": "float64"}
    text = name.removeprefix("tensor(").removesuffix(")")
    try:
        return np.dtype(names.get(text, text))
    except TypeError as error:
        raise MeasurementError(f"an input or output of type {name} cannot be filled with random numbers") from error
