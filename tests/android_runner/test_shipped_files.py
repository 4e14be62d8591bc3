"""`moga ship --check --agreement`: a bundle's files on a phone compute what they compute here, or the check fails."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone

from mogakit.android_runner.runner import PhoneRunner
from mogakit.bench.host import HostRunner
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.flows.deploy.ship import ShipRequest, ship
from mogakit.flows.deploy.ship_on_device import check_on_device
from mogakit.nets.resolve import resolve

GPU = "tflite/gpu/float16"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of a small network."""
    folder = tmp_path_factory.mktemp("ship") / "bundle"
    ship(ShipRequest(network=resolve("digits/10-7-6-3-3-0")), folder)
    return folder


def check(bundle: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["ship", "--check", str(bundle), "--agreement", *words])


def test_every_file_is_run_on_every_target_that_takes_it(quick_phone: Phone, shipped: Path) -> None:
    result = check(shipped, "--json")
    assert result.exit_code == 0, result.output
    ran = [one for one in json.loads(result.stdout)["checks"] if one["what"].startswith("output on ")]
    agree = {(one["file"].rpartition("10-7-6-3-3-0")[2], one["what"][10:]) for one in ran if one["passed"]}
    assert {
        (".tflite", "tflite/cpu/float32"),
        (".int8.tflite", "tflite/cpu/int8"),
        (".tflite", GPU),
        (".multi-cpu.pb", "mace/cpu/float32"),
        (".float16.multi-cpu.pb", "mace/gpu/float16"),
    } <= agree, sorted(agree)
    assert not [one for one in ran if one["passed"] is False]
    unknown = [one for one in ran if one["passed"] is None]
    assert {one["what"].split("/")[0] for one in unknown} == {"output on onnx"}
    assert all(one["detail"].startswith("not checked: ") for one in unknown)


def test_one_wrong_value_on_one_target_fails_the_check(quick_phone: Phone, shipped: Path) -> None:
    quick_phone.faults.add(Fault.WRONG_OUTPUT, times=-1, where="--use_gpu=true")
    result = check(shipped, "--device", quick_phone.serial, "--target", "tflite/cpu/float32", "--target", GPU)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "wrong output: error" in said
    assert "2 outputs agree, 2 are wrong, 0 could not be checked" in said, "both float files run on both"


def test_nothing_is_run_of_a_bundle_that_is_damaged(quick_phone: Phone, shipped: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(shipped, tmp_path / "copy")
    (model,) = bundle.glob("models/*3-0.tflite")
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    result = check(bundle, "--target", GPU)
    assert result.exit_code == 1
    assert "nothing was run on the phone" in result.output
    assert not quick_phone.runs
    with pytest.raises(InputError, match="is damaged"):
        check_on_device(bundle, _never(), [])


def _never() -> PhoneRunner:
    """Return a runner that may not be used."""
    return PhoneRunner.__new__(PhoneRunner)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "snpe/dsp/int8"), "snpe-throughput-net-run is not registered"),
        (("--target", "tflite/cpu/int16x8"), "no file of"),
        (("--device", "none-such"), "no phone 'none-such' is connected"),
        (("--device", "host"), "name a phone with --device"),
    ],
)
def test_what_cannot_be_asked_is_an_error(quick_phone: Phone, shipped: Path, words: tuple[str, ...], said: str) -> None:
    result = check(shipped, *words)
    assert result.exit_code != 0
    assert said in result.output + str(result.exception)


def test_this_computer_is_the_reference_and_no_device(shipped: Path) -> None:
    with pytest.raises(InputError, match="cannot be given an input"):
        check_on_device(shipped, HostRunner(), [parse_target("tflite/cpu/float32")])
