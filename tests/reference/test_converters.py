"""Both converters through the kit, with the real packages: networks beyond our writers, and what they cost."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from ordinary import ordinary
from torch import nn

from mogakit.cli.main import main
from mogakit.export.artifact import Converter, Format, Precision
from mogakit.export.manifest import read_manifest
from mogakit.export.run import run
from mogakit.flows.deploy.export import export_network
from mogakit.nets.modules import build_network
from mogakit.nets.resolve import resolve

pytest.importorskip("litert_torch", reason="make reference installs litert-torch")

CODE = """
import torch
from torch import nn

class Deep(nn.Module):
    def __init__(self, tops=0):
        super().__init__()
        self.tops = tops
        self.patches = nn.Conv3d(1, 32, (3, 8, 8), (1, 8, 8))
        self.mix = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.last = nn.Linear(32, 10)

    def forward(self, x):
        tokens = self.mix(self.patches(x[:, None]).flatten(2).transpose(1, 2))
        return self.last(tokens.topk(self.tops, 1).values.mean(1) if self.tops else tokens.mean(1))
"""
TIMES_FASTER = 20


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "deep_nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "deep_nets", raising=False)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["moga", *arguments])
    main()


@pytest.mark.parametrize("converter", list(Converter))
def test_a_network_beyond_our_writers_is_exported_checked_and_timed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], converter: Converter
) -> None:
    export = ("export", "model", "deep_nets:Deep", "--input", "1x3x32x32", "-o", "out")
    with pytest.raises(SystemExit) as leaving:
        call(monkeypatch, *export)
    assert leaving.value.code == 2
    assert f"--converter {converter}" in capsys.readouterr().err
    call(monkeypatch, *export, "--converter", converter.value)
    (artifact,) = read_manifest(Path("out")).artifacts.values()
    assert artifact.format is converter.writes
    assert artifact.agreement is not None
    assert artifact.agreement.num_inputs == 5
    assert (artifact.notes or {})["converter"].startswith(
        {"litert-torch": "litert-torch 0", "torch.onnx": "torch 2"}[converter]
    )
    capsys.readouterr()
    call(monkeypatch, "bench", str(artifact.path), "--quick")
    call(monkeypatch, "check", str(artifact.path))


def test_a_file_that_the_runtime_does_not_take_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """litert-torch leaves a sort to StableHLO, which LiteRT does not run."""
    with pytest.raises(SystemExit) as leaving:
        call(
            monkeypatch,
            *("export", "model", "deep_nets:Deep", "--set", "tops=4", "--input", "1x3x32x32", "-o", "out"),
            *("--converter", "litert-torch"),
        )
    assert leaving.value.code == 1
    assert "does not run here" in capsys.readouterr().err
    assert not list(Path("out").glob("*.tflite"))


@pytest.mark.parametrize("converter", list(Converter))
def test_a_converters_file_takes_and_gives_what_ours_does(tmp_path: Path, converter: Converter) -> None:
    network = resolve("mobilenet-v2", input_size=64)
    (ours,) = export_network(network, [converter.writes], Precision.FLOAT32, tmp_path)
    (theirs,) = export_network(network, [], Precision.FLOAT32, tmp_path, converter=converter)
    assert [one.shape for one in ours.inputs + ours.outputs] == [one.shape for one in theirs.inputs + theirs.outputs]
    x = np.random.default_rng(0).standard_normal(ours.inputs[0].shape, dtype=np.float32)
    wanted, found = (run(one.path, converter.writes, [x])[0] for one in (ours, theirs))
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    network = resolve("mobilenet-v2", input_size=32)
    digests = {
        export_network(network, [], Precision.FLOAT32, tmp_path / str(number), converter=Converter.LITERT_TORCH)[
            0
        ].sha256
        for number in range(2)
    }
    assert len(digests) == 1


@pytest.mark.filterwarnings("ignore")  # of the converter's own code
def test_our_export_takes_less_than_a_twentieth_of_litert_torchs_time(tmp_path: Path) -> None:
    """CPU time of this process, after a first call of either, in turns; ours is compared with torch, theirs is not."""
    import litert_torch

    network = resolve("mobilenet-v2", input_size=32)
    module = ordinary(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (1, 3, 8, 8))
    litert_torch.convert(module, (torch.zeros(1, 3, 8, 8),))
    export_network(network, [Format.TFLITE], Precision.FLOAT32, tmp_path / "warm")
    full = resolve("mobilenet-v2")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other count as CPU time
    ratios = []
    for number in range(3):
        start = time.process_time()
        export_network(full, [Format.TFLITE], Precision.FLOAT32, tmp_path / str(number))
        ours_s = time.process_time() - start
        built = build_network(full).eval()
        start = time.process_time()
        litert_torch.convert(built, (torch.zeros(full.input_shape),)).export(str(tmp_path / "theirs.tflite"))
        ratios.append(ours_s / (time.process_time() - start))
    torch.set_num_threads(threads)
    assert min(ratios) < 1 / TIMES_FASTER, ratios
