"""The real adb server and the real adbutils against the simulated phone: states, streams, files, cables."""

import hashlib
import os
import time
from pathlib import Path

import adbutils
import pytest
from phone_simulator.adb_server import AdbServer
from phone_simulator.fixtures import MakePhone
from phone_simulator.phone import FEATURES, Phone, Transport
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2
from phone_simulator.wire import Authentication

TMP = "/data/local/tmp"


def states(server: AdbServer) -> dict[str, str]:
    return {info.serial: info.state for info in server.client().list()}


def wait_for_state(server: AdbServer, serial: str, state: str | None, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while states(server).get(serial) != state:
        assert time.monotonic() < deadline, f"{serial} is {states(server).get(serial)}, not {state}"
        time.sleep(0.05)


def test_a_plugged_phone_is_listed_with_its_names(adb_server: AdbServer, phone: Phone) -> None:
    (info,) = adb_server.client().list(extended=True)
    assert (info.serial, info.state, info.tags["model"]) == (phone.serial, "device", "Pixel_6")


def test_shell_v2_keeps_exit_code_and_streams_apart(adb_server: AdbServer, phone: Phone) -> None:
    device = adb_server.client().device(phone.serial)
    answer = device.shell2("echo out; echo err >&2; exit 7", v2=True)
    assert (answer.returncode, answer.stdout, answer.stderr) == (7, "out\n", "err\n")
    assert device.shell2("kill -9 $$", v2=True).returncode == 137
    assert device.shell2("no-such-command", v2=True).returncode == 127


def test_shell_carries_megabytes_and_standard_input(adb_server: AdbServer, phone: Phone) -> None:
    device = adb_server.client().device(phone.serial)
    assert len(device.shell2("head -c 5000000 /dev/zero", v2=True, encoding=None).stdout) == 5_000_000
    if adb_server.adb.parent.name == "binaries":
        answer = adb_server.run("-s", phone.serial, "shell", "cat; echo end; exit 3")
        assert (answer.returncode, answer.stdout) == (3, "end\n")


def test_paths_of_the_phone_lead_to_its_own_folder(adb_server: AdbServer, phone: Phone) -> None:
    device = adb_server.client().device(phone.serial)
    text = device.shell2(f"cd {TMP} && pwd && echo x>'a b' && ls {TMP}/* && cat '{TMP}/a b' ./a*", v2=True).stdout
    assert text == f"{TMP}\n{TMP}/a b\nx\nx\n"
    assert device.shell2("readlink -f /sys/../data; cat /no/such/file", v2=True).stderr == (
        "cat: /no/such/file: No such file or directory\n"
    )


@pytest.mark.parametrize("features", [FEATURES, ("shell_v2", "cmd")], ids=["sync-v2", "sync-v1"])
def test_files_come_back_as_they_went(
    adb_server: AdbServer, make_phone: MakePhone, tmp_path: Path, features: tuple[str, ...]
) -> None:
    phone = make_phone(features=features)
    data = os.urandom(3_000_000)
    source = tmp_path / "source.bin"
    source.write_bytes(data)
    device = adb_server.client().device(phone.serial)
    device.sync.push(source, f"{TMP}/sub/x.bin", 0o644, check=True)
    assert device.sync.read_bytes(f"{TMP}/sub/x.bin") == data
    assert device.shell2(f"sha256sum {TMP}/sub/x.bin", v2=True).stdout.split()[0] == hashlib.sha256(data).hexdigest()
    assert adb_server.run("-s", phone.serial, "push", str(source), f"{TMP}/y.bin").returncode == 0
    assert adb_server.run("-s", phone.serial, "pull", f"{TMP}/y.bin", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == data
    assert device.sync.stat(f"{TMP}/y.bin").size == len(data)
    assert device.sync.stat(f"{TMP}/none").mode == 0
    assert "y.bin" in [info.path for info in device.sync.list(TMP)]


def test_a_push_onto_a_folder_fails_in_adbs_words(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"x")
    device = adb_server.client().device(phone.serial)
    with pytest.raises(adbutils.AdbError):
        device.sync.push(b"x", TMP)
    with pytest.raises(adbutils.AdbError, match="No such file or directory"):
        device.sync.read_bytes(f"{TMP}/none")


def test_a_cable_pulled_in_the_middle_of_a_command_is_an_eof(
    adb_server: AdbServer, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = adb_server.client().device(phone.serial)
    phone._loop.call_soon_threadsafe(lambda: phone._loop.call_later(0.3, lambda: phone._spawn(phone._unplug())))
    with pytest.raises((EOFError, adbutils.AdbError)):
        device.shell2("echo begun; sleep 20; echo done", v2=True)
    wait_for_state(adb_server, phone.serial, None)
    with pytest.raises(adbutils.AdbError, match="not found"):
        device.shell2("true", v2=True)
    phone.plug()
    wait_for_state(adb_server, phone.serial, "device")
    assert device.shell2("echo back", v2=True).stdout == "back\n"


def test_over_tcp_an_unplugged_phone_stays_as_offline(adb_server: AdbServer, make_phone: MakePhone) -> None:
    phone = make_phone(transports=(Transport.TCP,))
    wait_for_state(adb_server, phone.serial, "device")
    phone.unplug()
    wait_for_state(adb_server, phone.serial, "offline")


def test_a_silent_phone_does_not_answer(adb_server: AdbServer, phone: Phone) -> None:
    phone.freeze()
    with pytest.raises(adbutils.AdbTimeout):
        adb_server.client().device(phone.serial).shell2("true", v2=True, timeout=0.5)


def test_an_unauthorized_phone_says_so_until_somebody_taps(adb_server: AdbServer, make_phone: MakePhone) -> None:
    phone = make_phone(authentication=Authentication.REFUSED)
    wait_for_state(adb_server, phone.serial, "unauthorized")
    with pytest.raises(adbutils.AdbError, match="unauthorized"):
        adb_server.client().device(phone.serial).shell2("true", v2=True)
    phone.authorize()
    wait_for_state(adb_server, phone.serial, "device")


@pytest.mark.parametrize("authentication", [Authentication.ACCEPTED, Authentication.NEW_KEY])
def test_a_key_may_be_known_or_taken(
    adb_server: AdbServer, make_phone: MakePhone, authentication: Authentication
) -> None:
    phone = make_phone(authentication=authentication)
    wait_for_state(adb_server, phone.serial, "device")


def test_an_old_phone_checks_sums_and_has_no_exit_codes(adb_server: AdbServer, make_phone: MakePhone) -> None:
    phone = make_phone(protocol=(0x01000000, 4096), features=())
    device = adb_server.client().device(phone.serial)
    assert device.shell("echo $((6*7))") == "42"
    assert len(device.shell("head -c 100000 /dev/zero", encoding=None)) == 100_000


def test_a_reboot_changes_the_boot_id_and_ends_processes(adb_server: AdbServer, phone: Phone) -> None:
    device = adb_server.client().device(phone.serial)
    before = device.shell2("cat /proc/sys/kernel/random/boot_id", v2=True).stdout
    device.shell2("nohup sleep 60 >/dev/null 2>&1 </dev/null &", v2=True)
    assert any("sleep 60" in process.text for process in phone.processes())
    phone.reboot()
    wait_for_state(adb_server, phone.serial, "device")
    assert device.shell2("cat /proc/sys/kernel/random/boot_id", v2=True).stdout != before
    assert phone.processes() == []


def test_one_phone_may_have_two_serials(adb_server: AdbServer, make_phone: MakePhone) -> None:
    phone = make_phone(transports=(Transport.USB, Transport.TCP))
    serials = {adb_server.client().device(s).shell2("getprop ro.serialno", v2=True).stdout for s in phone.serials}
    assert len(phone.serials) == 2
    assert serials == {f"{PIXEL_6.serialno}\n"}


def test_a_phone_comes_back_to_a_server_that_was_killed(adb_server: AdbServer, phone: Phone) -> None:
    adb_server.kill()
    adb_server.start()
    wait_for_state(adb_server, phone.serial, "device")


def test_phones_are_apart_from_each_other(adb_server: AdbServer, make_phone: MakePhone) -> None:
    first, second = make_phone(PIXEL_6), make_phone(SNAPDRAGON_8_GEN_2)
    client = adb_server.client()
    client.device(first.serial).shell2(f"echo here > {TMP}/note", v2=True)
    assert client.device(second.serial).shell2(f"cat {TMP}/note", v2=True).returncode == 1
    assert client.device(second.serial).shell2("getprop ro.soc.model", v2=True).stdout == "SM8550\n"


def test_a_port_of_the_phone_can_be_forwarded(adb_server: AdbServer, phone: Phone) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def echo() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(peer.recv(100)[::-1])

        thread = threading.Thread(target=echo)
        thread.start()
        device = adb_server.client().device(phone.serial)
        port = device.forward_port(listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port)) as talk:
            talk.sendall(b"abc")
            assert talk.recv(100) == b"cba"
        thread.join()
