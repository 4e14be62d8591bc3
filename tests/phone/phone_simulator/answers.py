"""What a file makes of given inputs, by the runtimes of this computer: the answers of a phone that computes rightly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.export.mace import interpreter


def tflite_outputs(file: Path, given: Mapping[str, bytes]) -> list[NDArray[Any]]:
    """Return the outputs of a TFLite file; plain kernels, which are not those of the kit's reference."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    running = Interpreter(str(file), experimental_op_resolver_type=plain)
    running.allocate_tensors()
    for detail in running.get_input_details():
        value = np.frombuffer(given[detail["name"]], detail["dtype"]).reshape(detail["shape"])
        running.set_tensor(detail["index"], value)
    running.invoke()
    return [running.get_tensor(detail["index"]) for detail in running.get_output_details()]


def mace_outputs(file: Path, weights: Path, given: list[bytes], shapes: list[tuple[int, ...]]) -> list[NDArray[Any]]:
    """Return the outputs of a MACE model."""
    values = [np.frombuffer(data, np.float32).reshape(shape) for data, shape in zip(given, shapes, strict=True)]
    return list(interpreter.load(file, weights).run(values))


def container_outputs(source: bytes, given: bytes) -> dict[str, NDArray[Any]]:
    """Return the outputs by name of a container that was converted from an ONNX file: channels last, SNPE's order."""
    return _container_outputs(source, given, channels_last=True)


def container_outputs_as_they_lie(source: bytes, given: bytes) -> dict[str, NDArray[Any]]:
    """Return those of a container whose maker kept the layout of the ONNX file."""
    return _container_outputs(source, given, channels_last=False)


def _container_outputs(source: bytes, given: bytes, channels_last: bool) -> dict[str, NDArray[Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    value = np.frombuffer(given, np.float32)
    if channels_last and len(wanted.shape) == 4:
        batch, channels, height, width = wanted.shape
        value = np.ascontiguousarray(value.reshape(batch, height, width, channels).transpose(0, 3, 1, 2))
    found = session.run(None, {wanted.name: value.reshape(wanted.shape)})
    return {
        output.name: np.ascontiguousarray(one.transpose(0, 2, 3, 1)) if channels_last and one.ndim == 4 else one
        for output, one in zip(session.get_outputs(), found, strict=True)
    }
