"""`Supernet`: weights per position and block; a chromosome picks one path through them."""

import hashlib
from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor, nn

from mogakit.nets.block import Block, parse_key
from mogakit.nets.modules import NetworkModule, block_module
from mogakit.nets.network import Network, count_params
from mogakit.nets.spaces import Chromosome, SearchSpace, SlotSpace
from mogakit.training.loop import initialise


class Supernet(nn.Module):
    """Every choice of every slot, sharing the fixed parts; only the modules of one path take part in a pass.

    In a space of independent slots all modules exist from the start. In other spaces, where what a block reads
    depends on its neighbours, the modules of a path are made when it is first taken, each from a seed of its own, so
    that their values do not depend on the order in which paths were drawn.

    Attributes:
        norm_momentum: of the parts that are made from now on; None leaves torch's own. layout: of their weights.
        dropout: of heads that are made from now on, in training.
    """

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        self.seed = seed
        self.norm_momentum: float | None = None
        self.layout = torch.preserve_format
        self.dropout = 0.0
        self.parts = nn.ModuleDict()
        self.place: Tensor
        # Moves with the module, so that a part made later finds the device where there are no others yet.
        self.register_buffer("place", torch.empty(0), persistent=False)
        slotted = space.slotted
        if slotted is not None:
            columns = chain(
                ((block,) for block in slotted.before), slotted.slots, ((block,) for block in slotted.after)
            )
            for position, choices in enumerate(columns):
                for block in choices:
                    self.part(position, block)

    def part(self, position: int, block: Block) -> nn.Module:
        """Return the module of a block at a position, made on first use."""
        name = f"{position}:{block.key}"
        if name not in self.parts:
            module = block_module(block)
            digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
            initialise(module, int.from_bytes(digest[:7], "big"))
            module.train(self.training)
            if self.norm_momentum is not None:
                set_norm_momentum(module, self.norm_momentum)
            set_dropout(module, self.dropout)
            self.parts[name] = module.to(self.place.device, memory_format=self.layout)  # type: ignore[call-overload]
        return self.parts[name]

    def path(self, chromosome: Chromosome) -> list[nn.Module]:
        """Return the modules of a chromosome's network in order."""
        return [self.part(i, block) for i, block in enumerate(self.space.decode(chromosome).blocks)]

    def forward(self, images: Tensor, chromosome: Chromosome) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, classes) along one path."""
        value = images
        for module in self.path(chromosome):
            value = module(value)
        return value

    def extract(self, chromosome: Chromosome) -> NetworkModule:
        """Return a chromosome's network as a plain module with copies of its weights: same outputs, bit for bit."""
        network = self.space.decode(chromosome)
        extracted = NetworkModule(network)
        for target, source in zip(extracted.blocks, self.path(chromosome), strict=True):
            target.load_state_dict(source.state_dict())
        return extracted.train(self.training)

    def part_names(self) -> tuple[str, ...]:
        """Return the names of the modules that exist, `position:key`."""
        return tuple(self.parts)

    def restore_parts(self, names: Iterable[str]) -> None:
        """Make the modules that a checkpoint names, so that its weights can be loaded."""
        for name in names:
            position, _, key = name.partition(":")
            self.part(int(position), parse_key(key))


def set_norm_momentum(module: nn.Module, momentum: float) -> None:
    """Set the share that a batch has in running statistics, in every batch norm of a module."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = momentum


def set_dropout(module: nn.Module, probability: float) -> None:
    """Set the probability of every dropout of a module."""
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = probability


def copy_slices(source: nn.Module, target: nn.Module) -> None:
    """Fill `target` with leading channels and centre-cropped kernels of the larger `source`, as Once-for-All does.

    What `source` lacks (an SE branch, say) keeps its initial values.
    """
    available = source.state_dict()
    with torch.no_grad():
        for name, value in target.state_dict().items():
            given = available.get(name)
            if given is not None and given.ndim == value.ndim and _covers(given, value):
                value.copy_(_slice(given, value.shape))


def _covers(large: Tensor, small: Tensor) -> bool:
    return all(given >= wanted for given, wanted in zip(large.shape, small.shape, strict=True))


def _slice(value: Tensor, shape: torch.Size) -> Tensor:
    """Cut leading channels (axes 0 and 1) and the centre of a kernel (axes 2 and 3)."""
    for axis, wanted in enumerate(shape):
        start = (value.shape[axis] - wanted) // 2 if axis >= 2 else 0
        value = value.narrow(axis, start, wanted)
    return value


def warm_start(supernet: Supernet, chromosome: Chromosome) -> None:
    """Copy slices of one trained path into every other choice of its slots.

    Not in FairNAS or MoGA: a deviation that small machines need, since a cold supernet learns too slowly on a CPU.
    """
    network: Network = supernet.space.decode(chromosome)
    trained = {position: supernet.part(position, block) for position, block in enumerate(network.blocks)}
    for name, module in supernet.parts.items():
        position = int(name.partition(":")[0])
        if module is not trained[position]:
            copy_slices(trained[position], module)


def largest_path(space: SlotSpace) -> Chromosome:
    """Return the path with the most parameters in every slot, whose slices fill all others best."""
    sizes = [[count_params(block) for block in choices] for choices in space.slots]
    return tuple(row.index(max(row)) for row in sizes)
