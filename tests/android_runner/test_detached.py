"""A run under a name that was used before is this run: its process, its output, its exit code, and no other's."""

import time

import pytest
from phone_jobs import CPU, MakeJob, assert_true, measure
from phone_simulator import fixtures
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone

from mogakit.android_runner import detached, discovery
from mogakit.android_runner.adb import Link
from mogakit.android_runner.runner import PhoneRunner

adb_binary = fixtures.adb_binary  # each in turn


@pytest.fixture
def link(phone: Phone) -> Link:
    return discovery.choose(phone.serial)[0]


def running(phone: Phone, text: str) -> bool:
    return any(process.text.endswith(text) for process in phone.processes())


def started(phone: Phone, text: str) -> None:
    deadline = time.monotonic() + 10
    while not running(phone, text):
        assert time.monotonic() < deadline, f"{text} was not started"
        time.sleep(0.02)


def test_an_earlier_runs_exit_code_and_output_are_not_read(link: Link) -> None:
    first = detached.launch(link, "again", "sh -c 'echo first; exit 3'", boot_id="")
    assert detached.wait(link, first, {}, expected_s=0.1, deadline_s=10.0).exit_code == 3
    second = detached.launch(link, "again", "sh -c 'sleep 0.7; echo second; exit 4'", boot_id="")
    finished = detached.wait(link, second, {}, expected_s=0.05, deadline_s=10.0)
    assert (finished.exit_code, finished.output) == (4, "second\n")


def test_an_earlier_runs_process_is_ended_and_its_exit_code_goes_with_its_folder(phone: Phone, link: Link) -> None:
    detached.launch(link, "again", "sleep 600", boot_id="")
    started(phone, "sleep 600")
    run = detached.launch(link, "again", "sleep 700", boot_id="")
    started(phone, "sleep 700")
    time.sleep(0.3)  # in which the shell of the first would write its code
    assert not running(phone, "sleep 600")
    assert not phone.host_path(f"{run.folder}/rc").exists()
    finished = detached.wait(link, run, {}, expected_s=0.05, deadline_s=0.1)
    assert finished.exit_code is None  # ended by us: its time was up
    assert not running(phone, "sleep 700")


def test_a_collected_run_is_discarded_with_the_next(phone: Phone, link: Link) -> None:
    first = detached.launch(link, "one", "true", boot_id="")
    detached.wait(link, first, {}, expected_s=0.1, deadline_s=10.0)
    detached.launch(link, "two", "true", boot_id="", discard=first.folder)
    assert not phone.host_path(first.folder).exists()


def test_a_tool_whose_pid_cannot_be_kept_is_not_started(phone: Phone, link: Link) -> None:
    """Nobody could end it: so it is with a launch that goes on after its folder was given to the next attempt."""
    run = detached.launch(link, "gone", "touch /data/local/tmp/started", boot_id="", prelude='rmdir "$PWD"')
    time.sleep(0.5)
    assert not phone.host_path(run.folder).exists()
    assert not phone.host_path("/data/local/tmp/started").exists()


def test_a_run_whose_start_was_not_heard_of_is_ended_and_made_again(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    job = make_job(CPU)
    assert runner.unsupported(job.target) is None
    runner.state()
    quick_phone.runs.clear()
    quick_phone.clock.scale = 20.0  # long enough to be asked in the middle
    quick_phone.faults.add(Fault.HANG)
    quick_phone.faults.add(Fault.ANSWER_LOST, where="nohup")
    (measured,) = measure(runner, job)
    assert_true(quick_phone, job, measured)
    assert sorted(quick_phone.faults.happened) == [Fault.ANSWER_LOST, Fault.HANG]
    assert len(quick_phone.runs) == 2  # the exit code of the first was not taken for a failure of the second
    assert not [process for process in quick_phone.processes() if "benchmark_model" in process.text]
