"""Every tool measures as long as was asked for, whatever it counts in, and its times are those of a warm phone."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from phone_jobs import MakeJob, assert_true, measure
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.phone import Phone

from mogakit.android_runner import tools
from mogakit.android_runner.commands import RunLength, rounds_for
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.measurement import Status
from mogakit.export.artifact import Artifact
from mogakit.flows.measure.devices import PhoneRequest, open_runner

TARGETS = (
    "tflite/cpu/float32",
    "tflite/cpu/float32,tool=litert",
    "mace/cpu/float32",
    "mace/gpu/float32",
    "onnx/cpu/float32",
)


def runs_of(phone: Phone) -> list[str]:
    return [line for line in phone.runs if "--help" not in line]


@pytest.mark.parametrize(("target", "min_s"), [(target, 0.3) for target in TARGETS] + [(TARGETS[-1], 0.01)])
def test_a_run_lasts_as_long_as_was_asked_for(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, tmp_path: Path, target: str, min_s: float
) -> None:
    tools.add(write_tool(tmp_path / "newer", Tool.BENCHMARK_MODEL, "litert"))
    job = make_job(target)
    asked = replace(options, length=replace(options.length, min_s=min_s, warmup_min_s=min_s / 2))
    with open_phone(quick_phone.serial, asked) as runner:
        (measured,) = measure(runner, job)
        num_runs = len(runs_of(quick_phone))
        (again,) = measure(runner, job, round_number=1)
        assert len(runs_of(quick_phone)) == num_runs + 1  # its speed is known by now
    for one in (measured, again):
        assert_true(quick_phone, job, one)
        assert one.summary is not None
        assert one.summary.count * one.summary.mean_ms >= 0.99 * 1000 * min_s


@pytest.mark.parametrize("target", ["mace/cpu/float32", "onnx/cpu/float32"])
def test_a_phone_that_gets_faster_while_it_works_is_measured_warm(
    make_phone: Callable[..., Phone], with_tools: None, options: PhoneOptions, make_job: MakeJob, target: str
) -> None:
    phone = make_phone(time_scale=0.01)
    phone.idle_slowdown = 2.3  # the first inferences of a process on an idle core
    job = make_job(target)
    asked = replace(options, length=RunLength(num_runs=5, min_s=0.2, max_s=5.0, warmup_min_s=0.1))
    with open_phone(phone.serial, asked) as runner:
        (measured,) = measure(runner, job)
    assert measured.status is Status.OK
    assert measured.summary is not None
    truth_ms = phone.truth_ms(job.artifact.path, target)
    assert measured.summary.centre_ms == pytest.approx(truth_ms, rel=0.1)


def test_a_run_is_no_longer_than_a_phone_is_patient_with() -> None:
    length = RunLength(num_runs=50, min_s=1.0, max_s=20.0)
    for inference_ms in (0.05, 1.0, 30.0, 400.0, 3000.0, 60_000.0):
        rounds = rounds_for(length, inference_ms)
        assert rounds * inference_ms >= 1000 * length.min_s
        assert rounds * inference_ms <= 1000 * length.max_s + inference_ms


@pytest.mark.parametrize("run_s", [0.02, 5.0, 30.0, 3600.0])
def test_no_tool_is_stopped_before_the_length_that_was_asked_for(
    quick_phone: Phone, artifacts: dict[tuple[str, str], list[Artifact]], run_s: float
) -> None:
    with open_runner(quick_phone.serial, phone=PhoneRequest(run_s=run_s)) as runner:
        length = runner.options.length  # type: ignore[attr-defined]
    assert length.min_s == run_s
    assert length.max_s >= 2 * run_s
    assert length.deadline_s > length.min_s + length.warmup_min_s


def test_a_profiled_network_is_run_once(quick_phone: Phone, options: PhoneOptions, make_job: MakeJob) -> None:
    with open_phone(quick_phone.serial, options) as runner:
        assert runner.profile_operators(make_job("mace/cpu/float32"))
    (line,) = [line for line in runs_of(quick_phone) if "--benchmark" in line]
    assert re.search(r"--restart_round=1\b", line)
