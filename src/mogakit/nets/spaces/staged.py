"""`StagedSpace`: spaces in which filters and depth are chosen too, so that a block depends on the stage before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from math import prod

import numpy as np

from mogakit.errors import InputError
from mogakit.nets.block import Activation, Block, Op, SqueezeExcite
from mogakit.nets.network import Network
from mogakit.nets.spaces.base import Chromosome, check_chromosome, draw_chromosome, format_chromosome
from mogakit.nets.zoo.table import make_divisible


class Shortcut(StrEnum):
    """What is added to the output of a layer that keeps its shape (MnasNet's skip ops)."""

    NONE = "none"
    IDENTITY = "identity"
    POOL = "pool"


class Squeeze(StrEnum):
    """What squeeze-and-excitation has a quarter of, and its gate; ReLU is inside."""

    OF_INPUT = "input"  # of the layer's input channels, sigmoid (MnasNet)
    OF_EXPANDED = "expanded"  # of the expanded channels, rounded to a multiple of 8, hard sigmoid (MobileNetV3)


@dataclass(frozen=True, kw_only=True)
class LayerChoice:
    """What a layer may be; channels and resolution follow from where it stands.

    Attributes:
        expansion: relative to the layer's input channels; None for `conv` and `sep`.
        se: squeeze-and-excitation, as the space's `squeeze` says.
        shortcut: added from the second layer of a stage on; a stage's first layer has one only where the stage says so.
        kind: of an `own` block, its kind.
        settings: of an `own` block, as in `Block`.
    """

    op: Op
    kernel: int
    expansion: int | None = None
    se: bool = False
    shortcut: Shortcut = Shortcut.IDENTITY
    kind: str | None = None
    settings: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Layers of one resolution and width.

    Attributes:
        filters: choices of output channels.
        stride: of the first layer.
        choices: what a layer may be.
        first_choices: what the first layer may be, where that is something else; empty: `choices`.
        depths: choices of the number of layers.
        shared: whether one choice holds for all layers (MnasNet) instead of one a layer.
        skippable: whether every layer but the first may be left out by a further choice, the last (TuNAS).
        activation: of its layers, where it is not the space's.
        first_shortcut: whether the first layer has a shortcut, too, where it keeps its shape (Once-for-All, FBNet).

    Raises:
        InputError: one choice is to hold for all layers, and the first has choices of its own.
    """

    filters: tuple[int, ...]
    stride: int
    choices: tuple[LayerChoice, ...]
    depths: tuple[int, ...] = (1,)
    shared: bool = False
    skippable: bool = False
    first_choices: tuple[LayerChoice, ...] = ()
    activation: Activation | None = None
    first_shortcut: bool = False

    def __post_init__(self) -> None:
        """Check that the fields go together."""
        if self.shared and self.first_choices:
            raise InputError("a stage with one choice for all layers has no choices of the first layer alone")

    def choices_of(self, gene: int) -> tuple[LayerChoice, ...]:
        """Return what the layer may be that a layer gene chooses: gene 0 is that of the first layer."""
        return self.first_choices or self.choices if gene == 0 else self.choices

    @property
    def genes(self) -> tuple[int, ...]:
        """Number of values of the stage's genes: filters, depth, then layers."""
        others = 0 if self.shared else max(self.depths) - 1
        later = len(self.choices) + self.skippable
        return (len(self.filters), len(self.depths), len(self.choices_of(0)), *[later] * others)

    def picks(self, genes: Sequence[int]) -> list[tuple[int, int]]:
        """Return, for each layer that the stage's genes describe, the number of its layer gene and its choice."""
        depth = self.depths[genes[1]]
        numbers = [0] * depth if self.shared else range(depth)
        return [(number, genes[2 + number]) for number in numbers if genes[2 + number] < len(self.choices_of(number))]

    def encode(self, filters: int, picks: Sequence[int]) -> tuple[int, ...]:
        """Return the genes of layers `picks`; genes of absent layers are the skip choice, or 0."""
        if self.skippable:
            depth, absent = max(self.depths), len(self.choices)
        else:
            depth, absent = len(picks), 0
        layers = list(picks[:1]) if self.shared else [*picks, *[absent] * (max(self.depths) - len(picks))]
        return (self.filters.index(filters), self.depths.index(depth), *layers)

    @property
    def num_layers(self) -> tuple[int, ...]:
        """The numbers of layers that the stage may have."""
        return tuple(range(1, max(self.depths) + 1)) if self.skippable else self.depths


@dataclass(frozen=True, kw_only=True)
class PlacedBlock:
    """A block of a network, and where it stands.

    Attributes:
        stage: its number, 0 for the stem; the head stands behind the last stage.
        layer: number among the layers of the stage that are present.
        gene: which of the stage's layer genes chose it: 0 for all layers of a stage with one choice.
        pick: index of its choice among those of the stage; 0 for the head.
    """

    stage: int
    layer: int
    gene: int
    pick: int
    block: Block


@dataclass(frozen=True, kw_only=True)
class StagedSpace:
    """Stages in a row between image and head. Genes with a single value are left out of the chromosome.

    Several chromosomes may describe one network, since genes of absent layers change nothing; `encode` returns the one
    in which they are 0 (or, where layers are skipped, in which the skipped ones come last).

    Attributes:
        name: as the command line knows it.
        stages: the stem, as a stage of one layer, and the body.
        head: with the input channels of any network of the space; they are set by the last stage.
        input_size: height and width of the image in pixels.
        activation: of every block.
        norm_eps: of every batch norm.
        squeeze: what a layer's squeeze-and-excitation is like.
        dropout: as in `Network`.
    """

    name: str
    stages: tuple[Stage, ...]
    head: Block
    input_size: int
    activation: Activation
    norm_eps: float
    squeeze: Squeeze = Squeeze.OF_INPUT
    dropout: float = 0.0

    @property
    def slotted(self) -> None:
        """None: what a layer reads depends on the genes of the stage before it."""
        return None

    @cached_property
    def num_choices(self) -> tuple[int, ...]:
        """For each gene, how many values it takes."""
        return tuple(count for stage in self.stages for count in stage.genes if count > 1)

    @cached_property
    def size(self) -> int:
        """Number of chromosomes; see the class for why there are fewer networks."""
        return prod(self.num_choices)

    def decode(self, chromosome: Chromosome) -> Network:
        """Build the network that a chromosome describes.

        Raises:
            InputError: the chromosome has the wrong length, or a gene is out of range.
        """
        blocks = tuple(placed.block for placed in self.place(self.stage_genes(chromosome)))
        return Network(f"{self.name}/{format_chromosome(chromosome)}", blocks, self.dropout)

    def stage_genes(self, chromosome: Chromosome) -> list[list[int]]:
        """Return the genes of each stage (filters, depth, then layers), those with a single value included.

        Raises:
            InputError: the chromosome has the wrong length, or a gene is out of range.
        """
        check_chromosome(self.name, self.num_choices, chromosome)
        given = iter(chromosome)
        return [[next(given) if count > 1 else 0 for count in stage.genes] for stage in self.stages]

    def place(self, genes: Sequence[Sequence[int]]) -> tuple[PlacedBlock, ...]:
        """Return the blocks that the genes of the stages describe, the head included, each with its place."""
        channels, size, found = 3, self.input_size, list[PlacedBlock]()
        for number, (stage, row) in enumerate(zip(self.stages, genes, strict=True)):
            filters = stage.filters[row[0]]
            for layer, (gene, pick) in enumerate(stage.picks(row)):
                stride = stage.stride if layer == 0 else 1
                block = self._block(stage, stage.choices_of(gene)[pick], (channels, filters, size), stride, layer)
                found.append(PlacedBlock(stage=number, layer=layer, gene=gene, pick=pick, block=block))
                channels, size = filters, block.output_size
        head = replace(self.head, in_channels=channels)
        found.append(PlacedBlock(stage=len(self.stages), layer=0, gene=0, pick=0, block=head))
        return tuple(found)

    def alternative(self, placed: PlacedBlock, pick: int) -> PlacedBlock:
        """Return what stands at a place of the body if its layer is another choice; filters stay as they are."""
        block, stage = placed.block, self.stages[placed.stage]
        shape = (block.in_channels, block.out_channels, block.input_size)
        made = self._block(stage, stage.choices_of(placed.gene)[pick], shape, block.stride, placed.layer)
        return replace(placed, pick=pick, block=made)

    def widest(self, stage: int, layer: int, op: Op, kernel: int | None = None) -> Block:
        """Return the block of an operation at a place with the most filters around and inside it.

        It has squeeze-and-excitation if any choice of the operation has. Where `kernel` is None it is any of them.

        Raises:
            InputError: there is no such place or operation.
        """
        if (stage, layer, op) == (len(self.stages), 0, Op.HEAD):
            return replace(self.head, in_channels=max(self.stages[-1].filters))
        here = self.stages[stage] if 0 <= stage < len(self.stages) else None
        known = here.choices_of(layer) if here else ()
        fitting = [each for each in known if each.op is op and kernel in (None, each.kernel)]
        if here is None or not fitting or not 0 <= layer < max(here.num_layers):
            raise InputError(f"space {self.name!r} has no {op} of kernel {kernel} in layer {layer} of stage {stage}")
        before = (max(self.stages[stage - 1].filters) if stage else 3) if layer == 0 else max(here.filters)
        strides = [each.stride for each in self.stages[:stage]] + [here.stride] * (layer > 0)
        size = self.input_size
        for stride in strides:
            size = (size - 1) // stride + 1
        largest = replace(
            max(fitting, key=lambda each: each.expansion or 0), se=any(each.se for each in fitting)
        )  # any shortcut will do: it has no weights
        shape = (before, max(here.filters), size)
        return self._block(here, largest, shape, here.stride if layer == 0 else 1, layer)

    def encode(self, network: Network) -> Chromosome:
        """Return the canonical chromosome of a network.

        Raises:
            InputError: the network does not lie in the space.
        """
        *body, head = network.blocks
        found = next(self._match(0, body), None)
        if found is None or head != replace(self.head, in_channels=head.in_channels):
            raise InputError(f"{network.name!r} does not lie in space {self.name!r}")
        counts = [count for stage in self.stages for count in stage.genes]
        return tuple(gene for gene, count in zip(found, counts, strict=True) if count > 1)

    def sample(self, rng: np.random.Generator) -> Chromosome:
        """Draw every gene uniformly and independently."""
        return draw_chromosome(self.num_choices, rng)

    @cached_property
    def fixed_blocks(self) -> tuple[Block, ...]:
        """The distinct stems and heads that networks of the space have, in order; and other layers without a choice."""
        heads = [replace(self.head, in_channels=filters) for filters in self.stages[-1].filters]
        return tuple(dict.fromkeys([*(block for block, chosen in self._body_blocks() if not chosen), *heads]))

    @cached_property
    def choice_blocks(self) -> tuple[Block, ...]:
        """The distinct body blocks that networks of the space choose from, in order."""
        return tuple(dict.fromkeys(block for block, chosen in self._body_blocks() if chosen))

    @cached_property
    def shares_slices(self) -> bool:
        """Whether layers are slices of their widest, so that a supernet can share weights: not where some are `own`."""
        return all(each.op is not Op.OWN for stage in self.stages for each in (*stage.first_choices, *stage.choices))

    @cached_property
    def blocks_by_gene(self) -> tuple[tuple[tuple[Block, ...], ...], ...]:
        """For each gene of a chromosome and each of its values, the blocks that the value can be.

        A layer's choice is one block for each number of filters before it and of its own. Filters, depths and absence
        are no blocks.
        """
        found: list[tuple[tuple[Block, ...], ...]] = []
        before: tuple[int, ...] = (3,)
        size = self.input_size
        for stage in self.stages:
            after = (size - 1) // stage.stride + 1
            pairs = [(channels, filters) for channels in before for filters in stage.filters]
            first = [self.layer_blocks(stage, *pair, size, first=True) for pair in pairs]
            later = [self.layer_blocks(stage, width, width, after, first=False) for width in stage.filters]
            of_first = first + (later if stage.shared and max(stage.depths) > 1 else [])
            columns = [[()] * len(stage.filters), [()] * len(stage.depths), list(zip(*of_first, strict=True))]
            absent = [()] * stage.skippable
            columns += [[*zip(*later, strict=True), *absent]] * (len(stage.genes) - len(columns))
            found += [tuple(column) for column in columns if len(column) > 1]
            before, size = stage.filters, after
        return tuple(found)

    def layer_blocks(self, stage: Stage, channels: int, filters: int, size: int, *, first: bool) -> list[Block]:
        """Return what a layer of a stage may be, one block a choice.

        Args:
            channels, size: of the layer's input.
            filters: of its output.
            first: whether it is the stage's first layer, which has the stride and no shortcut.
        """
        stride, index = (stage.stride, 0) if first else (1, 1)
        shape = (channels, filters, size)
        return [self._block(stage, layer, shape, stride, index) for layer in stage.choices_of(index)]

    def _body_blocks(self) -> Iterator[tuple[Block, bool]]:
        """Yield every block in front of the head, and whether its layer has a choice."""
        before: tuple[int, ...] = (3,)
        size = self.input_size
        for stage in self.stages:
            yield from self._stage_blocks(stage, before, size)
            before, size = stage.filters, (size - 1) // stage.stride + 1

    def _stage_blocks(self, stage: Stage, before: tuple[int, ...], size: int) -> Iterator[tuple[Block, bool]]:
        """Yield every block of a stage behind `before` channels of `size` pixels, first layers before later ones."""
        after = (size - 1) // stage.stride + 1
        chosen = [len(stage.choices_of(0)) > 1, len(stage.choices) + stage.skippable > 1]
        for channels in before:
            for filters in stage.filters:
                for block in self.layer_blocks(stage, channels, filters, size, first=True):
                    yield block, chosen[0]
        if max(stage.depths) > 1:
            for filters in stage.filters:
                for block in self.layer_blocks(stage, filters, filters, after, first=False):
                    yield block, chosen[1]

    def _block(self, stage: Stage, layer: LayerChoice, shape: tuple[int, int, int], stride: int, index: int) -> Block:
        """Build layer `index` of a stage, of a shape: input channels, output channels, input size."""
        channels, filters, size = shape
        keeps = stride == 1 and channels == filters
        shortcut = layer.shortcut if index > 0 or (stage.first_shortcut and keeps) else Shortcut.NONE
        expanded = channels * layer.expansion if layer.expansion else None
        return Block(
            layer.op,
            channels,
            filters,
            size,
            kernel=layer.kernel,
            stride=stride,
            activation=stage.activation or self.activation,
            expanded_channels=expanded,
            se=self._se(channels, expanded) if layer.se else None,
            residual=shortcut is not Shortcut.NONE,
            pool_skip=shortcut is Shortcut.POOL,
            norm_eps=self.norm_eps,
            kind=layer.kind,
            settings=layer.settings,
        )

    def _se(self, channels: int, expanded: int | None) -> SqueezeExcite:
        if self.squeeze is Squeeze.OF_INPUT:
            return SqueezeExcite(max(1, channels // 4), Activation.RELU, Activation.SIGMOID)
        return SqueezeExcite(make_divisible((expanded or channels) // 4), Activation.RELU, Activation.HSIGMOID)

    def _match(self, index: int, blocks: Sequence[Block]) -> Iterator[tuple[int, ...]]:
        """Yield the genes of stages `index` and later for which they are exactly `blocks`."""
        if index == len(self.stages):
            if not blocks:
                yield ()
            return
        stage = self.stages[index]
        for depth in sorted(stage.num_layers):
            if depth > len(blocks) or blocks[0].out_channels not in stage.filters:
                continue
            picks = self._picks(stage, blocks[:depth])
            if picks is not None:
                genes = stage.encode(blocks[0].out_channels, picks)
                yield from (genes + rest for rest in self._match(index + 1, blocks[depth:]))

    def _picks(self, stage: Stage, blocks: Sequence[Block]) -> list[int] | None:
        """Return which choices the blocks of a stage are, None if they are none."""
        fitting: list[list[int]] = []
        filters = blocks[0].out_channels
        if any((block.in_channels, block.out_channels) != (filters, filters) for block in blocks[1:]):
            return None
        for index, block in enumerate(blocks):
            shape = (block.in_channels, filters, block.input_size)
            stride = stage.stride if index == 0 else 1
            built = (self._block(stage, layer, shape, stride, index) for layer in stage.choices_of(index))
            fitting.append([pick for pick, other in enumerate(built) if other == block])
        if stage.shared:
            common = [pick for pick in fitting[0] if all(pick in picks for picks in fitting)]
            return common[:1] * len(blocks) if common else None
        return [picks[0] for picks in fitting] if all(fitting) else None
