"""What the tests of the real tool share: a small file, one run of the tool, a phone that lacks drivers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debian_adbd.device import AdbdDevice
from debian_adbd.tiny_space import make

from mogakit.android_runner.commands import RunLength
from mogakit.android_runner.guard import GuardLimits
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.measurement import Measurement
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Artifact, Format, Precision
from mogakit.flows.deploy.export import export_parts

SHORT = RunLength(num_runs=2, min_s=0.01, max_s=30.0, warmup_runs=1, warmup_min_s=0.01)
OPTIONS = PhoneOptions(length=SHORT, limits=GuardLimits(max_wait_s=5.0, poll_s=0.1), reconnect_s=30.0)


def small_block(precision: Precision, folder: Path) -> Artifact:
    """Export one block of ReLU and 8 x 8 pixels; XNNPACK takes no hard swish in integers."""
    return export_parts(make().choice_blocks[:1], (), [Format.TFLITE], precision, folder)[0]


def measure(device: AdbdDevice, artifact: Artifact, target: str) -> Measurement:
    """Time a file in one process of the tool."""
    job = Job(artifact, parse_target(target))
    with open_phone(device.serial, OPTIONS) as runner, runner.session([job], 0, seed=0) as session:
        (measured,) = session.measure([job], 0)
        return measured


@contextmanager
def lacking(device: AdbdDevice, *, opencl: bool = False, opengl: bool = False) -> Iterator[None]:
    """Take drivers away for a while: the library of OpenCL, or what is behind that of OpenGL."""
    library, environ = (device.host_path(name) for name in ("/vendor/lib64/libOpenCL.so", "/system/etc/environ"))
    hidden, exported = library.with_suffix(".hidden"), environ.read_text()
    if opencl:
        library.rename(hidden)
    if opengl:
        environ.write_text(f"{exported}__EGL_VENDOR_LIBRARY_DIRS=/nowhere\n")
    try:
        yield
    finally:
        if opencl:
            hidden.rename(library)
        environ.write_text(exported)
