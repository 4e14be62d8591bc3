"""Integer ONNX files: what ONNX Runtime makes of the pairs, the numbers in them, and layers left in float."""

import collections
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from ordinary import ordinary, ordinary_block
from torch import nn

from mogakit.export import integer, quality, quantize, run, tflite
from mogakit.export import onnx as writer
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.calibration import Synthetic
from mogakit.export.describe import describe_file
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.nodes import Mul
from mogakit.export.pipeline import export, prepare
from mogakit.export.writers import Options

RELU = "mb_i16e48o24_h28_k3s2_relu"
HSWISH_SE = "mb_i24e72o24_h14_k5s1_hswish_se18_res"
HEAD = "head_i16f24m32o10_h7_hswish"


def made(graph: Graph, opset: int = 17, *left: str) -> bytes:
    return integer.write_onnx(graph, opset, integer.Request(float_layers=left)).model


def optimised(data: bytes, folder: Path) -> dict[str, int]:
    """Return the operators that ONNX Runtime's CPU provider really runs."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(folder / "optimised.onnx").graph.node
    return dict(collections.Counter(node.op_type for node in nodes if node.op_type != "Transpose"))


ENDS = {"QuantizeLinear": 1, "DequantizeLinear": 1}


@pytest.mark.parametrize(
    ("key", "opset", "wanted"),
    [
        (RELU, 17, {"QLinearConv": 3}),
        (RELU, 13, {"QLinearConv": 3}),
        (HSWISH_SE, 13, {"QLinearConv": 5, "QLinearAdd": 4, "QLinearMul": 8, "QLinearGlobalAveragePool": 1}),
        (HEAD, 13, {"QLinearConv": 3, "QLinearAdd": 2, "QLinearMul": 4, "QLinearGlobalAveragePool": 1, "Flatten": 1}),
    ],
)
def test_onnx_runtime_runs_every_layer_in_integers(
    key: str, opset: int, wanted: dict[str, int], tmp_path: Path
) -> None:
    graph = lower(*ordinary_block(key))
    assert optimised(made(graph, opset), tmp_path) == wanted | ENDS


def test_in_opset_17_only_h_swish_is_computed_in_float(tmp_path: Path) -> None:
    """It stays whole, as QNN takes it; ONNX Runtime's CPU has no integer kernel of it and splits it in two."""
    found = optimised(made(lower(*ordinary_block(HSWISH_SE))), tmp_path)
    assert {name: count for name, count in found.items() if name.startswith("QLinear")} == {
        "QLinearConv": 5, "QLinearAdd": 1, "QLinearMul": 2, "QLinearGlobalAveragePool": 1,
    }  # fmt: skip
    assert set(found) - {"QuantizeLinear", "DequantizeLinear", "HardSigmoid", "Mul"} <= {
        name for name in found if name.startswith("QLinear")
    }
    assert optimised(made(lower(*ordinary_block(HEAD))), tmp_path)["QGemm"] == 1


@pytest.mark.parametrize("key", [RELU, HSWISH_SE, HEAD])
@pytest.mark.parametrize("opset", [17, 13])
def test_it_is_as_near_to_its_float_file_as_the_tflite_file(key: str, opset: int) -> None:
    graph = lower(*ordinary_block(key))
    ours = integer.write_onnx(graph, opset, integer.Request())
    theirs = integer.write(graph, Precision.INT8, integer.Request())
    assert float(ours.notes["sqnr_db"]) == pytest.approx(float(theirs.notes["sqnr_db"]), abs=1.0)
    assert ours.ranges == theirs.ranges


def test_weights_are_int8_by_channel_activations_uint8_and_biases_in_units_of_both() -> None:
    model = onnx.load_from_string(made(lower(*ordinary_block(RELU))))
    values = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    back = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 3
    for conv in convolutions:
        source, weight, bias = (back[name] for name in conv.input)
        assert values[source.input[2]].dtype == np.uint8
        assert values[weight.input[0]].dtype == np.int8 and values[bias.input[0]].dtype == np.int32
        steps = values[weight.input[1]]
        assert steps.shape == (values[weight.input[0]].shape[0],) and not values[weight.input[2]].any()
        assert np.abs(values[weight.input[0]]).max() == 127
        np.testing.assert_allclose(values[bias.input[1]], steps * values[source.input[1]], rtol=1e-6)
    assert {value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)} == {
        onnx.TensorProto.FLOAT
    }


def test_what_moves_numbers_has_one_scale_at_both_ends() -> None:
    module = ordinary(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.PixelShuffle(2), nn.Flatten()))
    model = onnx.load_from_string(made(lower(module, (1, 3, 10, 10))))
    scales = {
        item.name: numpy_helper.to_array(item) for item in model.graph.initializer if item.name.endswith(".scale")
    }
    steps = [scales[node.input[1]] for node in model.graph.node if node.op_type == "QuantizeLinear"][1:]
    assert len(steps) >= 3 and len({float(step) for step in steps}) == 1


def test_export_writes_it_beside_the_same_ranges_and_it_counts_as_int8(tmp_path: Path) -> None:
    module, shape = ordinary_block(RELU)
    source = prepare(module, "b", Role.CHOICE, shape)
    first = export(source, Format.ONNX, Precision.INT8, tmp_path)
    assert first.path.name == "b.int8.onnx" and first.companions is not None
    assert (Format.ONNX, Precision.FLOAT32) in source.agreed
    assert describe_file(first.path).precision is Precision.INT8
    again = export(source, Format.ONNX, Precision.INT8, tmp_path / "again", Options(ranges=tmp_path))
    assert again.sha256 == first.sha256
    twin = export(source, Format.TFLITE, Precision.INT8, tmp_path)
    assert twin.companions == first.companions == {"b.ranges.json": first.companions["b.ranges.json"]}


def floats_of(data: bytes) -> set[str]:
    """Return the layers whose weights are float32."""
    graph = onnx.load_from_string(data).graph
    stored = {item.name: item.data_type for item in graph.initializer}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    return {node.name for node in layers if stored.get(node.input[1]) == onnx.TensorProto.FLOAT}


@pytest.mark.parametrize("opset", [17, 13])
def test_a_layer_is_left_in_float_by_name(opset: int, tmp_path: Path) -> None:
    graph = lower(*ordinary_block(RELU))
    data = made(graph, opset, "expand")
    assert floats_of(data) == {"expand.conv.linear"}
    found = optimised(data, tmp_path)
    assert found["QLinearConv"] == 2
    assert len(floats_of(made(graph, opset, "*.conv"))) >= 2
    whole = integer.write_onnx(graph, opset, integer.Request(float_layers=("*",)))
    assert float(whole.notes["sqnr_db"]) > 35  # what is left is the input's pair
    assert whole.precision is not Precision.INT8


def test_an_artifact_with_a_float_layer_is_mixed(tmp_path: Path) -> None:
    module, shape = ordinary_block(RELU)
    source = prepare(module, "b", Role.CHOICE, shape)
    artifact = export(source, Format.ONNX, Precision.INT8, tmp_path, Options(float_layers=("expand",)))
    assert (artifact.path.name, artifact.precision) == ("b.int8.mixed.onnx", Precision.MIXED)
    assert artifact.notes is not None and artifact.notes["float_layers"] == "expand"


def test_an_operator_without_weights_is_left_in_float_too(tmp_path: Path) -> None:
    graph = lower(*ordinary_block(HSWISH_SE))
    whole = optimised(made(graph, 13), tmp_path)
    product = next(node.name for node in reversed(tflite.prepared(graph).nodes) if isinstance(node, Mul))
    alone = f"{product[:-1]}[{product[-1]}]"  # not the module of that name
    found = optimised(made(graph, 13, alone), tmp_path)
    assert (found["Mul"], found["QLinearMul"]) == (1, whole["QLinearMul"] - 1)
    assert found["QLinearConv"] == whole["QLinearConv"]


@pytest.mark.parametrize("kind", ["conv", "depthwise", "transposed", "grouped", "linear", "linear of rank 3"])
@pytest.mark.parametrize("channels", [slice(0, 1), slice(None)])
def test_a_channel_without_weights_keeps_its_bias(kind: str, channels: slice) -> None:
    layer = {
        "conv": nn.Conv2d(4, 4, 3, padding=1),
        "depthwise": nn.Conv2d(4, 4, 3, padding=1, groups=4),
        "transposed": nn.ConvTranspose2d(4, 4, 2, 2, groups=2),
        "grouped": nn.Conv2d(4, 4, 3, groups=2),
        "linear": nn.Linear(4, 4),
        "linear of rank 3": nn.Linear(4, 4),
    }[kind]
    ordinary(layer)
    with torch.no_grad():
        (layer.weight.transpose(0, 1) if kind == "transposed" else layer.weight)[channels] = 0
        layer.bias.copy_(torch.tensor([0.5, -1.0, 2.0, 0.25]))
    shape = {"linear": (1, 4), "linear of rank 3": (1, 5, 4)}.get(kind, (1, 4, 6, 6))
    graph = lower(nn.Sequential(layer, nn.LeakyReLU(0.1)).eval(), shape)
    ranges = quantize.calibrate(tflite.build(graph, form=tflite.Form.BYTES).data, Synthetic(2))
    data = writer.write_integers(tflite.prepared(graph), quantize.widened(ranges.values))
    given = [np.random.default_rng(0).standard_normal(shape).astype(np.float32)]
    (wanted,), (found,) = (run.run(each, Format.ONNX, given) for each in (writer.write(graph), data))
    assert quality.sqnr_db(wanted, found) > 20


def test_equal_graphs_give_equal_bytes() -> None:
    graph = lower(*ordinary_block(HSWISH_SE))
    assert made(graph) == made(graph)
