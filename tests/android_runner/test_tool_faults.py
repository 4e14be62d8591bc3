"""What goes wrong in a tool or its output is never taken for a time: it is a status with its reason, or an error."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from phone_jobs import CPU, GPU, MakeJob, assert_true, measure
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone

from mogakit.android_runner import tools
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.bench.measurement import DelegationKind, Status
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import MeasurementError, TableError
from mogakit.luts.estimate import estimate_files
from mogakit.luts.statistic import PHONE_STATISTIC
from mogakit.luts.table import load
from mogakit.nets.spaces import get_space


def moga(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_a_delegate_that_was_not_created_is_no_gpu_time(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    quick_phone.faults.add(Fault.DELEGATE_NOT_CREATED, times=-1)
    (measured,) = measure(runner, make_job(GPU))
    assert (measured.status, measured.delegation.kind) == (Status.FALLBACK, DelegationKind.NONE)
    assert "GPU acceleration is unsupported" in (measured.delegation.reason or "")


def test_a_target_that_never_works_is_given_up_with_the_reason(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    quick_phone.faults.add(Fault.DELEGATE_NOT_CREATED, times=-1)
    with pytest.raises(MeasurementError, match=r"does not work on Google Pixel 6.*GPU acceleration is unsupported"):
        measure(runner, *(make_job(GPU, number) for number in range(4)))


def test_partial_delegation_is_counted(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    quick_phone.faults.add(Fault.PARTIAL_DELEGATION, times=-1)
    (measured,) = measure(runner, make_job(GPU))
    assert (measured.status, measured.delegation.kind) == (Status.PARTIAL, DelegationKind.PARTIAL)
    taken, total = measured.delegation.nodes_delegated, measured.delegation.nodes_total
    assert taken is not None
    assert total is not None
    assert 0 < taken < total


def test_bench_shows_no_time_of_another_hardware_but_says_why(
    quick_phone: Phone, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_phone.faults.add(Fault.DELEGATE_NOT_CREATED, times=-1)
    job = make_job(GPU)
    monkeypatch.setenv("COLUMNS", str(len(str(job.artifact.path)) + 240))  # one line a row, however long its path is
    options = ("--device", quick_phone.serial, "--target", GPU, "--quick", "--run-s", 0.02)
    said = moga("bench", job.artifact.path, *options)
    assert said.exit_code == 1, said.output
    reason = f"{job.artifact.path}: status fallback: "
    (line,) = [line for line in said.stdout.splitlines() if line.startswith(reason)]
    assert "GPU acceleration is unsupported" in line
    (shown,) = [line for line in said.stdout.splitlines() if line.startswith("│") and "none" in line]
    assert [cell.strip() for cell in shown.split("│")[2:8]] == ["-"] * 6
    as_json = moga("bench", job.artifact.path, *options, "--json")
    assert as_json.exit_code == 1
    (timing,) = json.loads(as_json.stdout)["timings"]
    assert timing["latency_ms"] > 0
    assert (timing["status"], timing["delegation"]) == ("fallback", "none")
    assert "GPU acceleration is unsupported" in timing["reason"]


def test_a_table_of_partial_delegation_predicts_only_for_those_who_accept_it(
    quick_phone: Phone, tmp_path: Path
) -> None:
    quick_phone.faults.add(Fault.PARTIAL_DELEGATION, times=-1)
    run, network = tmp_path / "RUN", get_space("digits", 32).decode((0,) * 6)
    asked = ("profile", "--space", "digits", "--input-size", 32, "--device", quick_phone.serial, "--target", GPU)
    options = ("-o", run, "--quick", "--run-s", 0.02)
    said = moga(*asked, *options)
    assert said.exit_code == 0, said.output
    assert "--resume --accept-partial lets it count" in said.stderr
    table = load(run / "lut.json")
    assert {row.status for row in table.rows.values()} == {Status.PARTIAL}
    assert (table.overhead, table.calibration.num_networks) == (None, 0)
    with pytest.raises(TableError, match=r"is marked partial: .*--accept-partial"):
        table.latency_ms(network)
    again = moga(*asked, *options, "--resume", "--accept-partial", "--json")
    assert json.loads(again.stdout)["outcome"]["num_measured"] == 0
    accepted = load(run / "lut.json")
    assert (accepted.accepted, accepted.calibration.num_networks) == ((Status.PARTIAL,), 4)
    assert len(accepted.predict(network).doubtful) == len({block.key for block in network.blocks})


def test_opengl_in_place_of_opencl_is_named_and_never_mixed(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    quick_phone.faults.add(Fault.NO_OPENCL, times=3)  # the first file is tried twice
    only_cl, either, later = make_job(f"{GPU},backend=cl"), make_job(GPU), make_job(GPU, 1)
    first, second, third = measure(runner, only_cl, either, later)
    assert first.status is Status.FAILED
    assert "Can not open OpenCL library" in (first.delegation.reason or "")
    assert (second.status, second.delegation.backend) == (Status.OK, "OpenGL")
    assert third.status is Status.FALLBACK
    assert "OpenCL was used after OpenGL" in (third.delegation.reason or "")


def test_opengl_and_opencl_are_not_mixed_where_a_job_is_resumed(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob
) -> None:
    quick_phone.faults.add(Fault.NO_OPENCL, times=1)
    first, second = make_job(GPU), make_job(GPU, 1)
    taken = []
    for job in (first, second):
        with open_phone(quick_phone.serial, options) as anew:
            taken += measure(anew, job)
    assert [(one.status, one.delegation.backend) for one in taken] == [(Status.OK, "OpenGL"), (Status.OK, "OpenCL")]
    rows = estimate_files(taken, PHONE_STATISTIC)
    assert rows[first.artifact.name].status is Status.OK
    later = rows[second.artifact.name]
    assert (later.status, later.backend) == (Status.FALLBACK, "OpenCL")
    assert "OpenCL was used after OpenGL" in later.reason


@pytest.mark.parametrize("fault", [Fault.TRUNCATED_OUTPUT, Fault.GARBLED_NUMBERS, Fault.CRASH])
def test_output_that_cannot_be_read_is_measured_again_and_then_an_error(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob, fault: Fault
) -> None:
    job = make_job(CPU)
    quick_phone.faults.add(fault)
    (measured,) = measure(runner, job)
    assert_true(quick_phone, job, measured)
    quick_phone.faults.add(fault, times=-1)
    (failed,) = measure(runner, make_job(CPU, 1))
    assert (failed.status, failed.summary) == (Status.FAILED, None)
    assert "benchmark_model" in (failed.error or "")
    assert "signal 11" in (failed.error or "") or fault is not Fault.CRASH


def test_endless_output_is_bounded_and_ended(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    quick_phone.faults.add(Fault.ENDLESS_OUTPUT, times=-1)
    (measured,) = measure(runner, make_job(CPU))
    assert measured.status is Status.FAILED
    assert "1000000 bytes" in (measured.error or "")
    assert not [process for process in quick_phone.processes() if "benchmark_model" in process.text]


def test_a_run_that_never_ends_is_ended(quick_phone: Phone, make_job: MakeJob, options: PhoneOptions) -> None:
    quick_phone.faults.add(Fault.HANG, times=-1)
    short = replace(options.length, max_s=-29.0)  # a deadline of two seconds
    with open_phone(quick_phone.serial, replace(options, length=short)) as runner:
        (measured,) = measure(runner, make_job(CPU))
        assert measured.status is Status.FAILED
        assert "did not end within 2 s" in (measured.error or "")
        assert not [process for process in quick_phone.processes() if "benchmark_model" in process.text]


def test_a_flag_that_a_build_would_ignore_is_rejected(
    make_phone: Callable[..., Phone], tmp_path: Path, make_job: MakeJob, options: PhoneOptions
) -> None:
    tool = tools.add(write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL))
    phone = make_phone(time_scale=0.01)
    with open_phone(phone.serial, options) as runner:
        assert runner.unsupported(parse_target(CPU)) is None
        probe = tools.remembered_probe(tool.sha256)
        assert probe is not None
        flags = tuple(flag for flag in probe.flags if flag != "gpu_backend")
        tools.remember_probe(tool.sha256, replace(probe, flags=flags))
    with (
        open_phone(phone.serial, options) as runner,
        pytest.raises(MeasurementError, match=r"does not know --gpu_backend=cl; register a newer build"),
    ):
        measure(runner, make_job(f"{GPU},backend=cl"))
