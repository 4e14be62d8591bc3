"""Train a supernet and a controller in turn (TuNAS).

The folder gets `supernet.pt`, which `moga supernet eval` and `moga search --accuracy supernet:` read, `alternate.json`,
and `rewards.svg` / `rewards.png`.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mogakit import files, records
from mogakit.errors import InputError
from mogakit.flows.search.plan import LATENCY, SearchPlan, build_problem, table_input
from mogakit.flows.train.classifier import broken_images, tensorboard_scalars
from mogakit.flows.train.supernet import CHECKPOINT, reject_used, smallest
from mogakit.nets.network import Network
from mogakit.nets.spaces import Chromosome, SearchSpace, format_chromosome, get_space
from mogakit.progress import Progress, silent
from mogakit.reports.figures.rewards import reward_curve
from mogakit.reports.style import save as save_figure
from mogakit.search.cache import EvaluationCache
from mogakit.search.controllers.alternate import AlternateSettings, Alternation
from mogakit.search.controllers.reinforce import ReinforceSettings
from mogakit.search.metrics import Metric
from mogakit.search.problem import Problem
from mogakit.search.rewards import Reward
from mogakit.search.supernet.model import Supernet
from mogakit.search.supernet.train import prepare, shared_recipe
from mogakit.training.data import Batch, Dataset, open_dataset
from mogakit.training.driver import Course, drive
from mogakit.training.loop import Settings, to_device, training_batches
from mogakit.training.optim import build_optimizer
from mogakit.training.recipes import Recipe, get_recipe
from mogakit.training.world import World, joined_world

RESULT, FIGURE = "alternate.json", "rewards"

TUNAS_DELAY = 0.25
DELAYS = {"multi-hardware-search": 0.5}
"""Share of the steps in which the controller waits, by recipe, where it is not TuNAS's."""

_VALIDATION_SEED = 1_000_003  # batches of validation images come in an order of their own


@dataclass(frozen=True, kw_only=True)
class AlternateRequest:
    """What a person asks of `moga supernet alternate`.

    Attributes:
        space: one with independent slots or stages, or any where `warm_up` is 0. data: as `open_dataset` reads it.
        input_size: of the images that weights learn from, in pixels; None for the space's own, of which the tables are.
        recipe: of the weights.
        tables: latency tables or cost models of the space; with several the reward sees `f_avg` or `f_max` of them.
        reward: on accuracy as a fraction.
        settings: of the weights' training; norms cannot be synchronised, since there is one process.
        paths_per_step: networks that the controller samples a step.
        learning_rate: the controller's, at the start of its learning; None fits it to the steps (`fitted_rate`).
        delay: share of the steps without learning; None takes the multi-hardware paper's 0.5 with its recipe, and
            TuNAS's 0.25 with others.
        warm_up: share of the steps over which choices are warmed up (TuNAS: 0.25).
        worst, reference, factors_ms, hardware_weights: of several tables, as in `SearchPlan`.
        tensorboard: folder for scalars, or None.
    """

    space: str
    data: str
    recipe: str
    tables: tuple[Path, ...]
    reward: Reward
    folder: Path
    settings: Settings = field(default_factory=Settings)
    paths_per_step: int = 8
    learning_rate: float | None = None
    delay: float | None = None
    warm_up: float = 0.25
    input_size: int | None = None
    worst: bool = False
    reference: Network | None = None
    factors_ms: tuple[float, ...] = ()
    hardware_weights: tuple[float, ...] | None = None
    device: str | None = None
    resume: bool = False
    tensorboard: Path | None = None


@records.stored(
    "alternation",
    version=1,
    implied_version=1,
    made_by="moga supernet alternate -o FOLDER",
    title="summary of an alternation",
)
@dataclass(frozen=True, kw_only=True)
class AlternateSummary:
    """What came of it; kept as `alternate.json`.

    Attributes:
        network: the most likely one, `space/chromosome`. confidence: mean probability of its choices.
        latencies_ms: of that network, from each table; None where a hardware cannot run it.
        rewarded: what the reward saw: `latency`, or `f_avg` or `f_max` of several tables; `rewarded_value` of the
            network; `latency` says where it comes from.
        mean_rewards: of each step, None while the controller waited.
    """

    space: str
    data: str
    recipe: str
    seed: int
    num_steps: int
    network: str
    confidence: float
    latencies_ms: dict[str, float | None]
    rewarded: str
    rewarded_value: float | None
    latency: str
    reward: Reward
    mean_rewards: tuple[float | None, ...]
    checkpoint: str
    broken_images: tuple[str, ...]


def run_alternation(request: AlternateRequest, progress: Progress = silent) -> AlternateSummary:
    """Train weights and controller in turn, or go on where a killed run was.

    Raises:
        InputError: the space has neither slots nor stages to average over, data or settings do not fit, or the folder
            holds a run and `resume` is false.
        CheckpointError: the folder's checkpoint is of another run.
        TableError: the table lacks a row that the space needs.
    """
    recipe = shared_recipe(request.settings.applied_to(get_recipe(request.recipe)))
    checkpoint = request.folder / CHECKPOINT
    _check(request)
    reject_used(request.folder, request.resume)
    size = smallest(request.space, request.input_size).input_size
    training, validation = open_dataset(request.data, size)
    space = get_space(request.space, size, training.num_classes)
    problem = _problem(request)
    with joined_world(request.device) as world, tensorboard_scalars(request.tensorboard) as scalars:
        if world.size > 1:
            raise InputError("weights and controller learn in turn in one process only; start it without torchrun")
        options = request.settings
        batch_size = options.batch_size or recipe.batch_size
        steps_per_epoch = _steps_per_epoch(training, validation, batch_size)
        num_steps = round(recipe.epochs * steps_per_epoch)
        controller = ReinforceSettings(
            steps=num_steps, batch=request.paths_per_step, learning_rate=request.learning_rate, delay=_delay(request)
        )
        supernet = Supernet(space, options.seed)
        prepare(supernet, recipe, options, world)
        alternation = Alternation(
            supernet,
            build_optimizer(supernet, recipe),
            _rewarded(problem),
            request.reward,
            AlternateSettings(controller, request.warm_up, options.bfloat16, recipe.label_smoothing),
            options.seed,
            lambda step: recipe.learning_rate_at(step / steps_per_epoch, batch_size),
        )
        course = Course(
            run=_identity(request, space, recipe, batch_size, num_steps),
            num_steps=num_steps,
            batch_size=batch_size,
            world=world,
            checkpoint=checkpoint,
            checkpoint_interval_s=options.checkpoint_interval_s,
            progress=progress,
            scalars=scalars,
            family="alternate",
        )
        drive(alternation, partial(_batches, training, validation, batch_size, options, world), course)
    summary = _summary(request, alternation, problem, broken_images(training, validation))
    records.save(summary, request.folder / RESULT)
    save_figure(reward_curve(summary.mean_rewards, f"{request.reward.kind} reward"), request.folder, FIGURE)
    return summary


def _delay(request: AlternateRequest) -> float:
    """Return the share of the steps in which the controller waits."""
    return DELAYS.get(request.recipe, TUNAS_DELAY) if request.delay is None else request.delay


def _check(request: AlternateRequest) -> None:
    """Reject what would be ignored."""
    if request.settings.synchronise_norm:
        raise InputError("weights and controller learn in turn in one process only, so leave --sync-norm away")
    if len(request.tables) < 2 and (request.reference or request.factors_ms or request.hardware_weights):
        raise InputError(
            f"--reference, --factor and --weight combine several tables, and {len(request.tables)} was given: leave "
            "them away, or give --table again"
        )


def _problem(request: AlternateRequest) -> Problem:
    """Return the latencies of the space's networks at their own input size, as a search sees them."""
    request.folder.mkdir(parents=True, exist_ok=True)
    plan = SearchPlan(
        space=request.space,
        latencies=tuple(table_input(path) for path in request.tables),
        worst=request.worst,
        reference=request.reference,
        factors_ms=request.factors_ms,
        hardware_weights=request.hardware_weights,
    )
    with EvaluationCache(request.folder / "evaluations.sqlite") as cache:
        return build_problem(plan, cache)


def _rewarded(problem: Problem) -> Metric:
    """Return what the reward sees: the latency, or `f_avg` or `f_max` of several."""
    return problem.metric(problem.objectives[1].metric)


def _steps_per_epoch(training: Dataset, validation: Dataset, batch_size: int) -> int:
    smaller = min(len(training), len(validation))
    if batch_size > smaller:
        raise InputError(
            f"a batch of {batch_size} images does not fit {len(training)} training and {len(validation)} validation "
            f"images: give a --batch-size of at most {smaller}"
        )
    return len(training) // batch_size


def _batches(
    training: Dataset,
    validation: Dataset,
    batch_size: int,
    options: Settings,
    world: World,
    first_step: int,
    num_steps: int,
) -> Iterator[tuple[Batch, Batch]]:
    """Yield a training batch and a validation batch for each step; validation images are not augmented."""
    learn = training_batches(training, batch_size, options.seed, first_step, num_steps, world, options.num_workers)
    judge = training_batches(
        validation,
        batch_size,
        options.seed + _VALIDATION_SEED,
        first_step,
        num_steps,
        world,
        options.num_workers,
        augment=False,
    )
    for batches in zip(learn, judge, strict=True):
        first, second = (to_device(batch, world, options.channels_last) for batch in batches)
        yield first, second


def _identity(
    request: AlternateRequest, space: SearchSpace, recipe: Recipe, batch_size: int, num_steps: int
) -> dict[str, Any]:
    """Return what must be equal for a run to be continued; the first four are what any supernet's checkpoint says."""
    head = space.decode((0,) * len(space.num_choices))
    return {
        "space": request.space,
        "input_size": head.input_size,
        "num_classes": head.num_classes,
        "data": request.data,
        "recipe": recipe.name,
        "strategy": "in turn with a controller",
        "tables_sha256": [files.sha256_of(path) for path in request.tables],
        "combined": [
            request.worst,
            request.reference.name if request.reference else None,
            list(request.factors_ms),
            list(request.hardware_weights or ()),
        ],
        "reward": {name: str(value) for name, value in asdict(request.reward).items()},
        "controller": [request.paths_per_step, request.learning_rate, _delay(request), request.warm_up],
        "training": request.settings.identity(),
        "batch_size": batch_size,
        "num_steps": num_steps,
    }


def _summary(
    request: AlternateRequest, alternation: Alternation, problem: Problem, broken: tuple[str, ...]
) -> AlternateSummary:
    chosen = alternation.most_likely()
    rewarded = _rewarded(problem)
    latencies = [metric for metric in problem.metrics if metric.name.split(":")[0] == LATENCY]
    return AlternateSummary(
        space=request.space,
        data=request.data,
        recipe=request.recipe,
        seed=request.settings.seed,
        num_steps=alternation.step,
        network=f"{request.space}/{format_chromosome(chosen)}",
        confidence=round(alternation.confidence(), 4),
        latencies_ms={metric.name: _value_of(metric, chosen) for metric in latencies},
        rewarded=rewarded.name,
        rewarded_value=_value_of(rewarded, chosen),
        latency=rewarded.source,
        reward=request.reward,
        mean_rewards=tuple(None if math.isnan(mean) else mean for mean in alternation.mean_rewards),
        checkpoint=str(request.folder / CHECKPOINT),
        broken_images=broken,
    )


def _value_of(metric: Metric, chromosome: Chromosome) -> float | None:
    value = float(metric.evaluate(np.array([chromosome]))[0])
    return None if math.isnan(value) else value
