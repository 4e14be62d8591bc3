"""Model files of others are described by what is in them."""

from pathlib import Path

import pytest
from torch import nn

from mogakit.errors import InputError
from mogakit.export import onnx, tflite
from mogakit.export.artifact import Format, Precision, TensorSpec
from mogakit.export.lower import lower
from mogakit.export.pipeline import describe_file

GRAPH = lower(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()).eval(), (1, 3, 8, 8))


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


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.tflite", None, "there is no file"),
        ("notes.txt", b"", r"legal suffixes are \.tflite, \.onnx"),
        ("broken.onnx", b"nothing", "not an ONNX model"),
        ("broken.tflite", b"nothing", "not a TFLite model"),
    ],
)
def test_what_cannot_be_described_is_refused(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        describe_file(path)
