"""Files by the converters of the formats' makers: the same check and the same record as the kit's own."""

import importlib.util
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from ordinary import ordinary
from torch import nn

from mogakit.cli.main import main
from mogakit.errors import ExportError, InputError, UnsupportedOperator
from mogakit.export import converters
from mogakit.export.artifact import Converter, Format, Role
from mogakit.export.foreign.read import read_model
from mogakit.export.lower import lower
from mogakit.export.manifest import read_manifest
from mogakit.export.pipeline import convert
from mogakit.flows.deploy.ship import SHIPPED, ShipRequest, ship
from mogakit.flows.deploy.ship_check import check
from mogakit.nets.resolve import resolve

SHAPE = (1, 3, 16, 16)

CODE = """
import torch
from torch import nn

class Sorting(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)

    def forward(self, x):
        return self.stem(x).flatten(2).sort(-1).values
"""


class Sorting(nn.Module):
    """A network that the kit's own writers do not take."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stem(x).flatten(2).sort(-1).values


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(5, 4)

    def forward(self, image: torch.Tensor, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        mixed = self.left(image) * self.right(vector)[..., None, None]
        return {"map": mixed, "mean": mixed.mean((2, 3))}


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sort(-1).values if x.sum() > 0 else -x


class Unknown(nn.Module):
    """An operator that no version of ONNX has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("converted")
    return convert(ordinary(Sorting(), SHAPE), "sorting", Role.NETWORK, [SHAPE], Converter.TORCH_ONNX, folder)


def test_our_error_names_the_converters_and_they_take_the_network(made: Any) -> None:
    with pytest.raises(UnsupportedOperator) as rejection:
        lower(Sorting().eval(), SHAPE)
    assert all(f"--converter {converter} (" in str(rejection.value) for converter in Converter)
    assert made.path.name == "sorting.torch-onnx.onnx"
    assert (made.format, made.agreement.num_inputs) == (Format.ONNX, 5)
    assert made.notes["converter"] == f"torch {version('torch')}, onnxscript {version('onnxscript')}"


def test_the_file_reads_back_as_it_is_recorded_and_names_no_path(made: Any) -> None:
    (entry,) = read_model(made.path).entries
    assert (tuple(item.spec for item in entry.inputs), entry.outputs) == (made.inputs, made.outputs)
    assert [spec.name for spec in (*made.inputs, *made.outputs)] == ["input", "output"]
    assert str(Path(__file__).parent).encode() not in made.path.read_bytes()
    onnx.checker.check_model(onnx.load(made.path), full_check=True)


def test_the_same_network_gives_the_same_bytes(made: Any, tmp_path: Path) -> None:
    again = convert(ordinary(Sorting(), SHAPE), "sorting", Role.NETWORK, [SHAPE], Converter.TORCH_ONNX, tmp_path)
    assert again.sha256 == made.sha256


def test_several_inputs_and_named_outputs(tmp_path: Path) -> None:
    shapes = [(2, 3, 8, 12), (2, 5)]
    made = convert(ordinary(Named()), "named", Role.NETWORK, shapes, Converter.TORCH_ONNX, tmp_path)
    assert [(one.name, one.shape) for one in made.outputs] == [("map", (2, 4, 8, 12)), ("mean", (2, 4))]
    assert [one.shape for one in made.inputs] == shapes


@pytest.mark.parametrize(("module", "why"), [(Branching(), "data-dependent"), (Unknown(), "bessel_j0")])
def test_what_a_converter_does_not_take_is_an_error_that_names_it(module: nn.Module, why: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=rf"^torch .*, onnxscript .* does not convert the network: [\s\S]*{why}"):
        convert(module.eval(), "it", Role.NETWORK, [SHAPE], Converter.TORCH_ONNX, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_module_in_training_mode_or_other_shapes_are_rejected_as_by_our_own_writers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.eval\(\)"):
        convert(Sorting().train(), "it", Role.NETWORK, [SHAPE], Converter.TORCH_ONNX, tmp_path)
    with pytest.raises(InputError, match="does not run on an input of shape"):
        convert(Sorting().eval(), "it", Role.NETWORK, [(1, 4, 8, 8)], Converter.TORCH_ONNX, tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("litert_torch") is not None, reason="litert-torch is installed here")
def test_a_converter_that_is_not_installed_is_named_with_what_installs_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pip install 'moga-kit\[litert-torch\]'"):
        convert(Sorting().eval(), "it", Role.NETWORK, [SHAPE], Converter.LITERT_TORCH, tmp_path)


def test_a_wrong_file_of_a_converter_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = converters.MAKERS[Converter.TORCH_ONNX]

    def shifted(module: nn.Module, data: tuple[torch.Tensor, ...]) -> bytes:
        model = onnx.load_from_string(maker.convert(module, data))
        (bias,) = (each for each in model.graph.initializer if each.name.endswith("bias"))
        values = onnx.numpy_helper.to_array(bias) + 0.01
        bias.CopyFrom(onnx.numpy_helper.from_array(values.astype("float32"), bias.name))
        return model.SerializeToString()

    wrong = converters.Maker(maker.packages, maker.extra, shifted, maker.describe)
    monkeypatch.setitem(converters.MAKERS, Converter.TORCH_ONNX, wrong)
    module = ordinary(nn.Sequential(nn.Conv2d(3, 4, 3)), SHAPE)
    with pytest.raises(ExportError, match="differs from torch by"):
        convert(module, "it", Role.NETWORK, [SHAPE], Converter.TORCH_ONNX, tmp_path)
    assert not list(tmp_path.iterdir())


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["moga", *arguments])
    main()


def test_from_the_command_line_to_a_time_and_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sorting_nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "sorting_nets", raising=False)
    export = ("export", "model", "sorting_nets:Sorting", "--set", "channels=4", "--input", "1x3x16x16", "-o", "out")
    with pytest.raises(SystemExit) as leaving:
        call(monkeypatch, *export)
    assert leaving.value.code == 2
    assert "--converter torch.onnx (ONNX)" in capsys.readouterr().err
    call(monkeypatch, *export, "--converter", "torch.onnx")
    capsys.readouterr()
    (artifact,) = read_manifest(Path("out")).artifacts.values()
    assert (artifact.notes or {})["converter"].startswith("torch ")
    call(monkeypatch, "check", str(artifact.path), "--hardware", "qnn-htp", "--json")
    assert json.loads(capsys.readouterr().out)[0]["report"]["num_operators"] > 2
    call(monkeypatch, "bench", str(artifact.path), "--quick", "--json")
    assert json.loads(capsys.readouterr().out)["timings"][0]["latency_ms"] > 0


def test_a_bundle_holds_the_converters_file_and_passes_its_check(tmp_path: Path) -> None:
    network = resolve("digits/10-7-6-3-3-0")
    made = ship(ShipRequest(network=network, converters=(Converter.TORCH_ONNX,)), tmp_path / "bundle")
    (added,) = [one for one in made.artifacts if "converter" in (one.notes or {})]
    assert added.path.name == "digits_10-7-6-3-3-0.torch-onnx.onnx"
    assert (added.agreement, len(made.artifacts)) != (None, len(SHIPPED))
    checks = check(tmp_path / "bundle")
    assert all(item.passed for item in checks), [item for item in checks if not item.passed]
    assert added.path.as_posix() in {item.file for item in checks}
