"""One call of the command in a forked process with limits, and what must hold of how it ends, whatever it was given.

The parent has the kit and its libraries loaded; a call then costs what the command itself costs.
"""

import importlib
import json
import os
import pkgutil
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from damage.values import ESCAPE, FORMULA, MARKUP

MAX_SECONDS = 10
"""Of CPU; on a machine that others use, a call may stand still for `WAIT` times as long."""
WAIT = 6
MAX_BYTES = 2 * 2**30
CODES = (0, 1, 2)
"""Of docs/cli.md, where nobody interrupts and somebody reads."""
INTERRUPTED = 130
ESCAPED = "escaped"
"""Name of a file that no command may ever make: hostile names and pickles ask for it."""

_NOT_A_NUMBER = re.compile(r"(?<![\w./\\'\"=-])[+-]?(?:nan|inf|infinity)(?![\w./\\'\"=-])", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"""(?:^|[,;\t])"?[\t\r]*[=@+-](?![\d.]+(?:e[+-]?\d+)?"?(?:[,;\t\r\n]|$))[^,\n]""", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A call that ended.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        out, err: what it printed.
        cpu_s: of it and its children. wall_s: until it ended. peak_bytes: of resident memory, the parent's included.
    """

    code: int
    out: str
    err: str
    cpu_s: float
    wall_s: float
    peak_bytes: int


def load_everything() -> None:
    """Import the kit whole, and the libraries that it loads late."""
    import mogakit

    for module in pkgutil.walk_packages(mogakit.__path__, "mogakit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("ai_edge_litert.interpreter", "onnxruntime", "onnx", "rich.table", "torch", "yaml", "scipy.optimize"):
        importlib.import_module(name)
    for name in ("sklearn.datasets", "matplotlib.pyplot", "pymoo.indicators.hv", "moocore", "rich.console"):
        importlib.import_module(name)


def call(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    max_s: float = MAX_SECONDS,
    interrupt_s: float | None = None,
) -> Ended:
    """Run the command in `folder`, in a child; it is killed with its children where it takes too long.

    After `interrupt_s` it gets what Ctrl-C sends, and `max_s` count from then.
    """
    out, err = folder.parent / f"{folder.name}.out", folder.parent / f"{folder.name}.err"
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _run(arguments, folder, environment, out, err, max_s + (interrupt_s or 0.0))
        finally:
            os._exit(code)
    ended = None if interrupt_s is None else _wait(child, started + interrupt_s)
    if ended is None:
        if interrupt_s is not None:
            os.killpg(child, signal.SIGINT)
        ended = _wait(child, time.monotonic() + max_s * WAIT)
    if ended is None:
        os.killpg(child, signal.SIGKILL)
        _, *ended = os.wait4(child, 0)
    status, usage = ended
    return Ended(
        code=os.waitstatus_to_exitcode(status),
        out=out.read_text("utf-8", "replace"),
        err=err.read_text("utf-8", "replace"),
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=time.monotonic() - started,
        peak_bytes=usage.ru_maxrss * 1024,
    )


def _wait(child: int, ends: float) -> tuple[int, resource.struct_rusage] | None:
    pause = 0.001
    while time.monotonic() < ends:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return status, usage
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return None


def _run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path, max_s: float
) -> int:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for path, number in ((out, 1), (err, 2)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0, "r"), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.path.insert(0, str(folder))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MAX_BYTES, -1))
    resource.setrlimit(resource.RLIMIT_CPU, (int(max_s) + 1, int(max_s) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import tempfile

    from mogakit import files
    from mogakit.cli.main import main

    tempfile.tempdir = None
    files._swept.clear()
    sys.argv = ["moga", *arguments]
    code = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter itself would do
        import traceback

        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return code


def problems(ended: Ended, arguments: Sequence[str], own_text: str = "", codes: Sequence[int] = CODES) -> Iterator[str]:
    """Yield what is wrong with how a call ended.

    Args:
        own_text: what the call was given on purpose; `inf` in it may be printed again.
        codes: exit codes that are right.
    """
    if ended.code == -signal.SIGXCPU or ended.code == -signal.SIGKILL:
        yield f"hang: ended after {ended.cpu_s:.1f} s of CPU and {ended.wall_s:.1f} s"
    elif ended.code not in codes:
        yield f"exit code {ended.code}, which is none of {codes}"
    for text, where in ((ended.out, "standard output"), (ended.err, "standard error")):
        if "Traceback (most recent call last)" in text or "Fatal Python error" in text:
            yield f"traceback on {where}: {text.strip().splitlines()[-1][:200]}"
        if "MemoryError" in text or "DefaultCPUAllocator" in text:
            yield f"out of memory, reported on {where}"
        if found := _CONTROL.search(text):
            yield f"control character {found[0]!r} on {where}"
    if ended.peak_bytes > MAX_BYTES:
        yield f"memory: {ended.peak_bytes / 2**30:.1f} GiB"
    if (found := _NOT_A_NUMBER.search(ended.out)) and found[0].lower() not in own_text.lower():
        yield f"{found[0]!r} printed where a number should be: {_around(ended.out, found)!r}"
    if ended.code and not ended.err.strip() and not ended.out.strip():
        yield f"exit code {ended.code} without a message"
    if "--json" in arguments and ended.code == 0:
        yield from _json_problems(ended.out)


def _json_problems(text: str) -> Iterator[str]:
    try:
        json.loads(text, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
    except ValueError as error:
        yield f"standard output is not one JSON document: {error}"


def _around(text: str, found: re.Match[str]) -> str:
    return text[max(0, found.start() - 40) : found.end() + 20]


def traces(folder: Path, temporary: Path, before: Mapping[Path, int]) -> Iterator[str]:
    """Yield what a call left behind or wrote where it must not, and hostile text in pages and tables for others."""
    for path in temporary.rglob("*"):
        yield f"left in the temporary folder: {path.relative_to(temporary)}"
        break
    for path in (path for path in folder.parent.rglob("*") if path.name.endswith(".part") or ESCAPED in path.name):
        if path not in before:
            yield f"left behind: {path.relative_to(folder.parent)}"
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".csv", ".md", ".svg") and path.is_file():
            changed = path.stat().st_mtime_ns
            if before.get(path) != changed:
                yield from _hostile_text(path)


def _hostile_text(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8", "replace")
    if path.suffix in (".html", ".svg") and (MARKUP in text or "<img src=x" in text):
        yield f"markup of a stored text in {path.name}"
    if path.suffix == ".md" and (MARKUP in text or "](javascript:" in text):
        yield f"markup of a stored text in {path.name}"
    if path.suffix == ".csv" and (FORMULA in text or _FORMULA.search(text)):
        found = _FORMULA.search(text)
        if found or f",{FORMULA}" in text:
            yield f"a formula in {path.name}: {text[found.start() : found.start() + 40] if found else FORMULA!r}"
    if ESCAPE in text or (path.suffix != ".html" and "\x1b" in text):
        yield f"an escape sequence in {path.name}"


def snapshot(folder: Path) -> dict[Path, int]:
    """Return when every file was changed, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
