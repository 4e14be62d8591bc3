"""Where an integer file loses precision: layer by layer, on request."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.export.calibration import ImageFolder
from mogakit.export.writers import Options
from mogakit.flows.deploy.export import export_network
from mogakit.flows.deploy.quality import layer_quality
from mogakit.nets.resolve import resolve

NETWORK = resolve("digits/10-7-6-3-3-0")


def test_every_layer_of_an_integer_file_is_judged(tmp_path):
    (artifact,) = export_network(NETWORK, [Format.TFLITE], Precision.INT8, tmp_path)
    found = layer_quality(NETWORK, artifact)
    names = [layer.name for layer in found.layers]
    assert names[-1] == "output" and "blocks.2.se.gate" in " ".join(names)
    assert min(layer.sqnr_db for layer in found.layers) > 10
    assert float(artifact.notes["sqnr_db"]) == pytest.approx(found.sqnr_db, abs=2)


def test_images_are_what_the_quality_is_measured_on(tmp_path):
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    data = ImageFolder(tmp_path)
    (artifact,) = export_network(
        NETWORK, [Format.TFLITE], Precision.INT8, tmp_path / "out", options=Options(calibration=data)
    )
    assert artifact.notes["quality_on"] == f"5 inputs: 5 images from folder {tmp_path.name}"
    assert "purpose" not in artifact.notes
    assert layer_quality(NETWORK, artifact, calibration=data).num_inputs == 5


def test_float_files_have_no_quality_by_layer(tmp_path):
    (artifact,) = export_network(NETWORK, [Format.TFLITE], Precision.FLOAT32, tmp_path)
    with pytest.raises(InputError, match="layers are compared in quantised TFLite files only"):
        layer_quality(NETWORK, artifact)


def test_the_command_prints_the_layers(tmp_path):
    arguments = [
        "export",
        "model",
        "digits/10-7-6-3-3-0",
        "--precision",
        "uint8",
        "--per-layer",
        "-o",
        str(tmp_path / "o"),
    ]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    layers = json.loads(result.output)["layers"]
    assert layers[0]["name"].startswith("blocks.0") and layers[-1]["name"] == "output"
