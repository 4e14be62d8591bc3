"""The order that a tensor's axes have in a file, and how reshapes and permutations carry it on.

An order is a permutation: place i in memory holds axis `order[i]` of the tensor as torch has it. Maps stand channels
last, everything else as in torch, until a permutation or reshape of torch says otherwise: it changes the order and
moves nothing where the numbers already lie right. So a channel shuffle of a channels-last map needs one transposition
within the channels, and a detector's `permute(0, 2, 3, 1).reshape(...)` none.
"""

from collections.abc import Sequence
from typing import TypeAlias

from mogakit.export.nodes import Shape

Order: TypeAlias = tuple[int, ...]

CHANNELS_LAST: Order = (0, 2, 3, 1)


def standard(rank: int) -> Order:
    """Return the order in which inputs and outputs stand in a file: channels last for maps, torch's for the rest."""
    return CHANNELS_LAST if rank == 4 else tuple(range(rank))


def physical(shape: Shape, order: Order) -> Shape:
    """Return the shape in the file."""
    return tuple(shape[axis] for axis in order)


def moves(shape: Shape, first: Order, second: Order) -> bool:
    """Return whether numbers move between two orders; axes of size 1 do not count."""
    return _dense(shape, first) != _dense(shape, second)


def permuted(order: Order, axes: Sequence[int]) -> Order:
    """Return the order after torch's `permute(axes)` without moving a number."""
    places = {axis: place for place, axis in enumerate(axes)}
    return tuple(places[axis] for axis in order)


def restricted(order: Order, kept: Sequence[int]) -> Order:
    """Return the order when only the axes `kept` (sorted) are left."""
    places = {axis: place for place, axis in enumerate(kept)}
    return tuple(places[axis] for axis in order if axis in places)


def with_last(order: Order, axis: int) -> Order:
    """Return `order` with one axis moved to the end."""
    return (*(other for other in order if other != axis), axis)


def reshaped(before: Shape, after: Shape, order: Order) -> tuple[Order, Order]:
    """Return the order that a reshape needs its input in, and the one that it leaves.

    Axes of both shapes fall into groups of equal size: (C,) and (G, C/G), or (H, W) and (H*W,). A group can be reshaped
    wherever it lies, if its axes lie side by side and in torch's order.
    """
    groups = _groups(before, after)
    member = {axis: index for index, (axes, _) in enumerate(groups) for axis in axes}
    lies = _dense(before, order)
    sequence = list(dict.fromkeys(member[axis] for axis in lies))
    wanted = tuple(axis for index in sequence for axis in groups[index][0])
    needed = order if wanted == lies else _with_ones(wanted, before)
    return needed, _with_ones(tuple(axis for index in sequence for axis in groups[index][1]), after)


def _dense(shape: Shape, order: Order) -> Order:
    return tuple(axis for axis in order if shape[axis] != 1)


def _groups(before: Shape, after: Shape) -> list[tuple[list[int], list[int]]]:
    """Match the axes of two shapes, leaving out those of size 1, into the smallest groups of equal size."""
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    groups: list[tuple[list[int], list[int]]] = []
    while left:
        ours, theirs = [left.pop(0)], [right.pop(0)]
        sizes = [before[ours[0]], after[theirs[0]]]
        while sizes[0] != sizes[1]:
            if sizes[0] < sizes[1]:
                ours.append(left.pop(0))
                sizes[0] *= before[ours[-1]]
            else:
                theirs.append(right.pop(0))
                sizes[1] *= after[theirs[-1]]
        groups.append((ours, theirs))
    return groups


def _with_ones(dense: Order, shape: Shape) -> Order:
    """Place the axes of size 1 among the others: as in the standard order or torch's where those fit, else in front."""
    for order in (standard(len(shape)), tuple(range(len(shape)))):
        if _dense(shape, order) == dense:
            return order
    return (*(axis for axis, size in enumerate(shape) if size == 1), *dense)
