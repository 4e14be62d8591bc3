"""The exit codes of docs/cli.md reach the shell, however a command ends."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.cli.exits import exit_code_of
from mogakit.cli.main import cli
from mogakit.errors import DeviceError, InputError, MogaKitError
from mogakit.luts.table import load, save

TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"


def test_done_is_0(moga):
    ended = moga("show", "moga-a")
    assert (ended.code, ended.err) == (0, "")


def test_a_table_with_an_error_is_1(moga, tmp_path):
    table = load(TABLE)
    identity = replace(table.identity, device="phone", device_name="a phone")
    save(replace(table, name="copied", identity=identity), tmp_path / "lut.json")
    ended = moga("lut", "check", TABLE, "--against", tmp_path)
    assert (ended.code, ended.err) == (1, "")
    assert "equal-across-devices" in ended.out


def test_a_phone_that_is_absent_is_1(moga, tmp_path):
    ended = moga("profile", "--device", "nowhere", "--space", "digits", "-o", tmp_path / "run", ADB_SERVER_SOCKET="")
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("show", "nothing"),
        ("show", "moga-a", "--nothing"),
        ("lut", "show", "nothing.json"),
        ("bench", "moga-a", "--target", "tflite/edgetpu/int8"),
        ("check",),
    ],
)
def test_bad_input_is_2_with_a_message_and_no_traceback(moga, arguments):
    ended = moga(*arguments)
    assert ended.code == 2, ended.err
    assert ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("after_s", [1.0, 3.0])
def test_ctrl_c_is_130(program, tmp_path, after_s):
    process = subprocess.Popen(
        [program, "profile", "--space", "moga", "-o", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.decode().splitlines()[-1] == "stopped; what was finished is kept"
    assert b"Traceback" not in err


@pytest.mark.parametrize("arguments", [("--help",), ("zoo",), ("show", "moga-a", "--json"), ("show", "--help")])
def test_a_reader_that_leaves_is_141_and_silent(program, arguments):
    read, write = os.pipe()
    process = subprocess.Popen([program, *arguments], stdout=write, stderr=subprocess.PIPE)
    os.close(read)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, b"")


def test_a_full_disk_is_1(program):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([program, "zoo"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"moga: No space left on device\n")


@pytest.mark.parametrize(
    ("raised", "code"), [(InputError("x"), 2), (DeviceError("x"), 1), (MogaKitError("x"), 1), (OSError("x"), 1)]
)
def test_every_kind_of_error_has_its_code_and_one_line(raised, code, capsys):
    def fail() -> None:
        raise raised

    assert exit_code_of(fail) == code
    assert capsys.readouterr().err == "moga: x\n"


def test_control_characters_of_a_name_do_not_reach_the_terminal(moga, tmp_path):
    name = tmp_path / "a\x1b]0;title\x07\x9b2J.json"
    for arguments in (("lut", "show", name), ("show", "a\x1b[2Jb")):
        ended = moga(*arguments)
        assert ended.code == 2
        assert not set(ended.err) & {"\x1b", "\x07", "\x9b"}
        assert "\\x1b" in ended.err


def test_completion_lists_the_commands():
    found = CliRunner().invoke(
        cli, [], prog_name="moga", env={"_MOGA_COMPLETE": "bash_complete", "COMP_WORDS": "moga s", "COMP_CWORD": "1"}
    )
    assert {"plain,show", "plain,search", "plain,ship", "plain,supernet"} == set(found.output.split())


DROPPED = """
import signal, sys, time
from mogakit.cli.exits import exit_code_of

class Finalised:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def command():
    Finalised()  # what the handler raises within a finaliser, Python drops
    time.sleep(20)

sys.exit(exit_code_of(command))
"""


def test_a_ctrl_c_that_falls_into_a_finaliser_is_not_lost():
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "stopped; what was finished is kept\n")
    assert time.monotonic() - started < 15


PRESSED = """
import atexit, signal, sys
from mogakit.__main__ import start

class Pressing:
    def find_spec(self, name, path=None, target=None):
        if name == "mogakit.cli.main":
            signal.raise_signal(signal.SIGINT)

if sys.argv[1] == "loads":
    sys.meta_path.insert(0, Pressing())
else:
    atexit.register(signal.raise_signal, signal.SIGINT)
sys.argv = ["moga", "zoo"]
start()
"""


@pytest.mark.parametrize(
    ("when", "code", "said"), [("loads", 130, "stopped before anything was done\n"), ("has ended", 0, "")]
)
def test_ctrl_c_while_the_command_loads_is_130_and_after_it_has_ended_nothing(when, code, said):
    ended = subprocess.run([sys.executable, "-c", PRESSED, when], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, said)
    assert bool(ended.stdout) is (code == 0)


@pytest.mark.parametrize(("call", "closed"), [("check moga-a", "2>&-"), ("zoo", "<&-"), ("zoo", "2>&- <&-")])
def test_streams_that_the_shell_closed_change_nothing(call, closed):
    words = [sys.executable, "-m", "mogakit", *call.format(table=TABLE).split()]
    script = f'"$@" {closed}'
    ended = subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert ended.stdout


MADE_FROM_TEXT = """
import signal, sys, types
import mogakit.__main__ as program

module = types.ModuleType("mogakit.cli.main")

def main():
    from mogakit.cli.exits import exit_code_of
    sys.exit(exit_code_of(lambda: exec("import signal; signal.raise_signal(signal.SIGINT)")))

module.main = main
sys.modules["mogakit.cli.main"] = module
program.start()
"""


def test_ctrl_c_in_code_that_is_made_from_text_is_130_and_not_death_by_the_signal():
    ended = subprocess.run([sys.executable, "-c", MADE_FROM_TEXT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "stopped; what was finished is kept\n")


@pytest.mark.parametrize("call", ["zoo", "lut show {table} --rows 2"])
def test_a_terminal_of_few_letters_shows_every_text(call):
    words = [sys.executable, "-m", "mogakit", *call.format(table=TABLE).split()]
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    environment = {**os.environ, **plain}
    ended = subprocess.run(words, capture_output=True, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.isascii()


@pytest.mark.parametrize(
    "raised", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_too_little_memory_is_1_and_one_line(raised, capsys):
    def fail() -> None:
        raise raised

    assert exit_code_of(fail) == 1
    assert capsys.readouterr().err == "moga: there is not enough memory for this\n"


def test_a_small_file_takes_little_memory_to_read(tmp_path):
    import tracemalloc

    from mogakit.records import read_bytes

    path = tmp_path / "small"
    path.write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert read_bytes(path) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
