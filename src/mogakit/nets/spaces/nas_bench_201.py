"""The cell space of NAS-Bench-201 (Dong and Yang, arXiv 2001.00326): 15,625 networks, each of one cell 15 times over.

A gene is the operation of one edge of the cell, in the order of the benchmark's own strings; 0 is `none`, 1
`skip_connect`, 2 `nor_conv_1x1`, 3 `nor_conv_3x3`, 4 `avg_pool_3x3`. Genes do not add up: all of them together make
the one block of which a network consists, so latencies are of whole networks.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from mogakit.errors import InputError
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.cells import EDGES, NAMES, OPERATIONS
from mogakit.nets.network import Network
from mogakit.nets.spaces.base import Chromosome, check_chromosome, draw_chromosome, format_chromosome

NAME = "nas-bench-201"
_CHANNELS = (16, 32, 64)
_CELLS_EACH = 5
_RELU, _LINEAR = Activation.RELU, Activation.LINEAR
_EDGE = re.compile(rf"({'|'.join(OPERATIONS)})~([0-2])", re.ASCII)


def nas_bench_201_space(input_size: int = 32, num_classes: int = 10) -> "CellSpace":
    """Return the space; CIFAR-10 is its default, ImageNet16-120 has 16 pixels and 120 classes.

    Raises:
        InputError: the input's side is not a multiple of 4, which two reductions need.
    """
    if input_size % 4:
        raise InputError(f"the input of {NAME} is halved twice: {input_size} pixels are not a multiple of 4")
    return CellSpace(name=NAME, input_size=input_size, num_classes=num_classes)


@dataclass(frozen=True, kw_only=True)
class CellSpace:
    """Stem, five cells of 16 channels, a reduction, five of 32, a reduction, five of 64, norm, and a linear head."""

    name: str
    input_size: int
    num_classes: int

    @property
    def num_choices(self) -> tuple[int, ...]:
        """Five operations an edge."""
        return (len(OPERATIONS),) * len(EDGES)

    @property
    def size(self) -> int:
        """Number of chromosomes; some describe cells that compute the same."""
        return prod(self.num_choices)

    @property
    def slotted(self) -> None:
        """None: the genes together make one block."""
        return None

    @cached_property
    def fixed_blocks(self) -> tuple[Block, ...]:
        """The blocks that every network has."""
        cells = set(self._cells((0,) * len(EDGES)))
        return tuple(dict.fromkeys(block for block in self._blocks((0,) * len(EDGES)) if block not in cells))

    @cached_property
    def choice_blocks(self) -> tuple[Block, ...]:
        """Every cell at its three widths: 46,875 blocks."""
        every = product(range(len(OPERATIONS)), repeat=len(EDGES))
        return tuple(block for chromosome in every for block in self._cells(chromosome))

    def decode(self, chromosome: Chromosome) -> Network:
        """Build the network that a chromosome describes.

        Raises:
            InputError: the chromosome has the wrong length, or a gene is out of range.
        """
        check_chromosome(self.name, self.num_choices, chromosome)
        return Network(f"{self.name}/{format_chromosome(chromosome)}", tuple(self._blocks(chromosome)))

    def encode(self, network: Network) -> Chromosome:
        """Return the chromosome of a network.

        Raises:
            InputError: the network does not lie in the space.
        """
        cells = [block for block in network.blocks if block.kind == "nbcell"]
        genes = tuple(value for _, value in cells[0].settings) if cells else ()
        fits = len(genes) == len(EDGES) and max(genes) < len(OPERATIONS)
        if not fits or network.blocks != tuple(self._blocks(genes)):
            raise InputError(f"{network.name!r} does not lie in space {self.name!r}")
        return genes

    def sample(self, rng: np.random.Generator) -> Chromosome:
        """Draw every gene uniformly and independently."""
        return draw_chromosome(self.num_choices, rng)

    def read_architecture(self, text: str) -> Chromosome:
        """Read the benchmark's own string, `|nor_conv_3x3~0|+|skip_connect~0|none~1|+|...|`.

        Raises:
            InputError: it is not such a string.
        """
        edges = _EDGE.findall(text)
        genes = tuple(OPERATIONS.index(operation) for operation, _ in edges)
        if len(edges) != len(EDGES) or self.format_architecture(genes) != text.strip():
            raise InputError(
                f"{text!r} is not an architecture of {NAME}; one looks like "
                "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|none~1|skip_connect~2|"
            )
        return genes

    def format_architecture(self, chromosome: Chromosome) -> str:
        """Write a chromosome as the benchmark does."""
        edges = [f"{OPERATIONS[gene]}~{start}" for gene, (start, _) in zip(chromosome, EDGES, strict=True)]
        return "+".join(f"|{'|'.join(part)}|" for part in (edges[:1], edges[1:3], edges[3:]))

    def _cells(self, chromosome: Chromosome) -> list[Block]:
        """Return the cell at its three widths."""
        settings = tuple(zip(NAMES, chromosome, strict=True))
        return [
            Block(
                Op.OWN,
                channels,
                channels,
                self.input_size // 2**place,
                kernel=3,
                activation=_RELU,
                kind="nbcell",
                settings=settings,
            )
            for place, channels in enumerate(_CHANNELS)
        ]

    def _blocks(self, chromosome: Chromosome) -> list[Block]:
        blocks = [Block(Op.CONV, 3, _CHANNELS[0], self.input_size, kernel=3, activation=_LINEAR)]
        for cell in self._cells(chromosome):
            if blocks[-1].out_channels != cell.in_channels:
                before = blocks[-1]
                blocks.append(
                    Block(
                        Op.OWN,
                        before.out_channels,
                        cell.in_channels,
                        before.output_size,
                        kernel=3,
                        stride=2,
                        activation=_RELU,
                        kind="nbreduce",
                    )
                )
            blocks += [cell] * _CELLS_EACH
        last, size = _CHANNELS[-1], blocks[-1].output_size
        blocks.append(Block(Op.OWN, last, last, size, activation=_RELU, kind="normact"))
        return [*blocks, Block(Op.HEAD, last, self.num_classes, size, norm_eps=None)]
