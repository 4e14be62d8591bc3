"""Model files of others are described by what is in them."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save
from torch import nn

from mogakit.errors import InputError
from mogakit.export import onnx, tflite
from mogakit.export.artifact import Format, Precision, TensorSpec
from mogakit.export.lower import lower
from mogakit.export.pipeline import describe_file

GRAPH = lower(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()).eval(), (1, 3, 8, 8))


def qdq_file(path: Path) -> Path:
    """Write x (1, 4) -> QuantizeLinear -> DequantizeLinear -> times int8 weights that a DequantizeLinear scales."""
    scale, zero = numpy_helper.from_array(np.float32(0.1), "scale"), numpy_helper.from_array(np.int8(0), "zero")
    weights = numpy_helper.from_array(np.arange(8, dtype=np.int8).reshape(4, 2), "weights")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "scale", "zero"], ["scaled"]),
        helper.make_node("DequantizeLinear", ["weights", "scale", "zero"], ["w"]),
        helper.make_node("MatMul", ["scaled", "w"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", (1, 4)), ("y", (1, 2)))
    ]
    graph = helper.make_graph(nodes, "qdq", ends[:1], ends[1:], [scale, zero, weights])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_tflite_file_is_described_channels_last(tmp_path: Path) -> None:
    path = tmp_path / "theirs.tflite"
    path.write_bytes(tflite.write(GRAPH))
    artifact = describe_file(path)
    assert artifact.name == "theirs"
    assert (artifact.format, artifact.precision) == (Format.TFLITE, Precision.FLOAT32)
    assert artifact.inputs[0].shape == (1, 8, 8, 3)
    assert artifact.outputs == (TensorSpec("output", (1, 8, 8, 8), "float32"),)
    assert artifact.agreement is None


def test_half_weights_show_in_the_precision(tmp_path: Path) -> None:
    path = tmp_path / "half.tflite"
    path.write_bytes(tflite.write(GRAPH, Precision.FLOAT16))
    assert describe_file(path).precision is Precision.FLOAT16


def test_an_onnx_file_is_described_channels_first(tmp_path: Path) -> None:
    path = tmp_path / "theirs.onnx"
    path.write_bytes(onnx.write(GRAPH))
    artifact = describe_file(path)
    assert artifact.format is Format.ONNX
    assert artifact.inputs == (TensorSpec("input", (1, 3, 8, 8), "float32"),)


def test_an_onnx_file_with_scaled_integers_inside_is_an_integer_file(tmp_path: Path) -> None:
    path = qdq_file(tmp_path / "theirs.onnx")
    artifact = describe_file(path)
    assert artifact.precision is Precision.INT8
    assert artifact.inputs == (TensorSpec("x", (1, 4), "float32"),)


def test_integer_weights_alone_show_in_the_precision_of_an_onnx_file(tmp_path: Path) -> None:
    path = qdq_file(tmp_path / "weights.onnx")
    model = load(path)
    nodes = [
        helper.make_node("Cast", ["weights"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    save(model, path)
    assert describe_file(path).precision is Precision.DYNAMIC_RANGE


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.tflite", None, "there is no file"),
        ("notes.txt", b"", r"supported suffixes: \.tflite, \.onnx"),
        ("broken.onnx", b"nothing", "not an ONNX model"),
        ("broken.tflite", b"nothing", "not a TFLite model"),
    ],
)
def test_what_cannot_be_described_is_rejected(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        describe_file(path)
