"""Train, evaluate and rank a supernet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mogakit import records
from mogakit.errors import CheckpointError, InputError
from mogakit.flows.train.classifier import broken_images, tensorboard_scalars
from mogakit.nets.network import Network, count_params
from mogakit.nets.spaces import Chromosome, format_chromosome, get_space
from mogakit.progress import Progress, silent
from mogakit.search.supernet.evaluate import NUM_RECALIBRATION_IMAGES, SupernetAccuracy
from mogakit.search.supernet.fairness import SharedScale, Strategy
from mogakit.search.supernet.rank import Ranking, choose_networks, rank
from mogakit.search.supernet.train import SupernetSettings, load_supernet, train_supernet
from mogakit.training.data import Dataset, open_dataset
from mogakit.training.loop import Score, Settings, train
from mogakit.training.recipes import RECIPES, get_recipe
from mogakit.training.world import joined_world

CHECKPOINT, RESULT, RANKING = "supernet.pt", "supernet.json", "ranking.json"
ALONE, RUN, TRAINING = "alone", "run.json", "checkpoint.pt"
"""Files of a supernet's folder, and of the trainings of a ranking."""

DIGITS = "digits"
"""Images and recipe of that name belong together."""


@dataclass(frozen=True, kw_only=True)
class SupernetRequest:
    """What a person asks of `moga supernet train`; see `SupernetSettings` for what the fields mean."""

    space: str
    data: str
    recipe: str
    folder: Path
    settings: Settings
    strategy: Strategy = Strategy.FAIR
    shared_scale: SharedScale = SharedScale.MEAN
    warm_epochs: float = 0.0
    input_size: int | None = None
    device: str | None = None
    resume: bool = False
    tensorboard: Path | None = None


@records.stored(
    "supernet-training",
    version=1,
    implied_version=1,
    made_by="moga supernet train -o FOLDER",
    title="summary of a supernet's training",
)
@dataclass(frozen=True, kw_only=True)
class SupernetSummary:
    """What came of it; kept as `supernet.json`.

    Attributes:
        final_loss: of the last step; None where a finished run of an older release, which kept none, was resumed.
    """

    space: str
    data: str
    recipe: str
    recipe_source: str
    strategy: str
    warm_epochs: float
    seed: int
    num_steps: int
    final_loss: float | None
    images_per_second: float | None
    checkpoint: str
    broken_images: tuple[str, ...]


@dataclass(frozen=True)
class PathScore:
    """One chromosome's score inside the supernet."""

    chromosome: str
    params: int
    score: Score


@dataclass(frozen=True)
class PathScores:
    """Scores of several chromosomes on the same images, and the images that could not be decoded and were left out."""

    networks: tuple[PathScore, ...]
    broken_images: tuple[str, ...]


def run_supernet_training(request: SupernetRequest, progress: Progress = silent) -> SupernetSummary:
    """Train the shared weights of a space, or go on where a killed run was.

    Raises:
        InputError: the folder holds a run and `resume` is false, or the data do not fit.
        CheckpointError: the folder's checkpoint is of another run.
    """
    recipe = get_recipe(request.recipe)
    checkpoint = request.folder / CHECKPOINT
    reject_used(request.folder, request.resume)
    size = smallest(request.space, request.input_size).input_size
    training, _ = open_dataset(request.data, size)
    space = get_space(request.space, size, training.num_classes)
    options = SupernetSettings(request.strategy, request.shared_scale, request.warm_epochs, request.settings)
    with joined_world(request.device) as world, tensorboard_scalars(request.tensorboard) as scalars:
        trained = train_supernet(
            space, training, recipe, options, world, checkpoint, progress, scalars, data=request.data
        )
        summary = SupernetSummary(
            space=request.space,
            data=request.data,
            recipe=recipe.name,
            recipe_source=recipe.source,
            strategy=str(request.strategy),
            warm_epochs=request.warm_epochs,
            seed=request.settings.seed,
            num_steps=trained.num_steps,
            final_loss=None if math.isnan(trained.final_loss) else round(trained.final_loss, 4),
            images_per_second=trained.images_per_second and round(trained.images_per_second, 1),
            checkpoint=str(checkpoint),
            broken_images=broken_images(training),
        )
        if world.is_first:
            records.save(summary, request.folder / RESULT)
    return summary


def reject_used(folder: Path, resume: bool) -> None:
    """Reject a folder that holds a supernet already, unless it is to be gone on with.

    Raises:
        InputError: it does.
    """
    if (folder / CHECKPOINT).exists() and not resume:
        raise InputError(f"{folder} holds a supernet; add --resume to go on, or name another folder")


def smallest(space: str, input_size: int | None = None) -> Network:
    """Return the network of a space whose genes are all zero."""
    found = get_space(space, input_size)
    return found.decode((0,) * len(found.num_choices))


def random_paths(checkpoint: Path, num_networks: int, seed: int) -> list[Chromosome]:
    """Draw chromosomes of a supernet's space.

    Raises:
        CheckpointError: the file is not a supernet.
    """
    if not num_networks:
        return []
    supernet, _ = load_supernet(checkpoint)
    rng = np.random.default_rng(seed)
    return [supernet.space.sample(rng) for _ in range(num_networks)]


def evaluate_paths(
    checkpoint: Path,
    chromosomes: Sequence[Chromosome],
    data: str | None = None,
    num_recalibration_images: int = NUM_RECALIBRATION_IMAGES,
    progress: Progress = silent,
) -> PathScores:
    """Score chromosomes inside a supernet, each with recalibrated batch norms, all on the same validation images.

    Raises:
        CheckpointError: the file is not a supernet.
    """
    _, run = load_supernet(checkpoint)
    space = get_space(run["space"], run["input_size"], run["num_classes"])
    ask = SupernetAccuracy(
        checkpoint=checkpoint, data=data or run["data"], num_recalibration_images=num_recalibration_images
    )
    scores = []
    for index, chromosome in enumerate(chromosomes):
        params = count_params(space.decode(chromosome))
        scores.append(PathScore(format_chromosome(chromosome), params, ask.score(chromosome)))
        progress(index + 1, len(chromosomes), scores[-1].chromosome)
    return PathScores(tuple(scores), broken_images(*ask.datasets()))


@records.stored(
    "supernet-ranking", version=1, implied_version=1, made_by="moga supernet rank", title="ranking of a supernet"
)
@dataclass(frozen=True, kw_only=True)
class RankResult:
    """Rankings by likelihood and by top-1 on the same networks, and how those trained alone were trained.

    Attributes:
        broken_images: that could not be decoded, and were left out of training and scores alike.
    """

    checkpoint: str
    data: str
    recipe: str
    epochs: float
    by_likelihood: Ranking
    by_top1: Ranking
    broken_images: tuple[str, ...]


@records.stored(
    "networks-trained-alone", version=1, implied_version=1, made_by="moga supernet rank", title="note on a ranking"
)
@dataclass(frozen=True, kw_only=True)
class TrainedAlone:
    """On what networks of a ranking are trained alone, so that a resumed ranking continues with the same."""

    space: str
    input_size: int
    num_classes: int
    data: str


def rank_supernet(
    checkpoint: Path,
    num_networks: int,
    recipe_name: str | None,
    settings: Settings,
    folder: Path | None = None,
    progress: Progress = silent,
    device: str | None = None,
    resume: bool = True,
) -> RankResult:
    """Train `num_networks` alone, with two seeds each, and compare the supernet's order with theirs.

    Networks trained alone see the same training and validation images as the supernet. Where a folder is given it
    gets `ranking.json`, and in `alone/` a checkpoint of each training, from which a killed ranking goes on.

    Args:
        recipe_name: of the networks trained alone; None for that of a supernet on digits, which is `digits`.
        resume: whether a folder that holds trainings may be gone on with.

    Raises:
        CheckpointError: the file is not a supernet, or the folder's trainings are of another ranking.
        InputError: no recipe is given and the images are no digits, or the folder is in use and `resume` is false.
    """
    _, run = load_supernet(checkpoint)
    recipe = get_recipe(recipe_name or _recipe_of(checkpoint, run["data"]))
    home = None if folder is None else _home_of_trainings(folder, run, resume)
    space = get_space(run["space"], run["input_size"], run["num_classes"])
    data: tuple[Dataset, Dataset] = open_dataset(run["data"], run["input_size"])
    ask = SupernetAccuracy(checkpoint=checkpoint, data=run["data"], device=device)
    with joined_world(device) as world:

        def alone(network: Network, seed: int) -> Score:
            options = replace(settings, seed=settings.seed + 1000 + seed)
            name = f"{network.name.partition('/')[2]}-seed-{seed}"
            kept = None if home is None else home / name / TRAINING
            return train(network, data, recipe, options, world, kept).score

        chosen = choose_networks(space, num_networks, settings.seed)
        by_likelihood, by_top1 = rank(space, chosen, ask.score, alone, progress=progress)
        broken = tuple(sorted({*broken_images(*data), *broken_images(*ask.datasets())}))
        epochs = settings.epochs or recipe.epochs
        result = RankResult(
            checkpoint=str(checkpoint),
            data=run["data"],
            recipe=recipe.name,
            epochs=epochs,
            by_likelihood=by_likelihood,
            by_top1=by_top1,
            broken_images=broken,
        )
        if folder is not None and world.is_first:
            records.save(result, folder / RANKING)
    return result


def _recipe_of(checkpoint: Path, data: str) -> str:
    """Return the recipe where none is named: there is one for digits, and for nothing else."""
    if data != DIGITS:
        raise InputError(
            f"{checkpoint} was trained on {data}: name with --recipe how networks are to be trained alone "
            f"({', '.join(RECIPES)})"
        )
    return DIGITS


def _home_of_trainings(folder: Path, run: dict[str, Any], resume: bool) -> Path:
    """Return where trainings are kept, once it is sure that those that lie there are of the same images.

    What else must be equal (recipe, epochs, seed) each training's own checkpoint says.
    """
    home = folder / ALONE
    stated = TrainedAlone(**{name: run[name] for name in ("space", "input_size", "num_classes", "data")})
    note = home / RUN
    if note.exists():
        if not resume:
            raise InputError(f"{folder} holds a ranking; add --resume to go on, or name another folder")
        found = records.load(TrainedAlone, note)
        if found != stated:
            raise CheckpointError(f"{home} is of another ranking ({found}), this one is {stated}: give another -o")
    else:
        records.save(stated, note)
    return home
