"""One job per phone at a time, whatever transport, adb server, user or computer it is reached from.

Two locks: a file on this computer, which ends with its process, and a folder on the phone, which other users and other
computers see. The phone's holds who owns it and a heartbeat; it is taken over only when the owner is known to be dead,
or its heartbeat has stopped for long.
"""

import getpass
import hashlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from mogakit.android_runner import script
from mogakit.android_runner.adb import Link
from mogakit.android_runner.deploy import ROOT
from mogakit.android_runner.home import home
from mogakit.android_runner.quoting import quote
from mogakit.errors import DeviceError
from mogakit.files import write_text

FOLDER = f"{ROOT}/lock"
BEAT_S = 60.0  # rarely: each is a command on a phone that measures
STALE_S = 300.0  # longer than a phone is waited for that went away
_MOST_TRIES = 5  # to move a stale lock away, while others do the same
_YOUNG_S = 3.0  # until then an owner that has made the folder may still be writing its name


class PhoneBusy(DeviceError):  # noqa: N818 - named for what it says
    """Another process measures on the phone."""


def phone_id(serialno: str) -> str:
    """Return a short name for a phone that is safe as a file name and tells nobody its serial."""
    return hashlib.sha256(serialno.encode("utf-8")).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who holds a phone: `place` names a computer and its space of process numbers, `started` the process's start."""

    who: str
    place: str
    pid: int
    started: str
    token: str

    def __str__(self) -> str:
        return f"{self.who}, process {self.pid}"

    @property
    def line(self) -> str:
        """Return the text that lies on the phone."""
        return "\t".join((self.who, self.place, str(self.pid), self.started, self.token))

    @property
    def is_dead(self) -> bool:
        """Return whether this is a process of this computer that has ended; False where that cannot be known."""
        return self.place == _place() and _started(self.pid) != self.started


def _parsed(line: str) -> Owner | None:
    parts = line.strip("\n").split("\t")
    if len(parts) != 5 or not parts[2].isdecimal():
        return None
    who, place, pid, started, token = parts
    return Owner(who=who, place=place, pid=int(pid), started=started, token=token)


@dataclass(frozen=True)
class Held:
    """The phone's lock as it was found: `age_s` since the last heartbeat, None where there has been none."""

    owner: Owner | None
    age_s: float | None
    raw: tuple[str, str]

    @property
    def is_stale(self) -> bool:
        """Return whether it may be taken over."""
        if self.owner is not None and self.owner.is_dead:
            return True
        return self.age_s is None or abs(self.age_s) > STALE_S

    def __str__(self) -> str:
        who = "an unknown owner" if self.owner is None else str(self.owner)
        return who if self.age_s is None else f"{who} (last heartbeat {max(0.0, self.age_s):.0f} s ago)"


def held_on(link: Link) -> Held | None:
    """Return who holds a phone, as the phone says; None where nobody does. Changes nothing.

    Raises:
        LinkLost: it went away.
    """
    asked = {"owner": f"cat {FOLDER}/owner", "beat": f"cat {FOLDER}/beat", "now": "date +%s"}
    answer = link.shell(f"[ -d {FOLDER} ] || exit 9; {script.build(asked)}")
    if answer.exit_code == 9:
        return None
    answers = {name: text.strip() for name, text in script.split(answer.stdout).items()}
    owner, beat, now = (answers.get(name, "") for name in asked)
    age_s = float(int(now) - int(beat)) if beat.isdecimal() and now.isdecimal() else None
    return Held(_parsed(owner), age_s, (owner, beat))


class PhoneHold:
    """A phone's lock while this process holds it; a thread keeps its heartbeat going."""

    def __init__(self, link: Link, beat_s: float = BEAT_S) -> None:
        self._link = link
        self._beat_s = beat_s
        user = f"{_user()}@{socket.gethostname()}"
        pid = os.getpid()
        self.owner = Owner(who=user, place=_place(), pid=pid, started=_started(pid), token=uuid.uuid4().hex)
        self._taken_by: str | None = None
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="phone heartbeat", daemon=True)

    def check(self) -> None:
        """Raise where the phone was taken over meanwhile, because it had been away from this computer for long.

        Raises:
            PhoneBusy: it was.
        """
        if self._taken_by is not None:
            raise PhoneBusy(
                f"{self._link.serial} was away for more than {STALE_S:g} s and is now held by {self._taken_by}; run "
                "the same command with --resume when it is free: what was finished is kept"
            )

    def take(self) -> None:
        """Take the lock; a stale one is taken over.

        Raises:
            PhoneBusy: somebody holds it; the message names who, and since when nothing was seen of them.
        """
        young_until = time.monotonic() + _YOUNG_S
        tries = 0
        while not self._make():
            held = held_on(self._link)
            if held is None:
                continue
            if held.age_s is None and time.monotonic() < young_until and not (held.owner and held.owner.is_dead):
                time.sleep(0.2)  # its owner is about to write
                continue
            tries += 1
            if not held.is_stale or tries > _MOST_TRIES:
                raise PhoneBusy(
                    f"phone {self._link.serial} is being measured by {held}; wait for it or end it: one job per phone "
                    "at a time, from every computer, cable and network address"
                )
            self._remove(held)
        self._thread.start()

    def release(self) -> None:
        """Let the phone go; one that is away keeps the lock until it is stale."""
        self._leaving.set()
        self._thread.join(timeout=40.0)
        try:
            self._link.shell(f'[ "$(cat {FOLDER}/owner 2>/dev/null)" != {quote(self.owner.line)} ] || rm -rf {FOLDER}')
        except DeviceError:
            return

    def _make(self) -> bool:
        text = (
            f"mkdir -p {ROOT} && mkdir {FOLDER} 2>/dev/null && printf '%s' {quote(self.owner.line)} >{FOLDER}/owner && "
            f"date +%s >{FOLDER}/beat && echo taken; [ -d {FOLDER} ] || echo impossible"
        )
        answer = self._link.shell(text)
        if "impossible" in answer.stdout:
            raise DeviceError(f"{self._link.serial}: {ROOT} cannot be used: {answer.stderr.strip()[:300]}")
        return "taken" in answer.stdout

    def _remove(self, held: Held) -> None:
        """Move a stale lock away, only while it still is the one that was seen."""
        aside = f"{FOLDER}.{self.owner.token}"
        owner, beat = map(quote, held.raw)
        self._link.shell(
            f'[ "$(cat {FOLDER}/owner 2>/dev/null)" = {owner} ] && [ "$(cat {FOLDER}/beat 2>/dev/null)" = {beat} ] && '
            f"mv {FOLDER} {aside} && rm -rf {aside}"
        )

    def _keep(self) -> None:
        mine = f'[ "$(cat {FOLDER}/owner)" = {quote(self.owner.line)} ]'
        text = f"if {mine}; then date +%s >{FOLDER}/beat; else echo lost; fi"
        while not self._leaving.wait(self._beat_s):
            try:
                if "lost" in self._link.shell(text).stdout:
                    held = held_on(self._link)
                    self._taken_by = "somebody else" if held is None else str(held)
                    return
            except DeviceError:
                continue  # away: whoever uses the phone notices


@contextmanager
def phone_lock(serialno: str, link: Link | None = None) -> Iterator[PhoneHold | None]:
    """Hold the phone whose `ro.serialno` is `serialno`; the lock ends with the process, however it ends.

    Args:
        link: the way to the phone, on which the lock is seen by other computers; None for this computer's part alone.

    Raises:
        PhoneBusy: another process holds it; the message names that process.
    """
    with _held_here(serialno):
        if link is None:
            yield None
            return
        hold = PhoneHold(link)
        hold.take()
        try:
            yield hold
        finally:
            hold.release()


@contextmanager
def _held_here(serialno: str) -> Iterator[None]:
    folder = home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{phone_id(serialno)}.lock"
    holder = path.with_suffix(".holder")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        who = holder.read_text(encoding="utf-8").strip() if holder.exists() else "another process"
        raise PhoneBusy(
            f"phone {serialno} is being measured by {who}; wait for it or end it: one job per phone at a time, "
            "over every cable and network address"
        ) from error
    try:
        write_text(holder, f"process {os.getpid()}\n")
        yield
    finally:
        lock.release()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _place() -> str:
    """Return a name of this computer and its process numbers: a container has numbers of its own."""
    parts = [socket.gethostname(), str(uuid.getnode())]
    machine, numbers = Path("/etc/machine-id"), Path("/proc/self/ns/pid")
    if machine.is_file():
        parts[1] = machine.read_text(encoding="utf-8").strip()
    if numbers.is_symlink():
        parts.append(str(numbers.readlink()))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; `ended` where there is none, `unknown` without /proc."""
    if not Path("/proc/self/stat").exists():
        return "unknown"
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return "ended"
