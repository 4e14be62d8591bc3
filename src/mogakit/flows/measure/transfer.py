"""From tables of other devices to one of a new device, with few measurements on it, chosen batch by batch.

RUN/run.json                  as of a profile: a later `moga profile --resume` measures what is missing
RUN/transfer/transfer.json    what was asked for, so that `--resume` continues with the same
RUN/transfer/batch-NNN.db     which files a batch holds, and their measurements
RUN/files/                    exported files
RUN/lut.json                  the table

Each batch is designed from all measurements before it (`luts.transfer.design`). On this computer it times the files of
earlier batches again, in one process with its own: what every process has in common cancels.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mogakit import records
from mogakit.bench.conditions import worst_warnings
from mogakit.bench.journal import FINISHED, Journal
from mogakit.bench.measurement import Measurement, counts
from mogakit.bench.runner import Job, Runner, RunnerKind
from mogakit.bench.schedule import run_plan
from mogakit.bench.target import Target
from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Artifact
from mogakit.files import sha256_of
from mogakit.flows.deploy.export import export_chain, export_network, export_parts
from mogakit.flows.measure.devices import HOST, file_kind
from mogakit.flows.measure.effort import Effort, effort_for, plan_for, statistic_for
from mogakit.flows.measure.profile import default_blocks
from mogakit.flows.measure.runs import RunFolder, RunSettings
from mogakit.flows.measure.sampling import blocks_to_measure, sample_networks, strata
from mogakit.luts.estimate import estimate_files, merge_conditions, resolved
from mogakit.luts.latencies import table_path
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import UNKNOWN, LatencyTable, Row, load, save
from mogakit.luts.transfer.build import Provenance, source_of, transferred_table
from mogakit.luts.transfer.design import choose
from mogakit.luts.transfer.items import File, Items, Measured, blocks_of_keys, items_of_blocks
from mogakit.luts.transfer.model import Method, TransferModel
from mogakit.luts.transfer.posterior import Posterior, fit
from mogakit.luts.transferred import MEAN_OF_NORMAL, Z95, TransferSource
from mogakit.nets.block import Block
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace, get_space, input_size_of
from mogakit.progress import Progress, silent

BUDGET_S = 120.0
"""Seconds that a transfer takes unless more or fewer are asked for."""

BATCH_SIZES = (5, 5, 10, 15, 20)
"""Files of the first batches; later ones are as large as the last. Small first: what they find redirects the design."""

NUM_CANDIDATES, NUM_REFERENCE = 40, 96
"""Random networks that may be measured, and those whose predictions are to become certain, for each stratum."""

NUM_CANDIDATE_BLOCKS = 400
CHAIN_COPIES = 8
_SINGLE_RUN_ERROR = 0.015
"""Relative standard error of a time that rests on one process (ours; docs/measuring.md has figures)."""

_ROUNDS_APART = 100
_SAFETY = 1.15
"""By how much a batch may take longer than the last one's pace says."""


@dataclass(frozen=True, kw_only=True)
class TransferRequest:
    """What a person asks for.

    Attributes:
        sources: runs or tables of other devices or targets.
        space: None for that of the first source.
        budget_s: seconds that this call may take, exports included. None: `BUDGET_S`, or as long as `num_measurements`
            take.
        num_measurements: files to measure, over all calls; None for as many as the budget allows.
        quick: one round where it would be two, shorter runs on a phone.
    """

    sources: tuple[Path, ...]
    target: Target
    folder: Path
    device: str = HOST
    space: str | None = None
    input_size: int | None = None
    budget_s: float | None = None
    num_measurements: int | None = None
    seed: int = 0
    quick: bool = False
    resume: bool = False
    accept_partial: bool | None = None
    accept_unknown: bool | None = None


@records.stored("transfer-request", version=1, made_by="moga transfer -o RUN", title="request of a transfer")
@dataclass(frozen=True, kw_only=True)
class TransferQuestion:
    """What `RUN/transfer/transfer.json` holds: tables and the order that a transfer rests on."""

    sources: tuple[TransferSource, ...]
    seed: int
    quick: bool
    schema_version: int = 1


@dataclass(frozen=True, kw_only=True)
class TransferResult:
    """The table, and how it came about.

    Attributes:
        expected_percent: mean error of random networks that the model expects, in percent.
        sources_percent: the same before anything was measured.
        failed: files that were chosen and say nothing: not exported, not timed before the budget was spent, or run on
            other hardware.
    """

    table: LatencyTable
    path: Path
    num_batches: int
    seconds: float
    expected_percent: float
    sources_percent: float
    failed: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """Everything that does not change from batch to batch; `repeats`: a batch times the files of earlier ones again."""

    request: TransferRequest
    folder: RunFolder
    settings: RunSettings
    space: SearchSpace
    model: TransferModel
    sources: tuple[TransferSource, ...]
    blocks: Mapping[str, Block]
    chained: Mapping[str, Block]
    networks: Mapping[str, Network]
    candidates: tuple[File, ...]
    reference: tuple[File, ...]
    repeats: bool

    @property
    def items(self) -> Items:
        """Return the rows, with those of sources that the space does not have."""
        return self.model.items


def transfer(request: TransferRequest, runner: Runner, progress: Progress = silent) -> TransferResult:
    """Measure what tells most, as long as the budget lasts, and write `RUN/lut.json`.

    Raises:
        InputError: no source says anything of the space's blocks, the target does not run on the device or on none of
            the files, or the folder holds another run.
        TableError: a source is not a latency table.
        DeviceError, MeasurementError, ExportError: what was finished is kept for `resume`.
    """
    started = time.monotonic()
    task = _prepare(request, runner)
    taken: list[Measurement] = []
    names: list[str] = []
    seconds = 0.0
    pace = _Pace(request, started)
    number = 0
    while (num := pace.next_batch(number, len(names), task)) > 0:
        progress(len(names), pace.planned(len(names), num), f"batch {number + 1}: choosing {num} files")
        batch = _measure_batch(task, runner, number, names, taken, num, pace, progress)
        if batch is None:
            break
        names += batch.names
        taken += batch.measurements
        seconds += batch.seconds
        pace.batch_done(batch.num_timed)
        number += 1
    if not taken:
        raise InputError(f"nothing was measured in {pace.spent_s:.0f} s; give a longer --budget")
    result = _conclude(task, runner, taken, names, seconds, number)
    save(result.table, task.folder.table)
    return result


def _prepare(request: TransferRequest, runner: Runner) -> _Task:
    """Read the sources, open the run, and draw the networks."""
    reason = runner.unsupported(request.target)
    if reason is not None:
        raise InputError(f"{request.target}: {reason}")
    if not request.sources:
        raise InputError("a transfer needs at least one table of another device or target; give it with --from RUN")
    paths = [table_path(path) for path in request.sources]
    tables = [load(path) for path in paths]
    name = request.space or tables[0].space
    if not name:
        raise InputError(f"{paths[0]} does not name a search space; name the one to make a table of with --space")
    space = get_space(name, request.input_size)
    sources = tuple(_source(path, table) for path, table in zip(paths, tables, strict=True))
    folder = RunFolder(request.folder)
    settings = _open_run(folder, request, space, name, runner)
    _keep_question(folder, request, sources)
    own = dict.fromkeys([*space.fixed_blocks, *space.choice_blocks])
    others = [block for table in tables for block in blocks_of_keys(sorted(table.rows)).values() if block not in own]
    items = items_of_blocks([*own, *others])
    reference = _network_files(items, _draw(space, NUM_REFERENCE, request.seed, 7).values())
    networks = _draw(space, NUM_CANDIDATES, request.seed, 6)
    timed = (*space.fixed_blocks, *blocks_to_measure(space, NUM_CANDIDATE_BLOCKS, request.seed))
    blocks = {block.key: block for block in timed}
    residual = next((block for block in space.choice_blocks if block.residual), None)
    chained = {} if residual is None else {f"chain-{CHAIN_COPIES}x{residual.key}": residual}
    singles = [File(name=key, counts=items.counts([key]), whole=False) for key in blocks]
    chains = [
        File(name=key, counts=CHAIN_COPIES * items.counts([block.key]), whole=False) for key, block in chained.items()
    ]
    known = [source_of(table, items, reference) for table in tables]
    hardware = {None if table.target is None else table.target.hardware for table in tables}
    return _Task(
        request=request,
        folder=folder,
        settings=settings,
        space=space,
        model=TransferModel(items, known, Method.PROCESS, like=request.target.hardware in hardware),
        sources=sources,
        blocks=blocks,
        chained=chained,
        networks=networks,
        candidates=(*_network_files(items, networks.values()), *singles, *chains),
        reference=reference,
        repeats=runner.kind is RunnerKind.HOST,
    )


def _source(path: Path, table: LatencyTable) -> TransferSource:
    return TransferSource(
        table=table.name,
        sha256=sha256_of(path),
        device_name=table.identity.device_name,
        target=UNKNOWN if table.target is None else str(table.target),
    )


def _draw(space: SearchSpace, num: int, seed: int, stream: int) -> dict[str, Network]:
    """Return random networks by name, as many of each stratum."""
    rng = np.random.default_rng([seed, stream])
    drawn: dict[str, Network] = {}
    for part in strata(space):
        drawn |= {network.name: network for network in sample_networks(part, num, rng, space, drawn)}
    return drawn


def _network_files(items: Items, networks: Iterable[Network]) -> tuple[File, ...]:
    return tuple(
        File(name=network.name, counts=items.counts(block.key for block in network.blocks), whole=True)
        for network in networks
    )


def _open_run(
    folder: RunFolder, request: TransferRequest, space: SearchSpace, name: str, runner: Runner
) -> RunSettings:
    effort = effort_for(runner, request.quick, request.target.hardware)
    settings = RunSettings(
        space=name,
        target=str(request.target),
        device=request.device,
        seed=request.seed,
        num_calibration=effort.num_calibration,
        num_passes=effort.num_passes,
        num_sentinels=effort.num_sentinels,
        input_size=input_size_of(space),
        num_blocks=default_blocks(request.quick),
    )
    known = folder.begin(settings, request.resume)
    if folder.journal.exists():
        raise InputError(f"{folder.path} is a run of `moga profile`, whose table is measured; name another folder")
    return folder.revise(known, request.accept_partial, request.accept_unknown, None)


def _batches(folder: RunFolder) -> Path:
    return folder.path / "transfer"


def _keep_question(folder: RunFolder, request: TransferRequest, sources: tuple[TransferSource, ...]) -> None:
    """Keep what the transfer rests on; reject the folder of another one."""
    path = _batches(folder) / "transfer.json"
    question = TransferQuestion(sources=sources, seed=request.seed, quick=request.quick)
    if not path.exists():
        records.save(question, path)
        return
    known = records.load(TransferQuestion, path)
    if [each.sha256 for each in known.sources] != [each.sha256 for each in sources] or known.quick != request.quick:
        named = ", ".join(f"{each.table} ({each.device_name})" for each in known.sources)
        raise InputError(
            f"{folder.path} is a transfer from {named}{' with --quick' if known.quick else ''}: resume it with the "
            "same tables, unchanged, or name another folder"
        )


class _Pace:
    """How many files the next batch may hold, so that the whole stays within budget and number."""

    def __init__(self, request: TransferRequest, started: float) -> None:
        self._started = started
        self._num = request.num_measurements
        unlimited = request.budget_s is None and self._num is not None
        self._budget_s = float("inf") if unlimited else BUDGET_S if request.budget_s is None else request.budget_s
        self._batch_started = started
        self._file_s: float | None = None

    @property
    def spent_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started

    @property
    def batch_s(self) -> float:
        """Return the seconds since the batch was begun, the choice of its files included."""
        return time.monotonic() - self._batch_started

    @property
    def left_s(self) -> float | None:
        """Return the seconds that are left, None where there is no limit."""
        left = self._budget_s - self.spent_s
        return None if left == float("inf") else max(left, 0.0)

    def next_batch(self, number: int, num_known: int, task: _Task) -> int:
        """Return how many files to choose; 0 where the transfer ends."""
        self._batch_started = time.monotonic()
        if (_batches(task.folder) / f"batch-{number:03d}.db").exists():
            return 1  # the batch is known already: it continues, or is read
        wanted = BATCH_SIZES[min(number, len(BATCH_SIZES) - 1)]
        if self._num is not None:
            wanted = min(wanted, self._num - num_known)
        left_s = self.left_s
        if left_s is None:
            return wanted
        if self._file_s is None:
            return wanted if left_s > 0 else 0
        again = num_known if task.repeats else 0
        return max(0, min(wanted, int(left_s / (_SAFETY * self._file_s)) - again))

    def planned(self, num_known: int, num: int) -> int:
        """Return how many files there will be, as far as is known."""
        return num_known + num if self._num is None else self._num

    def batch_done(self, num_timed: int) -> None:
        """Learn what a file takes."""
        took_s = self.batch_s
        if num_timed and took_s > 0.5:  # a batch that was only read from its journal says nothing
            self._file_s = took_s / num_timed


@dataclass(frozen=True)
class _Batch:
    """The new files of a batch, how many were timed, how long that took, and what it gave."""

    names: tuple[str, ...]
    num_timed: int
    seconds: float
    measurements: list[Measurement]


def _measure_batch(
    task: _Task,
    runner: Runner,
    number: int,
    names: Sequence[str],
    taken: Sequence[Measurement],
    num: int,
    pace: _Pace,
    progress: Progress,
) -> _Batch | None:
    """Choose and time a batch, or what is missing of one; None where no candidate is left."""
    path = _batches(task.folder) / f"batch-{number:03d}.db"
    with Journal(path) as journal:
        chosen = journal.setting("files")
        if chosen is None:
            posterior = _posterior(task, runner, taken)[0]
            error = _SINGLE_RUN_ERROR if runner.kind is RunnerKind.PHONE else 0.01
            chosen = [
                each.file.name for each in choose(posterior, task.candidates, task.reference, num, error, set(names))
            ]
            if chosen:
                journal.set_setting("files", chosen)
        if not chosen:
            return None
        timed = [*names, *chosen] if task.repeats else list(chosen)
        sentinel = next((name for name in (*names, *chosen) if name in task.networks), timed[0])
        if sentinel not in timed:
            timed.append(sentinel)
        if not journal.setting(FINISHED):
            artifacts = _export(task, timed, progress)
            jobs = [Job(artifact, task.request.target) for artifact in artifacts.values()]
            watch = next((job for job in jobs if job.artifact.name == sentinel), jobs[0])
            plan = plan_for(_effort(task, runner), jobs, watch, None, task.request.seed + number, budget_s=pace.left_s)
            run_plan(plan, runner, journal, progress)
            journal.set_setting("seconds", (journal.setting("seconds") or 0.0) + pace.batch_s)
            journal.set_setting(FINISHED, True)  # also where the budget ended it: what was not timed is not missed
        measurements = journal.measurements(task.request.target)
        seconds = journal.setting("seconds") or 0.0
    return _Batch(tuple(chosen), len(timed), seconds, [_of_batch(one, number) for one in measurements])


def _of_batch(one: Measurement, number: int) -> Measurement:
    """Tell a measurement from those of other batches, whose rounds and processes have the same numbers."""
    return replace(one, process=f"batch-{number:03d}/{one.process}", round=_ROUNDS_APART * number + one.round)


def _effort(task: _Task, runner: Runner) -> Effort:
    """Return how much a batch measures: a second file tells more than a second time of the first."""
    effort = effort_for(runner, True, task.request.target.hardware)
    if runner.kind is RunnerKind.HOST:
        rounds = 1 if task.request.quick else 2
        return replace(effort, num_rounds=rounds, max_rounds=rounds, num_passes=8)
    return replace(effort, num_sentinels=2)


def _export(task: _Task, names: Sequence[str], progress: Progress) -> dict[str, Artifact]:
    """Export the files that a batch times and that are not there yet.

    A random network whose file does not agree with torch, as may happen with random weights, is left out.

    Raises:
        ExportError: a block's file does not agree, or no file is left.
    """
    file_format, precision = file_kind(task.request.target)
    folder = task.folder.files
    fixed = {block.key for block in task.space.fixed_blocks}
    choices = [task.blocks[name] for name in names if name in task.blocks and name not in fixed]
    parts = [task.blocks[name] for name in names if name in fixed]
    artifacts = export_parts(choices, parts, [file_format], precision, folder, silent)
    failed: ExportError | None = None
    for name in names:
        if name in task.chained:
            artifacts.append(export_chain(task.chained[name], CHAIN_COPIES, file_format, precision, folder))
        if name in task.networks:
            progress(0, 0, f"exporting {name}")
            try:
                artifacts += export_network(task.networks[name], [file_format], precision, folder, subfolder="network")
            except ExportError as error:
                failed = error
    if not artifacts and failed is not None:
        raise failed
    return {artifact.name: artifact for artifact in artifacts}


def _posterior(
    task: _Task, runner: Runner, taken: Sequence[Measurement]
) -> tuple[Posterior, list[Measured], dict[str, Row], Statistic]:
    """Return what is known of the new device, the measurements that count, every file's estimate, and the statistic."""
    statistic = statistic_for(runner)
    if not taken:
        return fit(task.model, []), [], {}, statistic
    accepted = task.settings.accepted
    statistic = resolved(list(taken), statistic, accepted)
    estimates = estimate_files(taken, statistic, task.request.seed, accepted)
    files = {each.name: each for each in task.candidates}
    error = _repeat_error(estimates, runner)
    measured = []
    for name, row in sorted(estimates.items()):
        if row.latency_ms is None or not counts(row.status, accepted) or row.latency_ms <= 0:
            continue
        std_ms = error * row.latency_ms / max(row.num_rounds or 1, 1) ** 0.5
        if row.low_ms is not None and row.high_ms is not None:
            std_ms = max(std_ms, (row.high_ms - row.low_ms) / (2 * Z95))
        measured.append(Measured(files[name], row.latency_ms, std_ms))
    return fit(task.model, measured), measured, estimates, statistic


def _repeat_error(estimates: Mapping[str, Row], runner: Runner) -> float:
    """Return how far two processes that time one file lie apart, relative: what the files timed several times tell."""
    squares = [
        (float(np.std(row.run_means_ms, ddof=1)) / float(np.mean(row.run_means_ms))) ** 2
        for row in estimates.values()
        if len(row.run_means_ms) > 1
    ]
    usual = _SINGLE_RUN_ERROR if runner.kind is RunnerKind.PHONE else 0.01
    num, trust = len(squares), 3
    return float(np.sqrt((sum(squares) + trust * usual**2) / (num + trust)))


def _conclude(
    task: _Task,
    runner: Runner,
    taken: Sequence[Measurement],
    chosen: Sequence[str],
    seconds: float,
    num_batches: int,
) -> TransferResult:
    """Build the table from everything that was measured."""
    posterior, measured, estimates, statistic = _posterior(task, runner, taken)
    fixed = frozenset(block.key for block in task.space.fixed_blocks)
    wanted = list(dict.fromkeys([*task.space.fixed_blocks, *task.space.choice_blocks]))
    table = transferred_table(
        posterior,
        wanted,
        fixed,
        estimates,
        measured,
        task.reference,
        Provenance(
            name=str(task.folder.table),
            space=task.settings.space,
            target=task.request.target,
            identity=runner.identity(task.request.target),
            statistic=statistic,
            sources=task.sources,
            method=Method.PROCESS,
            seconds=round(seconds, 1),
            conditions=merge_conditions(taken),
            seed=task.request.seed,
            source=task.folder.path.name,
        ),
    )
    table = replace(table, accepted=tuple(sorted(task.settings.accepted)))
    counted = {each.file.name for each in measured}
    states = {(one.process, one.round, one.window): one.after for one in taken}
    return TransferResult(
        table=table,
        path=task.folder.table,
        num_batches=num_batches,
        seconds=seconds,
        expected_percent=_expected_percent(posterior, task.reference),
        sources_percent=_expected_percent(fit(task.model, []), task.reference),
        failed=tuple(sorted(name for name in chosen if name not in counted)),
        warnings=tuple(worst_warnings(states.values())),
    )


def _expected_percent(posterior: Posterior, networks: Sequence[File]) -> float:
    """Return the mean absolute error that the model expects of networks, in percent."""
    _, deviations = posterior.predict(networks)
    return 100 * MEAN_OF_NORMAL * float(np.mean(deviations))
