"""From what a person types after `--device` to something that can measure."""

from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Clock
from mogakit.bench.runner import Runner
from mogakit.bench.target import Hardware, Runtime, Target
from mogakit.errors import InputError
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


def open_runner(device: str, clock: Clock | None = None) -> Runner:
    """Return the runner of a device: `host` for this computer, otherwise a phone's serial.

    Args:
        device: as typed.
        clock: forces a clock on this computer (its default: thread CPU time for one thread, the wall for more).

    Raises:
        InputError: no device is called so.
        DeviceError: the phone is there and not usable; the message says what to do.
    """
    if device == HOST:
        return HostRunner(clock=clock)
    raise InputError(f"no device is called {device!r}; legal is host (this computer)")


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
