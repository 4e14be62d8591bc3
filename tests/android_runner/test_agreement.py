"""Whether a phone computes the right answer: asked of every tool that can say, and a wrong one never counts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from phone_jobs import MakeJob
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone

from mogakit.android_runner import tools
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.bench.agreement import Verdict
from mogakit.bench.journal import Journal
from mogakit.cli.main import cli
from mogakit.export.artifact import Artifact
from mogakit.flows.measure.agreement import AgreementScope, check_agreements
from mogakit.progress import silent

COMPUTING = [
    "tflite/cpu/float32",
    "tflite/cpu/int8",
    "tflite/gpu/float16",
    "tflite/gpu/float32,backend=gl",
    "mace/cpu/float32",
    "mace/gpu/float16",
]


@pytest.mark.parametrize("target", COMPUTING)
def test_a_phone_that_computes_rightly_agrees(runner: PhoneRunner, make_job: MakeJob, target: str) -> None:
    agreement = runner.agreement(make_job(target))
    assert agreement.verdict is Verdict.AGREES, str(agreement)
    assert agreement.relative is not None
    assert agreement.relative < 0.02
    assert agreement.reference


@pytest.mark.parametrize("target", COMPUTING)
def test_one_wrong_value_is_found(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob, target: str) -> None:
    quick_phone.faults.add(Fault.WRONG_OUTPUT)
    agreement = runner.agreement(make_job(target))
    assert agreement.verdict is Verdict.WRONG_OUTPUT, str(agreement)
    assert "differs from" in agreement.reason


@pytest.mark.parametrize(
    ("target", "fault", "reason"),
    [
        ("onnx/cpu/float32", None, "onnxruntime_perf_test has no flag that writes the output"),
        ("tflite/gpu/float16", Fault.DELEGATE_NOT_CREATED, "did not run on gpu"),
        ("tflite/gpu/float16", Fault.CRASH, "exit code 139"),
        ("tflite/cpu/float32", Fault.CRASH, "exit code 139"),
    ],
)
def test_what_cannot_be_said_is_not_checked(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob, target: str, fault: Fault | None, reason: str
) -> None:
    if fault is not None:
        quick_phone.faults.add(fault)
    agreement = runner.agreement(make_job(target))
    assert agreement.verdict is Verdict.NOT_CHECKED
    assert reason in agreement.reason
    assert str(agreement).startswith("not checked: ")


def test_a_build_without_the_flags_is_not_checked(
    make_phone: Callable[..., Phone], options: PhoneOptions, make_job: MakeJob, tmp_path: Path
) -> None:
    tools.add(write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL, "2020"))
    with open_phone(make_phone(time_scale=0.0).serial, options) as runner:
        agreement = runner.agreement(make_job("tflite/cpu/float32"))
    assert agreement.verdict is Verdict.NOT_CHECKED
    assert "--output_filepath" in agreement.reason


@pytest.fixture
def block_file(artifacts: dict[object, list[Artifact]]) -> Iterator[str]:
    """Return a file as a user would name it."""
    yield str(next(iter(artifacts.values()))[0].path)


def bench(*words: str) -> tuple[int, dict[str, object]]:
    """Run `moga bench --json` and return its exit code and the only timing."""
    found = CliRunner().invoke(cli, ["bench", *words, "--quick", "--rounds", "1", "--json"])
    return found.exit_code, json.loads(found.stdout)["timings"][0]


def test_a_wrong_answer_never_counts(quick_phone: Phone, block_file: str) -> None:
    quick_phone.faults.add(Fault.WRONG_OUTPUT)
    exit_code, row = bench(block_file, "--device", quick_phone.serial)
    assert (exit_code, row["status"]) == (1, "wrong-output")
    assert "wrong output" in str(row["error"])


def test_the_answer_is_asked_for_once_a_file_and_target(quick_phone: Phone, block_file: str, tmp_path: Path) -> None:
    words = (block_file, "--device", quick_phone.serial, "-o", str(tmp_path / "bench"))
    _, row = bench(*words)
    assert row["status"] == "ok"
    bench(*words, "--resume")
    asked = [run for run in quick_phone.runs if "--output_filepath" in run]
    assert len(asked) == 1
    assert "--num_runs=1 " in asked[0], "nothing is timed by it"


def test_it_can_be_left_out(quick_phone: Phone, block_file: str) -> None:
    _, row = bench(block_file, "--device", quick_phone.serial, "--agreement", "off")
    assert row["agreement"] is None
    assert not any("--output_filepath" in run for run in quick_phone.runs)


def test_by_default_only_whole_networks_are_asked_for(
    runner: PhoneRunner, make_job: MakeJob, quick_phone: Phone, tmp_path: Path
) -> None:
    job = make_job("tflite/cpu/float32")  # a block
    with Journal(tmp_path / "journal.db") as journal:
        check_agreements([job], runner, journal, AgreementScope.NETWORKS, silent)
        assert not journal.agreements()
        check_agreements([job], runner, journal, AgreementScope.ALL, silent)
        assert [one.verdict for one in journal.agreements().values()] == [Verdict.AGREES]
