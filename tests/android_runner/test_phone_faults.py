"""What goes wrong with cable, phone and computer ends in a right time or a clear error; what was measured stays."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from phone_jobs import CPU, MakeJob, assert_true, measure
from phone_simulator import fixtures
from phone_simulator.adb_server import AdbServer
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone, Transport
from phone_simulator.wire import Authentication

from mogakit.android_runner import deploy, discovery
from mogakit.android_runner.lock import phone_lock
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.android_runner.settings import SettingsRequest
from mogakit.bench.measurement import Status
from mogakit.bench.target import parse_target
from mogakit.errors import DeviceError

adb_binary = fixtures.adb_binary  # each in turn

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
    assert any("thermal status is" in str(warning) for warning in measured.before.warnings)


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


def test_a_second_process_is_rejected_by_name_and_the_lock_ends_with_its_holder(quick_phone: Phone) -> None:
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


# -- Ctrl-C


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
