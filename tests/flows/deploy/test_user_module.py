"""Any torch module, as a function of the user's own module builds it, becomes files that agree with it."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from ordinary import ordinary

from mogakit.cli.main import main
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.export.run import run
from mogakit.flows.deploy.user_module import build_user_module, export_user_module, read_setting, read_shape

CODE = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self, width=1.0, sigmoid=False):
        super().__init__()
        channels = int(16 * width)
        self.left, self.right = nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(1, channels, 1)
        self.sigmoid = sigmoid

    def forward(self, image, mask):
        made = self.left(image) * self.right(mask)
        return {"map": made.sigmoid() if self.sigmoid else made.relu(), "mean": made.mean((2, 3))}

def one(width=1.0):
    return nn.Sequential(nn.Conv2d(3, int(16 * width), 3, 2, 1), nn.BatchNorm2d(int(16 * width)), nn.ReLU())

def wrong():
    return "no module"

def failing():
    raise RuntimeError("the user's own")

ready = nn.Conv2d(3, 4, 1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "user_nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "user_nets", raising=False)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["moga", "export", "model", *arguments])
    main()


def test_several_inputs_and_outputs_a_batch_and_a_shape_that_is_not_square(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(
        monkeypatch,
        *("user_nets:Two", "--set", "width=0.5", "--set", "sigmoid=True"),
        *("--input", "2x3x12x20", "--input", "2x1x12x20"),
        *("--format", "tflite", "--format", "onnx", "--opset", "13", "-o", "out", "--json"),
    )
    listed = json.loads(capsys.readouterr().out)["artifacts"]
    shapes = [[tuple(each["shape"]) for each in one["inputs"] + one["outputs"]] for one in listed]
    assert shapes == [
        [(2, 12, 20, 3), (2, 12, 20, 1), (2, 12, 20, 8), (2, 8)],
        [(2, 3, 12, 20), (2, 1, 12, 20), (2, 8, 12, 20), (2, 8)],
    ]
    model = onnx.load(next((folder / "out").glob("*.opset13.onnx")))
    assert (model.opset_import[0].version, [each.name for each in model.graph.output]) == (13, ["map", "mean"])


def test_a_second_export_follows_the_users_code(folder: Path) -> None:
    for bias in (0.0, 1.0):
        module: Any = ordinary(build_user_module("user_nets:one", {"width": 0.5}), (1, 3, 8, 8))
        module[0].bias.data.fill_(bias)
        (made,) = export_user_module(module, "one", [(1, 3, 8, 8)], [Format.ONNX], Precision.FLOAT32, folder / "out")
        x = np.ones((1, 3, 8, 8), np.float32)
        with torch.no_grad():
            np.testing.assert_allclose(run(made.path, Format.ONNX, [x])[0], module(torch.tensor(x)), atol=1e-5)


def test_weights_of_the_users_own_checkpoint_are_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = ordinary(build_user_module("user_nets:one", {}), (1, 3, 8, 8))
    torch.save({"state_dict": {f"module.{key}": value for key, value in trained.state_dict().items()}}, "trained.pth")
    call(monkeypatch, "user_nets:one", "--input", "1x3x8x8", "--weights", "trained.pth", "-o", "out")
    x = torch.ones(1, 3, 8, 8)
    (made,) = (folder / "out").glob("*.tflite")
    (found,) = run(made, Format.TFLITE, [x.permute(0, 2, 3, 1).numpy()])
    with torch.no_grad():
        np.testing.assert_allclose(found.transpose(0, 3, 1, 2), trained(x), atol=1e-5)


def test_a_module_is_as_good_as_a_function(folder: Path) -> None:
    assert isinstance(build_user_module("user_nets:ready", {}), torch.nn.Conv2d)


@pytest.mark.parametrize(
    ("reference", "settings", "why"),
    [
        ("user_nets:wrong", {}, "returns a str, not a torch module"),
        ("user_nets:absent", {}, "has no 'absent'"),
        ("user_nets:nn", {}, "is a module, neither a torch module nor a function"),
        ("user_nets:ready", {"width": 1}, "takes no setting width"),
        ("user_nets:one", {"height": 1}, "height"),
    ],
)
def test_what_is_not_a_module_is_named(folder: Path, reference: str, settings: dict[str, object], why: str) -> None:
    with pytest.raises(InputError, match=why):
        build_user_module(reference, settings)


def test_an_error_of_the_users_own_code_is_not_disguised(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="the user's own"):
        build_user_module("user_nets:failing", {})


@pytest.mark.parametrize("text", ["", "1x", "1x0x3", "1,3,224,224", "ax3", "1x-3"])
def test_a_shape_that_is_none_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="write it with its batch"):
        read_shape(text)


def test_settings_are_literals_or_text() -> None:
    read = [read_setting(text) for text in ("width=0.5", "se=True", "kernel=(3, 5)", "act=relu6", "name='a=b'")]
    assert read == [("width", 0.5), ("se", True), ("kernel", (3, 5)), ("act", "relu6"), ("name", "a=b")]
    for text in ("width", "=1", "a b=1"):
        with pytest.raises(InputError, match="write it as width"):
            read_setting(text)
