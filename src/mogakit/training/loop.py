"""The training loop for a single network: resumable to the bit on a CPU, on one process or many."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mogakit.errors import InputError
from mogakit.nets.modules import NetworkModule
from mogakit.nets.network import Network
from mogakit.progress import Progress, silent
from mogakit.training.data import Batch, Dataset, epoch_order, evaluation_batches, read_batch
from mogakit.training.driver import Course, Scalars, StepReport, drive
from mogakit.training.learner import Learner
from mogakit.training.recipes import Recipe, Schedule
from mogakit.training.world import World, synchronise_norms

T = TypeVar("T")

CHECKPOINT_INTERVAL_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run does beside its recipe.

    Attributes:
        batch_size: images per update over all processes; None takes the recipe's.
        epochs: None takes the recipe's. schedule: what becomes of the recipe's warm-up and decay with other epochs.
        learning_rate: at the end of the warm-up, for the run's batch size; None takes the recipe's, scaled.
        l2, norm_momentum, label_smoothing, dropout: as in `Recipe`, instead of the recipe's; None takes the recipe's.
        bfloat16: autocast to bfloat16.
        channels_last: memory format; about twice as fast for depthwise convolutions on a CPU.
        synchronise_norm: batch norm over the images of all processes; needed for "as one process", otherwise local.
        num_workers: threads that decode images, in each process.
    """

    seed: int = 0
    batch_size: int | None = None
    epochs: float | None = None
    bfloat16: bool = False
    channels_last: bool = True
    synchronise_norm: bool = False
    num_workers: int = 4
    checkpoint_interval_s: float = CHECKPOINT_INTERVAL_S
    schedule: Schedule = Schedule.SCALED
    learning_rate: float | None = None
    l2: float | None = None
    norm_momentum: float | None = None
    label_smoothing: float | None = None
    dropout: float | None = None

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe as this run follows it: over its epochs, with the values given in place of the recipe's."""
        given: dict[str, Any] = {
            name: value
            for name in ("l2", "norm_momentum", "label_smoothing", "dropout")
            if (value := getattr(self, name)) is not None
        }
        if self.learning_rate is not None:  # the recipe's is for its own batch size
            given["learning_rate"] = self.learning_rate * recipe.batch_size / (self.batch_size or recipe.batch_size)
        return replace(recipe.over(self.epochs, self.schedule), **given)

    def identity(self) -> dict[str, Any]:
        """Return, as plain values, what must be equal for a run to be continued: what changes its weights."""
        kept = asdict(self)
        del kept["num_workers"], kept["checkpoint_interval_s"]
        return {**kept, "schedule": str(self.schedule)}

    @property
    def layout(self) -> torch.memory_format:
        """The memory format of weights and images."""
        return layout_of(self.channels_last)


@dataclass(frozen=True)
class Score:
    """How well a network does on a dataset. `nll` is the mean negative log-likelihood in nats."""

    num_images: int
    top1_percent: float
    top5_percent: float
    nll: float

    @property
    def top1_standard_error(self) -> float:
        """Return the binomial standard error of `top1_percent`, in points."""
        share = self.top1_percent / 100
        return 100 * math.sqrt(share * (1 - share) / self.num_images)


def initialise(module: nn.Module, seed: int) -> None:
    """Draw initial weights as the MoGA authors' code does: fan-out normal kernels, unit batch norms, zero biases."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
                layer.weight.normal_(0.0, math.sqrt(2.0 / fan_out), generator=generator)
            elif isinstance(layer, nn.Linear):
                reach = 1.0 / math.sqrt(layer.out_features)
                layer.weight.uniform_(-reach, reach, generator=generator)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.reset_running_stats()
                layer.weight.fill_(1.0)
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d) and layer.bias is not None:
                layer.bias.zero_()


def autocast(world: World, bfloat16: bool) -> AbstractContextManager[Any]:
    """Return bfloat16 autocast for the device, or nothing."""
    return torch.autocast(world.device.type, dtype=torch.bfloat16) if bfloat16 else nullcontext()


def layout_of(channels_last: bool) -> torch.memory_format:
    """Return torch's name of a memory format."""
    return torch.channels_last if channels_last else torch.contiguous_format


def to_device(batch: Batch, world: World, channels_last: bool) -> Batch:
    """Move a batch to the device, in torch's default type and the memory format that convolutions want."""
    layout = layout_of(channels_last)
    images = batch.images.to(world.device, torch.get_default_dtype(), memory_format=layout, non_blocking=True)
    return Batch(images, batch.labels.to(world.device, non_blocking=True))


def training_batches(
    dataset: Dataset,
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    world: World,
    num_workers: int,
    *,
    augment: bool = True,
) -> Iterator[Batch]:
    """Yield this process's share of the batches of steps `first_step` to `last_step`, decoded one step ahead.

    An epoch is as many full batches as the dataset holds; the remainder is dropped, another one each epoch.
    """
    steps_per_epoch = len(dataset) // batch_size
    share = batch_size // world.size
    with ThreadPoolExecutor(num_workers) as decoders:

        def load(step: int) -> Batch:
            epoch, position = divmod(step, steps_per_epoch)
            order = epoch_order(len(dataset), seed, epoch)
            start = position * batch_size + world.rank * share
            return read_batch(
                dataset, order[start : start + share].tolist(), seed, epoch, augment=augment, pool=decoders
            )

        yield from one_ahead(load, first_step, last_step)


def one_ahead(load: Callable[[int], T], first_step: int, last_step: int) -> Iterator[T]:
    """Yield `load(step)` for each step in turn, the next one being loaded in the background."""
    with ThreadPoolExecutor(1) as ahead:
        upcoming = ahead.submit(load, first_step) if first_step < last_step else None
        for step in range(first_step, last_step):
            if upcoming is None:
                return
            loaded = upcoming.result()
            upcoming = ahead.submit(load, step + 1) if step + 1 < last_step else None
            yield loaded


def evaluate(module: nn.Module, dataset: Dataset, world: World, batch_size: int = 250) -> Score:
    """Score a module in eval mode on every image of a dataset."""
    module.eval()
    right1 = right5 = count = 0
    nll = 0.0
    with torch.inference_mode():
        for batch in evaluation_batches(dataset, batch_size):
            placed = to_device(batch, world, channels_last=True)
            logits: Tensor = module(placed.images).float()
            nll += float(cross_entropy(logits, placed.labels, reduction="sum"))
            top = logits.topk(min(5, logits.shape[1]), dim=1).indices == placed.labels[:, None]
            right1 += int(top[:, :1].sum())
            right5 += int(top.sum())
            count += len(batch.labels)
    return Score(count, 100 * right1 / count, 100 * right5 / count, nll / count)


@dataclass
class TrainedNetwork:
    """The outcome of `train`: the module with averaged weights where the recipe averages, and its score.

    Attributes:
        images_per_second: of this process's training steps after the first few; None where it made no more.
    """

    module: nn.Module
    score: Score
    num_steps: int
    images_per_second: float | None


def train(
    network: Network,
    data: tuple[Dataset, Dataset],
    recipe: Recipe,
    settings: Settings,
    world: World,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    scalars: Scalars | None = None,
) -> TrainedNetwork:
    """Train a network; a run whose `checkpoint` exists goes on from there.

    Args:
        network: its input size and class count must be those of the data.
        data: training and validation images.
        checkpoint: written every `checkpoint_interval_s` and at the end, by the first process; None for none.

    Raises:
        InputError: sizes or classes do not fit, or the batch does not divide over the processes.
        CheckpointError: the checkpoint is of another run.
    """
    training, validation = data
    recipe = settings.applied_to(recipe)
    batch_size = settings.batch_size or recipe.batch_size
    check_sizes(network, training, "network")
    world.check_batch_size(batch_size, len(training))
    steps_per_epoch = len(training) // batch_size
    num_steps = round(recipe.epochs * steps_per_epoch)
    loop = _ClassifierLoop(
        learner=Learner(_fresh_module(network, recipe, settings, world), recipe, world),
        recipe=recipe,
        settings=settings,
        world=world,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
    )

    def batches(first_step: int, last_step: int) -> Iterator[Batch]:
        return training_batches(training, batch_size, settings.seed, first_step, last_step, world, settings.num_workers)

    identity = run_identity(settings, batch_size, num_steps)
    course = Course(
        run={"network": network.name, "recipe": recipe.name, "settings": identity},
        num_steps=num_steps,
        batch_size=batch_size,
        world=world,
        checkpoint=checkpoint,
        checkpoint_interval_s=settings.checkpoint_interval_s,
        progress=progress,
        scalars=scalars,
    )
    speed = drive(loop, batches, course)
    loop.learner.finish()
    score = evaluate(loop.learner.module, validation, world)
    if scalars is not None and world.is_first:
        scalars("validation/top1_percent", score.top1_percent, num_steps)
    return TrainedNetwork(loop.learner.module, score, num_steps, speed)


@dataclass(frozen=True, kw_only=True)
class _ClassifierLoop:
    """Cross-entropy with the recipe's label smoothing, one update a batch."""

    learner: Learner
    recipe: Recipe
    settings: Settings
    world: World
    batch_size: int
    steps_per_epoch: int

    def take(self, batch: Batch, step: int) -> StepReport:
        """Take one step on a batch."""
        module, world = self.learner.module, self.world
        module.train()
        torch.manual_seed(self.settings.seed * 1_000_003 + step * world.size + world.rank)  # dropout, resumable
        placed = to_device(batch, world, self.settings.channels_last)
        with autocast(world, self.settings.bfloat16):
            loss = cross_entropy(module(placed.images), placed.labels, label_smoothing=self.recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        loss_value = float(loss.detach())
        rate = self.recipe.learning_rate_at(step / self.steps_per_epoch, self.batch_size)
        self.learner.update(rate)
        return StepReport(f"loss {loss_value:.3f}", {"loss": loss_value, "learning_rate": rate})

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.learner.load_state_dict(state)


class ImagesAndClasses(Protocol):
    """What a model takes and gives, and what a data set holds."""

    @property
    def name(self) -> str:
        """Return what messages call it."""

    @property
    def input_size(self) -> int:
        """Return the height and width of an image in pixels."""

    @property
    def num_classes(self) -> int:
        """Return the number of classes."""


def check_sizes(model: ImagesAndClasses, dataset: ImagesAndClasses, kind: str) -> None:
    """Check that a model and the data that it is trained on fit.

    Args:
        kind: what the message calls the model.

    Raises:
        InputError: they have another image size or another number of classes.
    """
    if (model.input_size, model.num_classes) != (dataset.input_size, dataset.num_classes):
        raise InputError(
            f"{model.name} takes {model.input_size} px and gives {model.num_classes} classes, {dataset.name} has "
            f"{dataset.input_size} px and {dataset.num_classes} classes: give the {kind} those"
        )


def _fresh_module(network: Network, recipe: Recipe, settings: Settings, world: World) -> nn.Module:
    module: nn.Module = NetworkModule(replace(network, dropout=recipe.dropout))
    initialise(module, settings.seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = recipe.norm_momentum
    if settings.synchronise_norm and world.size > 1:
        module = synchronise_norms(module)
    return module.to(world.device, memory_format=settings.layout)  # type: ignore[call-overload, no-any-return]


def run_identity(settings: Settings, batch_size: int, num_steps: int) -> dict[str, Any]:
    """Return what must be equal for a run to be continued: what changes its weights."""
    return {**settings.identity(), "batch_size": batch_size, "num_steps": num_steps}
