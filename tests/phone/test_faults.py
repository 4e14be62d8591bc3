"""Faults that strike in the middle of something: each happens once, and the phone is whole again afterwards."""

import threading
import time
from pathlib import Path

import adbutils
import numpy as np
import pytest
from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.faults import Fault, Faults
from phone_simulator.fixtures import MakePhone
from phone_simulator.phone import Phone
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2

from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_network
from mogakit.nets.spaces import get_space

TMP = "/data/local/tmp"
LOST = (EOFError, adbutils.AdbError, OSError)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    space = get_space("digits")
    network = space.decode(space.sample(np.random.default_rng(0)))
    return export_network(network, [Format.TFLITE], Precision.FLOAT32, tmp_path_factory.mktemp("model"))[0].path


def prepared(phone: Phone, model: Path, folder: Path) -> adbutils.AdbDevice:
    """Push a tool and a model."""
    assert phone.server is not None
    device = phone.server.client().device(phone.serial)
    device.sync.push(write_tool(folder, Tool.BENCHMARK_MODEL), f"{TMP}/tool", 0o755)
    device.sync.push(model, f"{TMP}/model.tflite")
    return device


def detach(device: adbutils.AdbDevice) -> None:
    inner = f"{TMP}/tool --graph={TMP}/model.tflite > {TMP}/out 2>&1; echo $? > {TMP}/rc"
    device.shell2(f"rm -f {TMP}/rc; nohup sh -c '{inner}' >/dev/null 2>&1 </dev/null &", v2=True)


def answer_within(device: adbutils.AdbDevice, command: str, seconds: float = 15.0) -> str:
    """Ask until the phone answers with something."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            said = device.shell2(command, v2=True, timeout=5).stdout.strip()
        except LOST:
            said = ""
        if said:
            return str(said)
        assert time.monotonic() < deadline, f"no answer to {command}"
        time.sleep(0.1)


@pytest.mark.parametrize("fault", [Fault.UNPLUG_IN_RUN, Fault.SERVER_KILLED_IN_RUN])
def test_a_tool_goes_on_when_the_computer_is_gone(
    make_phone: MakePhone, adb_server: AdbServer, model: Path, tmp_path: Path, fault: Fault
) -> None:
    phone = make_phone(time_scale=0.2)
    device = prepared(phone, model, tmp_path)
    phone.on_server_kill = lambda: (adb_server.kill(), adb_server.start())
    phone.faults.add(fault)
    detach(device)
    assert answer_within(device, f"cat {TMP}/rc 2>/dev/null") == "0"
    assert "Inference timings in us" in answer_within(device, f"cat {TMP}/out")
    assert phone.faults.happened == [fault]


def test_a_reboot_in_a_run_leaves_no_exit_code(make_phone: MakePhone, model: Path, tmp_path: Path) -> None:
    phone = make_phone(time_scale=0.2)
    device = prepared(phone, model, tmp_path)
    before = phone.root.boot_id
    phone.faults.add(Fault.REBOOT_IN_RUN)
    detach(device)
    deadline = time.monotonic() + 10
    while phone.root.boot_id == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer_within(device, f"test -e {TMP}/rc && echo there || echo gone") == "gone"


def test_a_cut_push_leaves_no_file(make_phone: MakePhone, tmp_path: Path) -> None:
    phone = make_phone()
    assert phone.server is not None
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(3_000_000))
    device = phone.server.client().device(phone.serial)
    phone.faults.add(Fault.UNPLUG_IN_PUSH, after=5, where="big")
    with pytest.raises(LOST):
        device.sync.push(big, f"{TMP}/big.bin", check=True)
    assert answer_within(device, f"ls {TMP}; echo end") == "end"
    assert phone.pushes == []


def test_a_cut_poll_happens_only_while_a_tool_works(make_phone: MakePhone, model: Path, tmp_path: Path) -> None:
    phone = make_phone(time_scale=0.5)
    device = prepared(phone, model, tmp_path)
    phone.faults.add(Fault.UNPLUG_IN_POLL)
    assert device.shell2("echo idle", v2=True).stdout == "idle\n"
    detach(device)
    with pytest.raises(LOST):
        for _ in range(40):
            device.shell2("sleep 0.05; echo polled", v2=True)
    assert answer_within(device, f"cat {TMP}/rc 2>/dev/null") == "0"


def test_a_disk_may_be_full_for_one_file(make_phone: MakePhone, model: Path, tmp_path: Path) -> None:
    phone = make_phone()
    phone.faults.add(Fault.DISK_FULL)
    assert phone.server is not None
    failed = phone.server.run("-s", phone.serial, "push", str(model), f"{TMP}/model.tflite")
    assert "No space left on device" in failed.stdout + failed.stderr
    assert phone.server.run("-s", phone.serial, "push", str(model), f"{TMP}/model.tflite").returncode == 0


def test_rules_count_and_choose() -> None:
    faults = Faults()
    faults.add(Fault.CRASH, times=2, after=1, where="gpu")
    struck = [faults.strikes(Fault.CRASH, text) for text in ("cpu", "gpu", "gpu", "cpu", "gpu", "gpu")]
    assert struck == [False, False, True, False, True, False]
    faults.add(Fault.HANG, times=-1)
    assert all(faults.strikes(Fault.HANG) for _ in range(5)) and faults.pending(Fault.HANG)
    faults.clear()
    assert not faults.strikes(Fault.HANG)


def test_phones_work_side_by_side(make_phone: MakePhone, model: Path, tmp_path: Path) -> None:
    phones = [make_phone(kind, time_scale=1.0) for kind in (PIXEL_6, SNAPDRAGON_8_GEN_2, PIXEL_6, SNAPDRAGON_8_GEN_2)]
    devices = [prepared(phone, model, tmp_path / str(number)) for number, phone in enumerate(phones)]
    command = f"{TMP}/tool --graph={TMP}/model.tflite --num_runs=1 --min_secs=1 --warmup_min_secs=1"
    threads = [threading.Thread(target=device.shell2, args=(command,), kwargs={"v2": True}) for device in devices]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 6.0, "one after the other they take eight seconds"
