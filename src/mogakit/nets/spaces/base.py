"""`SearchSpace`: what a search needs of a space, and `SlotSpace`, where every slot is chosen on its own."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from math import prod
from typing import Protocol, TypeAlias

import numpy as np

from mogakit.errors import InputError, KeySyntaxError
from mogakit.nets.block import Block
from mogakit.nets.network import Network

Chromosome: TypeAlias = tuple[int, ...]


class SearchSpace(Protocol):
    """A set of networks, each described by one chromosome or several."""

    @property
    def name(self) -> str:
        """The name by which the command line knows it."""

    @property
    def num_choices(self) -> tuple[int, ...]:
        """For each gene, how many values it takes: gene `i` is in `range(num_choices[i])`."""

    @property
    def size(self) -> int:
        """Number of chromosomes."""

    @property
    def fixed_blocks(self) -> tuple[Block, ...]:
        """The distinct blocks that are not chosen (stem, head), in order: rows of a latency table of their own."""

    @property
    def choice_blocks(self) -> tuple[Block, ...]:
        """The distinct blocks that are chosen, in order: the other rows of a latency table."""

    @property
    def slotted(self) -> "SlotSpace | None":
        """The space as independent slots between fixed parts, so that costs add over genes; None where it is not."""

    def decode(self, chromosome: Chromosome) -> Network:
        """Build the network that a chromosome describes.

        Raises:
            InputError: the chromosome has the wrong length, or a gene is out of range.
        """

    def encode(self, network: Network) -> Chromosome:
        """Return the canonical chromosome: `decode(encode(network))` has the blocks of `network`.

        Raises:
            InputError: the network does not lie in the space.
        """

    def sample(self, rng: np.random.Generator) -> Chromosome:
        """Draw every gene uniformly and independently."""


def format_chromosome(chromosome: Chromosome) -> str:
    """Write a chromosome as `8-10-6-...`."""
    return "-".join(map(str, chromosome))


def parse_chromosome(text: str) -> Chromosome:
    """Read `8-10-6-...`; commas and spaces separate as well.

    Raises:
        KeySyntaxError: something between the separators is not a number.
    """
    words = text.replace(",", " ").replace("-", " ").split()
    if not words or not all(word.isdecimal() and word.isascii() for word in words):
        raise KeySyntaxError(f"{text!r} is not a chromosome; one looks like 8-10-6-7-1-7-6-10-5-10-6-6-9-9")
    return tuple(map(int, words))


def check_chromosome(name: str, num_choices: tuple[int, ...], chromosome: Chromosome) -> None:
    """Check length and range of a chromosome.

    Raises:
        InputError: it does not fit, and why.
    """
    if len(chromosome) != len(num_choices):
        raise InputError(f"a chromosome of space {name!r} has {len(num_choices)} genes, this one {len(chromosome)}")
    for index, (gene, choices) in enumerate(zip(chromosome, num_choices, strict=True)):
        if not 0 <= gene < choices:
            raise InputError(f"gene {index} of a chromosome of space {name!r} is {gene}; supported: 0 to {choices - 1}")


def draw_chromosome(num_choices: tuple[int, ...], rng: np.random.Generator) -> Chromosome:
    """Draw every gene uniformly and independently."""
    return tuple(int(gene) for gene in rng.integers(num_choices))


def holds(space: SearchSpace, network: Network) -> bool:
    """Return whether a network lies in a space."""
    try:
        space.encode(network)
    except InputError:
        return False
    return True


@dataclass(frozen=True)
class SlotSpace:
    """A space of independent slots between fixed parts, so that costs add over slots and exact search is possible.

    Attributes:
        name: as the command line knows it.
        before: fixed blocks in front (stem, first bottleneck).
        slots: the choices of each slot; all choices of a slot have the same input and output.
        after: fixed blocks behind (head).
        dropout: as in `Network`.

    Source: MoGA section 4.1 and FairNAS are such spaces.

    Raises:
        InputError: from `decode` and `encode`, for what does not lie in the space.

    Examples:
        >>> stem = mk.Block("conv", 3, 8, 32, kernel=3, stride=2, activation="relu")
        >>> slot = tuple(mk.Block("mb", 8, 8, 16, kernel=k, activation="relu", expanded_channels=24) for k in (3, 5, 7))
        >>> space = mk.SlotSpace("mine", (stem,), (slot, slot), (mk.Block("head", 8, 10, 16, norm_eps=None),))
        >>> space.size, space.decode((0, 2)).name
        (9, 'mine/0-2')
        >>> mk.check_space(space)
    """

    name: str
    before: tuple[Block, ...]
    slots: tuple[tuple[Block, ...], ...]
    after: tuple[Block, ...]
    _: KW_ONLY
    dropout: float = 0.0

    @property
    def slotted(self) -> "SlotSpace":
        """The space itself."""
        return self

    @cached_property
    def num_choices(self) -> tuple[int, ...]:
        """Number of choices of each slot."""
        return tuple(len(choices) for choices in self.slots)

    @cached_property
    def size(self) -> int:
        """Number of chromosomes, and of networks."""
        return prod(self.num_choices)

    @cached_property
    def fixed_blocks(self) -> tuple[Block, ...]:
        """The distinct fixed blocks, in order."""
        return tuple(dict.fromkeys(self.before + self.after))

    @cached_property
    def choice_blocks(self) -> tuple[Block, ...]:
        """The distinct choice blocks, in order of slot and choice."""
        return tuple(dict.fromkeys(block for choices in self.slots for block in choices))

    def decode(self, chromosome: Chromosome) -> Network:
        """Build the network that a chromosome describes.

        Raises:
            InputError: the chromosome has the wrong length, or a gene is out of range.
        """
        check_chromosome(self.name, self.num_choices, chromosome)
        chosen = tuple(choices[gene] for choices, gene in zip(self.slots, chromosome, strict=True))
        name = f"{self.name}/{format_chromosome(chromosome)}"
        return Network(name, self.before + chosen + self.after, self.dropout)

    def encode(self, network: Network) -> Chromosome:
        """Return the chromosome of a network.

        Raises:
            InputError: the network does not lie in the space; the message names the first block that does not.
        """
        if len(network.blocks) != len(self.before) + len(self.slots) + len(self.after):
            raise InputError(
                f"{network.name!r} has {len(network.blocks)} blocks, which no network of {self.name!r} has"
            )
        genes = []
        fixed_before = tuple((block,) for block in self.before)
        fixed_after = tuple((block,) for block in self.after)
        supported = fixed_before + self.slots + fixed_after
        for index, (block, choices) in enumerate(zip(network.blocks, supported, strict=True)):
            if block not in choices:
                raise InputError(
                    f"{network.name!r} does not lie in space {self.name!r}: block {index} is {block.key}; supported: "
                    f"{', '.join(choice.key for choice in choices)}"
                )
            genes.append(choices.index(block))
        return tuple(genes[len(self.before) : len(self.before) + len(self.slots)])

    def sample(self, rng: np.random.Generator) -> Chromosome:
        """Draw every gene uniformly and independently."""
        return draw_chromosome(self.num_choices, rng)
