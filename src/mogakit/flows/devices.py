"""From what a user calls a device to the runner that measures on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Clock
from mogakit.bench.runner import Runner

HOST = "host"
"""The name of this computer as a device."""


@contextmanager
def open_runner(device: str, clock: Clock | None = None) -> Iterator[Runner]:
    """Open a device for one job and yield its runner: `host`, or a phone's serial. It is let go on leaving.

    Args:
        clock: which clock times runs on this computer; None lets the target decide. A phone's tools know only one.

    Raises:
        DeviceError: no such phone, not authorized, or another process measures on it.
    """
    if device == HOST:
        yield HostRunner(clock)
        return
    from mogakit.android_runner.runner import open_phone  # adb is looked for only where a phone is asked for

    with open_phone(device) as runner:
        yield runner
