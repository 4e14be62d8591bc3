"""Train, evaluate and rank a supernet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit import files, records
from mogakit.errors import InputError
from mogakit.flows.train import broken_images, tensorboard_scalars
from mogakit.nets.network import Network, count_params
from mogakit.nets.spaces import Chromosome, format_chromosome, get_space
from mogakit.progress import Progress, silent
from mogakit.search.supernet.evaluate import NUM_RECALIBRATION_IMAGES, SupernetAccuracy
from mogakit.search.supernet.fairness import SharedScale, Strategy
from mogakit.search.supernet.rank import Ranking, choose_networks, rank
from mogakit.search.supernet.train import SupernetSettings, load_supernet, train_supernet
from mogakit.search.training.data import Dataset, open_dataset
from mogakit.search.training.loop import Score, Settings, train
from mogakit.search.training.recipes import get_recipe
from mogakit.search.training.world import joined_world

CHECKPOINT, RESULT, RANKING = "supernet.pt", "supernet.json", "ranking.json"
"""Files of a supernet's folder."""


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class SupernetSummary:
    """What came of it; kept as `supernet.json`."""

    space: str
    data: str
    recipe: str
    recipe_source: str
    strategy: str
    warm_epochs: float
    seed: int
    num_steps: int
    final_loss: float
    images_per_second: float
    checkpoint: str
    broken_images: tuple[str, ...]


@dataclass(frozen=True)
class PathScore:
    """One chromosome's score inside the supernet."""

    chromosome: str
    params: int
    score: Score


def run_supernet_training(request: SupernetRequest, progress: Progress = silent) -> SupernetSummary:
    """Train the shared weights of a space, or go on where a killed run was.

    Raises:
        InputError: the folder holds a run and `resume` is false, or the data do not fit.
        CheckpointError: the folder's checkpoint is of another run.
    """
    recipe = get_recipe(request.recipe)
    checkpoint = request.folder / CHECKPOINT
    if checkpoint.exists() and not request.resume:
        raise InputError(f"{request.folder} holds a supernet; add --resume to go on, or name another folder")
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
            final_loss=round(trained.final_loss, 4),
            images_per_second=round(trained.images_per_second, 1),
            checkpoint=str(checkpoint),
            broken_images=broken_images(training),
        )
        if world.is_first:
            files.write_json(request.folder / RESULT, records.to_json(summary))
    return summary


def smallest(space: str, input_size: int | None = None) -> Network:
    """Return the network of a space whose genes are all zero."""
    found = get_space(space, input_size)
    return found.decode((0,) * len(found.num_choices))


def evaluate_paths(
    checkpoint: Path,
    chromosomes: Sequence[Chromosome],
    data: str | None = None,
    num_recalibration_images: int = NUM_RECALIBRATION_IMAGES,
    progress: Progress = silent,
) -> list[PathScore]:
    """Score chromosomes inside a supernet, each with recalibrated batch norms, all on the same validation images.

    Raises:
        CheckpointError: the file is no supernet.
    """
    _, run = load_supernet(checkpoint)
    space = get_space(run["space"], run["input_size"], run["num_classes"])
    ask = SupernetAccuracy(checkpoint, data or run["data"], num_recalibration_images=num_recalibration_images)
    scores = []
    for index, chromosome in enumerate(chromosomes):
        params = count_params(space.decode(chromosome))
        scores.append(PathScore(format_chromosome(chromosome), params, ask.score(chromosome)))
        progress(index + 1, len(chromosomes), scores[-1].chromosome)
    return scores


@dataclass(frozen=True)
class RankResult:
    """Rankings by likelihood and by top-1 on the same networks, and how those trained alone were trained."""

    checkpoint: str
    data: str
    recipe: str
    epochs: float
    by_likelihood: Ranking
    by_top1: Ranking


def rank_supernet(
    checkpoint: Path,
    num_networks: int,
    recipe_name: str,
    settings: Settings,
    folder: Path | None = None,
    progress: Progress = silent,
) -> RankResult:
    """Train `num_networks` alone, with two seeds each, and compare the supernet's order with theirs.

    Networks trained alone see the same training and validation images as the supernet. Writes `ranking.json` into
    `folder` where one is given.

    Raises:
        CheckpointError: the file is no supernet.
    """
    _, run = load_supernet(checkpoint)
    space = get_space(run["space"], run["input_size"], run["num_classes"])
    data: tuple[Dataset, Dataset] = open_dataset(run["data"], run["input_size"])
    recipe = get_recipe(recipe_name)
    ask = SupernetAccuracy(checkpoint, run["data"])
    with joined_world() as world:

        def alone(network: Network, seed: int) -> Score:
            options = Settings(seed=settings.seed + 1000 + seed, epochs=settings.epochs, batch_size=settings.batch_size)
            return train(network, data, recipe, options, world).score

        chosen = choose_networks(space, num_networks, settings.seed)
        by_likelihood, by_top1 = rank(space, chosen, ask.score, alone, progress=progress)
    epochs = settings.epochs or recipe.epochs
    result = RankResult(str(checkpoint), run["data"], recipe.name, epochs, by_likelihood, by_top1)
    if folder is not None:
        files.write_json(folder / RANKING, records.to_json(result))
    return result
