"""A file loaded into a runtime, ready to be called: what a worker process times.

Nothing here imports torch: a worker starts in a fraction of a second. Inputs are what the target's options say
(`bench.feed`), set once; no copy happens inside a timed call.
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

from mogakit.bench import feed as feeds
from mogakit.bench.feed import Feed, read_feed
from mogakit.bench.measurement import Delegation, DelegationKind
from mogakit.bench.target import Hardware, Runtime, Target
from mogakit.errors import KeySyntaxError, MeasurementError
from mogakit.export.artifact import Precision
from mogakit.export.foreign.failures import runtime_failures

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
    supported_options = {Runtime.TFLITE: ("threads", "xnnpack"), Runtime.ONNX: ("threads",)}[target.runtime]
    supported_options = () if target.hardware is Hardware.GPU else (*supported_options, *feeds.OPTIONS)
    unknown = sorted({name for name, _ in target.options} - set(supported_options))
    if unknown:
        return (
            f"option {', '.join(unknown)} has no meaning for {target.runtime}/{target.hardware} on this computer; "
            f"supported: {', '.join(supported_options) or 'none'}"
        )
    try:
        read_feed(target)
    except KeySyntaxError as error:
        return str(error)
    return None


def on_gpu(target: Target) -> bool:
    """Return whether `target` is this computer's GPU: LiteRT's Vulkan accelerator, with float32 arithmetic enforced."""
    return (target.runtime, target.hardware, target.precision) == (Runtime.TFLITE, Hardware.GPU, Precision.FLOAT32)


def prepare(runtimes: Iterable[Runtime]) -> None:
    """Import the packages that run `runtimes`, so that no file's loading time or memory includes that."""
    modules = {Runtime.TFLITE: "ai_edge_litert.interpreter", Runtime.ONNX: "onnxruntime"}
    for runtime in runtimes:
        importlib.import_module(modules[runtime])


@dataclass(frozen=True)
class _Inputs:
    """Makes the values of a file's inputs. `files`: where those of each input are read from; None: they are drawn."""

    feed: Feed
    files: Sequence[Path | None]
    rng: np.random.Generator

    def shape(self, position: int, own: Sequence[int], name: str) -> list[int]:
        """Return the shape that an input is run with.

        Raises:
            MeasurementError: the file leaves a size open, and nothing says what it shall be.
        """
        if self.feed.shapes:
            if position >= len(self.feed.shapes):
                raise MeasurementError(f"shapes are given for {len(self.feed.shapes)} inputs, and the file has more")
            return list(self.feed.shapes[position])
        if any(size < 0 for size in own):
            raise MeasurementError(open_sizes(name, own))
        return list(own)

    def value(self, position: int, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the values of an input."""
        file = self.files[position] if position < len(self.files) else None
        if file is not None:
            return feeds.load_values(file, name, shape, dtype)
        return feeds.fill(position, name, shape, dtype, self.feed, self.rng)


def open_sizes(name: str, shape: Sequence[int]) -> str:
    """Return why an input's shape is not known, and what to do."""
    shown = "x".join("?" if size < 0 else str(size) for size in shape)
    example = "x".join(str(size) if size >= 0 else "224" if axis else "1" for axis, size in enumerate(shape))
    return f"the file leaves sizes of input {name!r} open ({shown}); say which to run: --shape {name}={example}"


def load(path: Path, target: Target, seed: int, files: Sequence[Path | None] = ()) -> Engine:
    """Load a file for a target. `files` hold the values of each input; None, or none at all: they are drawn.

    Raises:
        MeasurementError: the runtime rejects the file, or the inputs do not fit it; the message names both.
    """
    loaders = {Runtime.TFLITE: _load_tflite, Runtime.ONNX: _load_onnx}
    if not path.is_file():
        raise MeasurementError(f"{path} is not there; export it again")
    try:
        inputs = _Inputs(read_feed(target), files, np.random.default_rng(seed))
        return loaders[target.runtime](path, target, inputs)
    except KeySyntaxError as error:
        raise MeasurementError(f"{path} cannot be loaded for {target}: {error}") from error
    except runtime_failures() as error:
        reason = str(error) or type(error).__name__
        raise MeasurementError(f"{path} cannot be loaded for {target}: {reason}") from error


# --- TFLite through ai-edge-litert


def _load_tflite(path: Path, target: Target, inputs: _Inputs) -> Engine:
    if on_gpu(target):
        return _load_gpu(path, inputs.rng)
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    wants_delegate = target.option("xnnpack", "on") == "on"
    resolver = OpResolverType.AUTO if wants_delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_path=str(path), num_threads=target.num_threads, experimental_op_resolver_type=resolver
    )
    graph = _subgraph(interpreter, inputs.feed.signature)
    details = _input_details(interpreter, inputs.feed.signature)
    sizes = [detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"] for detail in details]
    shapes = [
        inputs.shape(position, [int(size) for size in own], detail["name"])
        for position, (detail, own) in enumerate(zip(details, sizes, strict=True))
    ]
    native = interpreter._interpreter  # its methods take a subgraph, which the public ones do not
    for detail, shape in zip(details, shapes, strict=True):
        if inputs.feed.shapes:
            native.ResizeInputTensor(detail["index"], np.array(shape, np.int32), False, graph)
    native.AllocateTensors(graph)
    for position, (detail, shape) in enumerate(zip(details, shapes, strict=True)):
        value = inputs.value(position, detail["name"], shape, np.dtype(detail["dtype"]))
        native.SetTensor(detail["index"], value, graph)
    invoke = interpreter.invoke if graph == 0 else lambda: native.Invoke(graph)
    return Engine(invoke, _tflite_kernels(interpreter, wants_delegate, graph))


def _subgraph(interpreter: Any, signature: str) -> int:
    if not signature:
        return 0
    names = list(interpreter.get_signature_list())
    if signature not in names:
        raise MeasurementError(f"the file has no signature {signature!r}; it has: {', '.join(names) or 'none'}")
    graph: int = interpreter._interpreter.GetSubgraphIndexFromSignature(signature)
    return graph


def _input_details(interpreter: Any, signature: str) -> list[dict[str, Any]]:
    """Return the details of the inputs in the order in which the file lists them."""
    if not signature:
        return list(interpreter.get_input_details())
    found = interpreter.get_signature_runner(signature).get_input_details().values()
    return sorted(found, key=lambda detail: str(detail["name"]))


def _tflite_kernels(interpreter: Any, wants_delegate: bool, graph: int) -> Delegation:
    if not wants_delegate:
        return Delegation(kind=DelegationKind.NOT_ASKED, backend="built-in kernels")
    if graph:
        return Delegation(kind=DelegationKind.UNKNOWN, reason="the runtime lists the nodes of the first graph alone")
    return _tflite_delegation(interpreter)


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


def _load_onnx(path: Path, target: Target, inputs: _Inputs) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = target.num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for position, spec in enumerate(session.get_inputs()):
        shape = inputs.shape(position, _sizes(spec), spec.name)
        value = inputs.value(position, spec.name, shape, _numpy_dtype(spec.type))
        binding.bind_ortvalue_input(spec.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
    for spec in session.get_outputs():
        sizes = _sizes(spec)
        if all(size >= 0 for size in sizes) and not inputs.feed.shapes and spec.type.startswith("tensor"):
            place = onnxruntime.OrtValue.ortvalue_from_shape_and_type(sizes, _numpy_dtype(spec.type))
            binding.bind_ortvalue_output(spec.name, place)
        else:
            binding.bind_output(spec.name)  # its size comes from the data: the runtime allocates it
    delegation = Delegation(kind=DelegationKind.NOT_ASKED, backend="CPUExecutionProvider")
    return Engine(lambda: session.run_with_iobinding(binding), delegation)


def _sizes(spec: Any) -> list[int]:
    """Return a tensor's shape with -1 for every free (named or unknown) size."""
    return [size if isinstance(size, int) and size >= 0 else -1 for size in spec.shape or ()]


def _numpy_dtype(name: str) -> np.dtype[Any]:
    """Turn `tensor(float)` into a NumPy type."""
    names = {"float": "float32", "double": "float64"}
    text = name.removeprefix("tensor(").removesuffix(")")
    try:
        return np.dtype(names.get(text, text))
    except TypeError as error:
        raise MeasurementError(f"an input or output of type {name} cannot be filled with random numbers") from error
