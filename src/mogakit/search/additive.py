"""Quantities that add up over independent slots: what makes the exact front possible, and evaluation free.

Latency from a table or a linear cost model, parameters, MAdds and the capacity proxy are all such sums. Every term is
rounded to a multiple of `GRID`, so that sums are exact in double precision whatever their order: two searches, the
dynamic programme and a brute force then agree to the last bit, and networks of equal cost are equal, not nearly so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mogakit.errors import InputError
from mogakit.nets.block import Block
from mogakit.nets.spaces import SlotSpace

GRID = 2.0**-30
"""Resolution of a term: about 1e-9 of a millisecond or proxy point; whole numbers are on it."""

Genes = NDArray[np.int64]  # chromosomes as rows, shape (n, num_genes)
Values = NDArray[np.float64]


@dataclass(frozen=True)
class SlotCosts:
    """A sum over slots: `constant + sum_s per_slot[s][gene_s]`.

    Attributes:
        constant: of the fixed parts, and what a calibration adds.
        per_slot: one array a slot, one value a choice; NaN where the quantity does not exist for a choice (a
            hardware that cannot run it).
    """

    constant: float
    per_slot: tuple[Values, ...]

    def evaluate(self, genes: Genes) -> Values:
        """Return the sums of `genes`, shape (n,)."""
        total = np.full(len(genes), self.constant)
        for slot, values in enumerate(self.per_slot):
            total += values[genes[:, slot]]
        return total

    @property
    def has_holes(self) -> bool:
        """Whether the quantity does not exist for some choice."""
        return any(bool(np.isnan(values).any()) for values in self.per_slot)

    def extremes(self) -> tuple[float, float]:
        """Return the least and the greatest sum over the whole space."""
        low = self.constant + float(sum(np.nanmin(values) for values in self.per_slot))
        high = self.constant + float(sum(np.nanmax(values) for values in self.per_slot))
        return low, high

    def restricted(self, allowed: Sequence[Sequence[int]]) -> "SlotCosts":
        """Return the costs of the allowed choices only, in their order."""
        return SlotCosts(
            self.constant,
            tuple(values[list(chosen)] for values, chosen in zip(self.per_slot, allowed, strict=True)),
        )

    def scaled(self, factor: float) -> "SlotCosts":
        """Return `factor` times this sum, on the grid."""
        return on_grid(self.constant * factor, [values * factor for values in self.per_slot])


def weighted_sum(costs: Sequence[SlotCosts], factor: float) -> SlotCosts:
    """Return `factor` times the sum of several sums over the same slots, on the grid."""
    constant = factor * sum(cost.constant for cost in costs)
    return on_grid(constant, [factor * sum(columns) for columns in zip(*(c.per_slot for c in costs), strict=True)])


def on_grid(constant: float, per_slot: Sequence[Sequence[float] | Values]) -> SlotCosts:
    """Round terms to the grid.

    Raises:
        InputError: a sum could leave the range in which sums on the grid are exact.
    """
    terms = tuple(np.round(np.asarray(values, dtype=np.float64) / GRID) * GRID for values in per_slot)
    costs = SlotCosts(round(constant / GRID) * GRID, terms)
    largest = abs(costs.constant) + sum(float(np.nanmax(np.abs(values))) for values in terms)
    whole = all(float(np.nansum(np.abs(values - np.round(values)))) == 0.0 for values in terms)
    if not whole and largest > 2.0**53 * GRID:
        raise InputError(f"terms of up to {largest:g} are too large for exact sums; use a larger unit")
    return costs


def block_costs(space: SlotSpace, cost: Callable[[Block], float]) -> SlotCosts:
    """Sum `cost` over all blocks of a network; each distinct block is asked for once."""
    known: dict[Block, float] = {}

    def cached(block: Block) -> float:
        if block not in known:
            known[block] = float(cost(block))
        return known[block]

    constant = sum(cached(block) for block in (*space.before, *space.after))
    return on_grid(constant, [[cached(block) for block in choices] for choices in space.slots])


def additive_fit(genes: Genes, values: Values, num_choices: Sequence[int], ridge: float = 1.0) -> SlotCosts:
    """Fit a sum over slots to `values` by ridge regression on one-hot genes.

    Args:
        genes: shape (n, num_genes).
        values: shape (n,).
        num_choices: choices a gene.
        ridge: penalty on the squared coefficients.

    Raises:
        InputError: there are no networks to fit on.
    """
    if len(genes) == 0:
        raise InputError("an additive proxy needs at least one evaluated network")
    encoded = one_hot(genes, num_choices)
    mean = float(np.mean(values))
    gram = encoded.T @ encoded + ridge * np.eye(encoded.shape[1])
    coefficients = np.linalg.solve(gram, encoded.T @ (values - mean))
    edges = np.cumsum(num_choices)
    return on_grid(mean, np.split(coefficients, edges[:-1]))


def one_hot(genes: Genes, num_choices: Sequence[int]) -> Values:
    """Return genes as zeros and ones, shape (n, sum of num_choices)."""
    encoded = np.zeros((len(genes), sum(num_choices)))
    offsets = np.cumsum([0, *num_choices[:-1]])
    encoded[np.arange(len(genes))[:, None], genes + offsets] = 1.0
    return encoded
