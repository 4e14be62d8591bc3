"""Which nodes of a file the real delegates take, beside what `moga check` says of the file.

The tool loads a file and applies its delegate without running it (`--dry_run`), so that a file takes seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit.android_runner import delegation
from mogakit.android_runner.adb import Link
from mogakit.android_runner.deploy import Wanted, deploy
from mogakit.android_runner.quoting import quote
from mogakit.bench.measurement import Delegation, DelegationKind
from mogakit.export.artifact import Artifact, Precision
from mogakit.export.support.entry import Answer, Hardware
from mogakit.export.support.report import Report
from mogakit.files import sha256_of
from mogakit.flows.deploy.check import check_model

INTEGERS = (Precision.INT8, Precision.UINT8)


@dataclass(frozen=True)
class Compared:
    """One file on one delegate."""

    name: str
    precision: Precision
    hardware: Hardware
    report: Report
    taken: Delegation

    @property
    def disagrees(self) -> bool:
        """Return whether the table and the delegate contradict each other; unknown promises nothing."""
        full = self.taken.kind is DelegationKind.FULL
        return (self.report.answer is Answer.YES and not full) or (self.report.answer is Answer.NO and full)

    def __str__(self) -> str:
        said = f"{self.report.num_running}/{self.report.num_operators} operators, {self.report.answer}"
        return f"{self.hardware} {self.precision} {self.name}: the delegate took {self.taken}, moga check says {said}"


def compare(link: Link, tool: Path, artifacts: Sequence[Artifact]) -> Iterator[Compared]:
    """Yield each file on XNNPACK and, a float file, on the GPU delegate over OpenGL."""
    program = _wanted(tool, "benchmark_model", executable=True)
    deploy(link, [program])
    for artifact in artifacts:
        file = _wanted(artifact.path, "model.tflite")
        deploy(link, [file])
        integer = artifact.precision in INTEGERS
        hardware = Hardware.XNNPACK_INT8 if integer else Hardware.XNNPACK_FLOAT
        ways = [(hardware, delegation.XNNPACK, "--use_xnnpack=true")]
        if not integer:
            ways.append((Hardware.TFLITE_GPU, delegation.GPU, "--use_gpu=true --gpu_backend=gl"))
        for hardware, delegate, flags in ways:
            said = link.shell(
                f"{quote(program.remote)} --graph={quote(file.remote)} --dry_run=true --num_threads=1 {flags} 2>&1",
                timeout_s=120.0,
            ).stdout
            (checked,) = check_model(str(artifact.path), [hardware])
            taken = delegation.tflite_verdict(said, delegate)
            yield Compared(artifact.name, artifact.precision, hardware, checked.report, taken)


def _wanted(path: Path, name: str, executable: bool = False) -> Wanted:
    size = path.stat().st_size
    return Wanted(source=path, sha256=sha256_of(path), num_bytes=size, name=name, executable=executable)
