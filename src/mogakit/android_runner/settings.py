"""Changes to a phone that only a request makes, and that are always undone: at the end, after Ctrl-C, after a crash.

As soon as something is changed, the way back is written to this computer (`$MOGA_HOME/phones/`) and to the phone.
Whoever opens the phone next, or `moga devices`, finds such a record of a dead session and restores.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.android_runner.adb import Link
from mogakit.android_runner.deploy import ROOT
from mogakit.android_runner.home import home
from mogakit.android_runner.lock import phone_id
from mogakit.android_runner.quoting import quote
from mogakit.errors import DeviceError, InputError

_ON_PHONE = f"{ROOT}/restore.sh"
_log = logging.getLogger(__name__)
_STAY_ON = "stay_on_while_plugged_in"


@dataclass(frozen=True)
class SettingsRequest:
    """What the user asked to be changed while measuring; None leaves a thing as it is."""

    fixed_performance: bool = False
    screen_on: bool | None = None

    @property
    def any(self) -> bool:
        """Return whether anything is to be changed."""
        return self.fixed_performance or self.screen_on is not None


@records.stored(
    "phone-settings",
    version=1,
    implied_version=1,
    made_by="moga profile --screen-on",
    title="record of changed phone settings",
)
@dataclass(frozen=True)
class Changed:
    """The record of a change: shell commands that undo it, in order."""

    serialno: str
    undo: tuple[str, ...]


@contextmanager
def applied(link: Link, serialno: str, request: SettingsRequest) -> Iterator[None]:
    """Change what is asked for, and restore it on leaving, whatever happened.

    Raises:
        DeviceError: the phone rejects a setting (`fixed_performance` needs Android 11 and the maker's support).
    """
    if not request.any:
        yield
        return
    done: list[str] = []
    try:
        for change, undo in _changes(link, request):
            _apply(link, change)
            done.insert(0, undo)  # recorded once it worked: a way back from nothing may itself be rejected
            _record(link, Changed(serialno, tuple(done)))
        yield
    finally:
        if done:
            restore(link, serialno)


def pending(serialno: str) -> Changed | None:
    """Return the record of changes that no session has undone yet, or None."""
    path = _path(serialno)
    if not path.exists():
        return None
    return records.load(Changed, path)


def has_pending(link: Link, serialno: str) -> bool:
    """Return whether this computer or the phone holds a record of changes that were not undone."""
    return pending(serialno) is not None or bool(link.shell(f"cat {quote(_ON_PHONE)} 2>/dev/null; true").stdout.strip())


def restore(link: Link, serialno: str) -> bool:
    """Undo what a session changed, each thing alone; return whether anything was undone.

    The record is found on this computer, or on the phone when another computer changed it. What the phone rejects is
    warned of and stays recorded for the next time; it stops nothing.

    Raises:
        InputError: the record on the phone holds a command that the kit would not undo anything with.
        LinkLost: the phone went away.
    """
    found = pending(serialno)
    commands = list(found.undo) if found else []
    if not commands:
        left = link.shell(f"cat {quote(_ON_PHONE)} 2>/dev/null; true").stdout
        commands = [line for line in left.splitlines() if line.strip()]
    if not commands:
        return False
    for command in commands:
        if _UNDO.fullmatch(command) is None:  # the file on the phone could have been written by anyone
            raise InputError(f"{command!r} is not a command that the kit would undo a setting with; remove {_ON_PHONE}")
    rejected = []
    for command in commands:
        problem = _problem(link, command)
        if problem is not None:
            rejected.append(command)
            _log.warning("%s rejects '%s', so that setting stays as it is: %s", link.serial, command, problem)
    if rejected:
        _record(link, Changed(serialno, tuple(rejected)))
    else:
        link.shell(f"rm -f {quote(_ON_PHONE)}")
        _path(serialno).unlink(missing_ok=True)
    return len(rejected) < len(commands)


def _problem(link: Link, command: str) -> str | None:
    """Run a command and return the phone's words where it rejects it; some reject with exit code 0."""
    answer = link.shell(command)
    text = (answer.stderr or answer.stdout).strip()[:200]
    return text or f"exit code {answer.exit_code}" if answer.exit_code or _REJECTED.search(text) else None


_REJECTED = re.compile(r"Unknown command|Exception|[Pp]ermission [Dd]eni")
_UNDO = re.compile(
    r"cmd power set-fixed-performance-mode-enabled false"
    rf"|settings put global {_STAY_ON} \d+"
    rf"|settings delete global {_STAY_ON}"
    r"|input keyevent 22[34]"
)


def _changes(link: Link, request: SettingsRequest) -> list[tuple[str, str]]:
    """Read the present settings and return what is to be done, each with what undoes it."""
    changes = []
    if request.fixed_performance:
        mode = "cmd power set-fixed-performance-mode-enabled"
        changes.append((f"{mode} true", f"{mode} false"))
    if request.screen_on is None:
        return changes
    answer = link.shell(f"settings get global {_STAY_ON}; dumpsys power | grep mWakefulness=").stdout
    value = answer.split("\n", 1)[0].strip()
    if request.screen_on:
        back = f"settings put global {_STAY_ON} {value}" if value.isdecimal() else f"settings delete global {_STAY_ON}"
        changes.append(("svc power stayon true", back))
    was_awake = "mWakefulness=Awake" in answer
    if was_awake != request.screen_on:
        keys = {True: "input keyevent 224", False: "input keyevent 223"}
        changes.append((keys[request.screen_on], keys[was_awake]))
    return changes


def _apply(link: Link, command: str) -> None:
    problem = _problem(link, command)
    if problem is not None:
        raise DeviceError(f"{link.serial} rejects '{command}': {problem}; measure without it")


def _record(link: Link, changed: Changed) -> None:
    records.save(changed, _path(changed.serialno))
    text = "\n".join(changed.undo)
    answer = link.shell(f"mkdir -p {quote(ROOT)} && printf '%s\\n' {quote(text)} >{quote(_ON_PHONE)}")
    if answer.exit_code:
        raise DeviceError(f"{link.serial}: cannot note what will be changed, so nothing is: {answer.stderr.strip()}")


def _path(serialno: str) -> Path:
    return home() / "phones" / f"{phone_id(serialno)}.json"
