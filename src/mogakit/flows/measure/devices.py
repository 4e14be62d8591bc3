"""From what a person types after `--device` to something that can measure."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from mogakit.bench.attempt import DEFAULT_MEMORY_BYTES, DEFAULT_SECONDS, Limits
from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Clock
from mogakit.bench.runner import Runner
from mogakit.bench.target import FORMATS, Hardware, Target, cpu_files
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.plugins import Group, find, register

HOST = "host"
"""The name of this computer as a device."""


@dataclass(frozen=True, kw_only=True)
class PhoneRequest:
    """What a person may ask for on a phone; every change is undone at the end.

    Attributes:
        quick: shorter runs.
        run_s: how long each process measures at least; None for one second (a fifth where `quick`).
        max_wait_s: how long a phone may take to cool before a run; None for ten minutes.
        cluster: address of the Dask scheduler one of whose workers owns the phone; None for this computer's adb.
        fixed_performance: Android's lower clocks that last (`cmd power set-fixed-performance-mode-enabled`).
        screen_on: keep the screen on (True) or off (False); None leaves it.
    """

    quick: bool = False
    fixed_performance: bool = False
    screen_on: bool | None = None
    run_s: float | None = None
    max_wait_s: float | None = None
    cluster: str | None = None


@contextmanager
def open_runner(
    device: str,
    clock: Clock | None = None,
    phone: PhoneRequest | None = None,
    sleep: Callable[[float], None] = time.sleep,
    limits: Limits | None = None,
) -> Iterator[Runner]:
    """Open a device for one job and yield its runner; it is let go on leaving, whatever happened.

    Args:
        device: `host` for this computer, otherwise a phone's serial (`SERIAL@host:port` at another adb server, `any`
            for the only phone there), or a device of a user's own: a name among the entry points `mogakit.runners`, or
            `package.module:name`.
        clock: forces a clock on this computer (its default: thread CPU time for one thread, the wall for more).
        phone: how a phone is to be treated.
        limits: what one file may take on this computer when it is first loaded and run; None for the defaults.
        sleep: waits for a phone; a caller that wants to stop raises from it.

    Raises:
        DeviceError: there is no such phone, it is not usable, or another process measures on it.
        ClusterError: the phone's cluster is not reachable.
    """
    if device == HOST:
        if phone is not None and phone.cluster is not None:
            raise InputError(
                "a cluster measures phones that its workers own, and `host` is this computer; name a phone"
            )
        yield HostRunner(clock=clock, limits=limits)
        return
    if phone is not None and phone.cluster is not None:
        from mogakit.flows.measure.remote import open_remote

        opener = partial(open_runner, device, phone=replace(phone, cluster=None))
        with open_remote(phone.cluster, device, opener) as far:
            yield far
        return
    own = find(Group.RUNNERS, device)
    if own is not None:
        with _open_own(own, device, clock, phone) as found:
            yield found
        return
    # adb is looked for only where a phone is asked for
    from mogakit.android_runner.commands import QUICK, RunLength
    from mogakit.android_runner.guard import GuardLimits
    from mogakit.android_runner.runner import PhoneOptions, open_phone
    from mogakit.android_runner.settings import SettingsRequest

    asked = phone or PhoneRequest()
    length = QUICK if asked.quick else RunLength()
    if asked.run_s is not None:
        longest_s = max(length.max_s, 2.0 * asked.run_s)  # a tool that stops at max_s would not last run_s
        length = replace(length, min_s=asked.run_s, warmup_min_s=asked.run_s / 2, max_s=longest_s)
    limits_of_waiting = GuardLimits() if asked.max_wait_s is None else GuardLimits(max_wait_s=asked.max_wait_s)
    options = PhoneOptions(
        length=length,
        limits=limits_of_waiting,
        settings=SettingsRequest(asked.fixed_performance, asked.screen_on),
        sleep=sleep,
    )
    with open_phone(device, options) as runner:
        yield runner


def limits_of(memory_gb: float | None, timeout_s: int | None) -> Limits | None:
    """Return the limits of one file on this computer, None where nothing is asked for."""
    if memory_gb is None and timeout_s is None:
        return None
    memory = DEFAULT_MEMORY_BYTES if memory_gb is None else round(memory_gb * 2**30)
    return Limits(memory, timeout_s or DEFAULT_SECONDS)


class RunnerFactory(Protocol):
    """Opens a device of a user's own. Whatever it holds, a lock or a connection, ends with the context."""

    def __call__(self) -> AbstractContextManager[Runner]:
        """Open the device."""


def register_device(name: str, factory: RunnerFactory) -> None:
    """Make a device known under `name`, which `--device` takes, until this process ends.

    Raises:
        InputError: it is the name of this computer.

    Source: docs/how-to/your-own.md has a worked example; `mogakit.bench.runner.Runner` is the protocol.

    Examples:
        >>> from contextlib import nullcontext
        >>> from mogakit.bench.host import HostRunner
        >>> mk.register_device("this-again", lambda: nullcontext(HostRunner()))
        >>> mk.measure_files("digits/0-0-0-0-0-0", device="this-again", quick=True).timings[0].row.latency_ms > 0
        True
    """
    if name == HOST:
        raise InputError(f"{HOST!r} is the name of this computer; give your device another")
    register(Group.RUNNERS, name, factory)


def _open_own(
    factory: RunnerFactory, name: str, clock: Clock | None, phone: PhoneRequest | None
) -> AbstractContextManager[Runner]:
    """Open a device of a user's own, which knows neither this computer's clocks nor a phone's settings."""
    if clock is not None:
        raise InputError(f"device {name} reads time in its own way; leave out the clock ({clock})")
    if replace(phone or PhoneRequest(), quick=False) != PhoneRequest():
        raise InputError(
            f"device {name} is not a phone; leave out what belongs to a phone (screen, clocks, run length)"
        )
    if not callable(factory):
        raise InputError(f"device {name} is a {type(factory).__name__}; it must be a function that opens a Runner")
    opened = factory()
    if not hasattr(opened, "__enter__"):
        raise InputError(f"device {name}: its function returns no context manager of a Runner")
    return opened


def scope_of(device: str) -> str | None:
    """Return what must stand beside every time measured on `device`, or None for this computer."""
    if device == HOST:
        return None
    own = find(Group.RUNNERS, device)
    if own is not None:
        scope = getattr(own, "scope", None)
        return None if scope is None else str(scope)
    from mogakit.android_runner.runner import SHELL_NOTE

    return SHELL_NOTE


def file_kind(target: Target) -> tuple[Format, Precision]:
    """Return format and precision of the file that `target` is given.

    A CPU runs a file as it is. Other hardware may compute in another precision than the file's: a GPU is asked to
    compute a float32 file in half.

    Raises:
        InputError: nothing runs such a target.
    """
    if target.hardware is Hardware.CPU:
        return FORMATS[target.runtime], cpu_files(target)[0]
    from mogakit.android_runner.targets import find_row  # this computer's own targets need no table of phones

    return FORMATS[target.runtime], find_row(target).files[target.precision][0]


def export_kind(target: Target) -> tuple[Format, Precision]:
    """Return format and precision in which a network is exported for `target`.

    Raises:
        InputError: nothing runs such a target, or no writer makes such a file.
    """
    from mogakit.export.writers import writer_for  # loads the runtimes

    kind = file_kind(target)
    writer_for(*kind)
    return kind
