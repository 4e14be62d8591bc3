"""Train one network with a recipe, on one process or, under `torchrun`, on several."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.resolve import resolve
from mogakit.progress import Progress, silent
from mogakit.training.data import Dataset, HeldOut, ImageFolder, open_dataset
from mogakit.training.detection.data import CocoDataset
from mogakit.training.driver import Scalars
from mogakit.training.loop import Score, Settings, train
from mogakit.training.recipes import get_recipe
from mogakit.training.world import gathered, joined_world

CHECKPOINT, RESULT = "checkpoint.pt", "train.json"
"""Files of a training folder."""


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What a person asks for.

    Attributes:
        network: a name of the zoo or a chromosome.
        data: an image folder, or `digits`.
        width, input_size: as in `nets.resolve`; an input size of None takes the network's own.
        device: `cpu`, `cuda`, or None for a GPU where there is one.
        tensorboard: folder for scalars, or None.
    """

    network: str
    data: str
    recipe: str
    folder: Path
    settings: Settings
    width: float = 1.0
    input_size: int | None = None
    device: str | None = None
    resume: bool = False
    tensorboard: Path | None = None


@records.stored("training", version=1, implied_version=1, made_by="moga train -o FOLDER", title="summary of a training")
@dataclass(frozen=True, kw_only=True)
class TrainSummary:
    """What came of it; kept as `train.json` beside the checkpoint.

    Attributes:
        ours: what of the recipe its source does not state.
        scored_on: the images of `score`: `val/` of a folder that has it, a held-out share of another, 300 digits.
        images_per_second: of the training steps of this start; None where there were too few to time.
        broken_images: files that could not be decoded, and were left out.
    """

    network: str
    data: str
    recipe: str
    recipe_source: str
    ours: dict[str, str]
    seed: int
    num_steps: int
    score: Score
    scored_on: str
    images_per_second: float | None
    checkpoint: str
    broken_images: tuple[str, ...]


def run_training(request: TrainRequest, progress: Progress = silent) -> TrainSummary:
    """Train, or go on where a killed run was; write the checkpoint and `train.json`.

    Raises:
        InputError: the folder holds a run and `resume` is false, or network and data do not fit.
        CheckpointError: the folder's checkpoint is of another run.
    """
    recipe = get_recipe(request.recipe)
    checkpoint = request.folder / CHECKPOINT
    if checkpoint.exists() and not request.resume:
        raise InputError(f"{request.folder} holds a training run; add --resume to go on, or name another folder")
    size = resolve(request.network, request.width, request.input_size).input_size
    training, validation = open_dataset(request.data, size, HeldOut.VAL_FOLDER)
    network = resolve(request.network, request.width, request.input_size, training.num_classes)
    with joined_world(request.device) as world, tensorboard_scalars(request.tensorboard) as scalars:
        trained = train(network, (training, validation), recipe, request.settings, world, checkpoint, progress, scalars)
        summary = TrainSummary(
            network=network.name,
            data=request.data,
            recipe=recipe.name,
            recipe_source=recipe.source,
            ours=recipe.ours,
            seed=request.settings.seed,
            num_steps=trained.num_steps,
            score=trained.score,
            scored_on=validation.name,
            images_per_second=trained.images_per_second and round(trained.images_per_second, 1),
            checkpoint=str(checkpoint),
            broken_images=broken_images(training, validation),
        )
        if world.is_first:
            records.save(summary, request.folder / RESULT)
    return summary


def broken_images(*datasets: Dataset | CocoDataset) -> tuple[str, ...]:
    """Return the paths of images that could not be decoded so far, by any process, in order.

    Each process reads a share of the images, so that under `torchrun` all of them must call this.
    """
    own = {str(path) for each in datasets if isinstance(each, ImageFolder | CocoDataset) for path in each.broken}
    return tuple(sorted(set().union(*gathered(own))))


@contextmanager
def tensorboard_scalars(folder: Path | None) -> Iterator[Scalars | None]:
    """Open a writer of TensorBoard scalars, or nothing where no folder is named.

    Raises:
        InputError: TensorBoard is not installed.
    """
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard needs the package tensorboard: pip install 'moga-kit[train]'") from error
    writer = SummaryWriter(str(folder))
    try:
        yield writer.add_scalar
    finally:
        writer.close()
