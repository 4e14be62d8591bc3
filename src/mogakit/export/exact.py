"""Run a torch module in float64: the yardstick for what float32 arithmetic costs, in torch and in a file alike.

The module itself is run, under a mode that widens every float32 tensor just before a function of torch reads it.
Nothing is copied or converted beforehand, so that a module that cannot be copied, or that asks for float32 by name,
takes the same road as any other.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

Widen = Callable[[torch.Tensor], torch.Tensor]


def exactly(tensor: torch.Tensor) -> torch.Tensor:
    """Return a float32 tensor in float64, value for value."""
    return tensor.double()


def nudged(seed: int, share: float) -> Widen:
    """Return a function that widens a tensor and moves every value by up to `share` of itself, up or down."""
    generator = torch.Generator().manual_seed(seed)

    def widen(tensor: torch.Tensor) -> torch.Tensor:
        noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) * 2 - 1
        return tensor.double() * (1 + share * noise)

    return widen


def rounded(bits: int) -> Widen:
    """Return a function that widens a tensor and rounds every value to a significand of `bits` bits."""

    def widen(tensor: torch.Tensor) -> torch.Tensor:
        significand, exponent = torch.frexp(tensor.double())
        return torch.ldexp((significand * 2**bits).round() / 2**bits, exponent)

    return widen


def run_float64(module: nn.Module, inputs: Sequence[torch.Tensor], widen: Widen = exactly) -> Any:
    """Return what `module` makes of float32 `inputs` when every operator computes in float64.

    Args:
        widen: how the tensors that the module holds (weights, statistics, constants) become float64; inputs are
            always widened exactly.
    """
    with torch.no_grad(), _Float64(widen):
        return module(*(tensor.double() for tensor in inputs))


class _Float64(TorchFunctionMode):
    """Widens what functions of torch read; a tensor met twice is widened once, so that writes in place stay visible."""

    def __init__(self, widen: Widen) -> None:
        super().__init__()
        self._widen = widen
        self._known: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # an id is only unique while its tensor lives

    def _wide(self, value: Any) -> Any:
        if value is torch.float32:
            return torch.float64
        if not _is_float32(value):
            return value
        if id(value) not in self._known:
            self._known[id(value)] = (value, self._widen(value.detach()))
        return self._known[id(value)][1]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, kwargs = tree_map(self._wide, (args, kwargs or {}))
        # What a function makes in float32 under its own default (torch.zeros) is float64 from the start.
        return tree_map(lambda value: value.double() if _is_float32(value) else value, func(*args, **kwargs))


def _is_float32(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32
