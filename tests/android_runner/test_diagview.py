"""`snpe-diagview` on this computer: what ends it, and that a table names the one that made its numbers."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from phone_simulator.binaries import Tool, write_library, write_tool
from phone_simulator.phone import Phone
from phone_simulator.profiles import SNAPDRAGON_8_GEN_2
from phone_simulator.snpe import write_diagview

from mogakit.android_runner import diagview, tools
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.target import parse_target
from mogakit.errors import MeasurementError

TABLE = "open('profile.csv', 'w').write('a,avg_total_inference_time,us,3')"


def register(folder: Path, script: str) -> tools.Tool:
    return tools.add(write_diagview(folder, f"#!{sys.executable}\n{script}\n"))


def endless(folder: Path) -> Path:
    """Register a reader that starts another program and waits for it; return where it writes the ids of both."""
    pids = folder / "pids"
    register(
        folder,
        "import os, subprocess\nother = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids) + '.new'!r}, 'w').write(f'{{os.getpid()}} {{other.pid}}')\n"
        f"os.replace({str(pids) + '.new'!r}, {str(pids)!r})\nother.wait()",
    )
    return pids


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def assert_ended(pids: Path) -> None:
    numbers = [int(number) for number in pids.read_text().split()]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(map(alive, numbers)):
        time.sleep(0.02)
    assert [number for number in numbers if alive(number)] == []


def test_ctrl_c_in_the_terminal_does_not_reach_the_reader(tmp_path: Path) -> None:
    """It is sent to every process of the kit's session; a reader that dies of it would look like one that failed."""
    register(tmp_path, f"import os\nassert os.getsid(0) == os.getpgrp() == os.getpid()\n{TABLE}")
    assert "avg_total" in diagview.to_csv(b"log")


def test_where_the_kit_is_interrupted_the_reader_ends_with_what_it_started(interruptible: None, tmp_path: Path) -> None:
    pids = endless(tmp_path)

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while not pids.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        diagview.to_csv(b"log")
    thread.join()
    assert_ended(pids)


def test_a_reader_that_takes_too_long_ends_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagview, "TIMEOUT_S", 2.0)
    pids = endless(tmp_path)
    with pytest.raises(MeasurementError, match="ran longer than 2 s"):
        diagview.to_csv(b"log")
    assert_ended(pids)


def test_tables_of_two_readers_are_not_of_one_identity(
    make_phone: Callable[..., Phone], tmp_path: Path, options: PhoneOptions
) -> None:
    for kind in (Tool.SNPE_NET_RUN, Tool.SNPE_THROUGHPUT):
        tools.add(write_tool(tmp_path / "bin", kind))
    tools.add(write_library(tmp_path / "lib", "libSNPE.so"))
    net_run = parse_target("snpe/dsp/int8,tool=net-run,input=1x224x224x3")
    with open_phone(make_phone(SNAPDRAGON_8_GEN_2).serial, options) as runner:
        flags = []
        for number in range(2):
            reader = register(tmp_path, f"# {number}")
            flags.append(runner.identity(net_run).flags)
            assert f"reader=snpe-diagview {reader.sha256[:12]}" in flags[-1]
        assert flags[0] != flags[1]
        other = runner.identity(parse_target("snpe/dsp/int8")).flags
    assert not [flag for flag in other if flag.startswith("reader=")]
