"""Every command as a process, as a shell runs it: what success, failure, bad input and Ctrl-C leave behind."""

import json
import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from _pytest.mark import ParameterSet
from command_tree import CALLED
from phone_simulator.binaries import Tool, write_tool
from run_command import PROGRAM, Ended, run_moga

from mogakit.luts.table import load, save

TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"
NET = "digits/0-0-0-0-0-0"
DETECTOR = "ssdlite-mobilenet-v2"
SMALL = "--width 0.25 --input-size 64"
TRAINED = "--data digits --recipe digits --epochs 0.05 --batch-size 32 --workers 1"
BOXES = f"--data {{shapes}} {SMALL} --epochs 1 --batch-size 5 --workers 1"
FULL_DISK = "`does`, where no file can grow"
STARTED_S = 0.4
"""Seconds of CPU after which a command gets its Ctrl-C: its modules are being loaded, where most is in the way."""

WAITS_S = 5.0
"""Seconds after which a command is taken for one that waits for others, and gets its Ctrl-C too."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One command; `{name}` in a call is a path in the session's folder, `{out}` one that is not there yet.

    Attributes:
        does: a call with the smallest input there is, or None where `make demo` is that call, or a phone is needed.
        bad: a call whose words are wrong.
        fails: a call that is understood and cannot be done; None for a command that can do whatever it understands,
            unless nobody takes its answer: then `does` gets a full disk as its standard output.
        after: commands whose results `does` reads.
        lasts: a call that takes long; None where all are over at once.
    """

    does: str | None
    bad: str
    fails: str | None = None
    after: tuple[str, ...] = ()
    lasts: str | None = None


ROWS = {
    "doctor": Row(does="", bad="--seed 1"),
    "demo": Row(does=None, bad="--seed -1", fails=FULL_DISK, lasts="-o {out}"),
    "devices": Row(does="", bad="--all-targets --json"),
    "devices clean": Row(does="", bad="--device", fails="--device nowhere"),
    "devices pair": Row(does=None, bad="127.0.0.1:1", fails="127.0.0.1:1 123456"),
    "devices connect": Row(does=None, bad="x y", fails="127.0.0.1:1"),
    "tools add": Row(does="{mace_run}", bad="{absent}"),
    "tools list": Row(does="", bad="x"),
    "tools fetch": Row(
        does="benchmark_model --from {server}/tool",
        bad="no_such_tool",
        fails="benchmark_model --from {server}/absent",
        lasts="benchmark_model --from {server}/slow",
    ),
    "export blocks": Row(
        does="--space digits -o {blocks}", bad="--space nothing -o {out}", fails=FULL_DISK, lasts="-o {out}"
    ),
    "export model": Row(
        does=f"{DETECTOR} {SMALL} -o {{model}}",
        bad="nothing -o {out}",
        fails=FULL_DISK,
        lasts="moga-a --precision int8 -o {out}",
    ),
    "bench": Row(
        does=f"{NET} --quick --rounds 1",
        bad="nothing",
        fails=f"{NET} --device nowhere",
        lasts="moga-a",
    ),
    "profile": Row(
        does="--space digits --quick --rounds 1 -o {run}",
        bad="--target tflite/gpu -o {out}",
        fails="--device nowhere -o {out}",
        lasts="--space digits -o {out}",
    ),
    "validate": Row(
        does="{run} --models 2 --quick --rounds 1", bad="{absent}", after=("profile",), lasts="{tables} --seed 1"
    ),
    "fit": Row(
        does="{run} --pairs 5 --quick --rounds 1", bad="{absent}", after=("profile",), lasts="{tables} --seed 1"
    ),
    "transfer": Row(
        does="--from {run} --target tflite/cpu/float32,xnnpack=off --measurements 5 --quick -o {transferred}",
        bad="-o {out}",
        fails="--from {table} --device nowhere -o {out}",
        after=("profile",),
        lasts="--from {table} --measurements 5 -o {out}",
    ),
    "lut show": Row(does="{table}", bad="{absent}"),
    "lut check": Row(does="{table}", bad="{absent}", fails="{table} --against {copied}"),
    "lut diff": Row(does="{table} {table}", bad="{table}"),
    "lut merge": Row(does="{table} {table} -o {merged}", bad="{table}", fails=FULL_DISK),
    "lut export": Row(does="{table} -o {csv}", bad="{table}", fails=FULL_DISK),
    "lut import": Row(
        does="{yaml} --format ofa --unit ms -o {imported}",
        bad="{yaml} --unit ms -o {out}",
        fails=FULL_DISK,
    ),
    "lut trace": Row(does="{run} -o {trace}", bad="{absent} -o {trace}", after=("profile",)),
    "lut list": Row(does="", bad="x"),
    "lut get": Row(
        does="pixel1-tunas-proxyless -o {got}",
        bad="pixel1 -o {out}",
        fails=FULL_DISK,
    ),
    "zoo": Row(does="", bad="x"),
    "show": Row(does="moga-a", bad="MoGA-A"),
    "predict": Row(does="moga-a moga-b --table {table}", bad="moga-a", fails="moga-a mobilenet-v2 --table {table}"),
    "search": Row(
        does="--table {table} --engine best --limit latency<=8 -o {search}",
        bad="--table {table}",
        fails=FULL_DISK,
        lasts="--table {table} --set generations=100000 -o {out}",
    ),
    "compare": Row(
        does="moga-a moga-b --table {table} --reference moga-a",
        bad="moga-a --table {absent}",
        fails=f"{NET} --target tflite/cpu/float32 --device nowhere",
        lasts="moga-a --target tflite/cpu/float32",
    ),
    "controllers": Row(
        does="--table {table} --seeds 1 --population 4 --generations 2 -o {controllers}",
        bad="--table {table}",
        fails=FULL_DISK,
        lasts="--table {table} -o {out}",
    ),
    "report": Row(does="{run}", bad="{absent}", fails=FULL_DISK, after=("profile",), lasts="{tables} -o {out}"),
    "check": Row(does=NET, bad="nothing", lasts="--zoo"),
    "ship": Row(does=f"{NET} -o {{bundle}}", bad=NET, fails=FULL_DISK, lasts="moga-a -o {out}"),
    "train": Row(
        does=f"{NET} {TRAINED} -o {{trained}}",
        bad=f"{NET} -o {{out}}",
        fails=FULL_DISK,
        lasts=f"{NET} --data digits --recipe digits -o {{out}}",
    ),
    "supernet train": Row(
        does=f"--space digits {TRAINED} -o {{supernet}}",
        bad="--space digits -o {out}",
        fails=FULL_DISK,
        lasts="--space digits --data digits --recipe digits -o {out}",
    ),
    "supernet eval": Row(
        does="{supernet}/supernet.pt 0-0-0-0-0-0",
        bad="{file}",
        after=("supernet train",),
        lasts="{file} --random 1000",
    ),
    "supernet extract": Row(
        does="{supernet}/supernet.pt 0-0-0-0-0-0 --raw -o {extracted}.safetensors",
        bad="{file} x -o {out}",
        fails=FULL_DISK,
        after=("supernet train",),
    ),
    "supernet rank": Row(
        does="{supernet}/supernet.pt --networks 2 --epochs 0.05",
        bad="{file} --networks 1",
        fails=FULL_DISK,
        after=("supernet train",),
        lasts="{file}",
    ),
    "supernet alternate": Row(
        does=f"--space digits {TRAINED} --table {{run}} --target-ms 0.05 --paths 2 -o {{turn}}",
        bad=f"--space digits {TRAINED} -o {{out}}",
        fails=FULL_DISK,
        after=("profile",),
        lasts="--space digits --data digits --recipe digits --table {table} --target-ms 0.05 -o {out}",
    ),
    "supernet demo": Row(does=None, bad="--networks 1", fails=FULL_DISK, lasts="-o {out}"),
    "detect list": Row(does="", bad="x"),
    "detect show": Row(does="ssdlite-moga-a", bad="moga-b-ssdlite"),
    "detect train": Row(
        does=f"{DETECTOR} {BOXES} -o {{detector}}",
        bad=f"{DETECTOR} -o {{out}}",
        fails=FULL_DISK,
        lasts=f"ssdlite-moga-a {BOXES} --epochs 100 -o {{out}}",
    ),
    "detect score": Row(
        does=f"{DETECTOR} --weights {{detector}}/checkpoint.pt --data {{shapes}} {SMALL}",
        bad=DETECTOR,
        after=("detect train",),
        lasts="ssdlite-moga-a --data {shapes}",
    ),
    "detect find": Row(
        does="{model}/ssdlite-mobilenet-v2@0.25x@64px.tflite {shapes}/train/0.png",
        bad="{file} {absent}",
        after=("export model",),
    ),
}

TRAINING = {name for name in ROWS if name.startswith(("train", "supernet", "detect"))}
HEAVY = TRAINING | {"controllers", "check", "export blocks", "bench", "validate", "fit", "transfer"}
"""Whose success only `make processes` asks for: `make test` has one chain from a profile to a report and a bundle."""

HEAVY_FAILURES = HEAVY | {"demo", "export model", "profile", "report", "ship"}
"""Those whose failure takes as long as their success."""

ONLY_IN_FULL = pytest.mark.processes


def rows(heavy: set[str], names: Iterable[str]) -> list[ParameterSet]:
    """Return commands as parameters, the heavy ones marked."""
    return [pytest.param(name, marks=[ONLY_IN_FULL] if name in heavy else []) for name in names]


FILES = {
    "file": "a regular file",
    "yaml": "Conv-input:224x224x3-output:112x112x24: {count: 200, mean: 1.5, std: 0.1}\n",
}


class _Builds(BaseHTTPRequestHandler):
    """Serves `tool`, and `slow`, which never ends."""

    tool: bytes
    over = threading.Event()

    def do_GET(self) -> None:
        if self.path not in ("/tool", "/slow"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.tool) + (self.path == "/slow")))
        self.end_headers()
        self.wfile.write(self.tool)
        if self.path == "/slow":
            self.wfile.flush()
            self.over.wait(60)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep standard error clean."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server that has a build of a tool."""
    _Builds.tool = write_tool(tmp_path_factory.mktemp("served"), Tool.BENCHMARK_MODEL).read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Builds) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        _Builds.over.set()
        httpd.shutdown()


class Session:
    """A folder in which every command runs once, after those whose results it reads."""

    def __init__(self, folder: Path, server: str, shapes: Path) -> None:
        self._places = {"server": server, "shapes": str(shapes), "table": str(TABLE)}
        self._folder = folder
        self._ended: dict[str, Ended] = {}
        self._num_new = 0
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.environment = {
            **os.environ,
            "MOGA_HOME": str(folder / "home"),
            "TMPDIR": str(self.temporary),
            "ADB_SERVER_SOCKET": "",
            "OMP_NUM_THREADS": "1",
        }
        for name, text in FILES.items():
            (folder / name).write_text(text)
        write_tool(folder, Tool.MACE_RUN)
        table = load(TABLE)
        identity = replace(table.identity, device="phone", device_name="a phone")
        save(replace(table, name="copied", identity=identity), folder / "copied")
        (folder / "tables").mkdir()
        (folder / "tables" / "lut.json").write_bytes(TABLE.read_bytes())

    def words(self, name: str, call: str) -> list[str]:
        """Return the words of a call."""
        self._num_new += 1
        places = {**self._places, "out": str(self._folder / f"out{self._num_new}")}

        def place(found: re.Match[str]) -> str:
            return places.get(found[1], str(self._folder / found[1]))

        return [*name.split(), *(re.sub(r"{(\w+)}", place, word) for word in call.split())]

    def ended(self, name: str) -> Ended:
        """Return how the command's smallest call ended; it runs the first time that it is asked for."""
        if name not in self._ended:
            row = ROWS[name]
            assert row.does is not None
            self.make(name)
            self._ended[name] = run_moga(*self.words(name, row.does), "--json", **self.environment)
        return self._ended[name]

    def make(self, name: str) -> None:
        """Run what the command's calls read."""
        for other in ROWS[name].after:
            assert self.ended(other).code == 0, self.ended(other).err


@pytest.fixture(scope="session")
def session(server: str, tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path) -> Session:
    """Return the session that all rows share."""
    return Session(tmp_path_factory.mktemp("processes"), server, shapes_folder)


def test_every_command_has_a_row() -> None:
    assert set(ROWS) == set(CALLED)


@pytest.mark.parametrize("name", rows(HEAVY, [name for name, row in ROWS.items() if row.does is not None]))
def test_success_is_0_and_json_is_one_document(session: Session, name: str) -> None:
    ended = session.ended(name)
    assert ended.code == 0, ended.err
    assert isinstance(json.loads(ended.out), dict | list)
    assert "Traceback" not in ended.err
    assert not list(session.temporary.iterdir())


def _no_file_grows() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("name", rows(HEAVY_FAILURES, ROWS))
def test_failure_is_1_with_a_message(session: Session, name: str) -> None:
    row = ROWS[name]
    session.make(name)
    call = row.does if row.fails in (None, FULL_DISK) else row.fails
    words = session.words(name, re.sub(r"-o {\w+}", "-o {out}", "-o {out}" if call is None else call))
    with ExitStack() as stack:
        ended = subprocess.run(
            [PROGRAM, *words],
            stdout=stack.enter_context(Path("/dev/full").open("w")) if row.fails is None else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=session.environment,
            check=False,
            preexec_fn=_no_file_grows if row.fails == FULL_DISK else None,
        )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr or ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ROWS)
def test_bad_input_is_2_with_a_message(session: Session, name: str) -> None:
    ended = run_moga(*session.words(name, ROWS[name].bad), **session.environment)
    assert ended.code == 2, ended.err
    assert ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.lasts is not None])
def test_ctrl_c_is_130_and_leaves_nothing(session: Session, name: str) -> None:
    process = subprocess.Popen(
        [PROGRAM, *session.words(name, ROWS[name].lasts)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=session.environment,
        start_new_session=True,
    )
    used = psutil.Process(process.pid)
    latest = time.monotonic() + WAITS_S
    while process.poll() is None and sum(used.cpu_times()[:2]) < STARTED_S and time.monotonic() < latest:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it, too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "stopped; what was finished is kept"
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no worker is left
    assert not list(session.temporary.iterdir())
