"""TuNAS's warm-up of operations and of filters, so that all of them learn while the controller waits.

Bender et al., arXiv 2008.06120, and the authors' code: with a probability that falls linearly from 1 to 0, each choice
of an operation is replaced by the mean of all of them, and each choice of filters by the widest; both are drawn for
each choice on its own.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mogakit.nets.spaces import Chromosome, SearchSpace, SlotSpace, StagedSpace
from mogakit.nets.spaces.staged import LayerChoice, Stage
from mogakit.search.supernet.model import Supernet


def can_warm_up(space: SearchSpace) -> bool:
    """Return whether the choices of a space can be averaged: those of independent slots and of stages can."""
    return space.slotted is not None or (isinstance(space, StagedSpace) and space.shares_slices)


def warmed_logits(
    supernet: Supernet, images: Tensor, path: Chromosome, probability: float, rng: np.random.Generator
) -> Tensor:
    """Return the logits of a path, each of whose choices is warmed up with a probability.

    Args:
        images: (N, 3, H, W); the result is (N, classes).
        supernet: of a space for which `can_warm_up` holds.
    """
    space = supernet.space
    if isinstance(space, StagedSpace) and space.shares_slices:
        return _in_stages(supernet, space, images, path, probability, rng)
    slotted = space.slotted
    return supernet(images, path) if slotted is None else _in_slots(supernet, slotted, images, path, probability, rng)


def operations(stage: Stage, pick: int, gene: int = 0) -> tuple[int, ...]:
    """Return the choices of a stage that stand for each of its operations beside choice `pick` of a layer gene.

    An operation is a convolution, its kernel, squeeze-and-excitation and shortcut. Each is taken with the expansion
    of `pick`, or its largest where it has not that one: expansions are filters, and warm up with those.
    """
    choices = stage.choices_of(gene)
    wanted = choices[pick].expansion
    best: dict[tuple[object, ...], int] = {}
    for index, choice in enumerate(choices):
        known = best.get(_operation(choice))
        if known is None or _nearness(choice, wanted) > _nearness(choices[known], wanted):
            best[_operation(choice)] = index
    return tuple(best.values())


def _operation(choice: LayerChoice) -> tuple[object, ...]:
    return (choice.op, choice.kernel, choice.se, choice.shortcut)


def _nearness(choice: LayerChoice, expansion: int | None) -> tuple[bool, int]:
    return (choice.expansion == expansion, choice.expansion or 0)


def _in_slots(
    supernet: Supernet,
    space: SlotSpace,
    images: Tensor,
    path: Chromosome,
    probability: float,
    rng: np.random.Generator,
) -> Tensor:
    averaged = rng.random(len(path)) < probability
    value = images
    for position, block in enumerate(space.decode(path).blocks):
        slot = position - len(space.before)
        if 0 <= slot < len(space.slots) and averaged[slot]:
            choices = [supernet.part(position, choice)(value) for choice in space.slots[slot]]
            value = torch.stack(choices).mean(dim=0)
        else:
            value = supernet.part(position, block)(value)
    return value


def _in_stages(
    supernet: Supernet,
    space: StagedSpace,
    images: Tensor,
    path: Chromosome,
    probability: float,
    rng: np.random.Generator,
) -> Tensor:
    """Depths, and which layers are left out, stay as drawn (ours: layers are not operations here)."""
    genes = space.stage_genes(path)
    averaged = [_warm_genes(stage, row, probability, rng) for stage, row in zip(space.stages, genes, strict=True)]
    value = images
    for placed in space.place(genes):
        if placed.stage < len(space.stages) and averaged[placed.stage][placed.gene]:
            picks = operations(space.stages[placed.stage], placed.pick, placed.gene)
            choices = [supernet.shared(space.alternative(placed, pick))(value) for pick in picks]
            value = torch.stack(choices).mean(dim=0)
        else:
            value = supernet.shared(placed)(value)
    return value


def _warm_genes(stage: Stage, row: list[int], probability: float, rng: np.random.Generator) -> Sequence[bool]:
    """Enlarge the filters and expansions that a draw hits; return which layer genes are replaced by the mean of all."""
    if rng.random() < probability:
        row[0] = stage.filters.index(max(stage.filters))
    draws = rng.random((len(row) - 2, 2)) < probability
    for number, (widened, _) in enumerate(draws):
        pick, choices = row[2 + number], stage.choices_of(number)
        if widened and pick < len(choices):
            alike = [index for index, each in enumerate(choices) if _operation(each) == _operation(choices[pick])]
            row[2 + number] = max(alike, key=[each.expansion or 0 for each in choices].__getitem__)
    return [bool(mean) for _, mean in draws]
