"""Small real files to time, and a made-up device that keeps the `Runner` protocol."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mogakit.bench.measurement import (
    Clock,
    Conditions,
    Delegation,
    DelegationKind,
    Identity,
    Measurement,
    Status,
)
from mogakit.bench.runner import Job, OperatorTime, RunnerKind
from mogakit.bench.target import Target, parse_target
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact, Format, Precision, Role
from mogakit.export.pipeline import export_module
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.modules import build_block

TFLITE = parse_target("tflite/cpu/float32")
ONNX = parse_target("onnx/cpu/float32")
STATE = Conditions(at="2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[Format, list[Artifact]]:
    """Export three small blocks as TFLite and ONNX files."""
    folder = tmp_path_factory.mktemp("files")
    blocks = [
        Block(
            Op.MB,
            8,
            8,
            size,
            kernel=3,
            expanded_channels=24,
            activation=Activation.HSWISH,
            residual=True,
        )
        for size in (8, 16, 28)
    ]
    return {
        kind: [
            export_module(
                build_block(block),
                block.key,
                Role.CHOICE,
                kind,
                Precision.FLOAT32,
                (1, 8, *[block.input_size] * 2),
                folder,
            )
            for block in blocks
        ]
        for kind in (Format.TFLITE, Format.ONNX)
    }


@pytest.fixture
def tflite_jobs(artifacts: dict[Format, list[Artifact]]) -> list[Job]:
    """One thread, XNNPACK."""
    return [Job(artifact, TFLITE) for artifact in artifacts[Format.TFLITE]]


@pytest.fixture
def onnx_jobs(artifacts: dict[Format, list[Artifact]]) -> list[Job]:
    """One thread of ONNX Runtime."""
    return [Job(artifact, ONNX) for artifact in artifacts[Format.ONNX]]


def make_job(name: str, target: Target = TFLITE) -> Job:
    """Return a job whose file nobody opens."""
    digest = name.encode().hex().ljust(64, "0")[:64]
    artifact = Artifact(
        name=name,
        role=Role.CHOICE,
        path=Path(f"{name}.tflite"),
        format=Format.TFLITE,
        precision=Precision.FLOAT32,
        sha256=digest,
        num_bytes=1,
        inputs=(),
        outputs=(),
    )
    return Job(artifact, target)


@dataclass
class InventedDevice:
    """A device whose every time is known: each file takes 1 ms times `speed(round, window)` and a little noise.

    It counts what it is asked, so that a test can see what a schedule does.
    """

    kind = RunnerKind.HOST
    jobs_per_window: int | None = None
    noise: float = 0.001
    speed: Callable[[int, int], float] = lambda number, window: 1.0
    name: str = "invented"
    asked: list[tuple[int, int, tuple[str, ...]]] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    num_open: int = 0  # sessions at this moment
    fail_at: int | None = None

    def identity(self, target: Target) -> Identity:
        return Identity(
            device=self.name,
            device_name=self.name,
            driver="",
            runtime="runtime 1",
            tool_sha256="",
            flags=(),
            affinity="",
            export_version="1",
        )

    def conditions(self) -> Conditions:
        return STATE

    def profile_operators(self, job: Job) -> tuple[OperatorTime, ...]:
        raise InputError("it times whole files only")

    def unsupported(self, target: Target) -> str | None:
        return None if target.option("threads", "1") == "1" else "it has one core; leave threads away"

    @contextmanager
    def session(self, jobs: Sequence[Job], round_number: int, seed: int) -> Iterator["InventedSession"]:
        self.sessions.append(round_number)
        self.num_open += 1
        try:
            yield InventedSession(self, round_number)
        finally:
            self.num_open -= 1


@dataclass
class InventedSession:
    device: InventedDevice
    round_number: int

    def measure(self, jobs: Sequence[Job], window: int) -> Iterator[Measurement]:
        device = self.device
        if device.fail_at is not None and len(device.asked) >= device.fail_at:
            raise KeyboardInterrupt
        device.asked.append((self.round_number, window, tuple(job.artifact.name for job in jobs)))
        rng = np.random.default_rng([self.round_number, window])
        for job in {job.artifact.sha256: job for job in jobs}.values():
            visits = sum(other.artifact.sha256 == job.artifact.sha256 for other in jobs)
            speed = device.speed(self.round_number, window)
            times = speed * np.exp(rng.normal(0, device.noise, 2 * visits))
            yield measurement(job, self.round_number, window, tuple(times))


def measurement(job: Job, round_number: int, window: int, samples_ms: tuple[float, ...]) -> Measurement:
    """Return a good measurement of `job`."""
    return Measurement(
        artifact_name=job.artifact.name,
        artifact_sha256=job.artifact.sha256,
        role=job.artifact.role,
        target=job.target,
        round=round_number,
        window=window,
        process=f"process-{round_number}",
        clock=Clock.THREAD_CPU,
        status=Status.OK,
        delegation=Delegation(
            kind=DelegationKind.FULL, nodes_delegated=5, nodes_total=5, num_partitions=1, backend="XNNPACK"
        ),
        before=STATE,
        after=STATE,
        samples_ms=tuple(float(time_ms) for time_ms in samples_ms),
        cold_ms=(1.5,),
    )


@pytest.fixture
def make_device() -> type[InventedDevice]:
    """The class, for tests that set it up."""
    return InventedDevice


@pytest.fixture
def jobs() -> list[Job]:
    """Six jobs for an invented device; the last one is the sentinel of the tests."""
    return [make_job(f"block-{index}") for index in range(6)]


@pytest.fixture
def make_measurement() -> Callable[..., Measurement]:
    """Make a good measurement of a job: (job, round, window, samples)."""
    return measurement
