"""Sums over the blocks of networks whose filters and depth are chosen: what a layer costs depends on its stage.

`StagedCosts` answers what `additive.SlotCosts` answers for independent slots; `exact_staged` finds the front.
Terms are on the same grid, so that sums are exact in double precision.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from mogakit.errors import InputError
from mogakit.nets.block import Block
from mogakit.nets.spaces import SearchSpace, StagedSpace
from mogakit.search.additive import GRID, Genes, SlotCosts, Values, block_costs, weighted_sum


@dataclass(frozen=True, kw_only=True)
class StageCosts:
    """The terms of one stage.

    Attributes:
        first: of the first layer, shape (filters before, filters, choices).
        later: of every further layer, shape (filters, choices) each; where layers may be skipped, the last choice is
            to skip and costs nothing.
        depths: numbers of layers, by the depth gene.
        shared: whether one choice holds for all layers.
        columns: where the genes stand in a chromosome (filters, depth, then layers); None for a gene with one value.
    """

    first: Values
    later: tuple[Values, ...]
    depths: tuple[int, ...]
    shared: bool
    columns: tuple[int | None, ...]

    @property
    def num_filters(self) -> int:
        """Number of values of the filters' gene."""
        return int(self.first.shape[1])


@dataclass(frozen=True)
class StagedCosts:
    """A sum over the blocks of a network of a staged space.

    Attributes:
        constant: paid once by every network.
        stages: in order.
        last: of the head, shape (filters of the last stage,).
        num_genes: length of a chromosome.
    """

    constant: float
    stages: tuple[StageCosts, ...]
    last: Values
    num_genes: int

    def evaluate(self, genes: Genes) -> Values:
        """Return the sums of `genes`, shape (n,)."""
        total = np.full(len(genes), self.constant)
        before = np.zeros(len(genes), dtype=np.int64)
        for stage in self.stages:
            picks = [np.zeros_like(before) if at is None else genes[:, at] for at in stage.columns]
            filters, depth = picks[0], np.array(stage.depths)[picks[1]]
            total += stage.first[before, filters, picks[2]]
            for index, costs in enumerate(stage.later):
                pick = picks[2] if stage.shared else picks[3 + index]
                total += np.where(index + 1 < depth, costs[filters, pick], 0.0)
            before = filters
        return total + self.last[before]

    @property
    def has_holes(self) -> bool:
        """Whether the quantity does not exist for some block."""
        arrays = [self.last, *(array for stage in self.stages for array in (stage.first, *stage.later))]
        return any(bool(np.isnan(array).any()) for array in arrays)

    def extremes(self) -> tuple[float, float]:
        """Return the least and the greatest sum over the whole space."""
        return self._extreme(np.nanmin), self._extreme(np.nanmax)

    def restricted(self, allowed: Sequence[Sequence[int]]) -> "StagedCosts":
        """Return the costs of the allowed values of each gene only, in their order."""
        stages, before = [], [0]
        for stage in self.stages:
            picks = [[0] if at is None else list(allowed[at]) for at in stage.columns]
            layers = [picks[2]] * len(stage.later) if stage.shared else picks[3:]
            stages.append(
                replace(
                    stage,
                    first=stage.first[np.ix_(before, picks[0], picks[2])],
                    later=tuple(
                        costs[np.ix_(picks[0], layer)] for costs, layer in zip(stage.later, layers, strict=True)
                    ),
                    depths=tuple(stage.depths[pick] for pick in picks[1]),
                )
            )
            before = picks[0]
        return replace(self, stages=tuple(stages), last=self.last[before])

    def scaled(self, factor: float) -> "StagedCosts":
        """Return `factor` times this sum, on the grid."""
        return self.summed([self], factor)

    @property
    def num_terms(self) -> int:
        """The most terms that a sum has."""
        return 2 + sum(1 + len(stage.later) for stage in self.stages)

    def rounded(self, step: float) -> "StagedCosts":
        """Return the costs with every term rounded to a multiple of `step`."""

        def near(values: Values | float) -> Values:
            return np.asarray(np.round(np.asarray(values) / step) * step)

        stages = tuple(
            replace(stage, first=near(stage.first), later=tuple(near(costs) for costs in stage.later))
            for stage in self.stages
        )
        return replace(self, constant=float(near(self.constant)), stages=stages, last=near(self.last))

    @staticmethod
    def summed(costs: "Sequence[StagedCosts]", factor: float) -> "StagedCosts":
        """Return `factor` times the sum of several sums over the same space, on the grid."""
        first = costs[0]
        stages = []
        for parts in zip(*(each.stages for each in costs), strict=True):
            later = tuple(_grid(factor * sum(same)) for same in zip(*(part.later for part in parts), strict=True))
            stages.append(replace(parts[0], first=_grid(factor * sum(part.first for part in parts)), later=later))
        constant = float(_grid(factor * sum(each.constant for each in costs)))
        return replace(
            first, constant=constant, stages=tuple(stages), last=_grid(factor * sum(each.last for each in costs))
        )

    def _extreme(self, pick: Callable[..., float]) -> float:
        """Return the least or greatest sum, by the same walk over filters that the exact front takes."""
        state = np.zeros(1)
        for stage in self.stages:
            reached = []
            for filters in range(stage.num_filters):
                sums = [state + costs for costs in _best_of_depths(stage, filters, pick)]
                reached.append(pick(np.array(sums)))
            state = np.array(reached)
        return self.constant + float(pick(state + self.last))


def _best_of_depths(stage: StageCosts, filters: int, pick: Callable[..., float]) -> Iterator[Values]:
    """Yield for every depth the extreme cost of the stage's layers, shape (filters before,)."""
    first = stage.first[:, filters, :]
    for depth in stage.depths:
        if stage.shared:
            rest = sum((costs[filters] for costs in stage.later[: depth - 1]), np.zeros(first.shape[1]))
            yield np.asarray(pick(first + rest, axis=1))
        else:
            rest = sum(float(pick(costs[filters])) for costs in stage.later[: depth - 1])
            yield np.asarray(pick(first, axis=1)) + rest


def staged_costs(space: StagedSpace, cost: Callable[[Block], float], constant: float = 0.0) -> StagedCosts:
    """Sum `cost` over the blocks of a network; each distinct block is asked for once. NaN: there is no such number."""
    known: dict[Block, float] = {}

    def cached(block: Block) -> float:
        if block not in known:
            known[block] = float(cost(block))
        return known[block]

    stages: list[StageCosts] = []
    before: tuple[int, ...] = (3,)
    size, at = space.input_size, 0
    for stage in space.stages:
        columns: list[int | None] = []
        for count in stage.genes:
            columns.append(at if count > 1 else None)
            at += count > 1
        after = (size - 1) // stage.stride + 1
        first = [
            [
                [cached(block) for block in space.layer_blocks(stage, channels, filters, size, first=True)]
                for filters in stage.filters
            ]
            for channels in before
        ]
        later = (
            [
                [cached(block) for block in space.layer_blocks(stage, filters, filters, after, first=False)]
                + [0.0] * stage.skippable
                for filters in stage.filters
            ]
            if max(stage.depths) > 1
            else []
        )
        stages.append(
            StageCosts(
                first=_grid(np.array(first)),
                later=(_grid(np.array(later)),) * (max(stage.depths) - 1),
                depths=stage.depths,
                shared=stage.shared,
                columns=tuple(columns),
            )
        )
        before, size = stage.filters, after
    last = [cached(replace(space.head, in_channels=filters)) for filters in before]
    return StagedCosts(float(_grid(constant)), tuple(stages), _grid(np.array(last)), at)


def _grid(values: Values | float) -> Values:
    return np.asarray(np.round(np.asarray(values, dtype=np.float64) / GRID) * GRID)


Costs: TypeAlias = SlotCosts | StagedCosts
"""A quantity that adds up over the blocks of a network."""


def sum_of(costs: Sequence[Costs], factor: float) -> Costs:
    """Return `factor` times the sum of several sums over the same space, on the grid."""
    if any(isinstance(each, StagedCosts) for each in costs):
        return StagedCosts.summed(all_staged(costs), factor)
    return weighted_sum(slot_sums(costs), factor)


def all_staged(costs: Sequence[Costs]) -> list[StagedCosts]:
    """Return sums over the blocks of one staged space; sums over its genes among them are taken as such.

    Raises:
        InputError: a sum over genes charges layers that a network may not have, so it is none over blocks.
    """
    like = next(each for each in costs if isinstance(each, StagedCosts))
    return [each if isinstance(each, StagedCosts) else _over_genes(each, like) for each in costs]


def _over_genes(costs: SlotCosts, like: StagedCosts) -> StagedCosts:
    """Return a sum over genes as one over layers, which it is where their number is fixed (skips are choices)."""

    def term(at: int | None, size: int) -> Values:
        return np.zeros(size) if at is None else costs.per_slot[at]

    stages = []
    for stage in like.stages:
        if len(stage.depths) > 1:
            raise InputError(
                "a model with one number for each gene charges layers that a network does not have, so it has no exact "
                "front in this space; `moga fit` on a run of the space counts blocks instead"
            )
        of_filters, _, of_first, *of_later = stage.columns
        first = term(of_filters, stage.num_filters)[None, :, None] + term(of_first, stage.first.shape[2])[None, None, :]
        widths = [later.shape[1] for later in stage.later]
        later = (
            [np.zeros(width) for width in widths]
            if stage.shared
            else [term(at, width) for at, width in zip(of_later, widths, strict=True)]
        )
        stages.append(
            replace(
                stage,
                first=np.broadcast_to(first, stage.first.shape),
                later=tuple(np.broadcast_to(one, (stage.num_filters, len(one))) for one in later),
            )
        )
    return replace(like, constant=costs.constant, stages=tuple(stages), last=np.zeros_like(like.last))


def slot_sums(costs: Sequence[Costs]) -> list[SlotCosts]:
    """Return sums over independent slots.

    Raises:
        InputError: they are over the blocks of a space whose genes depend on each other.
    """
    found = [each for each in costs if isinstance(each, SlotCosts)]
    if len(found) < len(costs):
        raise InputError("the genes of this space are not independent slots, which this engine needs; use another one")
    return found


def costs_of(space: SearchSpace, cost: Callable[[Block], float]) -> Costs | None:
    """Sum `cost` over the blocks of a network of a space; None for a space that the kit cannot take apart."""
    if space.slotted is not None:
        return block_costs(space.slotted, cost)
    return staged_costs(space, cost) if isinstance(space, StagedSpace) else None
