"""Measure whole networks of a run's space and fit linear cost models on them.

RUN/fit/fit.json        what was asked for
RUN/fit/batch-NNN.db    measurements of one batch of networks
RUN/fit/batch-NNN/      its files, removed once it is measured (a network is 20 MB)
RUN/fit.json            pairs, errors and learning curves
RUN/cost-model.json     the model on the table's residual; RUN/cost-model-one-hot.json the one without the table

On this computer each batch is timed together with all blocks of the table: what every process has in common cancels,
between batches as within one.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mogakit import records
from mogakit.bench.journal import FINISHED, Journal
from mogakit.bench.measurement import Measurement
from mogakit.bench.runner import Job, Runner, RunnerKind
from mogakit.bench.schedule import StopReason, run_plan
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact
from mogakit.flows.deploy.export import export_network, export_parts
from mogakit.flows.measure.devices import file_kind
from mogakit.flows.measure.effort import effort_for, plan_for
from mogakit.flows.measure.runs import RunFolder, RunSettings, check_identity
from mogakit.flows.measure.sampling import sample_networks, strata
from mogakit.luts.counts import fit_with_table, fit_without_table
from mogakit.luts.curves import MIN_HELD_OUT, CurvePoint, learning_curves
from mogakit.luts.estimate import estimate_files
from mogakit.luts.fit_record import FitRecord, ModelErrors
from mogakit.luts.linear import MIN_PAIRS, CostModel, Pairs, load_model, save_model
from mogakit.luts.table import LatencyTable, Row, RowSource, load
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace, get_space
from mogakit.progress import Progress, silent

BATCH_SIZE = 20
"""Networks that share a process: all of them stay loaded, 20 to 60 MB each."""
CURVE_SIZES = (5, 10, 20, 50, 100, 200, 400, 800)


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """What a person asks for: `num_pairs` random networks, drawn evenly from the space's strata by `seed`."""

    folder: Path
    num_pairs: int = 100
    seed: int = 0
    quick: bool = False
    resume: bool = False
    rounds: int | None = None


@records.stored("fit-request", version=1, implied_version=1, made_by="moga fit RUN", title="request of a fit")
@dataclass(frozen=True, kw_only=True)
class FitQuestion:
    """What `RUN/fit/fit.json` holds: what a fit was asked for, so that `--resume` continues with the same."""

    num_pairs: int
    seed: int
    quick: bool
    rounds: int | None


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What `RUN/fit.json` holds, with the models beside it.

    Attributes:
        pairs: the measured networks. failed: names of networks that gave no number.
        curves: error on networks left out against the number of measured ones; empty with fewer than 15 pairs.
    """

    table: str
    pairs: Pairs
    failed: tuple[str, ...]
    on_table: CostModel
    one_hot: CostModel
    curves: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class FitFolder:
    """Paths of the fit in a run's folder."""

    run: RunFolder

    @property
    def batches(self) -> Path:
        """Return the folder of the batches' journals."""
        return self.run.path / "fit"

    @property
    def result(self) -> Path:
        """Return the file of pairs, errors and curves."""
        return self.run.path / "fit.json"

    @property
    def model(self) -> Path:
        """Return the model on the table's residual."""
        return self.run.path / "cost-model.json"

    @property
    def one_hot(self) -> Path:
        """Return the model that does without the table."""
        return self.run.path / "cost-model-one-hot.json"


def cost_models(run: RunFolder) -> list[CostModel]:
    """Return the cost models that a run's folder holds, for whoever compares them with the table.

    Raises:
        TableError: a file is malformed.
    """
    folder = FitFolder(run)
    return [load_model(path) for path in (folder.model, folder.one_hot) if path.exists()]


def fit_run(request: FitRequest, runner: Runner, progress: Progress = silent) -> FitResult:
    """Measure what is missing, fit, and write the models.

    Raises:
        InputError: the folder holds no run, a fit was begun and `resume` is not set, or too few pairs are asked for.
        TableError: there is no table, or it is of another device or version than is here now.
        DeviceError, MeasurementError, ExportError: from the packages below; what was finished is kept for `--resume`.
    """
    if request.num_pairs < MIN_PAIRS:
        raise InputError(f"a cost model needs at least {MIN_PAIRS} networks, asked for {request.num_pairs}")
    folder = FitFolder(RunFolder(request.folder))
    settings = folder.run.read_settings()
    table = load(folder.run.table)
    check_identity(table, runner, settings)
    _keep_question(folder, request)
    space = get_space(settings.space, settings.input_size)
    networks = fit_networks(space, table, request.num_pairs, request.seed)
    batches = [networks[start : start + BATCH_SIZE] for start in range(0, len(networks), BATCH_SIZE)]
    taken: list[Measurement] = []
    for index, batch in enumerate(batches):
        taken += _measure_batch(folder, request, settings, table, runner, index, batch, progress)
        progress(index + 1, len(batches), f"batch {index + 1} of {len(batches)}")
    estimates = estimate_files(taken, table.statistic, request.seed, table.accepted)
    result = fit_estimates(table, space, networks, estimates, request.seed)
    save_model(result.on_table, folder.model)
    save_model(result.one_hot, folder.one_hot)
    _write_result(result, folder.result)
    return result


def fit_networks(space: SearchSpace, table: LatencyTable, num: int, seed: int) -> list[Network]:
    """Return the networks to measure, strata taking turns, so that any first part of them is spread evenly, too."""
    parts = strata(space)
    known = set(table.calibration.networks)
    counts = [num // len(parts) + (index < num % len(parts)) for index in range(len(parts))]
    drawn = [
        sample_networks(part, count, np.random.default_rng([seed, 3, index]), space, known)
        for index, (part, count) in enumerate(zip(parts, counts, strict=True))
    ]
    return [group[index] for index in range(max(counts)) for group in drawn if index < len(group)]


def fit_estimates(
    table: LatencyTable, space: SearchSpace, networks: list[Network], estimates: dict[str, Row], seed: int
) -> FitResult:
    """Fit both models on the networks that ran on the table's hardware, and draw the learning curves.

    Raises:
        InputError: fewer than five networks did.
        TableError: the table lacks a block of the space.
    """
    counted = {name: row.latency_ms for name, row in estimates.items() if table.counts(row)}
    usable = [(net, latency_ms) for net in networks if (latency_ms := counted.get(net.name)) is not None]
    pairs = Pairs(
        space=space.name,
        chromosomes=tuple(space.encode(net) for net, _ in usable),
        measured_ms=tuple(latency_ms for _, latency_ms in usable),
        names=tuple(net.name for net, _ in usable),
        input_size=networks[0].input_size,
    )
    sizes = [size for size in CURVE_SIZES if len(usable) - size >= MIN_HELD_OUT]
    return FitResult(
        table=table.name,
        pairs=pairs,
        failed=tuple(net.name for net in networks if net.name not in counted),
        on_table=fit_with_table(pairs, table),
        one_hot=fit_without_table(pairs, table.target, table.identity),
        curves=tuple(learning_curves(pairs, table, sizes, seed)),
    )


def _measure_batch(
    folder: FitFolder,
    request: FitRequest,
    settings: RunSettings,
    table: LatencyTable,
    runner: Runner,
    index: int,
    networks: list[Network],
    progress: Progress,
) -> list[Measurement]:
    """Return the measurements of one batch, taking what its journal does not hold."""
    name = f"batch-{index:03d}"
    exported = folder.batches / name
    with Journal(folder.batches / f"{name}.db") as journal:
        if not journal.setting(FINISHED):
            artifacts = _export(folder, settings, table, runner, networks, exported, progress)
            jobs = [Job(artifact, settings.parsed_target) for artifact in artifacts]
            plan = plan_for(effort_for(runner, request.quick), jobs, jobs[-1], request.rounds, request.seed)
            outcome = run_plan(plan, runner, journal, progress)
            if outcome.stopped is not StopReason.BUDGET:
                journal.set_setting(FINISHED, True)
        taken = journal.measurements(settings.parsed_target)
    if exported.is_dir():
        shutil.rmtree(exported)
    return [replace(one, process=f"{name}/{one.process}") for one in taken]


def _export(
    folder: FitFolder,
    settings: RunSettings,
    table: LatencyTable,
    runner: Runner,
    networks: list[Network],
    exported: Path,
    progress: Progress,
) -> list[Artifact]:
    """Export a batch; on a computer, where one process times all files, the table's blocks come with it."""
    file_format, precision = file_kind(settings.parsed_target)
    artifacts = []
    if runner.kind is RunnerKind.HOST:
        space = get_space(settings.space, settings.input_size)
        timed = [block for block in space.choice_blocks if table.rows[block.key].source is RowSource.MEASURED]
        artifacts += export_parts(timed, space.fixed_blocks, [file_format], precision, folder.run.files, progress)
    for done, network in enumerate(networks):
        artifacts += export_network(network, [file_format], precision, exported)
        progress(done + 1, len(networks), f"exported {network.name}")
    return artifacts


def _keep_question(folder: FitFolder, request: FitRequest) -> None:
    """Keep what the fit is one of; reject another one's folder, but let a fit grow by whole batches."""
    path = folder.batches / "fit.json"
    question = FitQuestion(num_pairs=request.num_pairs, seed=request.seed, quick=request.quick, rounds=request.rounds)
    if not path.exists():
        records.save(question, path)
        return
    known = records.load(FitQuestion, path)
    if not request.resume:
        raise InputError(f"{folder.batches} holds a fit already: add --resume to continue it, or remove it")
    grows = known.num_pairs % BATCH_SIZE == 0 and request.num_pairs > known.num_pairs
    if known != question and not (grows and known == replace(question, num_pairs=known.num_pairs)):
        asked = ", ".join(f"{name} {value}" for name, value in records.to_json(known).items())
        raise InputError(
            f"{folder.batches} holds a fit with {asked}: resume it with the same, or with more pairs where the number "
            f"is a multiple of {BATCH_SIZE}; or remove it"
        )
    records.save(question, path)


def _write_result(result: FitResult, path: Path) -> None:
    """Write everything but the models, which lie in files of their own."""
    models = {
        model.kind: ModelErrors(model.loo_mape_percent, model.loo_rmse_ms)
        for model in (result.on_table, result.one_hot)
    }
    records.save(
        FitRecord(table=result.table, pairs=result.pairs, failed=result.failed, models=models, curves=result.curves),
        path,
    )
