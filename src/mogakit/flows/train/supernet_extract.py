"""Take one network out of a supernet, as a file of weights that every other command reads."""

from dataclasses import dataclass
from pathlib import Path

from mogakit.errors import InputError
from mogakit.flows.train.classifier import broken_images
from mogakit.nets.network import count_params
from mogakit.nets.spaces import Chromosome
from mogakit.nets.weights import check_suffix, save_weights
from mogakit.search.supernet.evaluate import NUM_RECALIBRATION_IMAGES, SupernetAccuracy
from mogakit.search.supernet.train import load_supernet


@dataclass(frozen=True, kw_only=True)
class ExtractRequest:
    """What a person asks of `moga supernet extract`.

    Attributes:
        data: images that batch norms are recalibrated on; None for those of the supernet's training.
        raw: leave batch norms as training left them, where they average over all paths.
        device: `cpu`, `cuda`, or None for a GPU where there is one.
    """

    checkpoint: Path
    chromosome: Chromosome
    weights: Path
    data: str | None = None
    raw: bool = False
    num_recalibration_images: int = NUM_RECALIBRATION_IMAGES
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What was written.

    Attributes:
        network: as other commands name it, `space/chromosome`.
        recalibrated_on: data of the batch norms, None where they were left as they are.
    """

    network: str
    input_size: int
    num_classes: int
    params: int
    weights: str
    recalibrated_on: str | None
    broken_images: tuple[str, ...]


def extract_network(request: ExtractRequest) -> Extracted:
    """Write the weights of one chromosome's network, with its own recalibrated batch norms.

    Raises:
        CheckpointError: the file is not a supernet, or the weights have another suffix than `.safetensors`.
        InputError: the chromosome is none of the supernet's space.
    """
    check_suffix(request.weights)
    supernet, run = load_supernet(request.checkpoint)
    try:
        network = supernet.space.decode(request.chromosome)
    except InputError as error:
        raise InputError(f"{request.checkpoint} is a supernet of space {supernet.space.name!r}: {error}") from error
    data = request.data or run["data"]
    broken: tuple[str, ...] = ()
    if request.raw:
        module = supernet.extract(request.chromosome)
    else:
        count = request.num_recalibration_images
        ask = SupernetAccuracy(
            checkpoint=request.checkpoint, data=data, num_recalibration_images=count, device=request.device
        )
        module = ask.recalibrated(request.chromosome)
        broken = broken_images(*ask.datasets())
    save_weights(module, request.weights)
    return Extracted(
        network=network.name,
        input_size=network.input_size,
        num_classes=network.num_classes,
        params=count_params(network),
        weights=str(request.weights),
        recalibrated_on=None if request.raw else data,
        broken_images=broken,
    )
