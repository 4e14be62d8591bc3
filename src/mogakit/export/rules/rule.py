"""What a rule is, and what several of them need."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from mogakit.export.builder import Builder, NotInThisForm
from mogakit.export.trace import Call, Ref

Made: TypeAlias = str | Sequence[str | None]
"""The name of an operator's result, or of each of several; None for one that no format can give."""

Rule: TypeAlias = Callable[[Builder, Call], Made]


def pair(value: Any) -> tuple[int, int]:
    """Return (height, width) from ATen's list of one or two numbers."""
    return (int(value[0]), int(value[-1]))


def axis_of(call: Call, name: str, rank: int) -> int:
    """Return an axis argument counted from the front."""
    return int(call.arguments[name]) % rank if rank else 0


def traced(call: Call, name: str) -> Ref:
    """Return an argument that must depend on the module's input."""
    value = call.arguments[name]
    if not isinstance(value, Ref):
        raise NotInThisForm(f"its argument {name!r} does not depend on the module's input")
    return value


def constant(call: Call, name: str, what: str) -> torch.Tensor:
    """Return an argument that must be a constant tensor."""
    value = call.arguments[name]
    if not isinstance(value, torch.Tensor):
        raise NotInThisForm(f"its {what} depend on the input; supported are constant {what}")
    return value
