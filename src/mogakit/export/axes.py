"""The two orders of a map's axes: torch's and that of channels-last runtimes."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def to_channels_last(value: Array) -> Array:
    """Turn (N, C, H, W) into (N, H, W, C); other ranks stay."""
    return value.transpose(0, 2, 3, 1) if value.ndim == 4 else value


def to_channels_first(value: Array) -> Array:
    """Turn (N, H, W, C) into (N, C, H, W); other ranks stay."""
    return value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
