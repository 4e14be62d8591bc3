"""`HostRunner`: this computer as a device. A round is one fresh worker process that holds every file at once."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mogakit.bench import engines, operator_times, protocol
from mogakit.bench.attempt import Limits
from mogakit.bench.conditions import ConditionsReader, huge_pages_tunable
from mogakit.bench.measurement import Clock, Conditions, Delegation, DelegationKind, Identity, Measurement, Status
from mogakit.bench.runner import Job, OperatorTime, RunnerKind
from mogakit.bench.target import Target
from mogakit.errors import DeviceError, InputError, MeasurementError
from mogakit.export import EXPORT_VERSION
from mogakit.export.gpu import vulkan_drivers
from mogakit.records import from_json

_TAIL_CHARACTERS = 2000
_OPERATORS_TIMEOUT_S = 600


class HostRunner:
    """This computer. Threads: one is timed by its own CPU clock, more by the wall clock; `clock` forces one of them.

    Thread CPU time does not count while the thread is scheduled out, so a busy machine disturbs it far less.

    Attributes:
        jobs_per_window: None: all files of a plan share each window.
        warm_calls: timed calls of a visit, after its first call, which is kept as cold.
        limits: what one file may take when it is first loaded and run, in a process of its own; None for the defaults.
    """

    kind = RunnerKind.HOST
    jobs_per_window: int | None = None

    def __init__(
        self,
        clock: Clock | None = None,
        warm_calls: int = 2,
        huge_pages: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self.warm_calls = warm_calls
        self.limits = limits
        self.failures: dict[tuple[str, Target], str | None] = {}  # why a file failed; None: it ran
        self._clock = clock
        self._tunable = huge_pages_tunable() if huge_pages else None
        self._conditions = ConditionsReader()
        self._conditions.read()  # so that the next reading's steal time counts from now

    def clock(self, target: Target) -> Clock:
        """Return the clock that times `target`."""
        if self._clock is not None:
            return self._clock
        if engines.on_gpu(target):
            return Clock.WALL  # the thread only waits
        return Clock.THREAD_CPU if target.num_threads == 1 else Clock.WALL

    def identity(self, target: Target) -> Identity:
        """Return what a table measured on `target` now would be a table of."""
        name = _cpu_name()
        machine = hashlib.sha256(_machine_id().encode()).hexdigest()[:12]
        cores = os.cpu_count() or 1
        flags = {
            "clock": str(self.clock(target)),
            "huge_pages": "on" if self._tunable else "off",
            "threads": str(target.num_threads),
            **dict(target.options),
        }
        return Identity(
            device=f"{name}/{cores} cores/{platform.system()} {platform.release()}/{machine}",
            device_name=f"{name} ({cores} cores)",
            driver=vulkan_drivers(os.environ) if engines.on_gpu(target) else "",
            runtime=engines.runtime_version(target.runtime),
            tool_sha256="",
            flags=tuple(f"{key}={value}" for key, value in sorted(flags.items())),
            affinity="",
            export_version=EXPORT_VERSION,
        )

    def conditions(self) -> Conditions:
        """Read this computer's state."""
        return self._conditions.read()

    def unsupported(self, target: Target) -> str | None:
        """Return why `target` cannot be measured here and what would fix it, or None where it can."""
        return engines.unsupported(target)

    def profile_operators(self, job: Job) -> tuple[OperatorTime, ...]:
        """Time the operators of a file in a process of its own, with the runtime's profiler.

        Raises:
            InputError: no profiler of this computer times operators on the target.
            MeasurementError: the runtime does not run the file, or its profiler ended the process.
        """
        reason = operator_times.unsupported(job.target)
        if reason is not None:
            raise InputError(f"--per-op: {reason}")
        program = [sys.executable, "-m", "mogakit.bench.operator_times", str(job.artifact.path), str(job.target), "0"]
        done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=_OPERATORS_TIMEOUT_S)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise MeasurementError(f"the profiler of {job.artifact.path} on {job.target} ended: {last}")
        answer = json.loads(done.stdout)
        if "error" in answer:
            raise MeasurementError(str(answer["error"]))
        return tuple(OperatorTime(kind, name, avg_ms) for kind, name, avg_ms in answer["operators"])

    @contextmanager
    def session(self, jobs: Sequence[Job], round_number: int, seed: int) -> Iterator["HostSession"]:
        """Start a worker and load every file into it. Peak memory is measured in round 0 only.

        A file that cannot be loaded or run gives measurements of status `failed` that say why; the others go on. Each
        is first tried in a process of its own, once as long as this runner lives.

        Raises:
            DeviceError: the worker process died.
        """
        environment = dict(os.environ)
        environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", PYTHONHASHSEED="0")
        if self._tunable is not None:
            given = environment.get("GLIBC_TUNABLES", "")
            environment["GLIBC_TUNABLES"] = f"{given}:{self._tunable}".strip(":")
        with tempfile.TemporaryFile() as stderr_file:
            process = subprocess.Popen(
                [sys.executable, "-m", "mogakit.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr_file,
                env=environment,
            )
            try:
                session = HostSession(self, process, stderr_file, tuple(jobs), round_number)
                session.load(seed, probe=round_number == 0)
                yield session
            finally:
                _end(process)


VALUES = "values of input "
"""An artifact's note of this name and a number is the file that holds the values of that input."""


def job_key(job: Job) -> tuple[str, Target]:
    """Return what a job is, whatever its file is called."""
    return job.artifact.sha256, job.target


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the worker's standard input, upon which it ends; kill it where it does not."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue  # it is dead already
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class _Visit:
    """One visit of a file in a window: the call after everything else ran, and those right behind it."""

    at_ms: float
    cold_ms: float
    warm_ms: list[float]


class HostSession:
    """One worker process; made by `HostRunner.session`."""

    def __init__(
        self,
        runner: HostRunner,
        process: subprocess.Popen[bytes],
        stderr_file: IO[bytes],
        jobs: tuple[Job, ...],
        round_number: int,
    ) -> None:
        self._runner = runner
        self._process = process
        self._stderr = stderr_file
        self._jobs = jobs
        self._indices = {(job.artifact.sha256, job.target): index for index, job in enumerate(jobs)}
        self._round = round_number
        self._files: list[dict[str, Any]] = []
        self._numbers: dict[int, int] = {}  # of a job, in the worker
        self._name = f"{process.pid}-{os.urandom(4).hex()}"  # the id alone comes again after a restart

    def load(self, seed: int, probe: bool) -> None:
        """Load every file that has not failed before; `probe` tries all in processes of their own, not only new ones.

        Raises:
            DeviceError: the worker process died.
        """
        known = self._runner.failures
        sent = [index for index, job in enumerate(self._jobs) if known.get(job_key(job)) is None]
        answer = self._ask(
            {
                "op": "load",
                "files": [self._file(self._jobs[index], probe) for index in sent],
                "seed": seed,
                "probe": True,
            }
        )
        self._files = [{"error": known.get(job_key(job))} for job in self._jobs]
        self._numbers = {index: number for number, index in enumerate(sent)}
        for index, file in zip(sent, answer["files"], strict=True):
            self._files[index] = file
            known[job_key(self._jobs[index])] = file.get("error")

    def _file(self, job: Job, probe: bool) -> dict[str, Any]:
        limits, notes = self._runner.limits, job.artifact.notes or {}
        names = [f"{VALUES}{position}" for position in range(len(job.artifact.inputs))]
        return {
            "path": str(job.artifact.path),
            "target": str(job.target),
            "clock": str(self._runner.clock(job.target)),
            "values": [notes.get(name) for name in names],
            "probe": probe or job_key(job) not in self._runner.failures,
            **({} if limits is None else {"memory_bytes": limits.memory_bytes, "seconds": limits.seconds}),
        }

    def measure(self, jobs: Sequence[Job], window: int) -> Iterator[Measurement]:
        """Time `jobs` interleaved in the order given, then yield one measurement for each distinct one.

        A job may stand several times in `jobs` (the sentinel does): its measurement then holds all its samples. The
        first job of a window is warmed up by test before the window begins.

        Raises:
            DeviceError: the worker process died.
        """
        order = [self._indices[job.artifact.sha256, job.target] for job in jobs]
        running = [index for index in order if "error" not in self._files[index]]
        before = self._runner.conditions()
        answer: dict[str, Any] = {"visited_at": [], "visits": [], "warm_up": [], "failed": {}}
        if running:
            numbers = [self._numbers[index] for index in running]
            answer = self._ask(
                {"op": "window", "order": numbers, "warm_calls": self._runner.warm_calls, "warm_up": True}
            )
        after = self._runner.conditions()
        visits: dict[int, list[_Visit]] = {index: [] for index in order}
        for index, at_ms, times_ms in zip(running, answer["visited_at"], answer["visits"], strict=True):
            if times_ms:
                visits[index].append(_Visit(at_ms, times_ms[0], times_ms[1:]))
        for index, made in visits.items():
            error = self._files[index].get("error") or answer["failed"].get(str(self._numbers.get(index)))
            if error is not None:
                yield self._failure(index, window, str(error), before, after)
                continue
            warmup_ms = answer["warm_up"] if index == running[0] else []
            yield self._measurement(index, window, made, warmup_ms, before, after)

    def _failure(self, index: int, window: int, error: str, before: Conditions, after: Conditions) -> Measurement:
        job = self._jobs[index]
        return Measurement(
            artifact_name=job.artifact.name,
            artifact_sha256=job.artifact.sha256,
            role=job.artifact.role,
            target=job.target,
            round=self._round,
            window=window,
            process=self._name,
            clock=self._runner.clock(job.target),
            status=Status.FAILED,
            delegation=Delegation(kind=DelegationKind.UNKNOWN),
            before=before,
            after=after,
            error=error,
        )

    def _measurement(
        self,
        index: int,
        window: int,
        visits: list[_Visit],
        warmup_ms: list[float],
        before: Conditions,
        after: Conditions,
    ) -> Measurement:
        job, file = self._jobs[index], self._files[index]
        delegation = from_json(file["delegation"], Delegation, "the worker's answer")
        return Measurement(
            artifact_name=job.artifact.name,
            artifact_sha256=job.artifact.sha256,
            role=job.artifact.role,
            target=job.target,
            round=self._round,
            window=window,
            process=self._name,
            clock=self._runner.clock(job.target),
            status=Status.OK,  # whatever XNNPACK left ran on the CPU too, which is what was asked for
            delegation=delegation,
            before=before,
            after=after,
            samples_ms=tuple(time_ms for visit in visits for time_ms in visit.warm_ms),
            cold_ms=tuple(visit.cold_ms for visit in visits),
            visited_at_ms=tuple(visit.at_ms for visit in visits),
            warmup_ms=tuple(warmup_ms),
            init_ms=file["init_ms"],
            first_run_ms=file["first_run_ms"],
            peak_memory_mb=file["peak_memory_mb"] if self._round == 0 else None,
        )

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = protocol.exchange(self._process, message)
        except (BrokenPipeError, MeasurementError) as error:
            raise DeviceError(self._exit_report()) from error
        if "error" in answer:
            raise MeasurementError(answer["error"])
        return answer

    def _exit_report(self) -> str:
        code = self._process.wait()
        cause = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        self._stderr.seek(0)
        tail = self._stderr.read()[-_TAIL_CHARACTERS:].decode(errors="replace").strip()
        hint = "; signal 9 is most often a lack of memory: measure fewer files at once" if code == -9 else ""
        return f"the worker process died ({cause}{hint}). It last said:\n{tail or '(nothing)'}"


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith(("model name", "Hardware")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _machine_id() -> str:
    """Return a text that is this machine's alone; it is hashed before it is kept."""
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        if path.is_file() and (text := path.read_text().strip()):
            return text
    return platform.node()
