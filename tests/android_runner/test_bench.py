"""`moga bench` with a phone on the cable."""

import json
from collections.abc import Callable

from click.testing import CliRunner, Result
from phone_simulator.phone import Phone

from mogakit.bench.runner import Job
from mogakit.cli.main import cli
from mogakit.flows.effort import FULL_ACCELERATOR, FULL_PHONE

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
