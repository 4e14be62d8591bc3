"""Several phones at once: none waits for another, one that fails does not stop the others, Ctrl-C ends them all."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from phone_simulator import fixtures
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2

from mogakit.bench.target import parse_target
from mogakit.flows.measure.agreement import AgreementScope
from mogakit.flows.measure.devices import PhoneRequest
from mogakit.flows.measure.fleet import folder_of, profile_fleet
from mogakit.flows.measure.profile import ProfileRequest

adb_binary = fixtures.adb_binary  # each in turn

TARGET = parse_target("tflite/cpu/float32")
SHORT = PhoneRequest(quick=True, fixed_performance=True, run_s=0.02)


@pytest.fixture
def phones(make_phone: Callable[..., Phone], with_tools: None) -> list[Phone]:
    return [make_phone(kind, time_scale=0.01) for kind in (PIXEL_6, SNAPDRAGON_8_GEN_2)]


def requests_for(phones: list[Phone], root: Path) -> list[ProfileRequest]:
    return [
        ProfileRequest(
            space="moga",
            target=TARGET,
            folder=folder_of(root, phone.serial, TARGET),
            device=phone.serial,
            quick=True,
            input_size=32,
            agreement=AgreementScope.OFF,  # every run of a tool here is one that is timed
        )
        for phone in phones
    ]


@pytest.mark.slow
def test_ctrl_c_ends_the_runs_on_all_phones_and_restores_them(
    interruptible: None, phones: list[Phone], tmp_path: Path, moga_files: Path
) -> None:
    shutil.copytree(moga_files, tmp_path / "files" / "tflite-cpu-float32")
    for phone in phones:
        phone.faults.add(Fault.HANG, times=-1, where="--graph=", after=2)

    running: list[bool] = []

    def interrupt() -> None:
        deadline = time.monotonic() + 120
        while not all(len(phone.runs) > 2 for phone in phones) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.extend(phone.state.fixed_performance for phone in phones)
        os.kill(os.getpid(), signal.SIGINT)  # whatever was seen, so that a failing test ends

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        profile_fleet(requests_for(phones, tmp_path), tmp_path, SHORT)
    thread.join()
    assert running == [True, True]
    for phone in phones:
        assert not [process for process in phone.processes() if "benchmark_model" in process.text]
        assert not phone.state.fixed_performance


@pytest.mark.parametrize(
    ("device", "name"),
    [("emulator-5554", "emulator-5554"), ("192.168.0.7:5555", "192.168.0.7-5555"), ("../$(reboot)", "reboot")],
)
def test_a_serial_names_a_folder_and_nothing_else(tmp_path: Path, device: str, name: str) -> None:
    assert folder_of(tmp_path, device, TARGET) == tmp_path / name / "tflite-cpu-float32"
