"""TFLite files: what they hold, byte by byte where delegates and old readers care."""

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from hypothesis import assume, given
from hypothesis import strategies as st
from ordinary import ordinary, ordinary_block
from torch import nn

from mogakit.errors import ExportError, InputError
from mogakit.export import tflite
from mogakit.export.artifact import Format, Precision
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.run import run, tflite_interpreter
from mogakit.export.tflite_model import operators_in
from mogakit.export.writers import Options, writer_for

STRIDE_2_SE = "mb_i24e144o40_h56_k5s2_hswish_se36"
STRIDE_1_SE = "mb_i40e120o40_h28_k7s1_relu_se30_res"


def block_graph(key: str) -> Graph:
    return lower(*ordinary_block(key))


def unpacked(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(bytearray(data), 0)


def test_a_stride_2_block_has_the_operators_that_litert_torch_writes() -> None:
    assert operators_in(tflite.write(block_graph(STRIDE_2_SE))) == [
        "CONV_2D", "HARD_SWISH",
        "PAD", "DEPTHWISE_CONV_2D", "HARD_SWISH",
        "MEAN", "CONV_2D", "HARD_SWISH", "CONV_2D+RELU6", "MUL", "MUL",
        "CONV_2D",
    ]  # fmt: skip


def test_a_stride_1_block_fuses_its_activations_and_needs_no_pad() -> None:
    assert operators_in(tflite.write(block_graph(STRIDE_1_SE))) == [
        "CONV_2D+RELU", "DEPTHWISE_CONV_2D+RELU",
        "MEAN", "CONV_2D+RELU", "CONV_2D+RELU6", "MUL", "MUL",
        "CONV_2D", "ADD",
    ]  # fmt: skip


def test_input_and_output_are_channels_last_and_no_transpose_is_left() -> None:
    data = tflite.write(block_graph(STRIDE_2_SE))
    interpreter = tflite_interpreter(data)
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 56, 56, 24]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 28, 28, 40]
    assert not any("TRANSPOSE" in name for name in operators_in(data))


def test_every_buffer_starts_at_a_multiple_of_16_bytes() -> None:
    data = tflite.write(block_graph(STRIDE_2_SE))
    model = schema.Model.GetRootAs(bytearray(data), 0)
    starts = []
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            starts.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert len(starts) > 10
    assert all(start % 16 == 0 for start in starts)
    assert data[4:8] == b"TFL3"


def test_tensor_names_are_unique_and_the_signature_is_the_serving_default() -> None:
    model = unpacked(tflite.write(block_graph(STRIDE_2_SE)))
    names = [tensor.name for tensor in model.subgraphs[0].tensors]
    assert len(set(names)) == len(names)
    (signature,) = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    assert [entry.name for entry in (*signature.inputs, *signature.outputs)] == [b"input", b"output"]
    runner = tflite_interpreter(tflite.write(block_graph(STRIDE_1_SE))).get_signature_runner("serving_default")
    assert runner(input=np.zeros((1, 28, 28, 40), np.float32))["output"].shape == (1, 28, 28, 40)


def test_old_and_new_readers_find_the_same_operator_codes() -> None:
    for code in unpacked(tflite.write(block_graph(STRIDE_2_SE))).operatorCodes:
        assert code.deprecatedBuiltinCode == code.builtinCode < 127
        assert code.version == 1


def test_float16_stores_weights_in_half_and_turns_each_back() -> None:
    graph = block_graph(STRIDE_2_SE)
    full, half = tflite.write(graph), tflite.write(graph, Precision.FLOAT16)
    assert len(half) < 0.62 * len(full)
    model = unpacked(half)
    halves = [tensor for tensor in model.subgraphs[0].tensors if tensor.type == schema.TensorType.FLOAT16]
    assert operators_in(half).count("DEQUANTIZE") == len(halves) == 10  # weight and bias of five convolutions
    assert [name for name in operators_in(half) if name != "DEQUANTIZE"] == operators_in(full)
    details = tflite_interpreter(half).get_input_details()[0]
    assert details["dtype"] is np.float32


def test_a_weight_beyond_the_range_of_half_is_rejected() -> None:
    conv = nn.Conv2d(3, 4, 1)
    nn.init.constant_(conv.weight, 1e5)
    with pytest.raises(ExportError, match=r"output\.weight holds 100000, beyond float16's 65504"):
        tflite.write(lower(conv.eval(), (1, 3, 4, 4)), Precision.FLOAT16)


def test_integer_precisions_are_not_this_writers() -> None:
    with pytest.raises(InputError, match="not int8"):
        tflite.write(block_graph(STRIDE_1_SE), Precision.INT8)


def test_equal_graphs_give_equal_bytes() -> None:
    assert tflite.write(block_graph(STRIDE_2_SE)) == tflite.write(block_graph(STRIDE_2_SE))


def output_sizes(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    stride=st.integers(1, 3),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.integers(1, 2),
    depthwise=st.booleans(),
)
def test_any_convolution_is_the_function_that_torch_computes(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: int,
    padding: tuple[int, int],
    dilation: int,
    depthwise: bool,
) -> None:
    """SAME, VALID or PAD: whatever is chosen must be torch's symmetric padding, for odd and even sizes alike."""
    spans = [output_sizes(*axis, dilation) for axis in zip(size, kernel, (stride, stride), padding, strict=True)]
    assume(min(spans) > 0)
    assume(stride == 1 or dilation == 1)  # TFLite's kernels know no strided dilation
    generator = torch.Generator().manual_seed(0)
    conv = ordinary(nn.Conv2d(2, 2, kernel, stride, padding, dilation, groups=2 if depthwise else 1))
    shape = (1, 2, *size)
    data = tflite.write(lower(conv, shape))
    x = torch.randn(shape, generator=generator)
    (found,) = run(data, Format.TFLITE, [x.permute(0, 2, 3, 1).numpy()])
    expected = conv(x).detach().permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


OPERATIONS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "power": torch.pow,
}
SIZES = (1, 3, 5, 4)
"""Of a map: batch, channels, height, width, all different so that an axis in the wrong place does not fit or shows."""


class WithConstant(nn.Module):
    """A map (channels last in the file) and a constant of a lower rank, on either side of an operation."""

    def __init__(self, operation: str, constant: torch.Tensor, is_left: bool) -> None:
        super().__init__()
        self.operation, self.is_left = OPERATIONS[operation], is_left
        self.register_buffer("constant", constant)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        constant = self.get_buffer("constant")
        positive = torch.relu(x) + 0.5
        return self.operation(constant, positive) if self.is_left else self.operation(positive, constant)


@given(
    operation=st.sampled_from(sorted(OPERATIONS)),
    rank=st.integers(1, 4),
    varies=st.lists(st.booleans(), min_size=4, max_size=4),
    is_left=st.booleans(),
    format=st.sampled_from([Format.TFLITE, Format.ONNX]),
)
def test_a_constant_of_any_rank_varies_over_the_axes_that_it_varies_over_in_torch(
    operation: str, rank: int, varies: list[bool], is_left: bool, format: Format
) -> None:
    """The file's maps are channels last: a constant over height or width has to lie along them there, too."""
    shape = tuple(size if along else 1 for size, along in zip(SIZES, varies, strict=True))[4 - rank :]
    generator = torch.Generator().manual_seed(0)
    module = WithConstant(operation, torch.rand(shape, generator=generator) + 0.5, is_left).eval()
    x = torch.randn(SIZES, generator=generator)
    writer = writer_for(format, Precision.FLOAT32)
    (found,) = writer.run(writer.write(lower(module, SIZES), Options()), [x.numpy()])
    expected = module(x).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@given(size=st.integers(1, 64), kernel=st.integers(1, 9), stride=st.integers(1, 4))
def test_same_padding_gives_the_ceiling_of_size_over_stride(size: int, kernel: int, stride: int) -> None:
    padding = tflite.same_padding((size, size), (kernel, kernel), (stride, stride))
    total = padding.top + padding.bottom
    assert 0 <= padding.bottom - padding.top <= 1
    needed = (-(-size // stride) - 1) * stride + kernel
    assert total == max(needed - size, 0)


def test_stride_2_on_an_odd_size_is_same_and_on_an_even_one_is_a_pad() -> None:
    conv = nn.Conv2d(3, 4, 3, 2, 1).eval()
    assert operators_in(tflite.write(lower(conv, (1, 3, 7, 7)))) == ["CONV_2D"]
    assert operators_in(tflite.write(lower(conv, (1, 3, 8, 8)))) == ["PAD", "CONV_2D"]


def test_a_broken_file_is_rejected_with_its_name(tmp_path: Any) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"not a model at all")
    with pytest.raises(InputError, match=r"broken\.tflite is not a TFLite model"):
        run(path, Format.TFLITE, [])


def test_inputs_that_do_not_fit_are_named_beside_those_that_would() -> None:
    data = tflite.write(block_graph(STRIDE_1_SE))
    with pytest.raises(InputError, match=r"takes inputs of \[\(\(1, 28, 28, 40\), 'float32'\)\]"):
        run(data, Format.TFLITE, [np.zeros((1, 40, 28, 28), np.float32)])


def test_a_head_keeps_its_layers() -> None:
    names = operators_in(tflite.write(block_graph("head_i16f24m32o10_h7_hswish")))
    counted = collections.Counter(names)
    assert counted == {"CONV_2D": 2, "HARD_SWISH": 2, "MEAN": 1, "FULLY_CONNECTED": 1}
