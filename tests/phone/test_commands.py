"""The commands and files by which the kit reads and changes a phone's state."""

from pathlib import Path

import pytest
from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Abi, Tool, elf_header, identify, tool_bytes, write_library, write_tool
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone

TMP = "/data/local/tmp"


@pytest.fixture
def sh(adb_server: AdbServer, phone: Phone):
    """Return what runs a command on the phone and gives its output."""
    device = adb_server.client().device(phone.serial)
    return lambda command: device.shell2(command, v2=True)


def test_getprop_prints_all_or_one(sh, phone: Phone) -> None:
    assert "[ro.board.platform]: [gs101]" in sh("getprop").stdout
    assert sh("getprop ro.product.model").stdout == "Pixel 6\n"
    assert sh("getprop no.such.property").stdout == "\n"


def test_clusters_can_be_read_from_sys(sh, phone: Phone) -> None:
    text = sh(
        "cd /sys/devices/system/cpu; grep . cpu[0-9]*/cpufreq/cpuinfo_max_freq cpu[0-9]*/cpu_capacity online"
    ).stdout
    assert "cpu7/cpufreq/cpuinfo_max_freq:2802000" in text
    assert "cpu0/cpu_capacity:124" in text
    assert "online:0-7" in text


def test_heat_shows_in_every_place(sh, phone: Phone) -> None:
    phone.clock.scale = 1.0  # otherwise it has cooled before it is asked
    phone.heat_to(50.0)
    assert "Thermal Status: 3" in sh("dumpsys thermalservice").stdout
    limit = int(sh("cat /sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq").stdout)
    assert limit < 2_802_000
    tenths = int(sh("dumpsys battery | grep temperature").stdout.split(":")[1])
    assert 300 < tenths <= 500


def test_sensors_can_be_overridden_and_reset(sh, phone: Phone) -> None:
    sh("cmd thermalservice override-status 2")
    assert "IsStatusOverride: true" in sh("dumpsys thermalservice").stdout
    sh("cmd thermalservice reset")
    assert "IsStatusOverride: false" in sh("dumpsys thermalservice").stdout


def test_settings_are_kept(sh, phone: Phone) -> None:
    assert sh("settings get global no_such").stdout == "null\n"
    sh("settings put global low_power 1")
    assert sh("settings get global low_power").stdout == "1\n"
    assert phone.state.power_save
    sh("svc power stayon usb; input keyevent 223")
    assert sh("settings get global stay_on_while_plugged_in").stdout == "2\n"
    assert "mWakefulness=Asleep" in sh("dumpsys power").stdout
    sh("cmd power set-fixed-performance-mode-enabled true")
    assert phone.state.fixed_performance


def test_low_battery_and_faked_battery(sh, phone: Phone) -> None:
    sh("dumpsys battery set level 7")
    text = sh("dumpsys battery").stdout
    assert "level: 7\n" in text and "UPDATES STOPPED" in text


def test_taskset_takes_legal_masks_only(sh, phone: Phone) -> None:
    assert sh("taskset c0 echo pinned").stdout == "pinned\n"
    assert sh("taskset f00 echo no").returncode == 1
    phone.state.offline_cpus = frozenset({7})
    assert "Invalid argument" in sh("taskset c0 echo no").stderr


def test_df_follows_the_disk(adb_server: AdbServer, sh, phone: Phone, tmp_path: Path) -> None:
    phone.disk_limit_bytes = 3_000_000
    source = tmp_path / "big"
    source.write_bytes(bytes(2_000_000))
    assert adb_server.run("-s", phone.serial, "push", str(source), f"{TMP}/one").returncode == 0
    assert int(sh(f"df -k {TMP}").stdout.splitlines()[1].split()[3]) < 1000
    failed = adb_server.run("-s", phone.serial, "push", str(source), f"{TMP}/two")
    assert failed.returncode != 0
    assert "No space left on device" in failed.stdout + failed.stderr
    assert sh(f"ls {TMP}").stdout == "one\n"


def test_a_pushed_binary_keeps_hash_size_and_bytes(adb_server: AdbServer, sh, phone: Phone, tmp_path: Path) -> None:
    tool = write_tool(tmp_path, Tool.BENCHMARK_MODEL)
    adb_server.client().device(phone.serial).sync.push(tool, f"{TMP}/t.part", 0o755)
    import hashlib

    sums = sh(f"sha256sum {TMP}/t.part; mv {TMP}/t.part {TMP}/t; md5sum < {TMP}/t; stat -c %s {TMP}/t").stdout.split()
    assert sums[0] == hashlib.sha256(tool.read_bytes()).hexdigest()
    assert sums[2] == hashlib.md5(tool.read_bytes()).hexdigest()
    assert int(sums[-1]) == tool.stat().st_size
    assert adb_server.client().device(phone.serial).sync.read_bytes(f"{TMP}/t") == tool.read_bytes()


def test_a_binary_of_another_processor_does_not_start(adb_server: AdbServer, sh, phone: Phone, tmp_path: Path) -> None:
    tool = write_tool(tmp_path, Tool.MACE_RUN, abi=Abi.X86_64)
    adb_server.client().device(phone.serial).sync.push(tool, f"{TMP}/mace_run", 0o755)
    answer = sh(f"{TMP}/mace_run --help")
    assert answer.returncode == 126
    assert "not executable: 64-bit ELF file" in answer.stderr


def test_a_wrong_hash_is_one_flipped_byte(adb_server: AdbServer, sh, phone: Phone, tmp_path: Path) -> None:
    library = write_library(tmp_path, "libQnnHtp.so")
    phone.faults.add(Fault.WRONG_HASH, where="libQnn")
    device = adb_server.client().device(phone.serial)
    device.sync.push(library, f"{TMP}/libQnnHtp.so")
    first = sh(f"sha256sum {TMP}/libQnnHtp.so").stdout
    device.sync.push(library, f"{TMP}/libQnnHtp.so")
    assert sh(f"sha256sum {TMP}/libQnnHtp.so").stdout != first


def test_scripts_given_as_files_name_the_phones_paths(adb_server: AdbServer, sh, phone: Phone) -> None:
    device = adb_server.client().device(phone.serial)
    device.sync.push(b"cd /data/local/tmp\necho $0 $1 > /data/local/tmp/said\npwd\n", f"{TMP}/cmd.sh")
    assert sh(f"sh {TMP}/cmd.sh one; cat {TMP}/said").stdout == f"{TMP}\n{TMP}/cmd.sh one\n"


def test_headers_are_those_of_their_processor() -> None:
    assert elf_header(Abi.ARM64)[18:20] == b"\xb7\x00" and len(elf_header(Abi.ARM64)) == 64
    assert elf_header(Abi.ARM)[4] == 1 and len(elf_header(Abi.ARM)) == 52
    assert identify(tool_bytes(Tool.MACE_RUN, "1.0.4"))["version"] == "1.0.4"
    assert identify(b"\x7fELF something else") is None
    with pytest.raises(ValueError, match="1999"):
        tool_bytes(Tool.MACE_RUN, "1999")
