"""The exact Pareto front of additive objectives over a whole search space, by dynamic programming.

Slot by slot: the front of the first s slots, summed with every choice of slot s + 1, then pruned. A partial sum that
another one dominates can never become part of a front, whatever the later slots add, so nothing is lost; any monotone
transform of an objective (a saturating accuracy) keeps the front. Over the 12^14 networks of MoGA's space this takes
hundredths of a second.
"""

from collections.abc import Sequence
from itertools import product

import moocore
import numpy as np
from numpy.typing import NDArray

from mogakit.errors import InputError
from mogakit.search.additive import Genes, SlotCosts, Values

LARGEST_FRONT = 300_000


def exact_front(costs: Sequence[SlotCosts], maximise: Sequence[bool]) -> tuple[Genes, Values]:
    """Return the Pareto front of the whole space.

    Of networks with equal objectives one is kept: the one found first in the order of the choices.

    Args:
        costs: one sum over slots an objective.
        maximise: whether more is better, one an objective.

    Returns:
        Genes, shape (n, num_slots), and objective values, shape (n, num_objectives), in lexicographic order of the
        values.

    Raises:
        InputError: an objective does not exist for some choice (restrict the space first), or the front grows beyond
            `LARGEST_FRONT` points on the way.
    """
    tables = _stacked(costs)
    senses = [bool(sense) for sense in maximise]
    points = np.array([[cost.constant for cost in costs]])  # Shape: (front, objectives)
    trail: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for table in tables:
        num_choices = len(table)
        sums = (points[:, None, :] + table[None, :, :]).reshape(-1, len(senses))
        kept = np.flatnonzero(moocore.is_nondominated(sums, maximise=senses, keep_weakly=False))
        if len(kept) > LARGEST_FRONT:
            raise InputError(f"the front exceeds {LARGEST_FRONT} points; use fewer objectives or a coarser unit")
        points = sums[kept]
        trail.append((kept // num_choices, kept % num_choices))
    genes = _follow(trail)
    order = np.lexsort(points.T[::-1])
    return genes[order], points[order]


def brute_force_front(costs: Sequence[SlotCosts], maximise: Sequence[bool]) -> tuple[Genes, Values]:
    """Return what `exact_front` returns, by looking at every network: the proof of it on small spaces.

    Raises:
        InputError: as `exact_front`.
    """
    tables = _stacked(costs)
    genes = np.array(list(product(*(range(len(table)) for table in tables))), dtype=np.int64)
    values = np.stack([cost.evaluate(genes) for cost in costs], axis=1)
    kept = moocore.is_nondominated(values, maximise=[bool(sense) for sense in maximise], keep_weakly=False)
    order = np.lexsort(values[kept].T[::-1])
    return genes[kept][order], values[kept][order]


def _stacked(costs: Sequence[SlotCosts]) -> list[Values]:
    """Return one array a slot, shape (choices, objectives)."""
    if not costs:
        raise InputError("an exact front needs at least one objective")
    tables = [np.stack(columns, axis=1) for columns in zip(*(cost.per_slot for cost in costs), strict=True)]
    for slot, table in enumerate(tables):
        missing = np.flatnonzero(np.isnan(table).any(axis=1))
        if len(missing):
            raise InputError(
                f"choice(s) {missing.tolist()} of slot {slot} have no value for some objective; "
                "leave them out of the allowed choices"
            )
    return tables


def _follow(trail: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Genes:
    """Walk the back-pointers (parent, choice) of every point of the last front."""
    genes = np.empty((len(trail[-1][0]), len(trail)), dtype=np.int64)
    rows = np.arange(len(genes))
    for slot in reversed(range(len(trail))):
        parents, choices = trail[slot]
        genes[:, slot] = choices[rows]
        rows = parents[rows]
    return genes
