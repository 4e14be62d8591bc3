"""How a list of options that several commands share is added to a command."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def with_options(function: F, options: Sequence[Callable[[Any], Any]]) -> F:
    """Decorate with each of `options`; --help lists them in this order."""
    decorated: F = reduce(lambda inner, option: option(inner), reversed(options), function)
    return decorated
