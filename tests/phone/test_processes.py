"""What runs on the phone, and what outlives a stream: as with real adbd, only the direct shell is hung up."""

import time
from pathlib import Path

from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.fixtures import MakePhone
from phone_simulator.phone import Phone

TMP = "/data/local/tmp"


def push_tool(server: AdbServer, phone: Phone, folder: Path, tool: Tool, version: str = "") -> str:
    remote = f"{TMP}/{tool}"
    server.client().device(phone.serial).sync.push(write_tool(folder, tool, version), remote, 0o755)
    return remote


def test_a_detached_job_lives_on_and_leaves_its_exit_code(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    tool = push_tool(adb_server, phone, tmp_path, Tool.BENCHMARK_MODEL)
    device = adb_server.client().device(phone.serial)
    inner = f"{tool} --graph={TMP}/none.tflite > {TMP}/out 2>&1; echo $? > {TMP}/rc"
    assert (
        device.shell2(f"nohup sh -c '{inner}' >/dev/null 2>&1 </dev/null & echo $!", v2=True).stdout.strip().isdigit()
    )
    phone.unplug()
    phone.plug()
    deadline = time.monotonic() + 10
    while not phone.host_path(f"{TMP}/rc").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert device.shell2(f"cat {TMP}/rc", v2=True).stdout == "1\n"
    assert "Failed to load model" in device.shell2(f"cat {TMP}/out", v2=True).stdout


def test_what_runs_under_the_shell_survives_the_end_of_the_stream(adb_server: AdbServer, phone: Phone) -> None:
    device = adb_server.client().device(phone.serial)
    connection = device.open_transport()
    connection.send_command("shell,v2,raw:(sleep 45; true) > /dev/null 2>&1; echo done")
    connection.check_okay()
    deadline = time.monotonic() + 5
    while not any("sleep 45" in process.text for process in phone.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    connection.close()
    time.sleep(0.3)
    alive = [process for process in phone.processes() if "sleep 45" in process.text]
    assert alive, "a child of the shell died with the stream, which real adbd does not do"
    assert device.shell2(f"kill {alive[-1].pid}", v2=True).returncode == 0


def test_a_killed_tool_is_gone_at_once(adb_server: AdbServer, make_phone: MakePhone, tmp_path: Path) -> None:
    phone = make_phone()
    tool = push_tool(adb_server, phone, tmp_path, Tool.MACE_RUN)
    device = adb_server.client().device(phone.serial)
    arguments = "--input_node=a --output_node=b --model_file=/data/none.pb --model_data_file=/data/none.data"
    command = f"sh -c 'echo $$ > {TMP}/pid; exec {tool} {arguments}' > {TMP}/out 2>&1 </dev/null &"
    device.shell2(command, v2=True)
    time.sleep(0.4)
    assert device.shell2(f"wc -l < {TMP}/out", v2=True).stdout.strip() > "0", "it retries for ever and says so"
    assert tool in device.shell2(f"tr '\\0' ' ' < /proc/$(cat {TMP}/pid)/cmdline", v2=True).stdout
    assert device.shell2(f"kill -9 $(cat {TMP}/pid)", v2=True).returncode == 0
    time.sleep(0.2)
    assert phone.processes() == []


def test_ps_pidof_and_pkill_see_this_phone_only(adb_server: AdbServer, phone: Phone) -> None:
    device = adb_server.client().device(phone.serial)
    device.shell2("nohup sleep 33 >/dev/null 2>&1 </dev/null &", v2=True)
    rows = device.shell2("ps -A -o PID,ARGS", v2=True).stdout
    assert "sleep 33" in rows
    assert "python" not in rows and "pytest" not in rows
    assert device.shell2("pidof sleep", v2=True).stdout.strip().isdigit()
    assert device.shell2("pkill sleep", v2=True).returncode == 0
    time.sleep(0.1)
    assert device.shell2("pidof sleep", v2=True).returncode == 1


def test_closing_the_phone_leaves_no_process(adb_server: AdbServer, make_phone: MakePhone, tmp_path: Path) -> None:
    with Phone(make_phone().profile, tmp_path / "short-lived", server=adb_server) as phone:
        adb_server.client().device(phone.serial).shell2("nohup sleep 77 >/dev/null 2>&1 </dev/null &", v2=True)
        assert phone.processes()
    assert phone.processes() == []
