"""Run a model file on this computer, on one thread, to see what it computes. Timing is `bench`'s business."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mogakit import __version__
from mogakit.errors import InputError
from mogakit.export.artifact import Format, TensorSpec
from mogakit.export.foreign.failures import runtime_failures
from mogakit.export.mace import interpreter
from mogakit.export.quiet import without_greetings

Array: TypeAlias = npt.NDArray[Any]


Run: TypeAlias = Callable[[Sequence[Array]], list[Array]]
"""A loaded file: one set of inputs in, its outputs out."""


def run(file: Path | bytes, format: Format, inputs: Sequence[Array]) -> list[Array]:
    """Return what a model file makes of `inputs`, both in the file's own layout and types.

    Raises:
        InputError: no runtime here runs `format`, the file does not load, or the inputs do not fit it.
    """
    return load(file, format)(inputs)


def load(file: Path | bytes, format: Format) -> Run:
    """Load a model file once, to be run any number of times; the errors are those of `run`."""
    loader = LOADERS.get(format)
    if loader is None:
        raise InputError(f"{format} files do not run on this computer; supported: {', '.join(LOADERS)}")
    return loader(file)


def runtime_of(format: Format) -> str:
    """Return the package and version that `run` uses, `ai-edge-litert 2.3.0`; MACE files run in our own interpreter."""
    if format is Format.MACE:
        return f"mogakit {__version__} MACE interpreter"
    return _with_version(PACKAGES[format])


@lru_cache  # reading a package's metadata takes a millisecond, and every file asks
def _with_version(package: str) -> str:
    return f"{package} {version(package)}"


def tflite_interpreter(file: Path | bytes) -> Any:
    """Load a TFLite file into LiteRT's interpreter with its default (XNNPACK) kernels, on one thread.

    Raises:
        InputError: the file does not load.
    """
    from ai_edge_litert.interpreter import Interpreter  # slow to import, and needed here only

    source = {"model_content": file} if isinstance(file, bytes) else {"model_path": str(file)}
    try:
        with without_greetings():
            interpreter = Interpreter(**source, num_threads=1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{_label(file)} is not a TFLite model that LiteRT can load: {error}") from error
    return interpreter


def onnx_session(file: Path | bytes) -> Any:
    """Load an ONNX file into ONNX Runtime's CPU provider, on one thread.

    Raises:
        InputError: the file does not load.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            file if isinstance(file, bytes) else str(file), options, providers=["CPUExecutionProvider"]
        )
    except runtime_failures() as error:
        raise InputError(f"{_label(file)} is not an ONNX model that ONNX Runtime can load: {error}") from error


def _label(file: Path | bytes) -> str:
    return "the model" if isinstance(file, bytes) else str(file)


def _load_tflite(file: Path | bytes) -> Run:
    interpreter = tflite_interpreter(file)
    takes, gives = interpreter.get_input_details(), interpreter.get_output_details()
    specs = tflite_specs(takes)

    def run_once(inputs: Sequence[Array]) -> list[Array]:
        _check(_label(file), specs, inputs)
        try:
            for detail, value in zip(takes, inputs, strict=True):
                interpreter.set_tensor(detail["index"], np.ascontiguousarray(value))
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{_label(file)} does not run in LiteRT: {error}") from error
        return [interpreter.get_tensor(detail["index"]) for detail in gives]

    return run_once


def _load_onnx(file: Path | bytes) -> Run:
    session = onnx_session(file)
    specs = onnx_specs(session.get_inputs())

    def run_once(inputs: Sequence[Array]) -> list[Array]:
        _check(_label(file), specs, inputs)
        feed = {spec.name: np.ascontiguousarray(value) for spec, value in zip(specs, inputs, strict=True)}
        try:
            return list(session.run(None, feed))
        except runtime_failures() as error:
            raise InputError(f"{_label(file)} does not run in ONNX Runtime: {error}") from error

    return run_once


def tflite_specs(details: Sequence[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    """Describe the inputs or outputs that an interpreter lists."""
    return tuple(
        TensorSpec(detail["name"], tuple(int(size) for size in detail["shape"]), np.dtype(detail["dtype"]).name)
        for detail in details
    )


ONNX_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


def onnx_specs(values: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Describe the inputs or outputs that a session lists; a free first dimension (the batch) counts as 1.

    Raises:
        InputError: another dimension is free, or the type is not one of numbers.
    """
    specs = []
    for value in values:
        shape = [1 if index == 0 and not isinstance(size, int) else size for index, size in enumerate(value.shape)]
        if not all(isinstance(size, int) for size in shape):
            raise InputError(f"tensor {value.name!r} has the free dimensions {value.shape}; fix them before measuring")
        if value.type not in ONNX_TYPES:
            raise InputError(f"tensor {value.name!r} holds {value.type}; supported: {', '.join(ONNX_TYPES)}")
        specs.append(TensorSpec(value.name, tuple(shape), ONNX_TYPES[value.type]))
    return tuple(specs)


def _check(label: str, specs: Sequence[TensorSpec], inputs: Sequence[Array]) -> None:
    wanted = [(spec.shape, spec.dtype) for spec in specs]
    given = [(tuple(value.shape), value.dtype.name) for value in inputs]
    if wanted != given:
        raise InputError(f"{label} takes inputs of {wanted} (shape, type), given were {given}")


def _load_mace(file: Path | bytes) -> Run:
    if isinstance(file, bytes):
        raise InputError("a MACE model is two files, a .pb and its .data; give the path of the .pb")
    loaded = interpreter.load(file)
    return lambda inputs: list(loaded.run(inputs))


LOADERS: dict[Format, Callable[[Path | bytes], Run]] = {
    Format.TFLITE: _load_tflite,
    Format.ONNX: _load_onnx,
    Format.MACE: _load_mace,
}
"""How each format is loaded here."""

PACKAGES = {Format.TFLITE: "ai-edge-litert", Format.ONNX: "onnxruntime"}
"""Whose version stands in an `Agreement`."""
