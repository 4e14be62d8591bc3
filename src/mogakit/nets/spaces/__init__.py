"""Search spaces by name."""

from collections.abc import Callable
from functools import cache

from mogakit.errors import InputError, unknown_name
from mogakit.nets.limits import check_sizes
from mogakit.nets.spaces.base import Chromosome, SearchSpace, SlotSpace, format_chromosome, parse_chromosome
from mogakit.nets.spaces.digits import digits_space
from mogakit.nets.spaces.fairnas import fairnas_space
from mogakit.nets.spaces.mnasnet import mnasnet_space
from mogakit.nets.spaces.moga import moga_relu_space, moga_space
from mogakit.nets.spaces.multi_hardware import multi_hardware_space
from mogakit.nets.spaces.staged import StagedSpace
from mogakit.nets.spaces.tunas import tunas_proxyless_space

__all__ = [
    "Chromosome",
    "SearchSpace",
    "SlotSpace",
    "StagedSpace",
    "format_chromosome",
    "get_space",
    "parse_chromosome",
    "space_names",
]

_SPACES: dict[str, Callable[..., SearchSpace]] = {
    "moga": moga_space,
    "moga-relu": moga_relu_space,
    "fairnas": fairnas_space,
    "multi-hardware": multi_hardware_space,
    "mnasnet": mnasnet_space,
    "tunas-proxyless": tunas_proxyless_space,
    "digits": digits_space,
}


def space_names() -> tuple[str, ...]:
    """Return the names that `get_space` knows."""
    return tuple(_SPACES)


@cache
def get_space(name: str, input_size: int | None = None, num_classes: int | None = None) -> SearchSpace:
    """Return a space by name, for images of `input_size` pixels; None takes the space's own.

    Raises:
        InputError: no space has that name, or a size is out of range.
    """
    if name not in _SPACES:
        raise InputError(unknown_name("search space", name, _SPACES))
    check_sizes(1.0, input_size, num_classes)
    given = {"input_size": input_size, "num_classes": num_classes}
    return _SPACES[name](**{key: value for key, value in given.items() if value is not None})
