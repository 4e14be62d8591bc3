"""A device for tests of flows whose truth is known: additive block costs, noise, and a speed of each process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

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
from mogakit.errors import DeviceError, InputError
from mogakit.export.artifact import Artifact, Role
from mogakit.nets.block import parse_key
from mogakit.nets.network import count_madds
from mogakit.nets.resolve import resolve

TARGET = parse_target("tflite/cpu/float32")
STATE = Conditions(at="2026-11-21T00:00:00+00:00")


def block_ms(key: str) -> float:
    return 0.05 + 1e-6 * count_madds(parse_key(key))


@dataclass
class MadeUpRunner:
    """A device of known truth, 1 % noise, and a speed of its own in every process; it may go away.

    Attributes:
        cost: what a block adds, by its key. overhead_ms: what every run costs besides.
        elsewhere: which blocks run on other hardware, by their keys. name: of the device.
    """

    driver: str = ""
    kind: RunnerKind = RunnerKind.HOST
    jobs_per_window: int | None = None
    windows_left: int = 10**6
    measured: list[tuple[str, int, int]] = field(default_factory=list)
    num_sessions: int = 0
    falls_back: bool = False  # every fifth network runs on another hardware, ten times slower
    cost: Callable[[str], float] = block_ms
    overhead_ms: float = 0.0
    elsewhere: Callable[[str], bool] = lambda key: False
    name: str = "made-up"

    def truth_ms(self, artifact: Artifact) -> float:
        """Return what a file costs."""
        if artifact.role is Role.NETWORK:
            blocks = resolve(artifact.name, input_size=8).blocks
            return 1.1 * (self.overhead_ms + sum(self.cost(block.key) for block in blocks))
        if artifact.role is Role.CHAIN:
            copies, key = artifact.name.removeprefix("chain-").split("x", 1)
            return self.overhead_ms + int(copies) * self.cost(key)
        return self.overhead_ms + self.cost(artifact.name)

    def identity(self, target: Target) -> Identity:
        return Identity(
            device=self.name,
            device_name=self.name.replace("-", " "),
            driver=self.driver,
            runtime="none",
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
        return None

    @contextmanager
    def session(self, jobs: Sequence[Job], round_number: int, seed: int) -> Iterator["MadeUpSession"]:
        self.num_sessions += 1
        yield MadeUpSession(self, round_number, self.num_sessions)


@dataclass
class MadeUpSession:
    """One process of it."""

    runner: MadeUpRunner
    round_number: int
    number: int

    def measure(self, jobs: Sequence[Job], window: int) -> Iterator[Measurement]:
        if self.runner.windows_left == 0:
            raise DeviceError("the device went away")
        self.runner.windows_left -= 1
        rng = np.random.default_rng([self.number, window])
        speed = float(np.exp(np.random.default_rng(self.number).normal(0, 0.02)))
        for job in {job.artifact.sha256: job for job in jobs}.values():
            fell = self._fell_back(job)
            times = self.runner.truth_ms(job.artifact) * speed * np.exp(rng.normal(0, 0.01, 4)) * (10 if fell else 1)
            self.runner.measured.append((job.artifact.name, self.round_number, window))
            yield Measurement(
                artifact_name=job.artifact.name,
                artifact_sha256=job.artifact.sha256,
                role=job.artifact.role,
                target=job.target,
                round=self.round_number,
                window=window,
                process=f"process-{self.number}"
                if self.runner.kind is RunnerKind.HOST
                else f"process-{self.number}-{window}",
                clock=Clock.THREAD_CPU,
                status=Status.FALLBACK if fell else Status.OK,
                delegation=Delegation(kind=DelegationKind.NOT_ASKED),
                before=STATE,
                after=STATE,
                samples_ms=tuple(times),
                cold_ms=tuple(times[:2]),
            )

    def _fell_back(self, job: Job) -> bool:
        if job.artifact.role is Role.NETWORK:
            return self.runner.falls_back and int(job.artifact.sha256, 16) % 5 == 0
        return self.runner.elsewhere(job.artifact.name)
