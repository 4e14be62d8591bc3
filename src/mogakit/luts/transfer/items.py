"""What a transfer is about: rows of a table, each a sum over layers of physical terms, and what is measured."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mogakit.errors import KeySyntaxError
from mogakit.luts.block_model import block_kind, block_numbers
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.physical_terms import layer_terms
from mogakit.nets.block import Block, parse_key

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Items:
    """Rows of a table by what they compute; the same rows stand in every device's table.

    Attributes:
        keys: names of the rows, each once.
        terms: names of the physical terms.
        layer_terms: shape (layers, terms), amounts of each layer of each row.
        row_of_layer: shape (layers,), the row that a layer belongs to.
        shape_of_layer: shape (layers,), equal for layers that are the same to a runtime, in whatever rows.
        numbers: shape (rows, d), what rows lie near each other by; the unit is about what makes two rows unlike.
        kinds: shape (rows, e), what two rows either share or do not.
    """

    keys: tuple[str, ...]
    terms: tuple[str, ...]
    layer_terms: FloatArray
    row_of_layer: IntArray
    shape_of_layer: IntArray
    numbers: FloatArray
    kinds: IntArray

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the row of each key."""
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def row_terms(self) -> FloatArray:
        """Return the terms summed over layers, shape (rows, terms)."""
        summed = np.zeros((len(self.keys), len(self.terms)))
        np.add.at(summed, self.row_of_layer, self.layer_terms)
        return summed

    def counts(self, keys: Iterable[str]) -> FloatArray:
        """Return how often each row stands among `keys`, shape (rows,).

        Raises:
            KeyError: a key is not a row.
        """
        counted = np.zeros(len(self.keys))
        for key in keys:
            counted[self.index[key]] += 1
        return counted


Layers = Sequence[tuple[Hashable, Mapping[str, float]]]
"""For each layer of a row what it is to a runtime, and its terms."""


def items_of_blocks(blocks: Sequence[Block]) -> Items:
    """Return blocks as items, each once."""
    known = list(dict.fromkeys(blocks))
    return make_items(
        [block.key for block in known],
        [tuple(layer_terms(block)) for block in known],
        numbers=[block_numbers(block) for block in known],
        kinds=[block_kind(block) for block in known],
    )


def make_items(
    keys: Sequence[str],
    layers: Sequence[Layers],
    numbers: Sequence[Sequence[float]],
    kinds: Sequence[Sequence[int]],
) -> Items:
    """Return items of whatever rows: blocks, single operators, whole networks.

    Args:
        layers: of each row. numbers, kinds: of each row, see `Items`.
    """
    terms = tuple(sorted({name for row in layers for _, found in row for name in found}))
    column = {name: place for place, name in enumerate(terms)}
    shapes: dict[Hashable, int] = {}
    amounts, rows, shape_numbers = [], [], []
    for row, row_layers in enumerate(layers):
        for shape, found in row_layers:
            amount = np.zeros(len(terms))
            for name, value in found.items():
                amount[column[name]] += value
            amounts.append(amount)
            rows.append(row)
            shape_numbers.append(shapes.setdefault(shape, len(shapes)))
    return Items(
        keys=tuple(keys),
        terms=terms,
        layer_terms=np.array(amounts),
        row_of_layer=np.array(rows, dtype=np.int64),
        shape_of_layer=np.array(shape_numbers, dtype=np.int64),
        numbers=np.array(numbers, dtype=np.float64),
        kinds=np.array(kinds, dtype=np.int64),
    )


def blocks_of_keys(keys: Iterable[str]) -> dict[str, Block]:
    """Return the blocks that keys name; foreign names are left out."""
    found = {}
    for key in keys:
        try:
            found[key] = parse_key(key)
        except KeySyntaxError:
            continue
    return found


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that can be measured: overhead of a run plus rows, of a network also what their sum does not say.

    Attributes:
        name: of the file. counts: shape (rows,), how often it holds each row. whole: whether it is a network.
        once: how often its time holds the overhead of a run: not at all where a tool timed an operator inside one.
    """

    name: str
    counts: FloatArray
    whole: bool
    once: float = 1.0


@dataclass(frozen=True)
class Measured:
    """A file's time on the new device in milliseconds, as a run of it took; `std_ms` is its standard error."""

    file: File
    latency_ms: float
    std_ms: float


@dataclass(frozen=True, kw_only=True)
class Source:
    """Another device's table, as far as it is about the items.

    Attributes:
        name: for people.
        latencies_ms: shape (rows,), milliseconds net of the overhead; NaN where the table says nothing.
        overhead_ms: of a run. ratio: of whole networks over the sums of their rows (a calibration's scale).
        spread: how far single networks lie from that (a share, standard deviation); None where that is not known.
    """

    name: str
    latencies_ms: FloatArray
    overhead_ms: float = 0.0
    ratio: float = 1.0
    spread: float | None = None
