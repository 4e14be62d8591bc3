"""Everything that goes wrong ends in a right time or a clear error, and nothing that was measured is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone, Transport
from phone_simulator.wire import Authentication

from mogakit.android_runner import deploy, discovery, settings, tools
from mogakit.android_runner.adb import Link
from mogakit.android_runner.lock import phone_lock
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.android_runner.settings import SettingsRequest
from mogakit.bench.measurement import DelegationKind, Measurement, Status
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import DeviceError, MeasurementError, TableError
from mogakit.flows.sampling import slot_space
from mogakit.luts.estimate import estimate_files
from mogakit.luts.predict import Predictor
from mogakit.luts.table import PHONE_STATISTIC, load

MakeJob = Callable[..., Job]
CPU, GPU = "tflite/cpu/float32", "tflite/gpu/float16"


@pytest.fixture
def runner(quick_phone: Phone, options: PhoneOptions) -> Iterator[PhoneRunner]:
    with open_phone(quick_phone.serial, options) as opened:
        yield opened


def measure(runner: PhoneRunner, *jobs: Job) -> list[Measurement]:
    with runner.session(jobs, 0, seed=0) as session:
        return [one for window, job in enumerate(jobs) for one in session.measure([job], window)]


def assert_true(phone: Phone, job: Job, measured: Measurement) -> None:
    """The time is the phone's truth and stands for its target."""
    assert (measured.status, measured.error) == (Status.OK, None)
    assert measured.summary is not None
    assert measured.summary.mean_ms == pytest.approx(phone.truth_ms(job.artifact.path, str(job.target)), rel=0.1)


# -- the cable, the server, the phone itself


@pytest.mark.parametrize("fault", [Fault.UNPLUG_IN_RUN, Fault.UNPLUG_IN_POLL, Fault.REBOOT_IN_RUN])
def test_a_run_survives_what_happens_to_cable_and_phone(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob, fault: Fault
) -> None:
    job = make_job(CPU)
    assert runner.unsupported(job.target) is None
    quick_phone.clock.scale = 20.0 if fault is Fault.UNPLUG_IN_POLL else 0.01  # long enough to be asked in the middle
    quick_phone.faults.add(fault)
    (measured,) = measure(runner, job)
    assert quick_phone.faults.happened == [fault]
    assert_true(quick_phone, job, measured)


def test_a_push_that_was_cut_is_made_again(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    job = make_job(CPU)
    assert runner.unsupported(job.target) is None
    quick_phone.faults.add(Fault.UNPLUG_IN_PUSH)
    (measured,) = measure(runner, job)
    assert_true(quick_phone, job, measured)


def test_a_killed_adb_server_is_started_again(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob, adb_server: AdbServer
) -> None:
    def kill_and_restart() -> None:
        adb_server.kill()
        adb_server.start()

    quick_phone.on_server_kill = kill_and_restart
    job = make_job(CPU)
    assert runner.unsupported(job.target) is None
    quick_phone.faults.add(Fault.SERVER_KILLED_IN_RUN)
    (measured,) = measure(runner, job)
    assert_true(quick_phone, job, measured)


def test_a_phone_on_the_network_is_connected_again_after_the_server_forgot_it(
    make_phone: Callable[..., Phone], with_tools: None, adb_server: AdbServer, make_job: MakeJob, options: PhoneOptions
) -> None:
    phone = make_phone(time_scale=0.01, transports=(Transport.TCP,))
    first, second = make_job(CPU), make_job(CPU, 1)
    with open_phone(phone.serial, options) as runner:
        (before,) = measure(runner, first)
        adb_server.kill()
        adb_server.start()
        (after,) = measure(runner, second)
    assert_true(phone, first, before)
    assert_true(phone, second, after)


def test_a_phone_that_stays_away_is_an_error_and_what_was_measured_stands(
    quick_phone: Phone, make_job: MakeJob, options: PhoneOptions
) -> None:
    first, second = make_job(CPU), make_job(CPU, 1)
    seen = []
    with (
        open_phone(quick_phone.serial, replace(options, reconnect_s=1.0)) as runner,
        pytest.raises(DeviceError, match=r"did not come back within 1 s.*--resume"),
        runner.session((first, second), 0, seed=0) as session,
    ):
        seen += list(session.measure([first], 0))
        quick_phone.replug_seconds = None
        quick_phone.faults.add(Fault.UNPLUG_IN_RUN)
        seen += list(session.measure([second], 1))
    assert [one.status for one in seen] == [Status.OK]


def test_an_unauthorized_phone_says_what_to_accept(make_phone: Callable[..., Phone], options: PhoneOptions) -> None:
    phone = make_phone(authentication=Authentication.REFUSED)
    deadline = time.monotonic() + 10  # adb calls it offline at first, and 36 authorizing then
    while discovery.find()[0].state != "unauthorized" and time.monotonic() < deadline:
        time.sleep(0.1)
    with pytest.raises(DeviceError, match=r"unauthorized.*Allow USB debugging"), open_phone(phone.serial, options):
        pass


def test_an_offline_phone_says_so(make_phone: Callable[..., Phone], adb_server: AdbServer) -> None:
    phone = make_phone(transports=(Transport.TCP,))
    phone.unplug()
    deadline = time.monotonic() + 10
    while discovery.find()[0].state != "offline" and time.monotonic() < deadline:
        time.sleep(0.1)
    with pytest.raises(DeviceError, match="is offline: unplug and replug"):
        discovery.choose(phone.serial, patience_s=0.0)


# -- tools that lie


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


def moga(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_bench_shows_no_time_of_another_hardware_but_says_why(quick_phone: Phone, make_job: MakeJob) -> None:
    quick_phone.faults.add(Fault.DELEGATE_NOT_CREATED, times=-1)
    job = make_job(GPU)
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
    run, network = tmp_path / "RUN", slot_space("digits", 32).decode((0,) * 6)
    asked = ("profile", "--space", "digits", "--input-size", 32, "--device", quick_phone.serial, "--target", GPU)
    options = ("-o", run, "--quick", "--run-s", 0.02)
    said = moga(*asked, *options)
    assert said.exit_code == 0, said.output
    assert "--resume --accept-partial lets it count" in said.stderr
    table = load(run / "lut.json")
    assert {row.status for row in table.rows.values()} == {Status.PARTIAL}
    assert (table.overhead, table.calibration.num_networks) == (None, 0)
    with pytest.raises(TableError, match=r"is marked partial: .*--accept-partial"):
        Predictor(table).predict(network)
    again = moga(*asked, *options, "--resume", "--accept-partial", "--json")
    assert json.loads(again.stdout)["outcome"]["num_measured"] == 0
    accepted = load(run / "lut.json")
    assert (accepted.accepted, accepted.calibration.num_networks) == ((Status.PARTIAL,), 4)
    assert len(Predictor(accepted).explain(network).doubtful) == len({block.key for block in network.blocks})


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


def test_a_flag_that_a_build_would_ignore_is_refused(
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


# -- storage


def test_a_full_disk_is_an_error_before_anything_is_pushed(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    assert runner.unsupported(parse_target(CPU)) is None
    quick_phone.disk_limit_bytes = 1_000_000
    with pytest.raises(DeviceError, match=r"MB are needed and .* MB are free.*moga devices clean"):
        measure(runner, make_job(CPU))


def test_a_disk_that_fills_during_a_push_gives_the_phones_words(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    assert runner.unsupported(parse_target(CPU)) is None
    quick_phone.faults.add(Fault.DISK_FULL, times=-1)
    with pytest.raises(DeviceError, match="No space left on device"):
        measure(runner, make_job(CPU))


def test_a_wrong_hash_is_pushed_again_and_then_an_error(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    assert runner.unsupported(parse_target(CPU)) is None
    quick_phone.faults.add(Fault.WRONG_HASH)
    job = make_job(CPU)
    (measured,) = measure(runner, job)
    assert_true(quick_phone, job, measured)
    quick_phone.faults.add(Fault.WRONG_HASH, times=-1)
    with pytest.raises(DeviceError, match="another hash twice"):
        measure(runner, make_job(CPU, 1))
    assert not list(quick_phone.host_path(f"{deploy.ROOT}/files").glob("*.part"))


# -- the phone's condition


def test_a_hot_phone_is_waited_for(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    job = make_job(CPU)
    measure(runner, make_job(CPU, 1))
    quick_phone.heat_to(48.0)
    runner.state()
    (measured,) = measure(runner, job)
    assert_true(quick_phone, job, measured)
    assert measured.before.thermal_status == "none"
    assert (measured.before.temperature_c or 99) < 41


def test_a_phone_that_stays_throttled_marks_its_times(
    quick_phone: Phone, make_job: MakeJob, options: PhoneOptions
) -> None:
    quick_phone.clock.scale = 10.0  # so that it does not cool during the test
    quick_phone.state.forced_throttling = 0.7
    quick_phone.heat_to(60.0)
    impatient = replace(options, limits=replace(options.limits, max_wait_s=0.2))
    with open_phone(quick_phone.serial, impatient) as runner:
        (measured,) = measure(runner, make_job(CPU))
    assert measured.status is Status.HOT
    assert any("thermal status is" in warning for warning in measured.before.warnings)


def _override(phone: Phone) -> None:
    phone.state.forced_status = 0


def _drain(phone: Phone) -> None:
    phone.state.battery_percent = 12


def _fake(phone: Phone) -> None:
    phone.state.battery_faked = True


def _save(phone: Phone) -> None:
    phone.state.settings["global"]["low_power"] = "1"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_override, "cmd thermalservice reset"),
        (_drain, "battery at 12 %, below 30 %"),
        (_fake, "dumpsys battery reset"),
        (_save, "battery saver"),
    ],
)
def test_what_only_a_person_mends_stops_the_job(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob, spoil: Callable[[Phone], None], said: str
) -> None:
    spoil(quick_phone)
    quick_phone.refresh()
    with pytest.raises(DeviceError, match=said):
        measure(runner, make_job(CPU))


# -- two who want the same phone


def test_two_serials_of_one_phone_are_one_phone(
    make_phone: Callable[..., Phone], with_tools: None, options: PhoneOptions
) -> None:
    phone = make_phone(transports=(Transport.USB, Transport.TCP))
    found = discovery.find()
    assert sorted(item.link.serial for item in found) == sorted(phone.serials)
    assert sum(item.same_as is not None for item in found) == 1
    first, second = phone.serials
    with (
        open_phone(first, options),
        pytest.raises(DeviceError, match="one job per phone"),
        open_phone(second, options),
    ):
        pass


def test_a_second_process_is_refused_by_name_and_the_lock_ends_with_its_holder(quick_phone: Phone) -> None:
    code = (
        "import sys, time; from mogakit.android_runner.lock import phone_lock\n"
        "with phone_lock(sys.argv[1]):\n    print('held', flush=True); time.sleep(60)"
    )
    serialno = quick_phone.profile.serialno
    with subprocess.Popen([sys.executable, "-c", code, serialno], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DeviceError, match=f"by process {other.pid}"), phone_lock(serialno):
            pass
        other.kill()
    with phone_lock(serialno):
        pass


# -- settings, Ctrl-C, crashes


def test_settings_are_changed_on_request_and_restored(quick_phone: Phone, options: PhoneOptions) -> None:
    request = SettingsRequest(fixed_performance=True, screen_on=True)
    quick_phone.state.awake = False
    quick_phone.refresh()
    with open_phone(quick_phone.serial, replace(options, settings=request)):
        assert quick_phone.state.fixed_performance
        assert quick_phone.state.awake
        assert quick_phone.state.stay_on or quick_phone.state.settings["global"]["stay_on_while_plugged_in"] != "0"
    assert not quick_phone.state.fixed_performance
    assert not quick_phone.state.awake
    assert quick_phone.state.settings["global"]["stay_on_while_plugged_in"] == "0"


def test_nothing_is_changed_without_a_request(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    measure(runner, make_job(CPU))
    assert not quick_phone.state.fixed_performance
    assert not quick_phone.state.stay_on


@pytest.mark.parametrize("record", ["here", "on the phone"])
def test_what_a_dead_session_changed_is_restored_by_the_next(
    quick_phone: Phone, options: PhoneOptions, own_home: Path, record: str
) -> None:
    link = Link(discovery.default_servers()[0], quick_phone.serial)
    serialno = quick_phone.profile.serialno
    dying = settings.applied(link, serialno, SettingsRequest(fixed_performance=True))
    dying.__enter__()  # and the process is killed before it leaves
    assert quick_phone.state.fixed_performance
    if record == "on the phone":  # another computer had changed it
        for path in (own_home / "phones").iterdir():
            path.unlink()
    with open_phone(quick_phone.serial, options):
        assert not quick_phone.state.fixed_performance
    assert settings.pending(serialno) is None
    dying.__exit__(None, None, None)


def test_a_foreign_restore_file_is_not_obeyed(quick_phone: Phone, options: PhoneOptions) -> None:
    link = Link(discovery.default_servers()[0], quick_phone.serial)
    link.shell(f"mkdir -p {deploy.ROOT} && echo 'touch /data/local/tmp/owned' >{deploy.ROOT}/restore.sh")
    with pytest.raises(Exception, match="no command that the kit would undo"), open_phone(quick_phone.serial, options):
        pass
    assert not quick_phone.host_path("/data/local/tmp/owned").exists()


def test_ctrl_c_ends_the_run_on_the_phone_and_restores_its_settings(
    interruptible: None, quick_phone: Phone, make_job: MakeJob, options: PhoneOptions
) -> None:
    quick_phone.faults.add(Fault.HANG, times=-1)
    asked = replace(options, settings=SettingsRequest(fixed_performance=True))

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while not quick_phone.runs and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), open_phone(quick_phone.serial, asked) as runner:
        assert runner.unsupported(parse_target(CPU)) is None
        quick_phone.runs.clear()
        thread = threading.Thread(target=interrupt)
        thread.start()
        measure(runner, make_job(CPU))
    thread.join()
    assert not [process for process in quick_phone.processes() if "benchmark_model" in process.text]
    assert not quick_phone.state.fixed_performance
