"""Supernet training: several single-path passes, one update; resumable to the bit on a CPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mogakit.errors import CheckpointError, InputError
from mogakit.nets.spaces import Chromosome, SearchSpace, SlotSpace, get_space
from mogakit.progress import Progress, silent
from mogakit.search.supernet.fairness import SharedScale, Strategy, draw_paths
from mogakit.search.supernet.model import Supernet, largest_path, warm_start
from mogakit.training.checkpoint import read_checkpoint
from mogakit.training.data import Batch, Dataset
from mogakit.training.driver import Course, Scalars, StepReport, drive
from mogakit.training.loop import Settings, autocast, to_device, training_batches
from mogakit.training.optim import apply_update, build_optimizer
from mogakit.training.recipes import RECIPES, Recipe
from mogakit.training.world import World, average_gradients


@dataclass(frozen=True)
class SupernetSettings:
    """What a supernet run does beside its recipe.

    Attributes:
        warm_epochs: epochs of training one path (the largest) before its slices are copied into the others; 0 for a
            cold start as in the papers.
    """

    strategy: Strategy = Strategy.FAIR
    shared_scale: SharedScale = SharedScale.MEAN
    warm_epochs: float = 0.0
    training: Settings = field(default_factory=Settings)


@dataclass
class TrainedSupernet:
    """The outcome of `train_supernet`.

    Attributes:
        images_per_second: of training steps after the first few, each counting a batch once; None without any.
    """

    supernet: Supernet
    num_steps: int
    final_loss: float
    images_per_second: float | None


@dataclass(frozen=True)
class _Phase:
    """A stretch of steps with one way of choosing paths and one learning-rate schedule."""

    first_step: int
    num_steps: int
    recipe: Recipe
    warm: bool


def train_supernet(
    space: SearchSpace,
    dataset: Dataset,
    recipe: Recipe,
    settings: SupernetSettings,
    world: World,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    scalars: Scalars | None = None,
    data: str = "",
) -> TrainedSupernet:
    """Train the shared weights of a space; a run whose `checkpoint` exists goes on from there.

    Args:
        data: how `open_dataset` finds the images again; kept in the checkpoint for evaluation.

    Raises:
        InputError: the dataset, batch or space does not fit.
        CheckpointError: the checkpoint is of another run.
    """
    options = settings.training
    recipe = shared_recipe(options.applied_to(recipe))
    batch_size = options.batch_size or recipe.batch_size
    phases = _phases(space, dataset, recipe, settings, batch_size, world)
    supernet = Supernet(space, options.seed)
    prepare(supernet, recipe, options, world)
    loop = _SupernetLoop(supernet, recipe, phases, settings, world, batch_size, len(dataset) // batch_size)
    total = phases[-1].first_step + phases[-1].num_steps

    def batches(first_step: int, last_step: int) -> Iterator[Batch]:
        return training_batches(dataset, batch_size, options.seed, first_step, last_step, world, options.num_workers)

    course = Course(
        run=_identity(space, data, recipe, settings, batch_size, total),
        num_steps=total,
        batch_size=batch_size,
        world=world,
        checkpoint=checkpoint,
        checkpoint_interval_s=options.checkpoint_interval_s,
        progress=progress,
        scalars=scalars,
        family="supernet",
    )
    speed = drive(loop, batches, course)
    return TrainedSupernet(supernet, total, loop.loss, speed)


class _SupernetLoop:
    """Several single-path passes and one update a batch; a warm path first where that is asked for.

    Attributes:
        loss: of the last step, NaN before the first.
    """

    def __init__(
        self,
        supernet: Supernet,
        recipe: Recipe,
        phases: Sequence[_Phase],
        settings: SupernetSettings,
        world: World,
        batch_size: int,
        steps_per_epoch: int,
    ) -> None:
        self.loss = float("nan")
        self._supernet = supernet
        self._optimizer = build_optimizer(supernet, recipe)
        self._recipe = recipe
        self._phases = phases
        self._settings = settings
        self._world = world
        self._batch_size = batch_size
        self._steps_per_epoch = steps_per_epoch

    def take(self, batch: Batch, step: int) -> StepReport:
        """Run the passes of one step and its one update; its loss is the mean over its paths."""
        phase = next(each for each in self._phases if step < each.first_step + each.num_steps)
        if not phase.warm and step == phase.first_step and self._settings.warm_epochs:
            warm_start(self._supernet, largest_path(_slots(self._supernet.space)))
            # the copies start without the trained path's momentum
            self._optimizer = build_optimizer(self._supernet, self._recipe)
        self.loss = self._pass_and_update(batch, step, phase)
        what = "warm path" if phase.warm else self._settings.strategy
        return StepReport(f"{what}, loss {self.loss:.3f}", {"loss": self.loss})

    def _pass_and_update(self, batch: Batch, step: int, phase: _Phase) -> float:
        options, supernet, world = self._settings.training, self._supernet, self._world
        supernet.train()
        placed = to_device(batch, world, options.channels_last)
        rng = np.random.default_rng([options.seed, step, 1])  # the same paths on every process
        if phase.warm:
            paths = [largest_path(_slots(supernet.space))]
        else:
            paths = draw_paths(supernet.space.num_choices, self._settings.strategy, rng)
        losses: list[Tensor] = []
        for index, path in enumerate(paths):
            torch.manual_seed(((options.seed * 1_000_003 + step) * 64 + index) * world.size + world.rank)
            with autocast(world, options.bfloat16):
                logits = supernet(placed.images, path)
                loss = cross_entropy(logits, placed.labels, label_smoothing=phase.recipe.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        adopt_new_parts(supernet, self._optimizer)
        if self._settings.shared_scale is SharedScale.MEAN:
            _scale_shared(supernet, paths)
        average_gradients(supernet, world)
        rate = phase.recipe.learning_rate_at((step - phase.first_step) / self._steps_per_epoch, self._batch_size)
        apply_update(self._optimizer, rate)
        return float(torch.stack(losses).mean())

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "parts": list(self._supernet.part_names()),
            "supernet": self._supernet.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "loss": self.loss,  # a run that is finished reports it again
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        _load_parts(self._supernet, state)
        adopt_new_parts(self._supernet, self._optimizer)
        self._optimizer.load_state_dict(state["optimizer"])
        self.loss = float(state.get("loss", self.loss))  # release 0.1 wrote none


def _scale_shared(supernet: Supernet, paths: Sequence[Chromosome]) -> None:
    """Divide the gradients of the parts that every path of the step went through by the number of paths."""
    for part in set.intersection(*(supernet.parts_of(path) for path in paths)):
        for weight in part.parameters():
            if weight.grad is not None:
                weight.grad /= len(paths)


def adopt_new_parts(supernet: Supernet, optimizer: torch.optim.Optimizer) -> None:
    """Give the optimiser the parameters of parts that this step took for the first time."""
    known = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    decayed, plain = optimizer.param_groups
    for weight in supernet.parameters():
        if id(weight) not in known:
            (decayed if weight.ndim > 1 else plain)["params"].append(weight)


def _slots(space: SearchSpace) -> SlotSpace:
    if space.slotted is None:
        raise InputError(f"a warm start needs independent slots, which space {space.name!r} has not: use a cold start")
    return space.slotted


def _phases(
    space: SearchSpace, dataset: Dataset, recipe: Recipe, settings: SupernetSettings, batch_size: int, world: World
) -> list[_Phase]:
    """Split the run into the warm path and the training proper."""
    world.check_batch_size(batch_size, len(dataset))
    steps_per_epoch = len(dataset) // batch_size
    phases = []
    warm_steps = round(settings.warm_epochs * steps_per_epoch)
    if warm_steps:
        _slots(space)
        phases.append(_Phase(0, warm_steps, recipe.over(settings.warm_epochs, settings.training.schedule), True))
    phases.append(_Phase(warm_steps, round(recipe.epochs * steps_per_epoch), recipe, False))
    return phases


def shared_recipe(recipe: Recipe) -> Recipe:
    """Return a recipe that shared weights can follow.

    Raises:
        InputError: it averages weights, and each step moves other ones of a supernet.
    """
    if recipe.ema_decay is not None:
        supported = ", ".join(each.name for each in RECIPES.values() if each.ema_decay is None)
        raise InputError(
            f"recipe {recipe.name} averages weights over steps (ema_decay {recipe.ema_decay:g}), which has no meaning "
            f"for shared weights, of which each step moves others; supported: {supported}"
        )
    return recipe


def prepare(supernet: Supernet, recipe: Recipe, options: Settings, world: World) -> None:
    """Set the recipe's batch norm and dropout, and move the weights to the device in the layout that is asked for.

    Parts that are made later are treated alike.
    """
    supernet.configure(
        norm_momentum=recipe.norm_momentum,
        dropout=recipe.dropout,
        synchronised=options.synchronise_norm and world.size > 1,
        layout=options.layout,
    )
    supernet.to(world.device, memory_format=options.layout)  # type: ignore[call-overload]


def _identity(
    space: SearchSpace, data: str, recipe: Recipe, settings: SupernetSettings, batch_size: int, num_steps: int
) -> dict[str, Any]:
    """Return what must be equal for a run to be continued, as plain values."""
    training = settings.training.identity()
    head = space.decode((0,) * len(space.num_choices))
    return {
        "space": space.name,
        "input_size": head.input_size,
        "num_classes": head.num_classes,
        "data": data,
        "recipe": recipe.name,
        "strategy": str(settings.strategy),
        "shared_scale": str(settings.shared_scale),
        "warm_epochs": settings.warm_epochs,
        "training": {**training, "batch_size": batch_size},
        "num_steps": num_steps,
    }


def _load_parts(supernet: Supernet, state: dict[str, Any]) -> None:
    supernet.restore_parts(state["parts"])
    supernet.load_state_dict(state["supernet"])


def load_supernet(checkpoint: Path) -> tuple[Supernet, dict[str, Any]]:
    """Read a trained supernet and what is known of its run.

    Raises:
        CheckpointError: the file is not a checkpoint of a supernet.
    """
    state = read_checkpoint(checkpoint)
    if not {"run", "parts", "supernet"} <= set(state):
        raise CheckpointError(f"{checkpoint} is not a checkpoint of a supernet; `moga supernet train` writes one")
    run: dict[str, Any] = state["run"]
    space = get_space(run["space"], run["input_size"], run["num_classes"])
    supernet = Supernet(space)
    _load_parts(supernet, state)
    return supernet.eval(), run
