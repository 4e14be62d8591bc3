"""The exact Pareto front of sums over blocks in spaces where numbers of filters and of layers are genes as well.

Dynamic programming over stage, filters and layer. The cost of a layer depends on earlier layers only through their
number of filters, so one front is kept for each number of filters that a stage may end with. A partial network that
another one with the same filters dominates cannot be part of any network on the front. Where the front is too large,
terms are rounded to a coarser grid, and the result states the tolerance within which it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from mogakit.errors import InputError
from mogakit.search.additive import Genes, Values
from mogakit.search.staged import StageCosts, StagedCosts


@dataclass(frozen=True)
class _Front:
    """Partial networks that no other dominates: their sums, shape (n, objectives), and genes, shape (n, num_genes)."""

    points: Values
    genes: NDArray[np.int16]


LARGEST_STAGED_FRONT = 40_000
"""Partial networks kept for one number of filters; more take minutes, and a coarser resolution is tried instead."""

RESOLUTIONS = (0.0, 1e-3, 2e-3, 5e-3, 1e-2)
"""Steps to which terms are rounded, as a share of the range of their sum, tried in this order (ours)."""


class FrontTooLarge(InputError):  # noqa: N818 - reads as the condition that it reports
    """The front holds more points than can be carried at this resolution."""


def finest_staged_front(costs: Sequence[StagedCosts], maximise: Sequence[bool]) -> tuple[Genes, float]:
    """Return the front at the finest resolution at which it has at most `LARGEST_STAGED_FRONT` points.

    Returns:
        Genes, shape (n, num_genes), and a tolerance: for any network of the space, some network of the front is worse
        in no objective by more than this share of the objective's range. 0: the front is exact.

    Raises:
        InputError: some block has no value for an objective, or the front is too large at every resolution.
    """
    ranges = [high - low for low, high in (cost.extremes() for cost in costs)]
    for resolution in RESOLUTIONS[len(costs) > 2 :]:
        steps = [resolution * (width or 1.0) for width in ranges]
        try:
            rounded = [cost.rounded(step) if step else cost for cost, step in zip(costs, steps, strict=True)]
            genes, _ = exact_staged_front(rounded, maximise)
        except FrontTooLarge:
            continue
        return genes, resolution * costs[0].num_terms
    raise FrontTooLarge(
        f"the front of {len(costs)} objectives exceeds {LARGEST_STAGED_FRONT} points at every resolution; use fewer "
        "objectives, or leave out choices with --forbid"
    )


def exact_staged_front(costs: Sequence[StagedCosts], maximise: Sequence[bool]) -> tuple[Genes, Values]:
    """Return the Pareto front of the whole space, as `exact.exact_front` does for independent slots.

    Args:
        costs: one sum over blocks an objective, all of one space.
        maximise: whether more is better, one an objective.

    Returns:
        Genes, shape (n, num_genes), those of absent layers 0, and objective values, shape (n, num_objectives), in
        lexicographic order of the values.

    Raises:
        FrontTooLarge: more than `LARGEST_STAGED_FRONT` partial networks would have to be carried.
        InputError: some block has no value for an objective.
    """
    senses = [bool(sense) for sense in maximise]
    _check(costs)
    genes = np.zeros((1, costs[0].num_genes), dtype=np.int16)
    state = [_Front(np.array([[cost.constant for cost in costs]]), genes)]
    for stages in zip(*(cost.stages for cost in costs), strict=True):
        state = [_stage_front(state, stages, filters, senses) for filters in range(stages[0].num_filters)]
    last = np.stack([cost.last for cost in costs], axis=1)  # Shape: (filters, objectives)
    ends = [_Front(front.points + last[filters], front.genes) for filters, front in enumerate(state)]
    front = _merged(ends, senses)
    order = np.lexsort(front.points.T[::-1])
    return front.genes[order].astype(np.int64), front.points[order]


def _check(costs: Sequence[StagedCosts]) -> None:
    if not costs:
        raise InputError("an exact front needs at least one objective")
    for cost in costs:
        if cost.has_holes:
            raise InputError("some blocks have no value for some objective; leave their choices out with --forbid")


def _stage_front(before: list[_Front], stages: Sequence[StageCosts], filters: int, senses: list[bool]) -> _Front:
    """Return the front of networks that end with this stage and these filters."""
    shape = stages[0]
    first = np.stack([stage.first[:, filters, :] for stage in stages], axis=2)  # (filters before, choices, objectives)
    later = [
        np.stack([stage.later[layer][filters] for stage in stages], axis=1) for layer in range(len(shape.later))
    ]  # (choices, objectives) each
    at_filters, at_depth, at_first = shape.columns[:3]
    reached: list[_Front] = []
    if shape.shared:
        for place, depth in enumerate(shape.depths):
            rest = sum(later[: depth - 1], np.zeros(first.shape[1:]))
            grown = [_grown(front, first[start] + rest, at_first, senses) for start, front in enumerate(before)]
            reached.append(_with_gene(_merged(grown, senses), at_depth, place))
    else:
        front = _merged([_grown(one, first[start], at_first, senses) for start, one in enumerate(before)], senses)
        for depth in range(1, max(shape.depths) + 1):
            if depth > 1:
                front = _merged([_grown(front, later[depth - 2], shape.columns[depth + 1], senses)], senses)
            reached += [
                _with_gene(front, at_depth, place) for place, known in enumerate(shape.depths) if known == depth
            ]
    return _with_gene(_merged(reached, senses), at_filters, filters)


def _grown(front: _Front, table: Values, column: int | None, senses: list[bool]) -> _Front:
    """Add every choice of a layer, shape (choices, objectives), to every point of a front.

    A choice that another one dominates is left out first: with everything else equal it never helps.
    """
    useful = np.flatnonzero(moocore.is_nondominated(table, maximise=senses, keep_weakly=False))
    points = (front.points[:, None, :] + table[None, useful, :]).reshape(-1, table.shape[1])
    genes = np.repeat(front.genes, len(useful), axis=0)
    if column is not None:
        genes[:, column] = np.tile(useful.astype(np.int16), len(front.points))
    return _Front(points, genes)


def _merged(fronts: Sequence[_Front], senses: list[bool]) -> _Front:
    """Return what none of the points of several fronts dominates; of equal points the first."""
    points = np.concatenate([front.points for front in fronts])
    kept = np.flatnonzero(moocore.is_nondominated(points, maximise=senses, keep_weakly=False))
    if len(kept) > LARGEST_STAGED_FRONT:
        raise FrontTooLarge(f"the front exceeds {LARGEST_STAGED_FRONT} points; use fewer objectives")
    return _Front(points[kept], np.concatenate([front.genes for front in fronts])[kept])


def _with_gene(front: _Front, column: int | None, value: int) -> _Front:
    """Return the front with one gene set; the genes of another front are not touched."""
    if column is None:
        return front
    genes = front.genes.copy()
    genes[:, column] = value
    return _Front(front.points, genes)
