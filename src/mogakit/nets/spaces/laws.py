"""What every search space keeps to, checked on random chromosomes: the same for the kit's own spaces and a user's."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from mogakit.errors import InputError
from mogakit.nets.block import Block, parse_key
from mogakit.nets.network import Network
from mogakit.nets.spaces.base import Chromosome, SearchSpace, SlotSpace, format_chromosome

NUM_SAMPLES = 20


def broken_laws(space: SearchSpace, num_samples: int = NUM_SAMPLES, seed: int = 0) -> tuple[str, ...]:
    """Return what a space does that no search space may do, in words; empty where it keeps to all laws.

    1. `size` is the product of `num_choices`, and every gene has a choice.
    2. `sample` draws chromosomes in range, and the same ones from the same seed.
    3. `decode` gives a network named `space/chromosome`, always for the same image and classes.
    4. `encode(decode(c))` is a chromosome of the same blocks, and is itself encoded to itself.
    5. Every block of a network is among `fixed_blocks` and `choice_blocks`, which repeat nothing.
    6. Every block's key reads back to the block.
    7. `decode` raises `InputError` for a wrong length and a gene out of range, `encode` for a foreign network.
    8. Where `slotted` is not None, it has the same networks, and a gene changes the block of its own slot only.

    Args:
        space: the space.
        num_samples: random chromosomes to check.
        seed: of these.
    """
    rng = np.random.default_rng(seed)
    found = list(_of_the_whole(space, seed))
    if not space.num_choices or min(space.num_choices) < 1:
        return tuple(found)  # nothing can be drawn
    for _ in range(num_samples):
        chromosome = space.sample(rng)
        found += _of_chromosome(space, chromosome)
    return tuple(dict.fromkeys(found))


def check_space(space: SearchSpace, num_samples: int = NUM_SAMPLES, seed: int = 0) -> None:
    """Raise where `broken_laws` finds something.

    Args:
        space: the space.
        num_samples: random chromosomes to check.
        seed: of these.

    Raises:
        InputError: the space breaks a law; the message lists every one that it breaks.

    Source: `broken_laws` lists the laws; the tests hold the kit's own spaces to the same.

    Examples:
        >>> mk.check_space(mk.get_space("moga"))
    """
    found = broken_laws(space, num_samples, seed)
    if found:
        raise InputError(f"search space {space.name!r} cannot be used: {'; '.join(found)}")


def _of_the_whole(space: SearchSpace, seed: int) -> Iterator[str]:
    if not space.num_choices or min(space.num_choices) < 1:
        yield f"num_choices is {space.num_choices}; a space has a gene, and each gene a choice"
        return
    if space.size != prod(space.num_choices):
        yield f"size is {space.size}, the product of num_choices {prod(space.num_choices)}"
    for name, blocks in (("fixed_blocks", space.fixed_blocks), ("choice_blocks", space.choice_blocks)):
        if len(set(blocks)) != len(blocks):
            yield f"{name} holds a block twice"
    twice = [space.sample(np.random.default_rng(seed)) for _ in range(2)]
    if twice[0] != twice[1]:
        yield "sample draws different chromosomes from one seed"
    first = (0,) * len(space.num_choices)
    wrong = {"a chromosome that is too long": (*first, 0), "a chromosome that is too short": first[1:]}
    wrong["a gene below its range"] = (-1, *first[1:])
    wrong["a gene above its range"] = (space.num_choices[0], *first[1:])
    for what, chromosome in wrong.items():
        if not _rejects(space, chromosome):
            yield f"decode takes {what}"


def _of_chromosome(space: SearchSpace, chromosome: Chromosome) -> Iterator[str]:
    written = format_chromosome(chromosome)
    if len(chromosome) != len(space.num_choices) or not all(
        0 <= gene < count for gene, count in zip(chromosome, space.num_choices, strict=True)
    ):
        yield f"sample drew {written}, which is not in range"
        return
    network = space.decode(chromosome)
    if network.name != f"{space.name}/{written}":
        yield f"decode calls {written} {network.name!r}, not {space.name}/{written}"
    first = space.decode((0,) * len(space.num_choices))
    if (network.input_shape, network.num_classes) != (first.input_shape, first.num_classes):
        yield f"{written} takes another image or has other classes than the first network"
    canonical = space.encode(network)
    if space.decode(canonical).blocks != network.blocks:
        yield f"encode(decode({written})) is {format_chromosome(canonical)}, another network"
    elif space.encode(space.decode(canonical)) != canonical:
        yield f"{format_chromosome(canonical)} is canonical for {written} and is not encoded to itself"
    known = {*space.fixed_blocks, *space.choice_blocks}
    for block in network.blocks:
        if block not in known:
            yield f"{block.key} of {written} is in neither fixed_blocks nor choice_blocks"
        if parse_key(block.key) != block:
            yield f"the key {block.key} reads back to another block"
    if not _rejects_foreign(space, network):
        yield "encode takes a network that is not in the space"
    if space.slotted is not None:
        yield from _of_slots(space.slotted, chromosome, network)


def _of_slots(space: SlotSpace, chromosome: Chromosome, network: Network) -> Iterator[str]:
    if space.decode(chromosome).blocks != network.blocks:
        yield f"slotted decodes {format_chromosome(chromosome)} to another network"
        return
    for index, gene in enumerate(chromosome):
        position = len(space.before) + index
        for other in {0, space.num_choices[index] - 1} - {gene}:
            changed = space.decode((*chromosome[:index], other, *chromosome[index + 1 :])).blocks
            same = (
                changed[:position] == network.blocks[:position],
                changed[position + 1 :] == network.blocks[position + 1 :],
            )
            if not all(same):
                yield f"gene {index} changes another block than its own"


def _rejects(space: SearchSpace, chromosome: Chromosome) -> bool:
    try:
        space.decode(chromosome)
    except InputError:
        return True
    return False


def _rejects_foreign(space: SearchSpace, network: Network) -> bool:
    """Return whether `encode` rejects a network with one class more than every network of the space."""
    head: Block = replace(network.blocks[-1], out_channels=network.num_classes + 1)
    try:
        space.encode(Network("foreign", (*network.blocks[:-1], head)))
    except InputError:
        return True
    return False
