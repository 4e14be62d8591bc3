"""Time any model files and networks on any targets: a newcomer's first command. No table is needed, none is made."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mogakit import files
from mogakit.bench.conditions import worst_warnings
from mogakit.bench.feed import OPTIONS as FEED_OPTIONS
from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Clock, Status
from mogakit.bench.runner import Job, Runner, RunnerKind
from mogakit.bench.schedule import Outcome, Plan, run_plan
from mogakit.bench.target import CPU_FILES, FORMATS, Hardware, Runtime, Target
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact, Converter, Precision, Role
from mogakit.export.describe import MODEL_SUFFIXES, open_file
from mogakit.flows.deploy.export import export_network
from mogakit.flows.measure.agreement import AgreementScope, check_agreements
from mogakit.flows.measure.devices import file_kind
from mogakit.flows.measure.effort import Effort, effort_for, statistic_for
from mogakit.flows.measure.feeds import FeedRequest, Used, runs_of
from mogakit.luts.estimate import estimate_files, resolved
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import Row
from mogakit.nets.detection.network import resolve_model
from mogakit.progress import Progress, silent
from mogakit.tabular import Sheet, Tabular


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """What a person asks for.

    Attributes:
        models: paths of model files, names of the zoo, or `space/chromosome`.
        targets: None for each file's own (`tflite/cpu/float32` for a float TFLite file or a network by name).
        folder: where exported files and the journal stay; None for a temporary folder.
        feed: sizes, values and signatures for what the files leave open.
        agreement: of which files a phone's output is compared with the reference's.
        converter: of a format's makers, which writes the files of networks by name in place of the kit's writers.
    """

    models: tuple[str, ...]
    targets: tuple[Target, ...] | None = None
    folder: Path | None = None
    seed: int = 0
    quick: bool = False
    resume: bool = False
    rounds: int | None = None
    budget_s: float | None = None
    feed: FeedRequest = field(default_factory=FeedRequest)
    agreement: AgreementScope = AgreementScope.NETWORKS
    converter: Converter | None = None


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One file on one target. `row.latency_ms` is its time run by itself; `clock` says how time was read.

    A file that could not be tried (damaged, or leaving open what nobody gave) has a row of status `failed` that says
    why, no artifact and no clock; its target is the one asked for, if any.
    """

    model: str
    artifact: Artifact | None
    target: Target | None
    clock: Clock | None
    row: Row


@dataclass(frozen=True, repr=False)
class BenchResult(Tabular):
    """Timings in the order asked for, how the measuring ended, and what was wrong with the device.

    Where no file could be tried, `outcome` is None and `device` empty.
    """

    device: str
    timings: tuple[Timing, ...]
    outcome: Outcome | None
    warnings: tuple[str, ...]

    def sheet(self) -> Sheet:
        """Return one row a file and target: its time by itself, its interval, and what ran it."""
        return Sheet(
            title=f"{len(self.timings)} timings on {self.device or 'no device'}",
            columns=("model", "target", "latency_ms", "low_ms", "high_ms", "p90_ms", "status", "delegation", "error"),
            rows=[
                (
                    each.model,
                    None if each.target is None else str(each.target),
                    each.row.latency_ms,
                    each.row.low_ms,
                    each.row.high_ms,
                    each.row.p90_ms,
                    each.row.status,
                    each.row.delegation,
                    each.row.error,
                )
                for each in self.timings
            ],
            note="; ".join(self.warnings),
        )


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
        raise InputError("--resume continues with the journal in a folder, and none is named: add -o FOLDER")
    with _folder(request) as folder:
        asked = _asked(request, runner, folder, progress)
        named = [(model, found) for model, found in asked if isinstance(found, Job)]
        if not named:
            return BenchResult("", tuple(found for _, found in asked if isinstance(found, Timing)), None, ())
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
            raise InputError(f"{path} is there already: add --resume to continue it, or name another folder")
        with Journal(path) as journal:
            check_agreements(plan.jobs, runner, journal, request.agreement, progress)
            outcome = run_plan(plan, runner, journal, progress)
            statistics = {  # one for all files of a target
                target: resolved(journal.measurements(target), statistic_for(runner))
                for target in dict.fromkeys(job.target for _, job in named)
            }
            timings = tuple(
                found if isinstance(found, Timing) else _timing(model, found, journal, statistics, request.seed)
                for model, found in asked
            )
            states = {(one.round, one.window): one.after for one in journal.measurements()}
    device = runner.identity(jobs[0].job.target).device_name
    return BenchResult(device, timings, outcome, worst_warnings(states.values()))


def _asked(request: BenchRequest, runner: Runner, folder: Path, progress: Progress) -> list[tuple[str, "Job | Timing"]]:
    """Return, by the name as typed, what is to be timed and what could not be tried."""
    used = Used()
    found: list[tuple[str, Job | Timing]] = []
    for model in request.models:
        path = Path(model)
        names_a_scale = "@" in path.name  # mobilenet-v2@0.5x: what follows the dot there is no suffix
        is_file = path.exists() or path.suffix.lower() in MODEL_SUFFIXES or (path.suffix and not names_a_scale)
        made = _file_jobs(path, request, runner, used) if is_file else _network_jobs(model, request, folder, progress)
        found.extend((model, job) for job in made)
    used.check(request.feed)
    return found


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


def _network_jobs(model: str, request: BenchRequest, folder: Path, progress: Progress) -> list[Job]:
    network = resolve_model(model)
    if request.converter is not None:
        (artifact,) = export_network(
            network, [], Precision.FLOAT32, folder / "files", progress=progress, converter=request.converter
        )
        return [Job(artifact, target) for target in _targets_of(artifact, _runtime_of(artifact), request.targets)]
    jobs = []
    for target in request.targets or (Target(Runtime.TFLITE, Hardware.CPU, Precision.FLOAT32),):
        file_format, precision = file_kind(target)
        (artifact,) = export_network(network, [file_format], precision, folder / "files", progress=progress)
        jobs.append(Job(artifact, target))
    return jobs


def _file_jobs(path: Path, request: BenchRequest, runner: Runner, used: Used) -> Sequence[Job | Timing]:
    """Return the jobs of a file, or what could not be tried of it.

    Raises:
        InputError: there is no such file, its suffix is unknown, or no target fits it.
    """
    if not path.is_file() or path.suffix.lower() not in MODEL_SUFFIXES:
        open_file(path)  # says which
    try:
        artifact, entries = open_file(path)
    except (InputError, OSError) as error:
        return _rejected(path, request.targets, str(error))
    runtime = _runtime_of(artifact)
    if runtime is Runtime.SNPE:
        return _container_jobs(artifact, request.targets or ())
    targets = _targets_of(artifact, runtime, request.targets)
    if runtime is Runtime.MACE:
        return [Job(artifact, target) for target in targets]
    plain = [target for target in targets if {name for name, _ in target.options} & set(FEED_OPTIONS)]
    try:
        runs = runs_of(entries, request.feed, used) if len(plain) < len(targets) else []
    except InputError as error:
        return _rejected(path, request.targets, f"{path}: {error}")
    jobs: list[Job | Timing] = [Job(artifact, target) for target in plain]
    for target in targets:
        for run in runs if target not in plain else ():
            fed = _fed(target, run.feed.options())
            if fed != target and runner.unsupported(fed) and not runner.unsupported(target):
                reason = f"{path}: sizes, values and signatures are given to files on this computer only ({fed})"
                jobs.extend(_rejected(path, (target,), reason))
                continue
            notes = {**(artifact.notes or {}), **run.notes}
            jobs.append(Job(replace(artifact, notes=notes or None), fed))
    return jobs


def _runtime_of(artifact: Artifact) -> Runtime:
    return {file_format: runtime for runtime, file_format in FORMATS.items()}[artifact.format]


def _fed(target: Target, options: dict[str, str]) -> Target:
    return replace(target, options=tuple(sorted({**dict(target.options), **options}.items())))


def _rejected(path: Path, targets: Sequence[Target] | None, reason: str) -> list[Timing]:
    row = Row(key=path.stem, role=Role.NETWORK, latency_ms=None, status=Status.FAILED, error=reason)
    return [Timing(model=str(path), artifact=None, target=target, clock=None, row=row) for target in targets or (None,)]


def _targets_of(artifact: Artifact, runtime: Runtime, targets: Sequence[Target] | None) -> list[Target]:
    """Return the targets that a file is timed on.

    Raises:
        InputError: none runs its format, or a CPU would compute in another precision than the target says.
    """
    if targets is None:
        return [Target(runtime, Hardware.CPU, artifact.precision)]
    fitting = [target for target in targets if target.runtime is runtime]
    if not fitting:
        raise InputError(
            f"{artifact.path} is a {artifact.format} file and no target runs that; add --target {runtime}/cpu/float32"
        )
    own = artifact.precision
    takes = [kind for kind, files in CPU_FILES[runtime].items() if own in files]
    allowed = sorted(takes, key=lambda kind: kind is not own)
    for target in fitting:
        if target.hardware is Hardware.CPU and target.precision not in allowed:
            shown = " or ".join(f"{runtime}/cpu/{precision}" for precision in allowed)
            raise InputError(
                f"{artifact.path} is a {artifact.precision} file, so on a CPU it runs as {shown}, not as {target}"
            )
    return fitting


def _container_jobs(artifact: Artifact, targets: Sequence[Target]) -> list[Job]:
    """Return the jobs of a `.dlc`. Nothing here reads its precision, so the target that the user names tells it."""
    fitting = [target for target in targets if target.runtime is Runtime.SNPE]
    if not fitting:
        raise InputError(
            f"{artifact.path} runs on the GPU or DSP of a Snapdragon phone only; add --device SERIAL and --target "
            "snpe/gpu/float32 or snpe/dsp/int8 (what it was quantised to, the file does not tell)"
        )
    return [Job(replace(artifact, precision=file_kind(target)[1]), target) for target in fitting]


def _timing(model: str, job: Job, journal: Journal, statistics: Mapping[Target, Statistic], seed: int) -> Timing:
    taken = journal.measurements(job.target, artifact_sha256=job.artifact.sha256)
    (row,) = estimate_files(taken, statistics[job.target], seed).values()
    return Timing(model=model, artifact=job.artifact, target=job.target, clock=taken[0].clock, row=row)
