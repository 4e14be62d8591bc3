"""Describe a model file that the kit did not write, so that it can be timed like one that it did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mogakit.errors import InputError
from mogakit.export import snpe
from mogakit.export.artifact import Artifact, Format, Precision, Role, TensorSpec
from mogakit.export.mace.naming import data_of
from mogakit.export.mace.reader import read_file
from mogakit.export.run import onnx_session, onnx_specs, tflite_interpreter, tflite_specs
from mogakit.files import sha256_of

Description: TypeAlias = tuple[Precision, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""Precision, inputs, outputs."""


def describe_file(path: Path) -> Artifact:
    """Read a model file's inputs, outputs and precision; its name is the file's stem.

    Raises:
        InputError: there is no such file, its suffix is unknown, or it does not load.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if path.suffix == snpe.SUFFIX:
        return snpe.bring(path)
    known = DESCRIBERS.get(path.suffix)
    if known is None:
        supported = ", ".join(MODEL_SUFFIXES)
        raise InputError(f"{path} is not a model file that the kit knows; supported suffixes: {supported}")
    format, describe = known
    precision, inputs, outputs = describe(path)
    return Artifact(
        name=path.stem,
        role=Role.NETWORK,
        path=path,
        format=format,
        precision=precision,
        sha256=sha256_of(path),
        num_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        companions={data.name: sha256_of(data)} if (data := _weights_beside(path)) else None,
    )


def _weights_beside(path: Path) -> Path | None:
    return data_of(path) if path.suffix == ".pb" else None


def _precision(inputs: tuple[TensorSpec, ...], half_weights: bool, integer_weights: bool) -> Precision:
    """Name the precision of a file: integer by what it takes, else by how its weights are stored."""
    taken = inputs[0].dtype if inputs else "float32"
    if taken in ("int8", "uint8"):
        return Precision(taken)
    if integer_weights:
        return Precision.INT8
    return Precision.FLOAT16 if half_weights or taken == "float16" else Precision.FLOAT32


def _tflite(path: Path) -> Description:
    interpreter = tflite_interpreter(path)
    inputs = tflite_specs(interpreter.get_input_details())
    outputs = tflite_specs(interpreter.get_output_details())
    kinds = {_type_name(detail) for detail in interpreter.get_tensor_details()}
    return _precision(inputs, "float16" in kinds, "int8" in kinds), inputs, outputs


def _type_name(detail: dict[str, Any]) -> str:
    return str(getattr(detail["dtype"], "__name__", detail["dtype"]))


def _onnx(path: Path) -> Description:
    session = onnx_session(path)
    inputs, outputs = onnx_specs(session.get_inputs()), onnx_specs(session.get_outputs())
    return _precision(inputs, half_weights=False, integer_weights=_is_quantised(path)), inputs, outputs


def _is_quantised(path: Path) -> bool:
    """Return whether an ONNX file computes in integers: QDQ files do so between float inputs and outputs."""
    import onnx  # slow to import, and needed here only

    graph = onnx.load(path, load_external_data=False).graph
    stored = {tensor.data_type for tensor in graph.initializer}
    return bool(stored & {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}) or any(
        node.op_type in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear") for node in graph.node
    )


def _mace(path: Path) -> Description:
    model = read_file(path)
    inputs, outputs = (
        tuple(TensorSpec(end.name, end.shape, end.dtype) for end in ends) for ends in (model.inputs, model.outputs)
    )
    half = any(value.dtype == np.float16 for value in model.constants.values())
    return _precision(inputs, half_weights=half, integer_weights=False), inputs, outputs


DESCRIBERS: dict[str, tuple[Format, Callable[[Path], Description]]] = {
    ".tflite": (Format.TFLITE, _tflite),
    ".onnx": (Format.ONNX, _onnx),
    ".pb": (Format.MACE, _mace),
}
"""Suffix -> format, and how a file of it is read. A `.dlc` is not among them: only its makers' SDK reads one."""

MODEL_SUFFIXES = (*DESCRIBERS, snpe.SUFFIX)
