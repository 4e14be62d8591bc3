"""Integer files: whole, reproducible from stored ranges, honest about what they were calibrated on."""

import json

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ordinary import ordinary, ordinary_block, ordinary_network
from PIL import Image
from torch import nn

from mogakit import records
from mogakit.errors import ExportError, InputError
from mogakit.export import quality, quantize, tflite
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.calibration import ImageFolder, NpyFile, Synthetic, from_path
from mogakit.export.lower import lower
from mogakit.export.pipeline import export_module
from mogakit.export.preprocessing import Preprocessing, for_size, load_image
from mogakit.export.writers import Options
from mogakit.nets import zoo

SE_BLOCK = "mb_i40e120o40_h28_k5s1_hswish_se30_res"


def _float_file(key: str) -> tuple[bytes, tuple[int, ...]]:
    module, shape = ordinary_block(key)
    return tflite.write(lower(module, shape)), tflite.channels_last(shape)


@pytest.fixture(scope="module")
def block_file():
    return _float_file(SE_BLOCK)


@pytest.fixture(scope="module")
def ranges(block_file):
    return quantize.calibrate(block_file[0], Synthetic())


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.UINT8])
@pytest.mark.parametrize(
    "key",
    [SE_BLOCK, "mb_i16e96o24_h112_k7s2_relu", "conv_i3o16_h224_k3s2_hswish", "head_i160f960m1280o1000_h7_hswish"],
)
def test_no_tensor_of_an_integer_file_is_floating_point(key, precision):
    model, _ = _float_file(key)
    made = quantize.quantize(model, quantize.calibrate(model, Synthetic(1)), precision)
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(made, 0)).subgraphs[0]
    kinds = {tensor.type for tensor in graph.tensors}
    assert kinds <= {schema.TensorType.INT8, schema.TensorType.INT32, schema.TensorType.UINT8}
    ends = {graph.tensors[index].type for index in (*graph.inputs, *graph.outputs)}
    assert ends == {schema.TensorType.INT8 if precision is Precision.INT8 else schema.TensorType.UINT8}


def test_weights_have_one_scale_a_channel(block_file, ranges):
    made = quantize.quantize(block_file[0], ranges, Precision.INT8)
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(made, 0)).subgraphs[0]
    scales = {tensor.name.decode(): len(tensor.quantization.scale) for tensor in graph.tensors if tensor.quantization}
    assert scales["expand.conv.weight"] == 120


def test_stored_ranges_rebuild_the_same_bytes(tmp_path, block_file, ranges):
    path = tmp_path / "block.ranges.json"
    records.save(ranges, path)
    assert quantize.load_ranges(path) == ranges
    made = [quantize.quantize(block_file[0], kept, Precision.INT8) for kept in (ranges, quantize.load_ranges(path))]
    assert made[0] == made[1]


def test_a_rebuild_from_a_folder_of_ranges_gives_the_same_file(tmp_path):
    module, shape = ordinary_block(SE_BLOCK)
    first = export_module(module, "b", Role.CHOICE, Format.TFLITE, Precision.INT8, shape, tmp_path / "first")
    again = export_module(
        module, "b", Role.CHOICE, Format.TFLITE, Precision.INT8, shape, tmp_path / "again",
        Options(calibration=Synthetic(1, seed=9), ranges=tmp_path / "first"),
    )  # fmt: skip
    assert again.sha256 == first.sha256
    assert again.notes["calibration"] == first.notes["calibration"] == "synthetic, 3 standard normal inputs, seed 0"
    assert first.companions == {"b.ranges.json": again.companions["b.ranges.json"]}
    with pytest.raises(InputError, match=r"holds no \.ranges\.json for the float file"):
        export_module(ordinary_block(SE_BLOCK, seed=1)[0], "b", Role.CHOICE, Format.TFLITE, Precision.INT8, shape,
                      tmp_path / "third", Options(ranges=tmp_path / "first"))  # fmt: skip


def test_ranges_of_another_float_file_are_rejected(ranges):
    other, _ = _float_file("mb_i40e120o40_h28_k3s1_hswish_se30_res")
    with pytest.raises(InputError, match="measured on another float file"):
        quantize.quantize(other, ranges, Precision.INT8)


def test_an_untested_runtime_is_rejected_with_the_version_to_install(monkeypatch, block_file):
    monkeypatch.setattr(quantize.metadata, "version", lambda package: "2.4.0")
    with pytest.raises(ExportError, match=r"pip install ai-edge-litert==2\.3\.0"):
        quantize.calibrate(block_file[0], Synthetic(1))


def test_a_file_calibrated_on_noise_says_that_it_is_for_timing_only(block_file, ranges):
    made = quantize.quantize(block_file[0], ranges, Precision.INT8)
    assert calibration_note(made).endswith("; for timing only")
    assert b"for timing only" in made
    assert calibration_note(block_file[0]) is None


def test_the_quality_of_a_block_is_what_eight_bits_give(block_file, ranges):
    model, shape = block_file
    made = quantize.quantize(model, ranges, Precision.INT8)
    found = quality.compare(model, made, Synthetic(3, seed=1).batches(shape), per_layer=True)
    assert 20 < found.sqnr_db < 45
    assert found.top1_agreement is None and found.num_inputs == 3
    assert [layer.name for layer in found.layers][-1] == "output"
    assert found.layers[-1].sqnr_db == pytest.approx(found.sqnr_db, abs=1.5)
    assert all(layer.sqnr_db > 15 for layer in found.layers)


def test_the_quality_of_a_classifier_has_top1_agreement():
    network = zoo.get("mobilenet-v2", width=0.35, input_size=96).network
    model = tflite.write(lower(*ordinary_network(network)))
    made = quantize.quantize(model, quantize.calibrate(model, Synthetic(2)), Precision.UINT8)
    found = quality.compare(model, made, Synthetic(4, seed=1).batches((1, 96, 96, 3)))
    assert found.top1_agreement is not None and 0 <= found.top1_agreement <= 1
    assert found.sqnr_centered_db is not None


def test_signal_to_noise_is_counted_in_decibels():
    signal = np.array([3.0, 4.0])
    assert quality.sqnr_db(signal, signal + np.array([0.5, 0.0])) == pytest.approx(20.0)
    assert quality.sqnr_db(signal, signal) == float("inf")
    with pytest.raises(InputError, match="at least one input"):
        quality.compare(*(_float_file("sep_i16o16_h112_k3s1_relu")[0],) * 2, [])


# Calibration data


def _photo(path, size=(300, 260), value=128):
    Image.new("RGB", size, (value, value // 2, 255 - value)).save(path)


def test_images_are_cut_and_normalised_by_the_recipe(tmp_path):
    _photo(tmp_path / "one.png")
    (batch,) = ImageFolder(tmp_path).batches((1, 224, 224, 3))
    assert batch.shape == (1, 224, 224, 3) and batch.dtype == np.float32
    wanted = (np.array([128, 64, 127]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.abs(batch - wanted).max() < 1e-5


def test_a_large_folder_is_sampled_evenly_and_the_same_every_time(tmp_path):
    for index in range(10):
        _photo(tmp_path / f"{index}.jpg", value=20 * index)
    data = ImageFolder(tmp_path, for_size(32), max_images=4)
    first, again = (list(data.batches((1, 32, 32, 3))) for _ in range(2))
    assert len(first) == 4
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert data.describe() == f"4 images from folder {tmp_path.name}"
    assert not data.timing_only


def test_stacked_inputs_are_fed_one_by_one(tmp_path):
    stacked = np.arange(2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)
    np.save(tmp_path / "in.npy", stacked)
    batches = list(NpyFile(tmp_path / "in.npy").batches((1, 4, 4, 3)))
    assert [batch.shape for batch in batches] == [(1, 4, 4, 3)] * 2
    assert (batches[1][0] == stacked[1]).all()


def test_an_empty_folder_a_broken_image_and_a_wrong_shape_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        from_path(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    with pytest.raises(InputError, match=r"broken\.jpg is not an image that can be read"):
        list(from_path(tmp_path).batches((1, 32, 32, 3)))
    np.save(tmp_path / "in.npy", np.zeros((2, 5, 5, 3)))
    with pytest.raises(InputError, match=r"shape \(2, 5, 5, 3\); this model takes inputs of \(4, 4, 3\)"):
        list(from_path(tmp_path / "in.npy").batches((1, 4, 4, 3)))
    with pytest.raises(InputError, match="one square input of 3 channels"):
        list(ImageFolder(tmp_path).batches((1, 28, 28, 40)))
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InputError, match=r"not an? \.npy file"):
        list(NpyFile(tmp_path / "text.npy").batches((1, 4, 4, 3)))
    with pytest.raises(InputError, match="neither a folder"):
        from_path(tmp_path / "broken.jpg")


def test_a_cut_image_is_not_taken_for_a_whole_one(tmp_path):
    _photo(tmp_path / "whole.png", (400, 400))
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    (tmp_path / "whole.png").unlink()
    with pytest.raises(InputError, match=r"cut\.png"):
        list(ImageFolder(tmp_path).batches((1, 32, 32, 3)))


def test_a_recipe_that_cuts_more_than_there_is_is_rejected():
    with pytest.raises(InputError, match="a centre of 300 pixels"):
        Preprocessing(size=300, resize_shorter_side=256)


def test_a_damaged_range_file_is_rejected(tmp_path, ranges):
    path = tmp_path / "x.ranges.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"not JSON.*calibration ranges"):
        quantize.load_ranges(path)
    records.save(ranges, path)
    value = json.loads(path.read_text())
    value["schema_version"] = 99
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="schema version 99"):
        quantize.load_ranges(path)


def calibration_note(model: bytes) -> str | None:
    """Return what an integer file of the kit says it was calibrated on, or None for any other file."""
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    notes = {item.name.decode(): item.buffer for item in unpacked.metadata or []}
    if quantize.METADATA_NAME not in notes:
        return None
    return bytes(unpacked.buffers[notes[quantize.METADATA_NAME]].data).decode()


def agreement_in_int8(module: nn.Module, shape: tuple[int, ...]) -> float:
    """Return the signal to noise of a module's int8 file against its float file, in decibels."""
    data = tflite.write(lower(module, shape))
    integers = quantize.quantize(data, quantize.calibrate(data, Synthetic()), Precision.INT8)
    inputs = list(Synthetic(seed=1).batches((shape[0], *shape[2:], shape[1])))
    return quality.compare(data, integers, inputs).sqnr_db


@pytest.mark.parametrize("activation", [nn.Identity, nn.ReLU6])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_a_padded_max_pool_of_stride_2_is_quantised(activation: type[nn.Module], kernel: int) -> None:
    """Where values may be negative, the padding is the number that never wins, and it has to be an integer."""
    shape = (1, 3, 17, 17)
    pool = nn.MaxPool2d(kernel, 2, kernel // 2)
    module = ordinary(nn.Sequential(nn.Conv2d(3, 8, 3), activation(), pool, nn.Conv2d(8, 4, 1)), shape)
    assert agreement_in_int8(module, shape) > 25


@pytest.mark.parametrize("scale", [0.0, 1e-38, 1e-20, 1e-7])
@pytest.mark.parametrize("layer", ["all of a layer", "one channel"])
def test_what_training_or_pruning_left_dead_is_quantised(scale: float, layer: str) -> None:
    shape = (1, 3, 16, 16)
    module = ordinary(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1)), shape
    )
    with torch.no_grad():
        which = slice(None) if layer == "all of a layer" else slice(0, 1)
        module[2].weight[which] *= scale
        module[2].bias[which] *= scale
    if layer == "all of a layer":  # a shortcut around it, or the output would be a constant
        module = Around(module).eval()
    assert agreement_in_int8(module, shape) > 25


class Around(nn.Module):
    """A stack whose middle may be dead, with a shortcut around that middle."""

    def __init__(self, stack: nn.Sequential) -> None:
        super().__init__()
        self.before, self.middle, self.after = stack[:2], stack[2:4], stack[4:]
        self.pool = nn.MaxPool2d(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.before(x)
        result: torch.Tensor = self.after(self.pool(x) + self.middle(x))
        return result


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), "holds uint8, the pixels of images perhaps"),
        (np.zeros((2, 4, 4, 3), np.int64), "holds int64"),
        (np.zeros((2, 3, 4, 4), np.float32), r"channels first; save array\.transpose"),
        (np.full((2, 4, 4, 3), np.nan, np.float32), "holds infinities or NaN"),
        (np.zeros((0, 4, 4, 3), np.float32), "holds no number"),
    ],
)
def test_calibration_arrays_that_mean_something_else_are_rejected(array, why, tmp_path):
    np.save(tmp_path / "in.npy", array)
    with pytest.raises(InputError, match=why):
        list(from_path(tmp_path / "in.npy").batches((1, 4, 4, 3)))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16"])
def test_images_of_every_mode_give_the_same_numbers(mode, tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
    image = Image.fromarray(grey)
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    image.save(tmp_path / "one.png")
    recipe = Preprocessing(size=8, resize_shorter_side=8)
    assert np.array_equal(load_image(tmp_path / "one.png", recipe), recipe.apply(Image.fromarray(grey).convert("RGB")))


@pytest.mark.parametrize("channels", [slice(0, 2), slice(None)])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "transposed", "linear"])
def test_a_channel_without_weights_keeps_its_bias(kind, channels):
    torch.manual_seed(0)
    layer = {
        "conv": nn.Conv2d(4, 4, 3, padding=1),
        "depthwise": nn.Conv2d(4, 4, 3, padding=1, groups=4),
        "transposed": nn.ConvTranspose2d(4, 4, 2, 2),
        "linear": nn.Linear(4, 4),
    }[kind]
    with torch.no_grad():
        (layer.weight.transpose(0, 1) if kind == "transposed" else layer.weight)[channels] = 0
        layer.bias.copy_(torch.tensor([0.5, -1.0, 2.0, 0.25]))
    shape = (1, 4) if kind == "linear" else (1, 4, 6, 6)
    model = tflite.write(lower(nn.Sequential(layer, nn.LeakyReLU(0.1)).eval(), shape))
    made = quantize.quantize(model, quantize.calibrate(model, Synthetic(2)), Precision.INT8)
    given = np.random.default_rng(0).standard_normal(tflite.channels_last(shape)).astype(np.float32)
    assert quality.compare(model, made, [given]).sqnr_db > 20
