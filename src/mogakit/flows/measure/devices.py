"""From what a person types after `--device` to something that can measure."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Clock
from mogakit.bench.runner import Runner
from mogakit.bench.target import Hardware, Runtime, Target
from mogakit.export.artifact import Format, Precision

HOST = "host"
"""The name of this computer as a device."""

FORMATS = {
    Runtime.TFLITE: Format.TFLITE,
    Runtime.ONNX: Format.ONNX,
    Runtime.MACE: Format.MACE,
    Runtime.SNPE: Format.DLC,
}
"""The file format that each runtime runs."""


@dataclass(frozen=True)
class PhoneRequest:
    """What a person may ask for on a phone; every change is undone at the end.

    Attributes:
        quick: shorter runs.
        run_s: how long each process measures at least; None for one second (a fifth where `quick`).
        fixed_performance: Android's lower clocks that last (`cmd power set-fixed-performance-mode-enabled`).
        screen_on: keep the screen on (True) or off (False); None leaves it.
    """

    quick: bool = False
    fixed_performance: bool = False
    screen_on: bool | None = None
    run_s: float | None = None


@contextmanager
def open_runner(
    device: str,
    clock: Clock | None = None,
    phone: PhoneRequest | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Runner]:
    """Open a device for one job and yield its runner; it is let go on leaving, whatever happened.

    Args:
        device: `host` for this computer, otherwise a phone's serial (`SERIAL@host:port` at another adb server, `any`
            for the only phone there).
        clock: forces a clock on this computer (its default: thread CPU time for one thread, the wall for more).
        phone: how a phone is to be treated.
        sleep: waits for a phone; a caller that wants to stop raises from it.

    Raises:
        DeviceError: there is no such phone, it is not usable, or another process measures on it.
    """
    if device == HOST:
        yield HostRunner(clock=clock)
        return
    # adb is looked for only where a phone is asked for
    from mogakit.android_runner.commands import QUICK, RunLength
    from mogakit.android_runner.runner import PhoneOptions, open_phone
    from mogakit.android_runner.settings import SettingsRequest

    asked = phone or PhoneRequest()
    length = QUICK if asked.quick else RunLength()
    if asked.run_s is not None:
        length = replace(length, min_s=asked.run_s, warmup_min_s=asked.run_s / 2)
    options = PhoneOptions(
        length=length,
        settings=SettingsRequest(asked.fixed_performance, asked.screen_on),
        sleep=sleep,
    )
    with open_phone(device, options) as runner:
        yield runner


def scope_of(device: str) -> str | None:
    """Return what must stand beside every time measured on `device`, or None for this computer."""
    if device == HOST:
        return None
    from mogakit.android_runner.runner import SHELL_NOTE

    return SHELL_NOTE


def file_kind(target: Target) -> tuple[Format, Precision]:
    """Return format and precision of the file that `target` is given.

    A CPU runs a file as it is. Other hardware may compute in another precision than the file's: a GPU is told to
    compute a float32 file in half.

    Raises:
        InputError: nothing runs such a target.
    """
    if target.hardware is Hardware.CPU:
        return FORMATS[target.runtime], target.precision
    from mogakit.android_runner.targets import find_row  # this computer's own targets need no table of phones

    return FORMATS[target.runtime], find_row(target).files[target.precision][0]
