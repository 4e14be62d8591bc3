"""One job per phone at a time, whatever transport or adb server it is reached through."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from mogakit.android_runner.home import home
from mogakit.errors import DeviceError
from mogakit.files import write_text


class PhoneBusy(DeviceError):  # noqa: N818 - named for what it says
    """Another process measures on the phone."""


def phone_id(serialno: str) -> str:
    """Return a short name for a phone that is safe as a file name and tells nobody its serial."""
    return hashlib.sha256(serialno.encode("utf-8")).hexdigest()[:16]


@contextmanager
def phone_lock(serialno: str) -> Iterator[None]:
    """Hold the phone whose `ro.serialno` is `serialno`; the lock ends with the process, however it ends.

    Raises:
        PhoneBusy: another process holds it; the message names that process.
    """
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
