"""Measure networks that the calibration has not seen and score the stored table with them.

The blocks of the table are measured again in the same windows, which tells the table's own error from what the machine
has drifted since.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mogakit.bench.conditions import worst_warnings
from mogakit.bench.journal import Journal
from mogakit.bench.runner import Job, Runner
from mogakit.bench.schedule import Plan, run_plan
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact
from mogakit.flows.deploy.export import export_network, export_parts
from mogakit.flows.measure.devices import file_kind
from mogakit.flows.measure.effort import effort_for, plan_for
from mogakit.flows.measure.fit import cost_models
from mogakit.flows.measure.runs import RunFolder, RunSettings, check_identity
from mogakit.flows.measure.sampling import sample_networks, strata
from mogakit.luts import validation as results
from mogakit.luts.estimate import estimate_files
from mogakit.luts.table import LatencyTable, RowSource, load
from mogakit.luts.validation import Validation
from mogakit.nets import zoo
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace, get_space, holds
from mogakit.progress import Progress, silent

PUBLISHED = "published"
"""Stratum of the zoo's networks that lie in the space (MoGA-A, B and C)."""

Strata = dict[str, tuple[Network, tuple[str, ...]]]


@dataclass(frozen=True, kw_only=True)
class ValidateRequest:
    """What a person asks for: `num_models` random networks a stratum, drawn by `seed`."""

    folder: Path
    num_models: int = 30
    seed: int = 0
    quick: bool = False
    resume: bool = False
    rounds: int | None = None
    budget_s: float | None = None


def validate(request: ValidateRequest, runner: Runner, progress: Progress = silent) -> Validation:
    """Measure, score and write `RUN/validation.json`.

    Raises:
        InputError: the folder holds no run, or a validation was begun and `resume` is not set.
        TableError: there is no table yet, or it is of another device or version than is here now.
        DeviceError, MeasurementError, ExportError: from the packages below; what was finished is kept for `--resume`.
    """
    folder = RunFolder(request.folder)
    settings = folder.read_settings()
    table = load(folder.table)
    check_identity(table, runner, settings)
    if folder.validation_journal.exists() and not request.resume:
        raise InputError(
            f"{folder.validation_journal} holds a validation already: add --resume to continue it (and to score it "
            "again), or remove it"
        )
    space = get_space(settings.space, settings.input_size)
    networks = validation_networks(space, table, settings.input_size, request.num_models, request.seed)
    jobs = [Job(one, settings.parsed_target) for one in _export(space, table, networks, settings, folder, progress)]
    plan = plan_for(
        effort_for(runner, request.quick, settings.parsed_target.hardware),
        jobs,
        jobs[-1],
        request.rounds,
        request.seed,
        budget_s=request.budget_s,
    )
    with Journal(folder.validation_journal) as journal:
        _keep_question(journal, request, plan)
        plan = replace(plan, num_passes=journal.setting("num_passes"))
        outcome = run_plan(plan, runner, journal, progress)
        measurements = journal.measurements(settings.parsed_target)
    estimates = estimate_files(measurements, table.statistic, request.seed, table.accepted)
    checked = results.check_networks(table, networks, estimates, cost_models(folder))
    titles = {part.name: part.title for part in strata(space)} | {PUBLISHED: "published networks of the space"}
    reports = [results.stratum_report(name, title, checked, request.seed) for name, title in titles.items()]
    validation = Validation(
        table=folder.table.name,
        space=settings.space,
        target=settings.target,
        identity=table.identity,
        seed=request.seed,
        strata=tuple(report for report in reports if report is not None),
        networks=tuple(checked),
        noise=results.noise_floor(checked),
        drift=results.drift(table, estimates),
        stopped=str(outcome.stopped),
        warnings=(
            *worst_warnings({(one.round, one.window): one.after for one in measurements}.values()),
            *results.left_out(table, networks, estimates),
        ),
    )
    results.save_validation(validation, folder.validation)
    return validation


def validation_networks(space: SearchSpace, table: LatencyTable, input_size: int, num_models: int, seed: int) -> Strata:
    """Return the networks to measure, by name, each with the strata it counts in; none is known to the calibration."""
    rng = np.random.default_rng([seed, 2])
    chosen: Strata = {}
    for part in strata(space):
        known = {*table.calibration.networks, *chosen}
        for network in sample_networks(part, num_models, rng, space, known):
            chosen[network.name] = (network, (part.name,))
    for name in zoo.names():
        network = zoo.get(name, input_size=input_size).network
        if holds(space, network) and network.name not in table.calibration.networks:
            chosen[network.name] = (network, (strata(space)[0].name, PUBLISHED))
    return chosen


def _export(
    space: SearchSpace,
    table: LatencyTable,
    networks: Strata,
    settings: RunSettings,
    folder: RunFolder,
    progress: Progress,
) -> list[Artifact]:
    """Export the networks, and beside them the blocks that the table measured: they tell how far the device drifted."""
    file_format, precision = file_kind(settings.parsed_target)
    timed = [block for block in space.choice_blocks if table.rows[block.key].source is RowSource.MEASURED]
    artifacts = export_parts(timed, space.fixed_blocks, [file_format], precision, folder.files, progress)
    for index, (network, _) in enumerate(networks.values()):
        artifacts += export_network(network, [file_format], precision, folder.files, subfolder="network")
        progress(index + 1, len(networks), f"exported {network.name}")
    return artifacts


def _keep_question(journal: Journal, request: ValidateRequest, plan: Plan) -> None:
    """Keep what the validation is one of; reject measurements of another one."""
    question = {"num_models": request.num_models, "seed": request.seed}
    known = journal.setting("validation")
    if known is None:
        journal.set_setting("validation", question)
        journal.set_setting("num_passes", plan.num_passes)
    elif known != question:
        raise InputError(
            f"{journal.path} holds a validation with {known['num_models']} models and seed {known['seed']}: resume it "
            "with the same, or remove it"
        )
