"""Which networks stand for a space: drawn at random, by seed, in strata."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from mogakit.errors import InputError
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace, SlotSpace, get_space

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


def input_size_of_space(space: SearchSpace) -> int:
    """Return the height and width in pixels of the image that every network of a space takes."""
    return space.decode((0,) * len(space.num_choices)).input_size


def slot_space(name: str, input_size: int | None = None) -> SlotSpace:
    """Return a space whose slots are independent, which is what a latency table can cover.

    Raises:
        InputError: no space is called so, or its slots are not independent.
    """
    slotted = get_space(name, input_size).slotted
    if slotted is None:
        raise InputError(f"space {name!r} does not consist of independent slots, so no table of blocks covers it")
    return slotted


def strata(space: SlotSpace) -> tuple[Stratum, ...]:
    """Return the whole space, and where it has both, the part of it without kernels of 7x7 and larger.

    A random network of the MoGA space has no 7x7 kernel once in three hundred draws: the second stratum has to be drawn
    for itself.
    """
    whole = Stratum("all", "all choices", space)
    slots = tuple(tuple(block for block in choices if block.kernel < LARGE_KERNEL) for choices in space.slots)
    if slots == space.slots or not all(slots):
        return (whole,)
    return whole, Stratum("without-7x7", "without 7x7 kernels", replace(space, slots=slots))


def sample_networks(
    stratum: Stratum, num: int, rng: np.random.Generator, whole: SlotSpace, without: Collection[str] = ()
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
