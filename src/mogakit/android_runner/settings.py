"""Changes to a phone that only a request makes, and that are always undone: at the end, after Ctrl-C, after a crash.

Before anything is changed, the way back is written to this computer (`$MOGA_HOME/phones/`) and to the phone. Whoever
opens the phone next, or `moga devices`, finds such a record of a dead session and restores.
"""

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
    undo = _undo_commands(link, request)
    _record(link, Changed(serialno, undo))
    try:
        _apply(link, request)
        yield
    finally:
        restore(link, serialno)


def pending(serialno: str) -> Changed | None:
    """Return the record of changes that no session has undone yet, or None."""
    path = _path(serialno)
    if not path.exists():
        return None
    return records.load(Changed, path)


def restore(link: Link, serialno: str) -> bool:
    """Undo what a session changed; return whether there was anything.

    The record is found on this computer, or on the phone when another computer changed it.

    Raises:
        DeviceError: the phone rejected it; the record is kept for the next time.
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
    answer = link.shell(" && ".join(commands) + f" && rm -f {quote(_ON_PHONE)}")
    if answer.exit_code:
        raise DeviceError(f"{link.serial}: settings could not be restored: {answer.stderr.strip()[:300]}")
    _path(serialno).unlink(missing_ok=True)
    return True


_UNDO = re.compile(
    r"cmd power set-fixed-performance-mode-enabled false"
    rf"|settings put global {_STAY_ON} \d+"
    rf"|settings delete global {_STAY_ON}"
    r"|input keyevent 22[34]"
)


def _undo_commands(link: Link, request: SettingsRequest) -> tuple[str, ...]:
    """Read the present settings and return what brings them back."""
    undo = []
    if request.fixed_performance:
        undo.append("cmd power set-fixed-performance-mode-enabled false")
    if request.screen_on is not None:
        answer = link.shell(f"settings get global {_STAY_ON}; dumpsys power | grep mWakefulness=").stdout
        value = answer.split("\n", 1)[0].strip()
        undo.append(
            f"settings put global {_STAY_ON} {value}" if value.isdecimal() else f"settings delete global {_STAY_ON}"
        )
        undo.append(f"input keyevent {224 if 'mWakefulness=Awake' in answer else 223}")
    return tuple(undo)


def _apply(link: Link, request: SettingsRequest) -> None:
    commands = []
    if request.fixed_performance:
        commands.append("cmd power set-fixed-performance-mode-enabled true")
    if request.screen_on is not None:
        commands.append("svc power stayon true && input keyevent 224" if request.screen_on else "input keyevent 223")
    for command in commands:
        answer = link.shell(command)
        rejected = answer.exit_code or "Unknown command" in answer.stdout + answer.stderr
        if rejected:
            text = (answer.stderr or answer.stdout).strip()[:200]
            raise DeviceError(f"{link.serial} rejects '{command}': {text}; measure without it")


def _record(link: Link, changed: Changed) -> None:
    records.save(changed, _path(changed.serialno))
    text = "\n".join(changed.undo)
    answer = link.shell(f"mkdir -p {quote(ROOT)} && printf '%s\\n' {quote(text)} >{quote(_ON_PHONE)}")
    if answer.exit_code:
        raise DeviceError(f"{link.serial}: cannot note what will be changed, so nothing is: {answer.stderr.strip()}")


def _path(serialno: str) -> Path:
    return home() / "phones" / f"{phone_id(serialno)}.json"
