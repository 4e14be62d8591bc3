"""Versions of TFLite operators: the least that each use needs, so that a runtime too old for a file says so."""

import collections
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema
from operator_cases import CASES, seeded
from ordinary import ordinary
from torch import nn

from mogakit.errors import InputError
from mogakit.export import integer, tflite
from mogakit.export.artifact import Precision
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.run import tflite_interpreter
from mogakit.export.tflite_model import operator_name, packed
from mogakit.export.tflite_versions import RULES


def unpacked(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(bytearray(data), 0)


def versions(data: bytes) -> dict[str, set[int]]:
    found = collections.defaultdict(set)
    for code in unpacked(data).operatorCodes:
        found[operator_name(max(code.builtinCode, code.deprecatedBuiltinCode))].add(code.version)
    return dict(found)


def graph(name: str) -> Graph:
    module, shape = seeded(name)
    return lower(module, shape)


SMALL = lower(
    ordinary(
        nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(288, 5))
    ),
    (1, 4, 10, 10),
)


@pytest.mark.parametrize(
    ("precision", "wanted"),
    [
        (Precision.FLOAT32, {"CONV_2D": {1}, "DEPTHWISE_CONV_2D": {1}, "FULLY_CONNECTED": {1}}),
        (Precision.FLOAT16, {"DEQUANTIZE": {3}, "CONV_2D": {1}, "DEPTHWISE_CONV_2D": {1}, "FULLY_CONNECTED": {1}}),
        (Precision.DYNAMIC_RANGE, {"CONV_2D": {5}, "DEPTHWISE_CONV_2D": {1}, "FULLY_CONNECTED": {12}}),
        (Precision.INT8, {"CONV_2D": {3}, "DEPTHWISE_CONV_2D": {3}, "FULLY_CONNECTED": {4}}),
        (Precision.UINT8, {"QUANTIZE": {1}, "CONV_2D": {3}, "DEPTHWISE_CONV_2D": {3}, "FULLY_CONNECTED": {4}}),
        (Precision.INT8_FLOAT_IO, {"QUANTIZE": {1}, "CONV_2D": {3}, "DEPTHWISE_CONV_2D": {3}, "FULLY_CONNECTED": {4},
                                   "DEQUANTIZE": {2}}),
        (Precision.INT16X8, {"CONV_2D": {4}, "DEPTHWISE_CONV_2D": {5}, "FULLY_CONNECTED": {7}}),
    ],
)  # fmt: skip
def test_layers_have_the_version_that_brought_their_types(precision: Precision, wanted: dict[str, set[int]]) -> None:
    if precision in tflite.WRITTEN:
        data = tflite.build(SMALL, precision).data
    else:
        data = integer.write(SMALL, precision, integer.Request()).model
    assert versions(data) == wanted


@pytest.mark.parametrize(
    ("module", "operator", "version"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), "CONV_2D", 6),
        (nn.Conv2d(4, 4, 3, groups=4, dilation=2), "DEPTHWISE_CONV_2D", 2),
        (nn.Linear(8, 3), "FULLY_CONNECTED", 5),
        (nn.ConvTranspose2d(4, 4, 2, 2), "TRANSPOSE_CONV", 3),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "RESIZE_BILINEAR", 3),
        (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), "RESIZE_BILINEAR", 1),
        (nn.Sequential(nn.Conv2d(4, 8, 1), nn.ChannelShuffle(2)), "TRANSPOSE", 4),
    ],
)
def test_an_option_that_came_later_raises_the_version(module: nn.Module, operator: str, version: int) -> None:
    data = tflite.write(lower(ordinary(module), (1, 4, 8, 8)))
    assert versions(data)[operator] == {version}
    tflite_interpreter(data)


def test_one_operator_in_two_versions_has_two_entries() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, groups=2))
    assert versions(tflite.write(lower(ordinary(module), (1, 4, 6, 6)))) == {"CONV_2D": {1, 6}}


def test_a_runtime_that_lacks_a_version_rejects_the_file_by_the_operators_name() -> None:
    model = unpacked(tflite.write(SMALL))
    data = packed(model)
    tflite_interpreter(data)
    model.operatorCodes[0].version = 99
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    with pytest.raises(InputError, match=r"CONV_2D.*99|99.*CONV_2D"):
        tflite_interpreter(bytes(builder.Output()))


def test_every_operator_that_is_written_has_a_rule_or_one_version_only() -> None:
    """The others have had version 1 only since they were added (op_version.cc, its default)."""
    single = {
        "COS", "ELU", "FLOOR", "HARD_SWISH", "NEG", "POW", "PRELU", "RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "SIN",
        "SQRT", "CUMSUM",
    }  # fmt: skip
    written = set()
    for name in CASES:
        written |= versions(tflite.write(graph(name))).keys()
    assert written - {operator_name(code) for code in RULES} <= single
