"""Sizes that a network may have: beyond them a typing mistake would cost hours or all memory before anyone sees it."""

import math

from mogakit.errors import InputError

MIN_WIDTH, MAX_WIDTH = 0.05, 16.0
"""Width multipliers; published ones lie between 0.25 and 2."""
MAX_INPUT_SIZE = 4096
"""Pixels of a side."""
MAX_CLASSES = 1_000_000


def check_sizes(width: float = 1.0, input_size: int | None = None, num_classes: int | None = None) -> None:
    """Check the numbers that scale a network.

    Raises:
        InputError: one is out of range.
    """
    if not (math.isfinite(width) and MIN_WIDTH <= width <= MAX_WIDTH):
        raise InputError(f"width multiplier {width:g} is out of range; supported: {MIN_WIDTH:g} to {MAX_WIDTH:g}")
    if input_size is not None and not 1 <= input_size <= MAX_INPUT_SIZE:
        raise InputError(f"input size {_short(input_size)} is out of range; supported: 1 to {MAX_INPUT_SIZE} pixels")
    if num_classes is not None and not 1 <= num_classes <= MAX_CLASSES:
        raise InputError(f"{_short(num_classes)} classes are out of range; supported: 1 to {MAX_CLASSES}")


def _short(number: int) -> str:
    """Write a number; of one with thousands of digits the first ones."""
    if abs(number) < 10**20:
        return str(number)
    return f"{number // 10 ** (number.bit_length() // 4):.0e}..." if number.bit_length() < 1000 else "(too long)"
