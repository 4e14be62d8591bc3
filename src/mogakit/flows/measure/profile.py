"""Measure a latency table: export what is missing, time blocks, fixed parts, chains and some networks, build the table.

The networks serve the calibration, and one of them is the sentinel, the file that is timed again and again to see how
the device's speed changes; MoGA-A, B and C and further random networks are left to the validation.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mogakit.bench.conditions import worst_warnings
from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Clock
from mogakit.bench.runner import Job, Runner
from mogakit.bench.schedule import Outcome, Step, plan_steps, run_steps
from mogakit.bench.target import Target
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact
from mogakit.flows.deploy.export import export_chain, export_network, export_parts
from mogakit.flows.measure.agreement import AgreementScope, by_name, check_agreements, warnings_of
from mogakit.flows.measure.devices import HOST, export_kind
from mogakit.flows.measure.effort import Effort, effort_for, plan_for, statistic_for
from mogakit.flows.measure.runs import RunFolder, RunSettings
from mogakit.flows.measure.sampling import blocks_to_measure, sample_networks, strata
from mogakit.luts.build import build_table
from mogakit.luts.calibrate import MIN_NETWORKS, CalibrationChoice
from mogakit.luts.table import LatencyTable, save
from mogakit.nets.block import Block
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SearchSpace, get_space, input_size_of
from mogakit.progress import Progress, silent

CHAIN_COPIES = (1, 2, 3, 4, 6, 8)
"""Lengths of the chains from which the overhead of a run is read."""

FULL_BLOCKS, QUICK_BLOCKS = 240, 64
"""Choice blocks measured of a space that has thousands (ours; docs/measuring.md compares numbers)."""


@dataclass(frozen=True, kw_only=True)
class ProfileRequest:
    """What a person asks for; None means the kit's choice for this kind of device.

    Attributes:
        accept_partial: count rows of which the target's hardware ran only a part. accept_unknown: count rows whose log
            does not say which hardware ran them. None for what the run has (at first, neither counts).
        agreement: of which files a phone's output is compared with the reference's.
        calibration: kind to fit; None for what the run has (at first the one with the least leave-one-out error).
        input_size: of the image in pixels; None for the space's own.
        num_blocks: choice blocks to measure of a space whose slots are not independent; the others are inferred.
        networks: names of networks whose blocks are measured as well, so that the table predicts these too (the
            reference of several latencies). Empty for what the run has.
    """

    space: str
    target: Target
    folder: Path
    device: str = HOST
    seed: int = 0
    quick: bool = False
    resume: bool = False
    rounds: int | None = None
    budget_s: float | None = None
    clock: Clock | None = None
    input_size: int | None = None
    num_blocks: int | None = None
    accept_partial: bool | None = None
    accept_unknown: bool | None = None
    calibration: CalibrationChoice | None = None
    agreement: AgreementScope = AgreementScope.NETWORKS
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProfileResult:
    """The table, where it lies, how the measuring ended, and what was wrong with the machine."""

    table: LatencyTable
    path: Path
    outcome: Outcome
    warnings: tuple[str, ...]


def profile(
    request: ProfileRequest, runner: Runner, progress: Progress = silent, exported: Path | None = None
) -> ProfileResult:
    """Measure what is missing and write `RUN/lut.json`.

    Args:
        exported: files of another run of the same space and target, which need not be exported again.

    Raises:
        InputError: the target does not run on the device, the folder holds another run, or fewer networks are measured
            (or stand for the target) than the kind of calibration asked for needs.
        ExportError, DeviceError, MeasurementError: from the packages below; what was finished is kept for `--resume`.
    """
    return run_steps(profile_steps(request, runner, progress, exported), progress)


def profile_steps(
    request: ProfileRequest, runner: Runner, exporting: Progress, exported: Path | None
) -> Generator[Step, None, ProfileResult]:
    """Do what `profile` does, pausing after every window. A caller that stops early must close the generator.

    Args:
        exporting: called for the export; the steps report the measuring.

    Raises:
        InputError, ExportError, DeviceError, MeasurementError: as `profile`.
    """
    space = get_space(request.space, request.input_size)
    reason = runner.unsupported(request.target)
    if reason is not None:
        raise InputError(f"{request.target}: {reason}")
    export_kind(request.target)  # what cannot be written is rejected before there is a folder
    effort = effort_for(runner, request.quick, request.target.hardware)
    folder = RunFolder(request.folder)
    settings = _open_run(folder, request, space, effort)
    if exported is not None:
        folder.adopt(exported)
    networks = calibration_networks(space, settings.num_calibration, settings.seed)
    blocks = blocks_to_measure(space, settings.num_blocks, settings.seed)
    others = other_blocks(settings.networks, space)
    artifacts = export_for_profile(space, blocks, networks, request.target, folder.files, exporting, others)
    jobs = [Job(artifact, request.target) for artifact in artifacts]
    plan = plan_for(
        replace(effort, num_passes=settings.num_passes, num_sentinels=settings.num_sentinels),
        jobs,
        sentinel=next(job for job in jobs if job.artifact.name == networks[-1].name),
        rounds=request.rounds,
        seed=settings.seed,
        until_precise=True,
        budget_s=request.budget_s,
    )
    with Journal(folder.journal) as journal:
        check_agreements(jobs, runner, journal, request.agreement, exporting)
        outcome = yield from plan_steps(plan, runner, journal)
        measurements = journal.measurements(request.target)
        identity = runner.identity(request.target)
        agreements = by_name(jobs, journal)
    table = build_table(
        measurements,
        identity,
        name=str(folder.table),
        space=request.space,
        statistic=statistic_for(runner),
        calibration=settings.calibration.kind,
        accepted=settings.accepted,
        networks={network.name: network for network in networks},
        source=folder.path.name,
        seed=settings.seed,
        infer=() if space.slotted is not None else space.choice_blocks,
    )
    table = replace(table, agreements=agreements)
    save(table, folder.table)
    states = {(one.round, one.window): one.after for one in measurements}
    return ProfileResult(table, folder.table, outcome, (*worst_warnings(states.values()), *warnings_of(agreements)))


def _open_run(folder: RunFolder, request: ProfileRequest, space: SearchSpace, effort: Effort) -> RunSettings:
    """Start a run, or check that the one to be resumed is the one asked for; return its settings.

    Raises:
        InputError: the folder holds another run, or the calibration asked for needs more networks.
    """
    asked = RunSettings(
        space=request.space,
        target=str(request.target),
        device=request.device,
        seed=request.seed,
        num_calibration=effort.num_calibration,
        num_passes=effort.num_passes,
        num_sentinels=effort.num_sentinels,
        clock=request.clock,
        input_size=input_size_of(space),
        num_blocks=request.num_blocks or default_blocks(request.quick),
        networks=request.networks,
    )
    other_blocks(request.networks, space)
    known = folder.read_settings() if folder.settings_path.exists() else asked
    _check_calibration(request.calibration, known.num_calibration)
    settings = folder.revise(
        folder.begin(asked, request.resume),
        request.accept_partial,
        request.accept_unknown,
        request.calibration,
    )
    if request.num_blocks not in (None, settings.num_blocks):
        raise InputError(
            f"{folder.path} is a run of {settings.num_blocks} blocks, not of {request.num_blocks}: resume it without "
            "--blocks, or name another folder"
        )
    if request.networks not in ((), settings.networks):
        raise InputError(
            f"{folder.path} is a run with the blocks of {', '.join(settings.networks) or 'no other network'}, not of "
            f"{', '.join(request.networks)}: resume it without --network, or name another folder"
        )
    return settings


def default_blocks(quick: bool) -> int:
    """Return how many choice blocks are measured of a space that has more."""
    return QUICK_BLOCKS if quick else FULL_BLOCKS


def _check_calibration(asked: CalibrationChoice | None, num_networks: int) -> None:
    """Reject a calibration that needs more networks than will be measured, before any is measured."""
    kind = None if asked is None else asked.kind
    if kind is not None and num_networks < MIN_NETWORKS[kind]:
        raise InputError(
            f"a calibration of kind {kind} needs at least {MIN_NETWORKS[kind]} networks, and this run measures "
            f"{num_networks}; leave out --quick, or choose --correction scale, none or best"
        )


def calibration_networks(space: SearchSpace, num: int, seed: int) -> list[Network]:
    """Return the networks that a profile measures whole: drawn evenly from the strata, the whole space's first.

    A calibration on networks with 7x7 kernels alone would say nothing of those without, three times as fast.
    """
    rng = np.random.default_rng([seed, 1])
    parts = strata(space)
    counts = [num // len(parts) + (index < num % len(parts)) for index in range(len(parts))]
    return [
        network
        for part, count in zip(parts, counts, strict=True)
        for network in sample_networks(part, count, rng, space)
    ]


def other_blocks(networks: Sequence[str], space: SearchSpace) -> list[Block]:
    """Return the blocks of networks that are measured besides those of a space.

    Raises:
        InputError: a network does not exist, or takes images of another size than the space.
    """
    blocks: dict[Block, None] = {}
    for name in networks:
        network = resolve(name)
        if network.input_size != input_size_of(space):
            raise InputError(
                f"{name} takes {network.input_size} px, the blocks of {space.name} are measured at "
                f"{input_size_of(space)} px: name a network of that size (moga show {name} --input-size N --save FILE)"
            )
        blocks |= dict.fromkeys(network.blocks)
    return list(blocks)


def export_for_profile(
    space: SearchSpace,
    blocks: Sequence[Block],
    networks: Sequence[Network],
    target: Target,
    folder: Path,
    progress: Progress,
    others: Sequence[Block] = (),
) -> list[Artifact]:
    """Export what a profile measures, as far as it is not there yet: blocks, fixed parts, chains and networks.

    Args:
        others: blocks of other networks; those that are also the space's are written once.
    """
    file_format, precision = export_kind(target)
    measured = {*blocks, *space.fixed_blocks}
    fixed = [*space.fixed_blocks, *(block for block in others if block not in measured)]
    artifacts = export_parts(blocks, fixed, [file_format], precision, folder, progress)
    chained = next((block for block in space.choice_blocks if block.residual), None)
    if chained is not None:
        artifacts += [export_chain(chained, copies, file_format, precision, folder) for copies in CHAIN_COPIES]
    for index, network in enumerate(networks):
        artifacts += export_network(network, [file_format], precision, folder, subfolder="network")
        progress(index + 1, len(networks), f"exported {network.name}")
    return artifacts
