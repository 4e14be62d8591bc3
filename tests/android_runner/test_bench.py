"""`moga bench` with a phone on the cable."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from phone_simulator.phone import Phone

from mogakit.bench.runner import Job
from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.export.artifact import TensorSpec
from mogakit.files import sha256_of
from mogakit.flows.measure.effort import FULL_ACCELERATOR, FULL_PHONE

SDK = """#!{python}
data = open("network.onnx", "rb").read()
open("network.dlc", "wb").write(b"dlc" + data)
"""
"""A stand-in for Qualcomm's converter."""

MakeJob = Callable[..., Job]


def bench(phone: Phone, *arguments: object) -> Result:
    words = ("bench", *arguments, "--device", phone.serial, "--run-s", 0.02, "--json")
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_an_accelerator_is_given_more_rounds_than_a_cpu(quick_phone: Phone, make_job: MakeJob) -> None:
    path = make_job("tflite/cpu/float32").artifact.path
    rounds = {}
    for target in ("tflite/cpu/float32", "tflite/gpu/float16"):
        result = bench(quick_phone, path, "--target", target)
        assert result.exit_code == 0, result.output
        rounds[target] = json.loads(result.stdout)["outcome"]["num_rounds"]
    assert rounds["tflite/cpu/float32"] <= FULL_PHONE.max_rounds < rounds["tflite/gpu/float16"]
    assert rounds["tflite/gpu/float16"] <= FULL_ACCELERATOR.max_rounds


class _Noise(CalibrationDataReader):
    """One input to calibrate on."""

    def __init__(self, spec: TensorSpec) -> None:
        self._left = [{spec.name: np.random.default_rng(0).standard_normal(spec.shape).astype(np.float32)}]

    def get_next(self) -> dict[str, object] | None:
        return self._left.pop() if self._left else None


def test_a_qdq_file_of_the_user_is_timed_as_int8(quick_phone: Phone, make_job: MakeJob, tmp_path: Path) -> None:
    """As docs/phones.md says: a file that onnxruntime.quantization made counts as what it is."""
    floats = make_job("onnx/cpu/float32").artifact
    path = tmp_path / "qdq.onnx"
    quantize_static(floats.path, path, _Noise(floats.inputs[0]), quant_format=QuantFormat.QDQ)
    result = bench(quick_phone, path, "--target", "onnx/cpu/int8", "--quick")
    assert result.exit_code == 0, result.output
    (timing,) = json.loads(result.stdout)["timings"]
    assert (timing["target"], timing["status"]) == ("onnx/cpu/int8", "ok")
    rejected = bench(quick_phone, floats.path, "--target", "onnx/cpu/int8", "--quick")
    assert "is a float32 file" in str(rejected.exception)


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point SNPE_ROOT at an SDK whose converter only frames what it is given."""
    root = tmp_path / "2.31.0"
    converter = root / "bin" / "x86_64-linux-clang" / "snpe-onnx-to-dlc"
    converter.parent.mkdir(parents=True)
    converter.write_text(SDK.format(python=sys.executable))
    monkeypatch.setenv("SNPE_ROOT", str(root))
    return root


def test_a_network_goes_through_the_users_sdk_onto_the_dsp(snapdragon: Phone, sdk: Path, tmp_path: Path) -> None:
    """The DSP takes a float container and quantises it when it is loaded."""
    result = bench(snapdragon, "moga-a", "--target", "snpe/dsp/float32", "--quick", "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    (timing,) = json.loads(result.stdout)["timings"]
    (made,) = (tmp_path / "run").rglob("moga-a.dlc")
    assert made.read_bytes().startswith(b"dlc")
    (command,) = [line for line in snapdragon.runs if "--container" in line]
    assert f"{sha256_of(made)}/model.dlc --duration 1 --use_dsp --perf_profile burst" in command
    assert timing["latency_ms"] > snapdragon.profile.units["qnn-dsp"].overhead_ms * 0.9


@pytest.mark.parametrize("target", ["snpe/dsp/int8", "snpe/gpu/float32"])
def test_a_container_of_the_user_is_what_the_target_says(snapdragon: Phone, tmp_path: Path, target: str) -> None:
    path = tmp_path / "mine.dlc"
    path.write_bytes(bytes(100_000))
    result = bench(snapdragon, path, "--target", target, "--quick")
    assert result.exit_code == 0, result.output
    (timing,) = json.loads(result.stdout)["timings"]
    assert (timing["target"], timing["status"]) == (target, "ok")
    for arguments in ((), ("--target", "tflite/gpu/float16")):
        rejected = bench(snapdragon, path, "--quick", *arguments)
        assert "add --device SERIAL and --target snpe/gpu/float32" in str(rejected.exception)


def test_without_an_sdk_a_network_for_snpe_says_what_to_set(snapdragon: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SNPE_ROOT", "QNN_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    rejected = bench(snapdragon, "moga-a", "--target", "snpe/gpu/float32", "--quick")
    assert isinstance(rejected.exception, InputError)
    assert "set SNPE_ROOT or QNN_SDK_ROOT to its root folder, or bring a .dlc of your own" in str(rejected.exception)
