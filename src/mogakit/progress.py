"""The one way a long job says how far it is: a callable that the command line draws, logs, and a test can record."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from mogakit.errors import InputError

LOG_EVERY_S = 1.0
"""Seconds between two lines of a log."""


class Progress(Protocol):
    """Called whenever a unit of work is finished."""

    def __call__(self, done: int, total: int, note: str) -> None:
        """Say that `done` of `total` units are finished; `note` names the one at hand."""


def silent(done: int, total: int, note: str) -> None:
    """Draw nothing."""


def both(first: Progress, second: Progress) -> Progress:
    """Return a progress that calls two."""

    def advance(done: int, total: int, note: str) -> None:
        first(done, total, note)
        second(done, total, note)

    return advance


@dataclass(kw_only=True)
class _Phase:
    """What a log knows of one phase: its last report, and when and where it started."""

    started_s: float
    first_done: int
    done: int = 0
    total: int = 0
    detail: str = ""


class ProgressLog:
    """Appends JSON lines to a file, one for each phase at work every `LOG_EVERY_S`, and one for the end of the command.

    A line has: `time` (UTC), `command`, `state` (`running`, and at the end `finished` or `failed`), `phase`, `done`,
    `total`, `rate` (units a second, since the phase started in this process), `eta_s` (seconds left at that rate) and
    `detail`. What is not known is null. A line is written although nothing changed, so that a reader can tell a long
    unit from a command that ended. `progress_log` makes one.
    """

    def __init__(self, path: Path, command: str, warn: Callable[[str], None]) -> None:
        """Open the file.

        Raises:
            InputError: it holds something that is not such a log.
            OSError: it cannot be written.
        """
        _check(path)
        self._path = path
        self._command = command
        self._warn = warn
        self._phases: dict[str, _Phase] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._thread = threading.Thread(target=self._run, name="progress log", daemon=True)
        self._write(self._lines("running"))
        self._thread.start()

    def progress(self, phase: str) -> Progress:
        """Return the progress of a phase; it may be called from any thread."""

        def advance(done: int, total: int, note: str) -> None:
            with self._lock:
                known = self._phases.setdefault(phase, _Phase(started_s=time.monotonic(), first_done=done))
                known.done, known.total, known.detail = done, total, note

        return advance

    def close(self, state: str) -> None:
        """Write how far every phase came and how the command ended, and close the file."""
        self._ended.set()
        self._thread.join()
        self._write(self._lines(state))
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _run(self) -> None:
        while not self._ended.wait(LOG_EVERY_S):
            self._write(self._lines("running"))

    def _lines(self, state: str) -> str:
        with self._lock:
            phases = [(name, _Phase(**vars(phase))) for name, phase in self._phases.items()]
        known = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "command": self._command, "state": state}
        unfinished = [each for each in phases if each[1].done < each[1].total] or phases[-1:]
        rows = [_row(name, phase) for name, phase in (phases if state != "running" else unfinished)]
        rows = rows or [dict.fromkeys(("phase", "done", "total", "rate", "eta_s", "detail"))]
        return "".join(json.dumps({**known, **row}) + "\n" for row in rows)

    def _write(self, text: str) -> None:
        """Append lines; where that fails (a full disk), say it once: the work itself goes on."""
        if self._file is None:
            return
        try:
            os.write(self._file, text.encode("utf-8"))
        except OSError as error:
            os.close(self._file)
            self._file = None
            self._warn(f"{self._path}: {error.strerror}; progress is not logged any more")


def _row(name: str, phase: _Phase) -> dict[str, Any]:
    seconds, units = time.monotonic() - phase.started_s, phase.done - phase.first_done
    rate = units / seconds if units > 0 and seconds > 0 else None
    left = None if rate is None else (phase.total - phase.done) / rate
    return {
        "phase": name,
        "done": phase.done,
        "total": phase.total,
        "rate": None if rate is None else float(f"{rate:.4g}"),
        "eta_s": None if left is None else round(max(left, 0.0), 1),
        "detail": phase.detail,
    }


def _check(path: Path) -> None:
    """Check that a file that exists is empty or a log, so that a mistyped name damages nothing.

    Raises:
        InputError: it is something else.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise InputError(f"{path} is not a regular file; name a file for --log")
    with path.open("rb") as file:
        first = file.readline(100_000)
    try:
        known = json.loads(first) if first else {"time": "", "command": ""}
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict) or not {"time", "command"} <= known.keys():
        raise InputError(f"{path} exists and is not a log of progress; name another file for --log")


@contextmanager
def progress_log(path: Path, command: str, warn: Callable[[str], None]) -> Iterator[ProgressLog]:
    """Open a log for the time of a command; see `ProgressLog`.

    Args:
        command: as typed, without options: `supernet train`.
        warn: called once where the log cannot be written any more.

    Raises:
        InputError: the file holds something that is not such a log.
        OSError: it cannot be written.
    """
    log = ProgressLog(path, command, warn)
    try:
        yield log
    except BaseException:
        log.close("failed")
        raise
    log.close("finished")
