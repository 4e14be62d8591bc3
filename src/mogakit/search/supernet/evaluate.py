"""How accurate a path of a trained supernet is: recalibrate its batch norms, then score it on held-out images."""

import itertools
import multiprocessing
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from mogakit.errors import InputError
from mogakit.files import sha256_of
from mogakit.nets.network import Network
from mogakit.nets.spaces import Chromosome, SearchSpace
from mogakit.search.cache import EvaluationCache
from mogakit.search.metrics import NetworkMetric
from mogakit.search.supernet.model import Supernet
from mogakit.search.supernet.train import load_supernet
from mogakit.search.training.data import Batch, Dataset, epoch_order, open_dataset, read_batch
from mogakit.search.training.loop import Score, evaluate, to_device
from mogakit.search.training.world import World

NUM_RECALIBRATION_IMAGES = 2048
"""Images that batch norms are recalibrated on; Once-for-All takes 2000. On digits 128 did as well as 512."""
_RECALIBRATION_BATCH = 128


class Figure(StrEnum):
    """What of a score a search maximises."""

    TOP1 = "top1"  # percent
    LIKELIHOOD = "likelihood"  # minus the mean negative log-likelihood: ranks better on small validation sets


def recalibrate(module: nn.Module, batches: list[Batch], world: World) -> None:
    """Replace batch-norm statistics by plain averages over `batches` (training images; weights stay as they are)."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    module.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then averages cumulatively
        norm.train()
    with torch.inference_mode():
        for batch in batches:
            module(to_device(batch, world, channels_last=True).images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def recalibration_batches(dataset: Dataset, num_images: int) -> list[Batch]:
    """Read the images that every candidate is recalibrated on: the same ones for all."""
    order = epoch_order(len(dataset), seed=0, epoch=0)[: min(num_images, len(dataset))]
    starts = range(0, len(order), _RECALIBRATION_BATCH)
    parts = [order[start : start + _RECALIBRATION_BATCH].tolist() for start in starts]
    return [read_batch(dataset, part, 0, 0, augment=True) for part in parts if len(part) > 1]


def score_path(
    supernet: Supernet, chromosome: Chromosome, batches: list[Batch], validation: Dataset, world: World
) -> Score:
    """Score one path on all validation images, with its own recalibrated copy of the weights."""
    module = supernet.extract(chromosome).to(world.device)
    recalibrate(module, batches, world)
    return evaluate(module, validation, world)


@dataclass(frozen=True)
class SupernetAccuracy:
    """Asks a supernet for a network's accuracy. Picklable: each worker process reads the checkpoint once.

    Attributes:
        checkpoint: written by `moga supernet train`.
        data: as given to `--data`.
        figure: what is returned; larger is better for both.
    """

    checkpoint: Path
    data: str
    figure: Figure = Figure.TOP1
    num_recalibration_images: int = NUM_RECALIBRATION_IMAGES

    def __call__(self, chromosome: Chromosome, network: Network) -> float:
        """Return the figure of one chromosome."""
        score = self.score(chromosome)
        return score.top1_percent if self.figure is Figure.TOP1 else -score.nll

    def score(self, chromosome: Chromosome) -> Score:
        """Return everything known of one chromosome."""
        supernet, batches, validation, world = _loaded(self.checkpoint, self.data, self.num_recalibration_images)
        return score_path(supernet, chromosome, batches, validation, world)


@lru_cache(maxsize=1)
def _loaded(checkpoint: Path, data: str, num_images: int) -> tuple[Supernet, list[Batch], Dataset, World]:
    """Read the checkpoint and the images, once a process, onto the GPU that is this process's turn."""
    supernet, run = load_supernet(checkpoint)
    training, validation = open_dataset(data, int(run["input_size"]))
    world = World(0, 1, _worker_device())
    supernet.to(world.device)
    return supernet, recalibration_batches(training, num_images), validation, world


def _worker_device() -> torch.device:
    """Return a GPU for this worker, in turn, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    digits = "".join(itertools.takewhile(str.isdigit, reversed(multiprocessing.current_process().name)))[::-1]
    return torch.device("cuda", int(digits or "0") % torch.cuda.device_count())


def open_supernet_accuracy(
    argument: str, space: SearchSpace, cache: EvaluationCache | None, num_jobs: int
) -> NetworkMetric:
    """Open `supernet:CKPT[,data=DIR][,figure=likelihood]` as an accuracy; values are cached by the checkpoint's hash.

    Raises:
        InputError: the checkpoint is of another space, or an option is unknown.
    """
    name, *options = argument.split(",")
    given = dict(option.partition("=")[::2] for option in options)
    if not name or set(given) - {"data", "figure"} or given.get("figure", "top1") not in list(Figure):
        raise InputError(f"supernet:{argument} is not supernet:CKPT[,data=DIR|digits][,figure={'|'.join(Figure)}]")
    checkpoint = Path(name)
    _, run = load_supernet(checkpoint)
    if run["space"] != space.name:
        raise InputError(f"{checkpoint} is a supernet of space {run['space']!r}, and {space.name!r} is searched")
    data = given.get("data", run.get("data", ""))
    if not data:
        raise InputError(f"{checkpoint} does not say what it was trained on: add ,data=DIR to supernet:{name}")
    ask = SupernetAccuracy(checkpoint, str(data), Figure(given.get("figure", "top1")))
    identity = f"supernet {sha256_of(checkpoint)} {data} {ask.figure} {ask.num_recalibration_images}"
    unit = "%" if ask.figure is Figure.TOP1 else "nats"
    source = f"supernet {checkpoint.name} on {data}, batch norms recalibrated ({ask.figure})"
    return NetworkMetric("accuracy", unit, source, identity, space, ask, cache, num_jobs)
