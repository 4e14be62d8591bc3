"""How accurate a path of a trained supernet is: recalibrate its batch norms, then score it on held-out images."""

import itertools
import multiprocessing
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from mogakit.errors import ClusterError, InputError
from mogakit.files import sha256_of
from mogakit.nets.modules import NetworkModule
from mogakit.nets.network import Network
from mogakit.nets.spaces import Chromosome, SearchSpace
from mogakit.search.cache import EvaluationCache
from mogakit.search.metrics import NetworkMetric
from mogakit.search.supernet.model import Supernet
from mogakit.search.supernet.train import load_supernet
from mogakit.training.data import (
    Batch,
    Dataset,
    ImageFolder,
    check_sizes,
    epoch_order,
    evaluation_batches,
    located,
    open_dataset,
    read_batch,
)
from mogakit.training.loop import Score, evaluate, to_device
from mogakit.training.world import World

NUM_RECALIBRATION_IMAGES = 2048
"""Images that batch norms are recalibrated on; Once-for-All takes 2000. On digits 128 did as well as 512."""
_RECALIBRATION_BATCH = 128
_NUM_NAMED = 10


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
    return evaluate(recalibrated(supernet, chromosome, batches, world), validation, world)


def recalibrated(supernet: Supernet, chromosome: Chromosome, batches: list[Batch], world: World) -> NetworkModule:
    """Return one path as a plain network with weights of its own and batch norms recalibrated on `batches`."""
    module = supernet.extract(chromosome).to(world.device)
    recalibrate(module, batches, world)
    return module


@dataclass(frozen=True, kw_only=True)
class SupernetAccuracy:
    """Asks a supernet for a network's accuracy. Picklable: each worker process reads the checkpoint once.

    Attributes:
        checkpoint: written by `moga supernet train`.
        data: as given to `--data`.
        figure: what is returned; larger is better for both.
        device: `cpu`, `cuda`, or None for a GPU where there is one, another for each worker.
        sha256: of the checkpoint that every process must find; None for any.
        sizes: numbers of training and validation images that every process must find; None for any.
    """

    checkpoint: Path
    data: str
    figure: Figure = Figure.TOP1
    num_recalibration_images: int = NUM_RECALIBRATION_IMAGES
    device: str | None = None
    sha256: str | None = None
    sizes: tuple[int, int] | None = None

    def __call__(self, chromosome: Chromosome, network: Network) -> float:
        """Return the figure of one chromosome."""
        score = self.score(chromosome)
        return score.top1_percent if self.figure is Figure.TOP1 else -score.nll

    def score(self, chromosome: Chromosome) -> Score:
        """Return everything known of one chromosome."""
        loaded = self._loaded()
        return score_path(loaded.supernet, chromosome, loaded.batches, loaded.validation, loaded.world)

    def recalibrated(self, chromosome: Chromosome) -> NetworkModule:
        """Return one chromosome's network as it is scored: with batch norms of its own."""
        loaded = self._loaded()
        return recalibrated(loaded.supernet, chromosome, loaded.batches, loaded.world)

    def datasets(self) -> tuple[Dataset, Dataset]:
        """Return the training and validation images that this process reads; they know which were broken."""
        loaded = self._loaded()
        return loaded.training, loaded.validation

    def _loaded(self) -> "_Loaded":
        return _load(self)


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    supernet: Supernet
    batches: list[Batch]
    training: Dataset
    validation: Dataset
    world: World


@lru_cache(maxsize=1)
def _load(asked: SupernetAccuracy) -> _Loaded:
    """Read the checkpoint and the images, once a process, onto the GPU that is this process's turn.

    Raises:
        ClusterError: this process finds another checkpoint or other images than the one that asks.
    """
    path = asked.checkpoint
    if asked.sha256 is not None and not (path.is_file() and sha256_of(path) == asked.sha256):
        raise ClusterError(f"{path} on a worker is not the checkpoint of that name on this computer; copy it there")
    supernet, run = load_supernet(asked.checkpoint)
    training, validation = open_dataset(asked.data, int(run["input_size"]))
    check_sizes(asked.data, (training, validation), asked.sizes)
    place = torch.device("cpu") if asked.device == "cpu" else _worker_device()
    supernet.to(place)
    return _Loaded(
        supernet=supernet,
        batches=recalibration_batches(training, asked.num_recalibration_images),
        training=training,
        validation=validation,
        world=World(0, 1, place),
    )


def _worker_device() -> torch.device:
    """Return a GPU for this worker, in turn, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", gpu_of_worker(multiprocessing.current_process().name, torch.cuda.device_count()))


def gpu_of_worker(process_name: str, num_gpus: int) -> int:
    """Return the GPU of a process by the number at the end of its name (`LokyProcess-3`); the first one without."""
    digits = "".join(itertools.takewhile(str.isdigit, reversed(process_name)))[::-1]
    return int(digits or "0") % num_gpus


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
    digest = sha256_of(checkpoint)
    training, validation = open_dataset(str(data), int(run["input_size"]))
    ask = SupernetAccuracy(
        checkpoint=checkpoint.resolve(),
        data=located(str(data)),
        figure=Figure(given.get("figure", "top1")),
        sha256=digest,
        sizes=(len(training), len(validation)),
    )
    identity = f"supernet {digest} {data} held out of train {ask.figure} {ask.num_recalibration_images}"
    unit = "%" if ask.figure is Figure.TOP1 else "nats"
    source = f"supernet {checkpoint.name} on {data}, batch norms recalibrated ({ask.figure})"
    source += _without_broken(validation)
    return NetworkMetric(
        name="accuracy",
        unit=unit,
        source=source,
        identity=identity,
        space=space,
        ask=ask,
        cache=cache,
        num_jobs=num_jobs,
    )


def _without_broken(validation: Dataset) -> str:
    """Count and name the validation images that cannot be decoded, for the source of every score.

    All of them are read once, as for one network's score, since workers that find them later could not tell anybody.
    """
    if not isinstance(validation, ImageFolder):
        return ""
    for _ in evaluation_batches(validation, _RECALIBRATION_BATCH):
        pass
    if not validation.broken:
        return ""
    named = ", ".join(sorted(map(str, validation.broken))[:_NUM_NAMED])
    more = ", ..." if len(validation.broken) > _NUM_NAMED else ""
    counted = f"{len(validation.broken)} of {len(validation)} validation images"
    return f", without {counted}, which could not be decoded: {named}{more}"
