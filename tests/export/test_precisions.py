"""One vocabulary of precisions: what is asked for, what the file is, what runs it, and what `moga check` says of it."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ordinary import ordinary, ordinary_block
from torch import nn

from mogakit.bench.engines import load
from mogakit.bench.measurement import DelegationKind
from mogakit.bench.target import CPU_FILES, Runtime, Target, cpu_files, parse_target
from mogakit.bench.target import Hardware as Chip
from mogakit.errors import ExportError, InputError
from mogakit.export import integer, quality, quantize, tflite
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.calibration import Synthetic
from mogakit.export.describe import describe_file
from mogakit.export.foreign.describe_tflite import describe
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.pipeline import Source, export, prepare
from mogakit.export.support.entry import Answer, Hardware
from mogakit.export.support.report import check
from mogakit.export.support.usage import of_tflite
from mogakit.export.tflite_model import operators_in
from mogakit.export.writers import WRITERS, Options, precisions_of, writer_for

RELU = "mb_i16e48o24_h28_k3s2_relu"
HSWISH_SE = "mb_i24e72o24_h14_k5s1_hswish_se18_res"
ROUNDED = (*quantize.CALIBRATED, Precision.DYNAMIC_RANGE)
HERE = Target(Runtime.TFLITE, Chip.CPU, Precision.FLOAT32)


@lru_cache
def graph_of(key: str) -> Graph:
    return lower(*ordinary_block(key))


@lru_cache
def source_of(key: str) -> Source:
    module, shape = ordinary_block(key)
    return prepare(module, "block", Role.CHOICE, shape)


def made(key: str, precision: Precision, *left: str) -> integer.Integers:
    request = integer.Request(float_layers=left)
    if precision is Precision.DYNAMIC_RANGE:
        return integer.write_dynamic(graph_of(key), request)
    return integer.write(graph_of(key), precision, request)


def unpacked(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(bytearray(data), 0)


# What is written


@pytest.mark.parametrize("key", [RELU, HSWISH_SE])
@pytest.mark.parametrize(("format", "precision"), [each for each in WRITERS if each[0] is not Format.DLC])
def test_a_file_is_what_was_asked_for(key: str, format: Format, precision: Precision, tmp_path: Path) -> None:
    artifact = export(source_of(key), format, precision, tmp_path)
    found = describe_file(artifact.path)
    assert artifact.precision is precision is found.precision
    assert (artifact.inputs, artifact.outputs) == (found.inputs, found.outputs)


@pytest.mark.parametrize("key", [RELU, HSWISH_SE])
@pytest.mark.parametrize(
    ("precision", "left"),
    [(kind, left) for kind in ROUNDED for left in ((), ("expand",), ("*",))
     if (kind, left) != (Precision.DYNAMIC_RANGE, ("*",))],  # that would be the float32 file, which is rejected
)  # fmt: skip
def test_litert_runs_it_and_moga_check_says_what_xnnpack_does(
    key: str, precision: Precision, left: tuple[str, ...], tmp_path: Path
) -> None:
    data = made(key, precision, *left).model
    (tmp_path / "one.tflite").write_bytes(data)
    engine = load(tmp_path / "one.tflite", HERE, 0)
    engine.invoke()
    report = check(of_tflite(data), Hardware.XNNPACK_INT8)
    if engine.delegation.kind is DelegationKind.FULL:
        assert report.answer is not Answer.NO, report.findings
    else:
        assert report.answer is not Answer.YES


@pytest.mark.parametrize("precision", ROUNDED)
def test_what_integer_hardware_takes_is_decided_by_the_precision(precision: Precision) -> None:
    found = check(of_tflite(made(RELU, precision).model), Hardware.EDGETPU)
    assert (found.answer is Answer.YES) == (precision in (Precision.INT8, Precision.UINT8))


@pytest.mark.parametrize(
    ("precision", "ends", "inner"),
    [
        (Precision.INT8, "int8", {"INT8", "INT32"}),
        (Precision.UINT8, "uint8", {"UINT8", "INT8", "INT32"}),
        (Precision.INT8_FLOAT_IO, "float32", {"FLOAT32", "INT8", "INT32"}),
        (Precision.INT16X8, "int16", {"INT16", "INT8", "INT64", "INT32"}),
        (Precision.DYNAMIC_RANGE, "float32", {"FLOAT32", "INT8", "INT32"}),
    ],
)
def test_the_types_of_ends_and_tensors(precision: Precision, ends: str, inner: set[str], tmp_path: Path) -> None:
    artifact = export(source_of(RELU), Format.TFLITE, precision, tmp_path)
    assert {spec.dtype for spec in (*artifact.inputs, *artifact.outputs)} == {ends}
    names = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    tensors = unpacked(artifact.path.read_bytes()).subgraphs[0].tensors
    assert {names[tensor.type] for tensor in tensors} == inner


def test_float_ends_are_one_operator_each_around_the_int8_file() -> None:
    plain, ends = (operators_in(made(RELU, kind).model) for kind in (Precision.INT8, Precision.INT8_FLOAT_IO))
    assert ends == ["QUANTIZE", *plain, "DEQUANTIZE"]


def test_dynamic_range_has_the_operators_of_the_float_file_and_stays_in_xnnpack() -> None:
    model = unpacked(made(HSWISH_SE, Precision.DYNAMIC_RANGE).model)
    assert operators_in(made(HSWISH_SE, Precision.DYNAMIC_RANGE).model) == operators_in(
        tflite.write(graph_of(HSWISH_SE))
    )
    scales = {t.name.decode(): len(t.quantization.scale) for t in model.subgraphs[0].tensors if t.type == 9}
    assert len(scales) == 4 and all(name.endswith(".weight") for name in scales)  # all but the depthwise one
    assert scales["expand.conv.weight"] == 72


def test_dynamic_range_of_a_network_without_such_layers_is_rejected() -> None:
    module = ordinary(nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU()))
    with pytest.raises(InputError, match="there are none: export it in float32 or float16"):
        tflite.build(lower(module, (1, 4, 8, 8)), Precision.DYNAMIC_RANGE)


def test_dynamic_range_takes_several_inputs_since_nothing_is_calibrated() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.first(x)) - self.second(y)

    graph = lower(ordinary(Two()), (1, 3, 8, 8), (1, 3, 8, 8))
    found = integer.write_dynamic(graph, integer.Request())
    assert describe(found.model).precision is Precision.DYNAMIC_RANGE
    assert float(found.notes["sqnr_db"]) > 33
    with pytest.raises(InputError, match="2 inputs cannot be calibrated"):
        integer.write(graph, Precision.INT8, integer.Request())


# How close it is


@pytest.mark.parametrize("key", [RELU, HSWISH_SE])
@pytest.mark.parametrize(
    ("precision", "least_db"), [(Precision.INT8, 25), (Precision.INT16X8, 35), (Precision.DYNAMIC_RANGE, 33)]
)
def test_more_bits_are_closer_to_the_float_file(key: str, precision: Precision, least_db: float) -> None:
    assert float(made(key, precision).notes["sqnr_db"]) > least_db


@pytest.mark.parametrize("precision", [Precision.INT16X8, Precision.DYNAMIC_RANGE])
def test_a_weight_that_is_wrong_in_the_file_is_found_where_int8_noise_would_hide_it(
    precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is compared with floats in its own rounded weights, so that little noise is left to hide in."""
    shifted = {
        Precision.INT16X8: ("quantize", lambda *args: _without_a_bias(quantize.quantize(*args))),
        Precision.DYNAMIC_RANGE: ("tflite.build", None),
    }[precision]
    if precision is Precision.DYNAMIC_RANGE:
        build = tflite.build

        def wrong(graph: Graph, kind: Precision = Precision.FLOAT32, **options: Any) -> tflite.Built:
            found = build(graph, kind, **options)
            if kind is not Precision.DYNAMIC_RANGE:
                return found
            return tflite.Built(_without_a_bias(found.data), found.num_transposes)

        monkeypatch.setattr(integer.tflite, "build", wrong)
    else:
        monkeypatch.setattr(integer, shifted[0], shifted[1])
    with pytest.raises(ExportError, match="the float file with its own rounded weights that it was made from"):
        made(RELU, precision)


def _without_a_bias(data: bytes) -> bytes:
    from mogakit.export.tflite_model import packed

    model = unpacked(data)
    bias = next(tensor for tensor in model.subgraphs[0].tensors if tensor.name == b"depthwise.conv.bias")
    model.buffers[bias.buffer].data = np.zeros_like(model.buffers[bias.buffer].data)
    return packed(model)


# Layers left in float


@pytest.mark.parametrize("precision", quantize.CALIBRATED)
def test_a_float_layer_stands_between_dequantize_and_quantize(precision: Precision) -> None:
    found = made(RELU, precision, "depthwise.conv")
    names = operators_in(found.model)
    place = names.index("DEPTHWISE_CONV_2D+RELU")  # with the PAD that belongs to it
    assert names[place - 2 : place + 2] == ["DEQUANTIZE", "PAD", "DEPTHWISE_CONV_2D+RELU", "QUANTIZE"]
    assert found.precision is Precision.MIXED is describe(found.model).precision
    assert float(found.notes["sqnr_db"]) > 25


def test_neighbours_in_float_have_no_integers_between_them_and_share_a_float_end() -> None:
    names = operators_in(made(RELU, Precision.INT8_FLOAT_IO, "expand", "depthwise").model)
    assert names == ["CONV_2D+RELU", "PAD", "DEPTHWISE_CONV_2D+RELU", "QUANTIZE", "CONV_2D", "DEQUANTIZE"]
    assert operators_in(made(RELU, Precision.INT8_FLOAT_IO, "*").model) == operators_in(tflite.write(graph_of(RELU)))


def test_a_float_layer_computes_what_the_float_file_does() -> None:
    """With all of them in float, and float ends, no integer is left."""
    whole = quality.compare(
        tflite.build(graph_of(RELU), form=tflite.Form.BYTES).data,
        made(RELU, Precision.INT8_FLOAT_IO, "*").model,
        Synthetic(seed=3).batches((1, 28, 28, 16)),
    )
    assert whole.relative < 1e-6


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("expnd.conv", "did you mean expand.conv"),
        ("Expand", "did you mean expand"),
        ("blocks.7", "the file's layers are expand.conv"),
        ("*.attention", "or a glob, such as *.conv"),
    ],
)
@pytest.mark.parametrize("format", [Format.TFLITE, Format.ONNX])
def test_an_unknown_layer_is_rejected_with_what_it_may_have_meant(name: str, said: str, format: Format) -> None:
    with pytest.raises(InputError, match=f"unknown layer '{re.escape(name)}'.*{re.escape(said)}"):
        writer_for(format, Precision.INT8).write(graph_of(RELU), Options(float_layers=(name,)))


def test_an_operator_without_integers_can_be_left_in_float() -> None:
    class Floor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.floor(self.first(x)))

    graph = lower(ordinary(Floor()), (1, 3, 8, 8))
    with pytest.raises(ExportError, match=r"FLOOR \(makes 'floor'\).*Leave them in float by name"):
        integer.write(graph, Precision.INT8, integer.Request())
    found = integer.write(graph, Precision.INT8, integer.Request(float_layers=("floor",)))
    assert operators_in(found.model) == ["CONV_2D", "DEQUANTIZE", "FLOOR", "QUANTIZE", "CONV_2D"]
    with pytest.raises(ExportError, match=r"FLOOR \(makes 'floor'\)"):
        integer.write(graph, Precision.INT8, integer.Request(float_layers=("output",)))


def test_a_file_with_float_layers_has_a_name_and_a_precision_of_its_own(tmp_path: Path) -> None:
    made = export(source_of(RELU), Format.TFLITE, Precision.INT8, tmp_path, Options(float_layers=("expand", "*.conv")))
    assert (made.path.name, made.precision) == ("block.int8.mixed.tflite", Precision.MIXED)
    assert made.notes is not None and made.notes["float_layers"] == "expand, *.conv"


# Which target takes which


def test_every_combination_without_a_writer_says_what_there_is() -> None:
    for format in Format:
        for precision in Precision:
            if (format, precision) in WRITERS:
                continue
            with pytest.raises(InputError) as caught:
                writer_for(format, precision)
            if precision is Precision.MIXED:
                assert "name them with --float-layer" in str(caught.value)
            else:
                assert str(caught.value).startswith(f"no writer makes {format} in {precision}; supported: ")
                assert all(f"{format}/{kind}" in str(caught.value) for kind in precisions_of(format))


@pytest.mark.parametrize("runtime", CPU_FILES)
def test_a_cpu_target_of_any_precision_exports_a_file_or_says_why_not(runtime: Runtime) -> None:
    for precision in Precision:
        target = Target(runtime, Chip.CPU, precision)
        assert parse_target(str(target)) == target
        if precision in CPU_FILES[runtime]:
            assert cpu_files(target)[0] is precision
        else:
            with pytest.raises(InputError, match=f"{target} is not a target of {runtime}; supported: "):
                cpu_files(target)
