"""Which networks stand for a space: drawn at random, by seed, in strata."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from mogakit.errors import InputError
from mogakit.nets.block import Block
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace, SlotSpace, StagedSpace
from mogakit.nets.spaces.staged import Stage

LARGE_KERNEL = 7
"""Kernels from this size on are so slow in some runtimes (XNNPACK on x86: ten times 5x5) that they hide all else."""

MAX_DRAWS = 1000
"""Draws for each network that is wanted, before a space counts as too small to hold that many."""


@dataclass(frozen=True)
class Stratum:
    """A named part of a space from which networks are drawn."""

    name: str
    title: str
    space: SearchSpace


def strata(space: SearchSpace) -> tuple[Stratum, ...]:
    """Return the whole space, and where it has both, the part of it without kernels of 7x7 and larger.

    A random network of the MoGA space has no 7x7 kernel once in three hundred draws: the second stratum has to be drawn
    for itself.
    """
    whole = Stratum("all", "all choices", space)
    part = _without_large_kernels(space)
    return (whole,) if part is None else (whole, Stratum("without-7x7", "without 7x7 kernels", part))


def _without_large_kernels(space: SearchSpace) -> SearchSpace | None:
    """Return the part of a space without large kernels; None where that is all of it, nothing, or not to be had."""
    if isinstance(space, SlotSpace):
        slots = tuple(tuple(block for block in choices if block.kernel < LARGE_KERNEL) for choices in space.slots)
        return None if slots == space.slots or not all(slots) else replace(space, slots=slots)
    if isinstance(space, StagedSpace):
        stages = tuple(_stage_without_large_kernels(stage) for stage in space.stages)
        emptied = any(
            not stage.choices or bool(whole.first_choices) > bool(stage.first_choices)
            for stage, whole in zip(stages, space.stages, strict=True)
        )
        return None if stages == space.stages or emptied else replace(space, stages=stages)
    return None


def _stage_without_large_kernels(stage: Stage) -> Stage:
    small = [
        tuple(choice for choice in choices if choice.kernel < LARGE_KERNEL)
        for choices in (stage.choices, stage.first_choices)
    ]
    return replace(stage, choices=small[0], first_choices=small[1])


def blocks_to_measure(space: SearchSpace, num: int, seed: int) -> tuple[Block, ...]:
    """Return which choice blocks of a space are measured: all where there are not more than `num`, else a design.

    The design takes turns over the cells of (resolution, stride, operator, kernel, expansion, SE, shortcut) and draws
    in each among the channels that occur, so that any first part of it is spread evenly. What is not measured is
    inferred (`luts.block_model`). Independent slots are always measured whole, as MoGA does.
    """
    blocks = space.choice_blocks
    if space.slotted is not None or len(blocks) <= num:
        return blocks
    rng = np.random.default_rng([seed, 4])
    cells: dict[tuple[object, ...], list[Block]] = {}
    for place in rng.permutation(len(blocks)):
        block = blocks[place]
        widening = (block.expanded_channels or 0) / block.in_channels
        shape = (block.input_size, block.stride, block.op, block.kernel, round(widening, 2), block.se is not None)
        cells.setdefault((*shape, block.residual, block.pool_skip), []).append(block)
    order = [list(cells.values())[place] for place in rng.permutation(len(cells))]
    turns = (cell[turn] for turn in range(max(map(len, order))) for cell in order if turn < len(cell))
    return tuple(islice(turns, num))


def sample_networks(
    stratum: Stratum, num: int, rng: np.random.Generator, whole: SearchSpace, without: Collection[str] = ()
) -> list[Network]:
    """Draw distinct networks; they are named as networks of the `whole` space, so that any command can name them.

    Args:
        without: names that must not be drawn (networks that a calibration has seen).

    Raises:
        InputError: the stratum does not hold that many networks.
    """
    drawn: dict[str, Network] = {}
    for _ in range(MAX_DRAWS * max(num, 1)):
        if len(drawn) >= num:
            break
        blocks = stratum.space.decode(stratum.space.sample(rng))
        network = whole.decode(whole.encode(blocks))
        if network.name not in without:
            drawn[network.name] = network
    if len(drawn) < num:
        raise InputError(f"{stratum.title} of {whole.name!r} does not hold {num} networks besides those left out")
    return list(drawn.values())
