"""Every operator in every format and precision: what a file computes is what torch computes."""

import numpy as np
import pytest
import torch
from operator_cases import CASES, seeded
from torch import nn

from mogakit.errors import ExportError, UnsupportedOperator
from mogakit.export import onnx, quality, quantize, tflite
from mogakit.export.artifact import Format, Precision
from mogakit.export.axes import to_channels_first
from mogakit.export.calibration import Synthetic
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.mace import writer as mace_writer
from mogakit.export.mace.check import checked
from mogakit.export.mace.ends import joined
from mogakit.export.quantize_weights import with_weights_of
from mogakit.export.run import run


def inputs_of(shape: tuple[int, ...]) -> list[torch.Tensor]:
    """Return a normal, an image-like and a large input."""
    generator = torch.Generator().manual_seed(2)
    normal = torch.randn(shape, generator=generator)
    return [normal, torch.rand(shape, generator=generator), normal * 30]


def flat(returned: object) -> list[np.ndarray]:
    if isinstance(returned, torch.Tensor):
        return [returned.numpy()]
    assert isinstance(returned, list | tuple)
    return [value for item in returned for value in flat(item)]


def differences(module: nn.Module, graph: Graph, data: bytes, format: Format, shape: tuple[int, ...]) -> float:
    """Return the largest difference over the output's scale, for each input apart: small ones are not hidden."""
    last = format is Format.TFLITE
    worst = 0.0
    for x in inputs_of(shape):
        with torch.no_grad():
            wanted = flat(module(x))
        fed = x.permute(0, 2, 3, 1) if last and x.ndim == 4 else x
        found = run(data, format, [np.ascontiguousarray(fed.numpy())])
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            value = ours.transpose(0, 3, 1, 2) if last and ours.ndim == 4 else ours
            assert value.shape == theirs.shape
            worst = max(worst, float(np.abs(value - theirs).max()) / max(float(np.abs(theirs).max()), 1e-6))
    return worst


@pytest.mark.parametrize("name", CASES)
def test_a_float_file_computes_what_torch_computes(name: str) -> None:
    module, shape = seeded(name)
    graph = lower(module, shape)
    assert differences(module, graph, tflite.write(graph), Format.TFLITE, shape) < 5e-6
    for opset in onnx.OPSETS:
        assert differences(module, graph, onnx.write(graph, opset=opset), Format.ONNX, shape) < 5e-6
    if not any(word in name for word in ("floor", "sine", "exp")):  # half of an angle of 90 is 0.03 off
        half = tflite.write(graph, Precision.FLOAT16)
        assert differences(module, graph, half, Format.TFLITE, shape) < 5e-3


WITHOUT_INTEGERS = {"floor": "FLOOR", "sine": "SIN"}
"""Cases with an operator that no int8 kernel computes, and its name."""

NO_SCALE = {"mean of everything"}
"""Cases whose output is one number near zero, against which no noise can be measured."""


@pytest.mark.parametrize("name", CASES)
def test_an_integer_file_computes_the_same_with_the_noise_of_eight_bits(name: str) -> None:
    module, shape = seeded(name)
    floats = tflite.build(lower(module, shape), form=tflite.Form.BYTES).data
    assert differences(module, lower(module, shape), floats, Format.TFLITE, shape) < 1e-5
    ranges = quantize.calibrate(floats, Synthetic(4))
    if name in WITHOUT_INTEGERS:
        with pytest.raises(ExportError, match=f"no integer file can hold {WITHOUT_INTEGERS[name]} \\(makes '"):
            quantize.quantize(floats, ranges, Precision.INT8)
        return
    made = quantize.quantize(floats, ranges, Precision.INT8)
    assert not quantize.float_tensors(made)
    x = np.random.default_rng(5).standard_normal(tflite.channels_last(shape)).astype(np.float32)
    assert quality.compare(floats, made, [x]).sqnr_db > (5 if name in NO_SCALE else 18)


@pytest.mark.parametrize("name", CASES)
def test_an_integer_onnx_file_computes_the_same_with_the_noise_of_eight_bits(name: str) -> None:
    module, shape = seeded(name)
    graph = lower(module, shape)
    ranges = quantize.calibrate(tflite.build(graph, form=tflite.Form.BYTES).data, Synthetic(4))
    drawn = np.random.default_rng(5).standard_normal(tflite.channels_last(shape)).astype(np.float32)
    x = np.ascontiguousarray(to_channels_first(drawn))
    with torch.no_grad():
        wanted = flat(module(torch.from_numpy(x)))
    for opset in onnx.OPSETS:
        made = onnx.write_integers(tflite.prepared(graph), quantize.widened(ranges.values), opset)
        found = run(made, Format.ONNX, [x])
        for ours, theirs in zip(found, wanted, strict=True):
            assert quality.sqnr_db(theirs, ours) > (5 if name in NO_SCALE else 18)


WITHOUT_WORDS = {**WITHOUT_INTEGERS, "pixel shuffle": "DEPTH_TO_SPACE"}
"""The same for activations of 16 bits, by how the names of cases begin."""


@pytest.mark.parametrize("name", CASES)
def test_a_file_of_16_bit_activations_is_nearer_than_8_bits_are(name: str) -> None:
    module, shape = seeded(name)
    floats = tflite.build(lower(module, shape), form=tflite.Form.WORDS).data
    assert differences(module, lower(module, shape), floats, Format.TFLITE, shape) < 1e-5
    data = Synthetic(4)
    ranges = quantize.calibrate(floats, data)
    lacking = next((operator for begun, operator in WITHOUT_WORDS.items() if name.startswith(begun)), None)
    if lacking is not None:
        with pytest.raises(ExportError, match=f"no integer file can hold {lacking} \\(makes '"):
            quantize.quantize(floats, ranges, Precision.INT16X8)
        return
    made = quantize.quantize(floats, ranges, Precision.INT16X8)
    own = with_weights_of(made, floats)
    assert quality.compare(own, made, data.batches(tflite.channels_last(shape))).sqnr_db > 40


IN_MACE = """
leaky relu, prelu, prelu one slope, gelu tanh, mish, hardtanh, clamp, clamp to one, clamp above, tanh, subtract,
subtract from a number, maximum, max pool ceil, max pool padded ceil, max pool after relu,
average pool ceil not counting, average pool a window beyond the map,
average pool not counting strided, average pool divisor, adaptive average uneven,
adaptive average of a channels-last tensor, adaptive max, mean of channels,
softmax of channels, squeeze, unsqueeze, repeat, norm before a convolution, squeeze and excite over linear,
flatten before linear
""".replace("\n", " ").strip()
"""Cases that MACE has operators for, without the commas inside their names."""


@pytest.mark.parametrize("name", CASES)
def test_a_mace_file_computes_the_same_or_names_what_it_cannot_hold(name: str) -> None:
    module, shape = seeded(name)
    graph = lower(module, shape)
    if name.replace(",", "") not in IN_MACE.split(", "):
        with pytest.raises(UnsupportedOperator, match=r"the network cannot become a MACE file|MACE files hold"):
            mace_writer.write(graph)
        return
    interpreter = checked(mace_writer.write(graph))
    for x in inputs_of(shape):
        with torch.no_grad():
            wanted = flat(module(x))
        fed = x.permute(0, 2, 3, 1).numpy() if x.ndim == 4 else x.numpy()
        found = joined(interpreter.run([fed]), [value.shape for value in wanted])
        for ours, theirs in zip(found, wanted, strict=True):
            assert float(np.abs(ours - theirs).max()) < 5e-6 * max(float(np.abs(theirs).max()), 1e-6)
