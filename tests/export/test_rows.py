"""Several outputs, cut into rows and joined as a detector's are, in every format."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from mogakit.errors import UnsupportedOperator
from mogakit.export import onnx as onnx_writer
from mogakit.export import tflite
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.lower import lower
from mogakit.export.mace import interpreter as mace_interpreter
from mogakit.export.mace import writer as mace_writer
from mogakit.export.mace.ends import joined
from mogakit.export.nodes import Concat, Reshape
from mogakit.export.pipeline import export, prepare
from mogakit.export.tflite.moves import MAX_JOINED
from mogakit.export.tflite_model import operators_in
from mogakit.export.verify import FLOOR, MULTIPLE
from mogakit.nets.detection.modules import build_detector
from mogakit.nets.detection.network import Detector, get_detector

SHAPE = (1, 3, 8, 6)


class Function(nn.Module):
    """A convolution, whose result goes through a function."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.conv(x))


def module_of(function: Callable[[Tensor], Any]) -> nn.Module:
    torch.manual_seed(0)
    return Function(function).eval()


def rows(x: Tensor, values: int) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(1, -1, values)


def heads(x: Tensor) -> dict[str, Tensor]:
    half = torch.nn.functional.max_pool2d(x, 2)
    return {"fours": torch.cat([rows(x, 4), rows(half.relu(), 4)], 1), "twos": rows(x.sigmoid(), 2), "map": half}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return get_detector("ssdlite-mobilenet-v3-large", width=0.25, input_size=64, num_classes=3)


def test_keys_of_a_mapping_name_the_outputs() -> None:
    graph = lower(module_of(heads), SHAPE)
    assert graph.outputs == ("fours", "twos", "map")
    assert [type(graph.makers()[name]) for name in graph.outputs[:2]] == [Concat, Reshape]
    assert graph.shapes()["fours"] == (1, 120, 4)


@pytest.mark.parametrize("format", [Format.TFLITE, Format.ONNX, Format.MACE])
def test_rows_keep_their_order_in_every_format(format: Format, tmp_path: Path) -> None:
    artifact = export(prepare(module_of(heads), "heads", Role.NETWORK, SHAPE), format, Precision.FLOAT32, tmp_path)
    assert artifact.agreement is not None and artifact.agreement.relative < 2 * FLOOR  # of images 0..255, too


def test_nothing_moves_in_a_channels_last_file() -> None:
    model = tflite.write(lower(module_of(heads), SHAPE))
    interpreter = Interpreter(model_content=model, num_threads=1)
    names = {each["op_name"] for each in interpreter._get_ops_details()}
    assert "TRANSPOSE" not in names and {"RESHAPE", "CONCATENATION"} <= names
    outputs = interpreter.get_signature_list()["serving_default"]["outputs"]
    assert sorted(outputs) == ["fours", "map", "twos"]


def test_an_onnx_file_names_its_outputs() -> None:
    graph = onnx.load_from_string(onnx_writer.write(lower(module_of(heads), SHAPE))).graph
    assert [value.name for value in graph.output] == ["fours", "twos", "map"]


def test_a_mace_file_ends_in_the_maps() -> None:
    files = mace_writer.write(lower(module_of(heads), SHAPE))
    assert [port.name for port in files.outputs] == ["fours_0", "fours_1", "twos_0", "map"]
    assert [port.dims for port in files.outputs] == [(1, 8, 6, 8), (1, 4, 3, 8), (1, 8, 6, 8), (1, 4, 3, 8)]


def test_maps_one_behind_the_other_in_memory_are_the_rows() -> None:
    module, value = module_of(heads), np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    files = mace_writer.write(lower(module, SHAPE))
    found = mace_interpreter.load(next(iter(files.pb.values())), files.data).run([value.transpose(0, 2, 3, 1)])
    with torch.no_grad():
        wanted = module(torch.from_numpy(value))
    app = np.frombuffer(found[0].tobytes() + found[1].tobytes(), np.float32).reshape(1, -1, 4)
    np.testing.assert_allclose(app, wanted["fours"].numpy(), atol=1e-5)
    for ours, theirs in zip(
        joined(found, [tuple(each.shape) for each in wanted.values()]), wanted.values(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


PERMUTED: dict[str, tuple[Callable[[Tensor], Any], int]] = {
    "as rows": (lambda x: rows(x, 4), 0),
    "rows across pixels": (lambda x: rows(x, 16), 0),
    "flat": (lambda x: x.permute(0, 2, 3, 1).reshape(1, -1), 0),
    "computed on": (lambda x: (x.permute(0, 2, 3, 1) + 1).reshape(1, -1, 4), 0),
    "joined": (lambda x: torch.cat([x.permute(0, 2, 3, 1)] * 2, 1).reshape(1, -1, 8), 0),
    "there and back": (lambda x: (x.permute(0, 2, 3, 1) * 2).permute(0, 3, 1, 2), 0),
    "returned": (lambda x: x.permute(0, 2, 3, 1), 1),
    "other order": (lambda x: x.permute(0, 3, 1, 2).reshape(1, -1, 4), 1),
}
"""Name -> what is done to a map, and how many TRANSPOSE operators that takes in channels-last memory."""


@pytest.mark.parametrize("name", PERMUTED)
def test_a_permutation_costs_an_operator_only_where_the_numbers_must_move(name: str, tmp_path: Path) -> None:
    function, num_transposes = PERMUTED[name]
    source = prepare(module_of(function), "permuted", Role.NETWORK, SHAPE)
    for format in (Format.TFLITE, Format.ONNX):
        assert export(source, format, Precision.FLOAT32, tmp_path).path.is_file()
    assert tflite.build(source.graph).num_transposes == num_transposes
    assert operators_in(tflite.write(source.graph)).count("TRANSPOSE") == num_transposes


def test_one_map_for_two_outputs_is_rejected_by_mace() -> None:
    graph = lower(module_of(lambda x: (rows(x, 4), rows(x, 2))), SHAPE)
    with pytest.raises(UnsupportedOperator, match="two outputs are cut from one map"):
        mace_writer.write(graph)


def test_rows_inside_a_network_are_rejected_by_mace() -> None:
    graph = lower(module_of(lambda x: rows(x, 4).relu()), SHAPE)
    with pytest.raises(UnsupportedOperator, match="which MACE files cannot hold"):
        mace_writer.write(graph)


@pytest.mark.parametrize(
    ("format", "precision", "limit"),
    [
        (Format.TFLITE, Precision.FLOAT32, 1e-5),
        (Format.ONNX, Precision.FLOAT32, 1e-5),
        (Format.MACE, Precision.FLOAT32, 1e-5),
        (Format.TFLITE, Precision.FLOAT16, 1e-2),
        (Format.MACE, Precision.FLOAT16, 1e-2),
        (Format.TFLITE, Precision.INT8, 0.5),
    ],
)
def test_a_detector_is_exported_and_agrees_with_torch(
    detector: Detector, format: Format, precision: Precision, limit: float, tmp_path: Path
) -> None:
    source = prepare(build_detector(detector), detector.name, Role.NETWORK, detector.input_shape)
    artifact = export(source, format, precision, tmp_path)
    found = artifact.agreement
    assert found is not None and found.relative < limit + MULTIPLE * (found.torch_relative or 0)
    rows_of = {"boxes": 4, "scores": 4}  # three classes and the background
    for name, values in rows_of.items():
        specs = [spec for spec in artifact.outputs if spec.name.startswith(name)]
        assert sum(int(np.prod(spec.shape)) for spec in specs) == detector.num_anchors * values
        assert len(specs) == (6 if format is Format.MACE else 1)
        if format is not Format.MACE:
            assert specs[0].shape == (1, detector.num_anchors, values)


def test_an_integer_detector_has_no_agreement_on_a_best_class(detector: Detector, tmp_path: Path) -> None:
    source = prepare(build_detector(detector), detector.name, Role.NETWORK, detector.input_shape)
    notes = export(source, Format.TFLITE, Precision.UINT8, tmp_path).notes or {}
    assert float(notes["sqnr_db"]) > 10
    assert "top1_agreement" not in notes


def test_the_bytes_of_a_detector_are_the_same_each_time(detector: Detector) -> None:
    digests = {
        hashlib.sha256(tflite.write(lower(build_detector(detector), detector.input_shape))).hexdigest()
        for _ in range(2)
    }
    assert len(digests) == 1


@pytest.mark.parametrize("count", [4, 5, 6, 9])
def test_long_joins_are_nested_so_that_every_kernel_takes_them(count: int, tmp_path: Path) -> None:
    module = module_of(lambda x: torch.cat([rows(x + index, 4) for index in range(count)], 1))
    artifact = export(prepare(module, "join", Role.NETWORK, SHAPE), Format.TFLITE, Precision.FLOAT32, tmp_path)
    assert artifact.agreement is not None and artifact.agreement.relative < 2 * FLOOR  # of images 0..255, too
    operators = Interpreter(model_path=str(artifact.path), num_threads=1)._get_ops_details()
    joins = [each for each in operators if each["op_name"] == "CONCATENATION"]
    assert max(len(each["inputs"]) for each in joins) <= MAX_JOINED
