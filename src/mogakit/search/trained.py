"""`train:RECIPE,...`: the accuracy of a network that is trained on its own, for a few epochs, as MnasNet's loop does.

Values are cached by recipe, images and settings, so that a search that was killed trains no network twice.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from mogakit.errors import InputError
from mogakit.nets.network import Network
from mogakit.nets.spaces import Chromosome, SearchSpace, get_space
from mogakit.search.cache import EvaluationCache
from mogakit.search.metrics import NetworkMetric
from mogakit.training.data import Dataset, check_sizes, located, open_dataset
from mogakit.training.loop import Settings, train
from mogakit.training.recipes import Schedule, get_recipe
from mogakit.training.world import World

_FORM = "train:RECIPE,data=DIR|digits[,epochs=5][,batch_size=N][,seed=N][,schedule=scaled|absolute][,device=cpu|cuda]"
EPOCHS = 5.0
"""Of each network, where nothing else is asked for: MnasNet's."""


@dataclass(frozen=True, kw_only=True)
class TrainedAccuracy:
    """Trains a network and returns its top-1 in percent. Picklable: each worker process opens the images once.

    Attributes:
        space, recipe, data: by name. settings: of each training. device: `cpu`, `cuda`.
        sizes: numbers of training and validation images that every process must find; None for any.
    """

    space: str
    recipe: str
    data: str
    settings: Settings
    device: str
    sizes: tuple[int, int] | None = None

    def __call__(self, chromosome: Chromosome, network: Network) -> float:
        """Return the accuracy on images held out of training, of a network of the data's classes."""
        data = _datasets(self.data, network.input_size)
        check_sizes(self.data, data, self.sizes)
        same = get_space(self.space, network.input_size, data[0].num_classes).decode(chromosome)
        world = World(0, 1, torch.device(self.device))
        return train(same, data, get_recipe(self.recipe), self.settings, world).score.top1_percent


@lru_cache(maxsize=1)
def _datasets(data: str, input_size: int) -> tuple[Dataset, Dataset]:
    """Open the images that train and those that score, once a process."""
    return open_dataset(data, input_size)


def open_trained_accuracy(
    argument: str, space: SearchSpace, cache: EvaluationCache | None, num_jobs: int
) -> NetworkMetric:
    """Open `train:RECIPE,data=DIR,epochs=5` as an accuracy.

    Raises:
        InputError: there is no such recipe, an option is unknown or not a number, or the images cannot be opened.
    """
    name, *options = argument.split(",")
    given = dict(option.partition("=")[::2] for option in options)
    recipe = get_recipe(name)
    if set(given) - {"data", "epochs", "batch_size", "seed", "schedule", "device"} or not given.get("data"):
        raise InputError(f"train:{argument} is not {_FORM}")
    device = given.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        epochs, seed = float(given.get("epochs", EPOCHS)), int(given.get("seed", 0))
        batch_size = int(given["batch_size"]) if "batch_size" in given else None
        schedule = Schedule(given.get("schedule", Schedule.SCALED))
        if not 0 < epochs <= 1e6 or (batch_size is not None and batch_size < 1) or device not in ("cpu", "cuda"):
            raise ValueError
    except ValueError as error:
        raise InputError(f"train:{argument} is not {_FORM}") from error
    settings = Settings(epochs=epochs, batch_size=batch_size, seed=seed, schedule=schedule)
    data = given["data"]
    training, validation = _datasets(located(data), space.decode((0,) * len(space.num_choices)).input_size)
    ask = TrainedAccuracy(
        space=space.name,
        recipe=recipe.name,
        data=located(data),
        settings=settings,
        device=device,
        sizes=(len(training), len(validation)),
    )
    _check_batch(settings.batch_size or recipe.batch_size, training)
    return NetworkMetric(
        name="accuracy",
        unit="%",
        source=f"trained alone on {data}, recipe {recipe.name}, {epochs:g} epochs; scored on {validation.name}",
        identity=f"trained {recipe} {data} {len(training)} {sorted(settings.identity().items())}",
        space=space,
        ask=ask,
        cache=cache,
        num_jobs=num_jobs,
    )


def _check_batch(batch_size: int, training: Dataset) -> None:
    """Check that an epoch has a step.

    Raises:
        InputError: it has none.
    """
    if batch_size > len(training):
        raise InputError(
            f"a batch of {batch_size} images does not fit {len(training)} training images: add ,batch_size=N"
        )
