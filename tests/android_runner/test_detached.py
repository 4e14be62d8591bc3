"""A run under a name that was used before is this run: its process, its output, its exit code, and no other's."""

import threading
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


@pytest.mark.parametrize(
    ("tool", "how"),
    [
        ("sh -c 'sleep 6001 & sleep 6002 & wait'", "hangs"),
        ("sh -c '( sleep 6001 & ) ; sleep 6002'", "hangs"),  # its child has another parent by then
        ("sh -c 'sleep 6001 & sleep 6002 & kill -9 $$'", "dies"),  # they hold its output open
        ("sh -c 'setsid sleep 6001 & sleep 6002'", "hangs"),
    ],
)
@pytest.mark.parametrize("ended_by", ["deadline", "launch", "sweep", "kill"])
def test_the_children_of_a_tool_that_hangs_end_with_it(
    phone: Phone, link: Link, tool: str, how: str, ended_by: str
) -> None:
    run = detached.launch(link, "again", tool, boot_id="")
    started(phone, "sleep 6001")
    started(phone, "sleep 6002")
    if ended_by == "deadline":
        assert detached.wait(link, run, {}, expected_s=0.01, deadline_s=0.2).exit_code in (None, 137)
    elif ended_by == "launch":
        detached.launch(link, "again", "sleep 6003", boot_id="")
    elif ended_by == "sweep":
        assert len(detached.sweep(link)) >= 2
    else:
        detached.kill(link, run.folder)
    assert not running(phone, "sleep 6001")
    assert not running(phone, "sleep 6002")
    detached.sweep(link)


def test_a_run_is_ended_and_no_other_one(phone: Phone, link: Link) -> None:
    mine = detached.launch(link, "mine", "sleep 6004", boot_id="")
    detached.launch(link, "theirs", "sleep 6005", boot_id="")
    started(phone, "sleep 6004")
    started(phone, "sleep 6005")
    detached.kill(link, mine.folder)
    assert not running(phone, "sleep 6004")
    assert running(phone, "sleep 6005")
    assert len(detached.sweep(link)) == 1


def test_a_tool_that_ends_while_it_is_asked_about_is_asked_again(phone: Phone, link: Link) -> None:
    """A question that removes what it reads must not be put before the end was seen: its answer would be lost."""
    folder = "/data/local/tmp/mogakit/runs/mine"
    link.shell(f"mkdir -p {folder}; cd {folder}; echo 4711 >kept; : >out; mkfifo pid")
    pid = phone.host_path(f"{folder}/pid")

    def end_in_the_middle() -> None:
        with pid.open("w") as asked:  # opened by the question for the pid, which stands behind that for the exit code
            phone.host_path(f"{folder}/rc").write_text("0\n")
            pid.unlink()
            pid.write_text("1\n")
            asked.write("1\n")

    thread = threading.Thread(target=end_in_the_middle)
    thread.start()
    run = detached.Run(folder, "")
    finished = detached.wait(link, run, {"kept": "cat kept; rm kept"}, expected_s=0.01, deadline_s=10.0)
    thread.join()
    assert (finished.exit_code, finished.answers["kept"], finished.num_polls) == (0, "4711", 2)
