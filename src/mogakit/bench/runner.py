"""`Runner`: the interface of every device that can time files, this computer and phones alike."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from mogakit.bench.agreement import DeviceAgreement
from mogakit.bench.measurement import Conditions, Identity, Measurement
from mogakit.bench.target import Target
from mogakit.export.artifact import Artifact


class RunnerKind(StrEnum):
    """What a device is: it decides how much is measured, and how samples become a number."""

    HOST = "host"  # one process times all files of a window, thousands of calls a minute
    PHONE = "phone"  # each run of a file is a process of its own


@dataclass(frozen=True)
class OperatorTime:
    """One operator of a file, as a tool timed it in a profiled run of its own."""

    op_type: str
    name: str
    avg_ms: float


@dataclass(frozen=True)
class Job:
    """One file to be timed on one target."""

    artifact: Artifact
    target: Target


class Session(Protocol):
    """One round: on this computer one fresh worker process; on a phone one pass of short processes."""

    def measure(self, jobs: Sequence[Job], window: int) -> Iterator[Measurement]:
        """Time `jobs` in the order given and yield one measurement each.

        On this computer the jobs of a window are interleaved in one process and all yielded after its end, so that
        nothing is written to disk inside it; a phone yields each as its process ends.

        Raises:
            DeviceError: the device went away. What was yielded before stands.
        """


class Runner(Protocol):
    """A device that can time files."""

    kind: RunnerKind
    """What the device is."""

    jobs_per_window: int | None
    """How many jobs share a timing window: None for all of them (this computer), 1 on a phone."""

    def identity(self, target: Target) -> Identity:
        """Return what a table measured on `target` now would be a table of."""

    def conditions(self) -> Conditions:
        """Read the device's state."""

    def unsupported(self, target: Target) -> str | None:
        """Return why `target` cannot be measured here and what would change that, or None where it can."""

    def profile_operators(self, job: Job) -> tuple[OperatorTime, ...]:
        """Time the operators of one file in a run of its own, in the order of execution.

        Raises:
            InputError: the device has no tool that times single operators.
            MeasurementError: the tool failed, or printed no operators.
        """

    def session(self, jobs: Sequence[Job], round_number: int, seed: int) -> AbstractContextManager[Session]:
        """Open round `round_number`: start the process or deploy the files that `jobs` name.

        Raises:
            DeviceError: the device is absent, busy, or out of space.
            MeasurementError: a file cannot be loaded.
        """


@runtime_checkable
class ComputesOnInput(Protocol):
    """A device whose tools can compute on a given input. This computer's own runtimes are the reference instead."""

    def agreement(self, job: Job) -> DeviceAgreement:
        """Run one file once on seeded input and compare its output with the reference's.

        Raises:
            DeviceError: the device went away.
        """
