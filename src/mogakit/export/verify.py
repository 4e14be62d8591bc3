"""Compare what a file computes with what torch computes, before the file counts as exported."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from mogakit.errors import ExportError
from mogakit.export.artifact import Agreement
from mogakit.export.nodes import FloatArray, Shape
from mogakit.export.run import Array
from mogakit.export.trace import one_thread

NUM_INPUTS = 2


def seeded_inputs(shape: Shape, count: int = NUM_INPUTS) -> list[FloatArray]:
    """Return `count` standard normal inputs of `shape`: what a normalised image looks like to a network."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, dtype=np.float32) for _ in range(count)]


def torch_outputs(module: nn.Module, inputs: Sequence[FloatArray]) -> list[list[FloatArray]]:
    """Return, for each input, the flat list of tensors that `module` makes of it."""
    with torch.no_grad(), one_thread():
        return [[tensor.numpy() for tensor in _flat(module(torch.from_numpy(value)))] for value in inputs]


def _flat(returned: object) -> list[torch.Tensor]:
    if isinstance(returned, torch.Tensor):
        return [returned]
    items = list(returned.values()) if isinstance(returned, dict) else returned
    return [tensor for item in items for tensor in _flat(item)] if isinstance(items, list | tuple) else []


def agreement(expected: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]], checked_with: str) -> Agreement:
    """Measure how far a file's outputs are from torch's.

    The scale of each output is the largest magnitude torch gives for it over all inputs; the worst output counts.

    Args:
        expected, found: for each input, its outputs, in torch's layout.
        checked_with: runtime and version.

    Raises:
        ExportError: shapes differ, or the file gives something that is not a number.
    """
    worst, largest = 0.0, 0.0
    for index, ours in enumerate(zip(*expected, strict=True)):
        theirs = [outputs[index] for outputs in found]
        shapes = [value.shape for value in ours], [value.shape for value in theirs]
        if shapes[0] != shapes[1]:
            raise ExportError(f"output {index} has shapes {shapes[1]} in {checked_with}, and {shapes[0]} in torch")
        if not all(np.isfinite(value).all() for value in theirs):
            raise ExportError(f"output {index} holds infinities or NaN in {checked_with}")
        error = max(float(np.abs(one - other).max()) for one, other in zip(ours, theirs, strict=True))
        scale = max(float(np.abs(value).max()) for value in ours)
        largest = max(largest, error)
        worst = max(worst, error / scale if scale > 0 else (0.0 if error == 0 else float(np.inf)))
    if not np.isfinite(worst):
        raise ExportError(f"torch gives only zeros and {checked_with} does not")
    return Agreement(max_abs_error=largest, relative=worst, num_inputs=len(expected), checked_with=checked_with)


def to_channels_last(value: Array) -> Array:
    """Turn (N, C, H, W) into (N, H, W, C); other ranks stay."""
    return value.transpose(0, 2, 3, 1) if value.ndim == 4 else value


def to_channels_first(value: Array) -> Array:
    """Turn (N, H, W, C) into (N, C, H, W); other ranks stay."""
    return value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
