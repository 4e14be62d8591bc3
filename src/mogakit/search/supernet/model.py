"""`Supernet`: one set of weights for all networks of a space; a chromosome picks one path through them."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import chain

import torch
from torch import Tensor, nn

from mogakit.nets.block import Block, parse_key
from mogakit.nets.modules import NetworkModule, block_module
from mogakit.nets.network import Network, count_params
from mogakit.nets.spaces import Chromosome, SearchSpace, SlotSpace, StagedSpace
from mogakit.nets.spaces.staged import PlacedBlock
from mogakit.search.supernet.sharing import SharedBlock, make_part, part_names_of, take_slice
from mogakit.training.loop import initialise
from mogakit.training.world import synchronise_norms

_NUM_CACHED_BLOCKS = 512
"""Shared blocks that are kept ready, about 30 kB each without their weights; a fair step takes some 300."""


class Supernet(nn.Module):
    """The weights of all networks of a space; only the modules of one path take part in a pass.

    In a space of independent slots there is a module for every choice of every slot, and all exist from the start.

    In a `StagedSpace` there is one set of weights for each stage and layer, as in TuNAS (Bender et al., arXiv
    2008.06120): each is held at its widest, a path computes with its leading filters, and operations share whatever
    does not depend on what tells them apart (`sharing` has the rules, and which of them are ours). TuNAS masks
    filters; here they are cut off, which gives the same outputs for less work.

    In any other space, and in a staged one with blocks of a kind of its own, there is a module for each position and
    block. In this and in staged spaces, weights are made
    when a path first takes them, each from a seed of its own, so that their values do not depend on the order in
    which paths were drawn.

    Attributes:
        parts: the modules that hold weights, by name.
        dropout: of heads, in training.
    """

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        self.seed = seed
        self.parts = nn.ModuleDict()
        self.place: Tensor
        # Moves with the module, so that a part made later finds the device where there are no others yet.
        self.register_buffer("place", torch.empty(0), persistent=False)
        self.dropout = 0.0
        self._norm_momentum: float | None = None
        self._synchronised = False
        self._layout = torch.preserve_format
        self._shared: OrderedDict[tuple[int, int, Block], SharedBlock] = OrderedDict()
        slotted = space.slotted
        if slotted is not None:
            columns = chain(
                ((block,) for block in slotted.before), slotted.slots, ((block,) for block in slotted.after)
            )
            for position, choices in enumerate(columns):
                for block in choices:
                    self.part(position, block)

    def configure(
        self, *, norm_momentum: float | None, dropout: float, synchronised: bool, layout: torch.memory_format
    ) -> None:
        """Set what holds for all parts, those that exist and those that are made later.

        Args:
            norm_momentum: share of a batch in running statistics; None leaves torch's own.
            dropout: probability in heads, in training.
            synchronised: whether batch norms are taken over all processes.
            layout: of the weights.
        """
        self._norm_momentum, self.dropout = norm_momentum, dropout
        self._synchronised, self._layout = synchronised, layout
        self._shared.clear()
        for part in self.parts.values():
            self._configured(part)

    def part(self, position: int, block: Block) -> nn.Module:
        """Return the module of a block at a position, made on first use; not for a `StagedSpace`."""
        return self._part(f"{position}:{block.key}", lambda: block_module(block))

    def shared(self, placed: PlacedBlock) -> SharedBlock:
        """Return the module of a block of a `StagedSpace`, which computes with slices of the weights of its place."""
        space = self.space
        assert isinstance(space, StagedSpace)  # nobody else has placed blocks
        key = (placed.stage, placed.layer, placed.block)
        if key not in self._shared:
            parts = {role: self._shared_part(space, name) for role, name in part_names_of(placed).items()}
            template = self._configured(_on_meta(placed.block))
            self._shared[key] = SharedBlock(placed.block, template, parts, self._layout)
            if len(self._shared) > _NUM_CACHED_BLOCKS:
                self._shared.popitem(last=False)
        self._shared.move_to_end(key)
        return self._shared[key]

    def path(self, chromosome: Chromosome) -> list[nn.Module]:
        """Return the modules of a chromosome's network in order."""
        if isinstance(self.space, StagedSpace) and self.space.shares_slices:
            return [self.shared(placed) for placed in self.space.place(self.space.stage_genes(chromosome))]
        return [self.part(i, block) for i, block in enumerate(self.space.decode(chromosome).blocks)]

    def parts_of(self, chromosome: Chromosome) -> set[nn.Module]:
        """Return the parts whose weights a chromosome's network computes with, if only with some of their filters."""
        space = self.space
        if not isinstance(space, StagedSpace) or not space.shares_slices:
            return set(self.path(chromosome))
        names = (part_names_of(placed).values() for placed in space.place(space.stage_genes(chromosome)))
        return {self._shared_part(space, name) for name in chain.from_iterable(names)}

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
            target.load_state_dict(source.weights() if isinstance(source, SharedBlock) else source.state_dict())
        return extracted.train(self.training)

    def part_names(self) -> tuple[str, ...]:
        """Return the names of the parts that exist: `position:key`, or `stage-layer:op-role[-kernel]` in stages."""
        return tuple(self.parts)

    def restore_parts(self, names: Iterable[str]) -> None:
        """Make the parts that a checkpoint names, so that its weights can be loaded.

        Raises:
            CheckpointError: the names are of a staged space's supernet whose networks did not share weights.
        """
        space = self.space
        for name in names:
            if isinstance(space, StagedSpace) and space.shares_slices:
                self._shared_part(space, name)
            else:
                position, _, key = name.partition(":")
                self.part(int(position), parse_key(key))

    def _part(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        """Return the part of a name, made and given its initial weights on first use."""
        if name not in self.parts:
            with torch.inference_mode(False):  # a part that scoring takes first is trained later
                module = make()
                if not _is_abstract(module):
                    digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
                    initialise(module, int.from_bytes(digest[:7], "big"))
                module = self._configured(module.train(self.training))
                self.parts[name] = module.to(self.place.device, memory_format=self._layout)  # type: ignore[call-overload]
        return self.parts[name]

    def _shared_part(self, space: StagedSpace, name: str) -> nn.Module:
        # Without storage where the supernet has none, so that the weights of a large space can be counted.
        device = self.place.device if self.place.is_meta else torch.device("cpu")
        return self._part(name, lambda: make_part(space, name, device))

    def _configured(self, module: nn.Module) -> nn.Module:
        """Treat a module's batch norms and dropout as `configure` says."""
        set_dropout(module, self.dropout)
        if self._norm_momentum is not None:
            set_norm_momentum(module, self._norm_momentum)
        return synchronise_norms(module) if self._synchronised else module


def _is_abstract(module: nn.Module) -> bool:
    """Return whether a module's weights have no storage."""
    return any(weight.is_meta for weight in module.parameters())


def _on_meta(block: Block) -> nn.Module:
    """Return a block's module without storage, for its forward pass alone."""
    with torch.device("meta"):
        return block_module(block)


def set_norm_momentum(module: nn.Module, momentum: float) -> None:
    """Set the share that a batch has in running statistics, in every batch norm of a module."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = momentum


def set_dropout(module: nn.Module, probability: float) -> None:
    """Set the probability of every dropout of a module, that of a shared block's own pass included."""
    passes = [module.template] if isinstance(module, SharedBlock) else []
    for layer in chain(module.modules(), *(each.modules() for each in passes)):
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
                value.copy_(take_slice(given, value.shape))


def _covers(large: Tensor, small: Tensor) -> bool:
    return all(given >= wanted for given, wanted in zip(large.shape, small.shape, strict=True))


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
