"""The log of `--log`: one JSON line a second, whatever happens to the command, the phases or the disk."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mogakit import progress as module
from mogakit.cli.command import command
from mogakit.cli.main import cli
from mogakit.cli.output import log_option, progress_bars
from mogakit.errors import DeviceError, InputError
from mogakit.progress import progress_log

TABLE = Path(__file__).parent / "search" / "data" / "moga-xeon-xnnpack.json"
FIELDS = ["time", "command", "state", "phase", "done", "total", "rate", "eta_s", "detail"]


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_search_logs_what_it_does(tmp_path):
    log = tmp_path / "log.jsonl"
    arguments = ["search", "--table", str(TABLE), "--set", "population=8", "--set", "generations=4"]
    found = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "run"), "--log", str(log)])
    assert found.exit_code == 0, found.output
    rows = lines_of(log)
    assert all(list(row) == FIELDS for row in rows)
    assert {row["command"] for row in rows} == {"search"}
    last = rows[-1]
    assert (last["state"], last["phase"], last["done"], last["total"]) == ("finished", "searching", 4, 4)
    CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "again"), "--log", str(log)])
    assert len(lines_of(log)) > len(rows)


def test_a_line_comes_every_second_although_nothing_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOG_EVERY_S", 0.05)
    path = tmp_path / "log"
    with progress_log(path, "bench", pytest.fail) as log:
        advance = log.progress("bench")
        advance(0, 10, "a")
        time.sleep(0.12)
        advance(5, 10, "b")
        time.sleep(0.12)
    rows = lines_of(path)
    assert [row["state"] for row in rows] == ["running"] * (len(rows) - 1) + ["finished"]
    assert len(rows) >= 5
    running = [row for row in rows if row["done"] == 5]
    assert 0 < running[0]["rate"] < 5 / 0.12
    assert running[0]["eta_s"] == pytest.approx(5 / running[0]["rate"], abs=0.06)
    assert all(first["time"] <= second["time"] for first, second in pairwise(rows))


def test_phases_side_by_side_have_a_line_each_and_a_failure_says_so(tmp_path):
    @command("profile")
    @log_option
    def profile() -> None:
        with progress_bars(["one", "two"]) as bars:
            bars["one"](1, 2, "x\nline")
            bars["two"](3, 4, "")
            raise DeviceError("gone")

    with pytest.raises(DeviceError):
        profile.main(["--log", str(tmp_path / "log")], prog_name="moga profile", standalone_mode=False)
    last = lines_of(tmp_path / "log")[-2:]
    assert [(row["phase"], row["done"], row["state"]) for row in last] == [("one", 1, "failed"), ("two", 3, "failed")]


@pytest.mark.parametrize("content", ["{", '{"schema_version": 1}\n', "[]\n", "chromosome,accuracy\n", "\x00\xff"])
def test_a_file_that_is_not_a_log_is_left_alone(tmp_path, content):
    path = tmp_path / "lut.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a log"), progress_log(path, "search", pytest.fail):
        pass
    assert path.read_text() == content


def test_a_pipe_or_a_device_is_not_a_log(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null"), tmp_path):
        with pytest.raises(InputError, match="not a regular file"), progress_log(path, "search", pytest.fail):
            pass


def test_a_full_disk_ends_the_log_and_not_the_work(tmp_path):
    """A limit on the size of files stands for the disk; the signal that comes with it is ignored, as Python does."""
    program = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from mogakit import progress\n"
        "progress.LOG_EVERY_S = 0.01\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "said = []\n"
        "with progress.progress_log(Path(sys.argv[1]), 'search', said.append) as log:\n"
        "    log.progress('a')(1, 2, 'x' * 100); time.sleep(0.2); done = True\n"
        "print(done, len(said), said[0].endswith('progress is not logged any more'))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, tmp_path / "log"], capture_output=True, text=True, check=True)
    assert ran.stdout == "True 1 True\n"


def test_an_unknown_folder_is_one_message(tmp_path):
    found = CliRunner().invoke(
        cli, ["search", "--table", str(TABLE), "-o", str(tmp_path / "a"), "--log", str(tmp_path / "no" / "log")]
    )
    assert isinstance(found.exception, FileNotFoundError | click.ClickException)
    assert not (tmp_path / "a").exists()
