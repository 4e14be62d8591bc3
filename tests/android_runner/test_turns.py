"""Several targets of one phone: their windows take turns, and each run is whole, whatever befalls the others."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from phone_simulator.faults import Fault
from phone_simulator.fixtures import adb_binaries
from phone_simulator.phone import Phone

from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.journal import Journal
from mogakit.bench.schedule import StopReason
from mogakit.bench.target import Target, parse_target
from mogakit.cli.main import cli
from mogakit.errors import DeviceError, InputError, MeasurementError
from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_network
from mogakit.flows.measure.agreement import AgreementScope
from mogakit.flows.measure.devices import PhoneRequest
from mogakit.flows.measure.effort import QUICK_PHONE
from mogakit.flows.measure.fleet import folder_of, profile_device, profile_fleet
from mogakit.flows.measure.operator_profiles import PROFILED, read_profiles
from mogakit.flows.measure.profile import ProfileRequest, calibration_networks, export_for_profile
from mogakit.flows.measure.runs import RunFolder
from mogakit.flows.measure.sampling import blocks_to_measure
from mogakit.flows.measure.turns import profile_by_turns
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space
from mogakit.progress import silent

CPU, GPU, OPENGL = map(parse_target, ("tflite/cpu/float32", "tflite/gpu/float16", "tflite/gpu/float16,backend=gl"))
SHORT = PhoneRequest(quick=True, run_s=0.02)


@pytest.fixture(scope="module")
def digits_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a quick profile of the digits space at 32 pixels needs, and what operators are of."""
    folder = tmp_path_factory.mktemp("digits-32")
    space = get_space("digits", 32)
    networks = calibration_networks(space, QUICK_PHONE.num_calibration, 0)
    export_for_profile(space, blocks_to_measure(space, 0, 0), networks, CPU, folder, silent)
    for name in PROFILED:
        export_network(resolve(name), [Format.TFLITE], Precision.FLOAT32, folder, subfolder="network")
    return folder


@pytest.fixture
def adb_binary() -> Path:
    """Return one adb: whose turn it is does not depend on it."""
    return adb_binaries()[0]


@pytest.fixture
def fast_phone(make_phone: Callable[..., Phone], with_tools: None) -> Phone:
    """Return a phone whose own time takes none of ours."""
    return make_phone(time_scale=0.0)


def requests_for(phone: Phone, root: Path, *targets: Target) -> list[ProfileRequest]:
    return [
        ProfileRequest(
            space="digits",
            target=target,
            folder=folder_of(root, phone.serial, target),
            device=phone.serial,
            quick=True,
            input_size=32,
            agreement=AgreementScope.OFF,  # every run of a tool here is one that is timed
        )
        for target in targets
    ]


def moga(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def hardware_of_runs(phone: Phone) -> list[str]:
    """Return what ran, process after process."""
    runs = [line for line in phone.runs if "--graph=" in line]
    return ["gpu" if "--use_gpu=true" in line else "cpu" for line in runs]


def windows_of(request: ProfileRequest) -> list[int]:
    with Journal(RunFolder(request.folder).journal) as journal:
        return [one.window for one in journal.measurements(request.target)]


@pytest.mark.slow
def test_targets_take_turns_and_a_killed_job_goes_on_with_each_where_it_stood(
    fast_phone: Phone, tmp_path: Path, digits_files: Path
) -> None:
    root = tmp_path / "runs"
    cpu, gpu = requests_for(fast_phone, root, CPU, GPU)
    files = dict.fromkeys((cpu, gpu), digits_files)
    told: list[tuple[int, int, str]] = []

    def kill_at_60(done: int, total: int, note: str) -> None:
        if "round" in note:
            told.append((done, total, note))
        if len(told) == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile_device([cpu, gpu], SHORT, kill_at_60, files)
    assert [done for done, _, _ in told] == list(range(1, 61))
    assert {note.split(":")[0] for _, _, note in told} == {str(CPU), str(GPU)}
    assert all(note.endswith(" left") for _, _, note in told)
    killed = {request: windows_of(request) for request in (cpu, gpu)}
    assert sum(map(len, killed.values())) == 60

    again = [replace(request, resume=True) for request in (cpu, gpu)]
    outcomes = profile_device(again, SHORT, exported={})
    for request, outcome in zip((cpu, gpu), outcomes, strict=True):
        assert (outcome.error, outcome.result is None) == (None, False)
        windows = windows_of(request)
        assert windows == list(range(len(windows)))
        assert windows[: len(killed[request])] == killed[request]
    assert told[-1][1] == sum(len(windows_of(request)) for request in (cpu, gpu))

    ran = hardware_of_runs(fast_phone)
    assert len(ran) == told[-1][1]  # nothing was measured twice
    assert sum(one != other for one, other in pairwise(ran)) > len(ran) / 3
    quarters = [ran[start : start + len(ran) // 4].count("gpu") for start in range(0, len(ran) - 3, len(ran) // 4)]
    assert min(quarters) > len(ran) / 16

    # the tables are made: their operators are timed in runs of their own, and nothing else is run again
    target_words = [word for target in (CPU, GPU) for word in ("--target", target)]
    words = ("--space", "digits", "--input-size", 32, "--quick", "--run-s", 0.02, "--resume", "--per-op", "--json")
    words += ("--agreement", "off")
    result = moga("profile", "--device", fast_phone.serial, *target_words, *words, "-o", root)
    assert result.exit_code == 0, result.output
    assert [set(one) for one in json.loads(result.stdout)] == [{"device", "target", "error", "scope", "result"}] * 2
    assert len(hardware_of_runs(fast_phone)) == len(ran) + 2 * 4
    for request in (cpu, gpu):
        profiles = read_profiles(request.folder)
        assert [(one.network.partition("@")[0], one.target) for one in profiles] == [
            (name, str(request.target)) for name in PROFILED
        ]
    assert hardware_of_runs(fast_phone)[len(ran) :] == ["cpu"] * 4 + ["gpu"] * 4


@pytest.mark.slow
def test_targets_that_fail_leave_the_table_of_another_whole(
    fast_phone: Phone, options: PhoneOptions, tmp_path: Path, digits_files: Path
) -> None:
    fast_phone.faults.add(Fault.DELEGATE_NOT_CREATED, times=-1, where="--gpu_backend=gl")
    fast_phone.faults.add(Fault.REBOOT_IN_RUN, times=2, where="--gpu_precision_loss_allowed=false")
    rejected, crashing = parse_target("tflite/gpu/float16,tool=litert"), parse_target("tflite/gpu/float32")
    requests = requests_for(fast_phone, tmp_path, OPENGL, crashing, rejected, CPU)
    with open_phone(fast_phone.serial, options) as runner:
        outcomes = profile_by_turns(requests, runner, silent, dict.fromkeys(requests, digits_files))
    assert [type(outcome.error) for outcome in outcomes] == [MeasurementError, DeviceError, InputError, type(None)]
    said = ("does not work on", "restarted twice in the middle of a run", "is not registered")
    for text, outcome in zip(said, outcomes, strict=False):
        assert text in str(outcome.error)
    assert [outcome.result is None for outcome in outcomes] == [True, True, True, False]
    result = outcomes[-1].result
    assert result is not None and result.outcome.stopped is not StopReason.BUDGET
    assert all(result.table.counts(row) for row in result.table.rows.values())


def test_a_phone_that_goes_away_for_good_fails_every_target_that_is_left(
    fast_phone: Phone, options: PhoneOptions, tmp_path: Path, digits_files: Path
) -> None:
    fast_phone.replug_seconds = None
    fast_phone.faults.add(Fault.UNPLUG_IN_RUN, after=6, where="--graph=")
    requests = requests_for(fast_phone, tmp_path, CPU, GPU)
    with open_phone(fast_phone.serial, replace(options, reconnect_s=0.5)) as runner:
        outcomes = profile_by_turns(requests, runner, silent, dict.fromkeys(requests, digits_files))
    assert [type(outcome.error) for outcome in outcomes] == [DeviceError, DeviceError]
    assert all("did not come back" in str(outcome.error) for outcome in outcomes)
    assert sum(len(windows_of(request)) for request in requests) == 6  # what was finished stands


def test_operators_are_asked_for_before_anything_is_measured(fast_phone: Phone, tmp_path: Path) -> None:
    requests = requests_for(fast_phone, tmp_path / "runs", CPU, parse_target("onnx/cpu/float32"))
    with pytest.raises(InputError, match=r"which measures onnx/cpu/float32, prints no times of single operators"):
        profile_fleet(requests, tmp_path / "runs", SHORT, per_op=True)
    assert not (tmp_path / "runs").exists()
    assert not fast_phone.runs


@pytest.mark.slow
def test_targets_of_this_computer_go_on_one_after_the_other(tmp_path: Path, digits_files: Path) -> None:
    targets = ("tflite/cpu/float32", "mace/cpu/float32", "tflite/cpu/float32,threads=2")
    requests = [
        ProfileRequest(
            space="digits",
            target=parse_target(target),
            folder=tmp_path / str(number),
            quick=True,
            rounds=1,
            input_size=32,
        )
        for number, target in enumerate(targets)
    ]
    first, rejected, second = profile_device(requests, exported=dict.fromkeys(requests, digits_files))
    assert (first.error, second.error) == (None, None)
    assert "give a phone" in str(rejected.error)
    states = []
    for request in (requests[0], requests[2]):
        with Journal(RunFolder(request.folder).journal) as journal:
            states.append([(one.before.at, one.after.at) for one in journal.measurements()])
    assert max(after for _, after in states[0]) <= min(before for before, _ in states[1])
