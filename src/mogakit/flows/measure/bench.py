"""Time any model files and networks on any targets: a newcomer's first command. No table is needed, none is made."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mogakit import files
from mogakit.bench.conditions import worst_warnings
from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Clock
from mogakit.bench.runner import Job, Runner, RunnerKind
from mogakit.bench.schedule import Outcome, Plan, run_plan
from mogakit.bench.target import Hardware, Runtime, Target
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact, Precision
from mogakit.export.describe import MODEL_SUFFIXES
from mogakit.export.pipeline import describe_file
from mogakit.flows.deploy.export import export_network
from mogakit.flows.measure.devices import FORMATS, file_kind
from mogakit.flows.measure.effort import Effort, effort_for, statistic_for
from mogakit.luts.estimate import estimate_files, settled
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import Row
from mogakit.nets.detection.network import resolve_model
from mogakit.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """What a person asks for.

    Attributes:
        models: paths of model files, names of the zoo, or `space/chromosome`.
        targets: None for each file's own (`tflite/cpu/float32` for a float TFLite file or a network by name).
        folder: where exported files and the journal stay; None for a temporary folder.
    """

    models: tuple[str, ...]
    targets: tuple[Target, ...] | None = None
    folder: Path | None = None
    seed: int = 0
    quick: bool = False
    resume: bool = False
    rounds: int | None = None
    budget_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One file on one target. `row.latency_ms` is its time run by itself; `clock` says how time was read."""

    model: str
    artifact: Artifact
    target: Target
    clock: Clock
    row: Row


@dataclass(frozen=True)
class BenchResult:
    """Timings in the order asked for, how the measuring ended, and what was wrong with the device."""

    device: str
    timings: tuple[Timing, ...]
    outcome: Outcome
    warnings: tuple[str, ...]


QUICK = Effort(num_rounds=1, max_rounds=1, num_passes=20, num_calibration=0, num_sentinels=0)
FULL = Effort(num_rounds=3, max_rounds=6, num_passes=30, num_calibration=0, num_sentinels=0)
"""On this computer; few files make short passes."""


def bench(request: BenchRequest, runner: Runner, progress: Progress = silent) -> BenchResult:
    """Time every model on every target, interleaved.

    Raises:
        InputError: a model or target that does not exist or fit, a folder that holds another run, or a request to
            resume without a folder.
        DeviceError, MeasurementError, ExportError: from the packages below.
    """
    if not request.models:
        raise InputError("name at least one model file (x.tflite, x.onnx) or network (moga-a); `moga zoo` lists them")
    if request.resume and request.folder is None:
        raise InputError("--resume goes on with the journal in a folder, and none is named: add -o FOLDER")
    with _folder(request) as folder:
        named = [pair for model in request.models for pair in _jobs_of(model, request, folder, progress)]
        jobs = tuple(dict.fromkeys(_Key(job) for _, job in named))
        effort = _effort(runner, request.quick, [key.job for key in jobs])
        rounds = effort.num_rounds if request.rounds is None else request.rounds
        plan = Plan(
            jobs=tuple(key.job for key in jobs),
            num_rounds=rounds,
            max_rounds=max(rounds, effort.max_rounds) if request.rounds is None else rounds,
            num_passes=effort.num_passes,
            precision=effort.precision,
            budget_s=request.budget_s,
            seed=request.seed,
        )
        path = folder / "journal.db"
        if path.exists() and not request.resume:
            raise InputError(f"{path} is there already: add --resume to go on with it, or name another folder")
        with Journal(path) as journal:
            outcome = run_plan(plan, runner, journal, progress)
            statistics = {  # one for all files of a target
                target: settled(journal.measurements(target), statistic_for(runner))
                for target in dict.fromkeys(job.target for _, job in named)
            }
            timings = tuple(_timing(model, job, journal, statistics[job.target], request.seed) for model, job in named)
            states = {(one.round, one.window): one.after for one in journal.measurements()}
    device = runner.identity(jobs[0].job.target).device_name
    return BenchResult(device, timings, outcome, worst_warnings(states.values()))


def _effort(runner: Runner, quick: bool, jobs: Sequence[Job]) -> Effort:
    """Return how much to measure; one accelerator among the targets makes the interleaved rounds of all as many."""
    if runner.kind is RunnerKind.HOST:
        return QUICK if quick else FULL
    accelerators = [job.target.hardware for job in jobs if job.target.hardware is not Hardware.CPU]
    return effort_for(runner, quick, accelerators[0] if accelerators else Hardware.CPU)


@contextmanager
def _folder(request: BenchRequest) -> Iterator[Path]:
    if request.folder is not None:
        yield request.folder
        return
    with files.scratch() as folder:
        yield folder


class _Key:
    """A job by what makes it one: file content and target (an artifact's notes are no part of that)."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._identity = (job.artifact.sha256, job.target)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


def _jobs_of(model: str, request: BenchRequest, folder: Path, progress: Progress) -> list[tuple[str, Job]]:
    """Return (name as typed, job) for each target that the model is to be timed on."""
    path = Path(model)
    names_a_scale = "@" in path.name  # mobilenet-v2@0.5x: what follows the dot there is no suffix
    if path.exists() or path.suffix in MODEL_SUFFIXES or (path.suffix and not names_a_scale):
        return [(model, job) for job in _file_jobs(path, request.targets)]
    network = resolve_model(model)
    jobs = []
    for target in request.targets or (Target(Runtime.TFLITE, Hardware.CPU, Precision.FLOAT32),):
        file_format, precision = file_kind(target)
        (artifact,) = export_network(network, [file_format], precision, folder / "files", progress=progress)
        jobs.append((model, Job(artifact, target)))
    return jobs


def _file_jobs(path: Path, targets: Sequence[Target] | None) -> list[Job]:
    artifact = describe_file(path)
    runtimes = {file_format: runtime for runtime, file_format in FORMATS.items()}
    runtime = runtimes[artifact.format]
    if runtime is Runtime.SNPE:
        return _container_jobs(artifact, targets or ())
    if targets is None:
        return [Job(artifact, Target(runtime, Hardware.CPU, artifact.precision))]
    fitting = [target for target in targets if target.runtime is runtime]
    if not fitting:
        raise InputError(
            f"{path} is a {artifact.format} file and no target runs that; add --target {runtime}/cpu/float32"
        )
    for target in fitting:
        if target.hardware is Hardware.CPU and target.precision is not artifact.precision:
            raise InputError(
                f"{path} is a {artifact.precision} file, so on a CPU it runs as {runtime}/cpu/{artifact.precision}, "
                f"not as {target}"
            )
    return [Job(artifact, target) for target in fitting]


def _container_jobs(artifact: Artifact, targets: Sequence[Target]) -> list[Job]:
    """Return the jobs of a `.dlc`. Nothing here reads its precision, so the target that the user names tells it."""
    fitting = [target for target in targets if target.runtime is Runtime.SNPE]
    if not fitting:
        raise InputError(
            f"{artifact.path} runs on the GPU or DSP of a Snapdragon phone only; add --device SERIAL and --target "
            "snpe/gpu/float32 or snpe/dsp/int8 (what it was quantised to, the file does not tell)"
        )
    return [Job(replace(artifact, precision=file_kind(target)[1]), target) for target in fitting]


def _timing(model: str, job: Job, journal: Journal, statistic: Statistic, seed: int) -> Timing:
    taken = journal.measurements(job.target, artifact_sha256=job.artifact.sha256)
    (row,) = estimate_files(taken, statistic, seed).values()
    return Timing(model=model, artifact=job.artifact, target=job.target, clock=taken[0].clock, row=row)
