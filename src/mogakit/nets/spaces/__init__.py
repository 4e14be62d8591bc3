"""Search spaces by name."""

import re
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from functools import cache
from typing import cast

from mogakit.errors import InputError, unknown_name
from mogakit.nets.limits import check_sizes
from mogakit.nets.spaces.base import Chromosome, SearchSpace, SlotSpace, format_chromosome, holds, parse_chromosome
from mogakit.nets.spaces.digits import digits_space
from mogakit.nets.spaces.fairnas import fairnas_space
from mogakit.nets.spaces.fbnet import fbnet_cifar_space, fbnet_space
from mogakit.nets.spaces.mnasnet import mnasnet_space
from mogakit.nets.spaces.moga import moga_relu_space, moga_space
from mogakit.nets.spaces.multi_hardware import multi_hardware_space
from mogakit.nets.spaces.nas_bench_201 import nas_bench_201_space
from mogakit.nets.spaces.ofa import (
    ofa_mobilenetv3_space,
    ofa_mobilenetv3_wide_space,
    ofa_proxylessnas_space,
    proxylessnas_space,
)
from mogakit.nets.spaces.staged import StagedSpace
from mogakit.nets.spaces.tunas import tunas_proxyless_space
from mogakit.plugins import Group, called_with, find, register
from mogakit.plugins import names as plugin_names

__all__ = [
    "Chromosome",
    "SearchSpace",
    "SlotSpace",
    "StagedSpace",
    "as_space",
    "cell_space_names",
    "format_chromosome",
    "get_space",
    "holds",
    "input_size_of",
    "parse_chromosome",
    "register_space",
    "space_names",
]

_SPACES: dict[str, Callable[..., SearchSpace]] = {
    "moga": moga_space,
    "moga-relu": moga_relu_space,
    "fairnas": fairnas_space,
    "multi-hardware": multi_hardware_space,
    "mnasnet": mnasnet_space,
    "tunas-proxyless": tunas_proxyless_space,
    "ofa-mobilenetv3": ofa_mobilenetv3_space,
    "ofa-mobilenetv3-w1.2": ofa_mobilenetv3_wide_space,
    "ofa-proxylessnas": ofa_proxylessnas_space,
    "proxylessnas": proxylessnas_space,
    "fbnet": fbnet_space,
    "fbnet-cifar": fbnet_cifar_space,
    "digits": digits_space,
}
_CELL_SPACES: dict[str, Callable[..., SearchSpace]] = {"nas-bench-201": nas_bench_201_space}
"""Spaces of whole networks: their latencies are not sums over blocks, so there is nothing to profile one by one."""


def space_names() -> tuple[str, ...]:
    """Return the names of the kit's own spaces whose networks are made of blocks with latencies that add up."""
    return tuple(_SPACES)


def cell_space_names() -> tuple[str, ...]:
    """Return the names of the kit's own spaces of which only whole networks have a latency."""
    return tuple(_CELL_SPACES)


def get_space(name: str, input_size: int | None = None, num_classes: int | None = None) -> SearchSpace:
    """Return a space by name, for images of `input_size` pixels; None takes the space's own.

    Args:
        name: one of `space_names()` or `cell_space_names()`, with `@160px` behind it for another input size, which is
            then part of its networks' names, too; a space that was registered or installed (`mogakit.plugins`), or
            `package.module:name`, which is a `SearchSpace` or a function that returns one.
        input_size: in pixels. num_classes: length of the output.

    Returns:
        The space: `decode` gives networks of shape (1, 3, input_size, input_size).

    Raises:
        InputError: no space has that name, what has it is not a space, or it cannot be had at that size.

    Source: each space's module names the paper and table; docs/search.md lists them.

    Examples:
        >>> mk.get_space("moga").size == 12**14
        True
        >>> mk.get_space("moga").decode((8, 10, 6, 7, 1, 7, 6, 10, 5, 10, 6, 6, 9, 9)).name
        'moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9'
    """
    check_sizes(1.0, input_size, num_classes)
    sized = _SIZED.fullmatch(name)
    if sized is not None:
        return _at_size(name, sized["base"], int(sized["size"]), input_size, num_classes)
    if name in _SPACES or name in _CELL_SPACES:
        return _own_space(name, input_size, num_classes)
    found = find(Group.SPACES, name)
    if found is None:
        message = unknown_name("search space", name, (*_SPACES, *_CELL_SPACES, *plugin_names(Group.SPACES)))
        raise InputError(f"{message}{'' if message.endswith('?') else ','} or package.module:name for a space of yours")
    return as_space(found, name, input_size, num_classes)


@cache
def _own_space(name: str, input_size: int | None, num_classes: int | None) -> SearchSpace:
    given = {"input_size": input_size, "num_classes": num_classes}
    make = _SPACES.get(name) or _CELL_SPACES[name]
    return make(**{key: value for key, value in given.items() if value is not None})


@cache
def _at_size(name: str, base: str, size: int, input_size: int | None, num_classes: int | None) -> SearchSpace:
    """Return a space at the input size that its name states, under the whole name."""
    if input_size not in (None, size):
        raise InputError(f"{name!r} is a space for {size} px, not for {input_size}")
    if base not in _SPACES and base not in _CELL_SPACES:
        raise InputError(f"{name!r}: only the kit's own spaces take a size, and {base!r} is not among them")
    check_sizes(1.0, size)
    return as_space(_own_space(base, size, num_classes), name)


def input_size_of(space: SearchSpace) -> int:
    """Return the height and width of the images that networks of a space take, in pixels."""
    return space.decode((0,) * len(space.num_choices)).input_size


def register_space(space: SearchSpace) -> None:
    """Make a space known under its own name, so that `name/chromosome` names its networks in this process.

    Raises:
        InputError: it is not a space, or the kit's own spaces have one of that name.

    Source: docs/how-to/your-own.md; `mogakit.nets.spaces.base.SearchSpace` is the protocol.

    Examples:
        >>> import dataclasses
        >>> mk.register_space(dataclasses.replace(mk.get_space("digits"), name="my-digits"))
        >>> mk.get_network("my-digits/0-1-2-3-4-5").num_classes
        10
    """
    checked = as_space(space, getattr(space, "name", repr(space)))
    if checked.name not in _SPACES and checked.name not in _CELL_SPACES:
        register(Group.SPACES, checked.name, checked)
    elif _own_space(checked.name, None, None) != checked:
        raise InputError(f"{checked.name!r} is the name of one of the kit's own spaces; give yours another")


def as_space(found: object, name: str, input_size: int | None = None, num_classes: int | None = None) -> SearchSpace:
    """Return the space that `found` is, or that it makes where it is a function, under the name `name`.

    A space is called as it is found, so that the names of its networks, in files too, lead back to it:
    `package.module:name/8-10-6`.

    Args:
        input_size, num_classes: handed to a function; a space that is already made must have them.

    Raises:
        InputError: it is not a space, has another input size or number of classes, or cannot be renamed.
    """
    if callable(found):
        found = called_with(found, {"input_size": input_size, "num_classes": num_classes}, name)
    lacking = [each for each in _PROTOCOL if not hasattr(found, each)]
    if lacking:
        raise InputError(f"{name} is a {type(found).__name__} and not a search space: it has no {', '.join(lacking)}")
    space = cast(SearchSpace, found)
    if not _NAME.fullmatch(name):
        raise InputError(f"a space cannot be called {name!r}: letters, digits, '.', '_', '-' and ':' make a name")
    if space.name != name:
        if not is_dataclass(space) or isinstance(space, type):
            raise InputError(
                f"the space {name} has the name {space.name!r}; a space that is not a dataclass must have the name by "
                f"which it is found: set its name to {name!r}"
            )
        space = replace(space, name=name)
    example = space.decode(tuple(0 for _ in space.num_choices))
    for wanted, size, unit in ((input_size, example.input_size, "px"), (num_classes, example.num_classes, "classes")):
        if wanted not in (None, size):
            raise InputError(f"space {name!r} is made for {size} {unit}, not for {wanted}")
    return space


_PROTOCOL = ("name", "num_choices", "size", "fixed_blocks", "choice_blocks", "slotted", "decode", "encode", "sample")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*(?:@\d{1,9}px)?", re.ASCII)
_SIZED = re.compile(r"(?P<base>[^@]+)@(?P<size>\d{1,9})px", re.ASCII)
