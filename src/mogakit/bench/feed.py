"""What goes into a file when it is timed: the signature, the size of every input, and the numbers in it.

All of it is written in the target's options, so that every result says what was run:

    tflite/cpu/float32,shape=1x320x320x3                free sizes, for every input in the file's order
    onnx/cpu/float32,range=0:29+-,shape=1x16+1x16       whole numbers from 0 to 29 in the first input
    tflite/cpu/float32,signature=decode,values=1f0c...  a signature; the values come from files with that hash
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from mogakit.bench.target import Target
from mogakit.errors import KeySyntaxError, MeasurementError

MAX_INPUT_BYTES = 2**30
"""Of all inputs of a file together: more than any mobile network takes, and less than a slip in a size asks for."""

OPTIONS = ("range", "shape", "signature", "values")
"""The options of a target that say what goes into a file."""

SCALAR = "scalar"
UNSET = "-"
_SHAPE = re.compile(r"[0-9]{1,9}(?:x[0-9]{1,9})*")
_RANGE = re.compile(r"(-?[0-9.]+(?:e[+-]?[0-9]+)?):(-?[0-9.]+(?:e[+-]?[0-9]+)?)")
_LARGEST = float(np.finfo(np.float32).max)
_WIDE = 4  # bytes of a whole number that may well be a row of a table

Shape = tuple[int, ...]
Range = tuple[float, float]


@dataclass(frozen=True)
class Feed:
    """What goes into a file; each list has one item an input, in the file's order, or is empty for the file's own.

    Attributes:
        signature: empty for the file's only one.
        shapes: of the inputs.
        ranges: lowest and highest value; None for the default of the input's type.
        values: what identifies the contents of the files that the values come from; empty where they are drawn.
    """

    signature: str = ""
    shapes: tuple[Shape, ...] = ()
    ranges: tuple[Range | None, ...] = ()
    values: str = ""

    def options(self) -> dict[str, str]:
        """Return the options of a target that say the same; see `read_feed`."""
        written: dict[str, str] = {}
        if self.signature:
            written["signature"] = quote(self.signature, safe="")
        if self.shapes:
            written["shape"] = "+".join(map(write_shape, self.shapes))
        if any(item is not None for item in self.ranges):
            written["range"] = "+".join(UNSET if item is None else write_range(item) for item in self.ranges)
        if self.values:
            written["values"] = self.values
        return written


def read_feed(target: Target) -> Feed:
    """Return what a target's options say of the inputs.

    Raises:
        KeySyntaxError: one of them is malformed.
    """
    shapes, ranges = target.option("shape", ""), target.option("range", "")
    return Feed(
        signature=unquote(target.option("signature", "")),
        shapes=tuple(map(read_shape, shapes.split("+"))) if shapes else (),
        ranges=tuple(None if item == UNSET else read_range(item) for item in ranges.split("+")) if ranges else (),
        values=target.option("values", ""),
    )


def read_shape(text: str) -> Shape:
    """Parse `1x224x224x3`, or `scalar`.

    Raises:
        KeySyntaxError: it is something else.
    """
    if text == SCALAR:
        return ()
    if not _SHAPE.fullmatch(text):
        raise KeySyntaxError(f"{text!r} is not a shape; write one as 1x224x224x3")
    return tuple(map(int, text.split("x")))


def write_shape(shape: Shape) -> str:
    """Return the text that `read_shape` parses."""
    return "x".join(map(str, shape)) or SCALAR


def read_range(text: str) -> Range:
    """Parse `LOW:HIGH`, two numbers.

    Raises:
        KeySyntaxError: it is something else, or LOW is above HIGH.
    """
    found = _RANGE.fullmatch(text)
    try:
        low, high = (float(item) for item in found.groups()) if found else (1.0, 0.0)
    except ValueError:  # 1.2.3
        low, high = 1.0, 0.0
    if not low <= high or max(abs(low), abs(high)) > _LARGEST:
        raise KeySyntaxError(f"{text!r} is not a range; write the lowest and the highest value as 0:255")
    return low, high


def write_range(limits: Range) -> str:
    """Return the text that `read_range` parses."""
    return ":".join(f"{value:.9g}" for value in limits)


def fill(
    position: int, name: str, shape: Sequence[int], dtype: np.dtype[Any], feed: Feed, rng: np.random.Generator
) -> NDArray[Any]:
    """Return numbers for an input: within the range given, or else normal, any byte, or true and false.

    Raises:
        MeasurementError: its numbers are not of a kind that can be drawn, or nothing says which whole numbers it takes.
    """
    if prod(shape) * dtype.itemsize > MAX_INPUT_BYTES:
        size = prod(shape) * dtype.itemsize / 2**30
        raise MeasurementError(
            f"input {name!r} of shape {write_shape(tuple(shape))} is {size:.3g} GiB; 1 GiB is the most"
        )
    limits = feed.ranges[position] if feed.ranges else None
    if dtype == np.bool_:
        return rng.integers(0, 1, shape, endpoint=True).astype(dtype)
    if np.issubdtype(dtype, np.floating):
        drawn = rng.standard_normal(shape) if limits is None else rng.uniform(*limits, shape)
        return drawn.astype(dtype)
    if not np.issubdtype(dtype, np.integer):
        raise MeasurementError(f"input {name!r} holds {dtype.name}, which cannot be filled with random numbers")
    info = np.iinfo(dtype)
    if limits is None and dtype.itemsize >= _WIDE:
        raise MeasurementError(unknown_range(name))
    low, high = (info.min, info.max) if limits is None else limits
    if not info.min <= low <= high <= info.max or low % 1 or high % 1:
        raise MeasurementError(
            f"the range {write_range((low, high))} of input {name!r} does not fit its type {dtype.name}"
        )
    return rng.integers(int(low), int(high), shape, endpoint=True, dtype=dtype)


def unknown_range(name: str) -> str:
    """Return why whole numbers cannot be drawn for an input, and what to do."""
    return (
        f"input {name!r} takes whole numbers and the file does not show which (row numbers? sizes?); "
        f"add --input-range {name}=LOW:HIGH or --input {name}=FILE.npy"
    )


def load_values(path: Path, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read an input's values from a `.npy` file.

    Raises:
        MeasurementError: it is not one, or its shape or type is not the input's.
    """
    try:
        value: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MeasurementError(f"{path} is not a .npy file of numbers: {error}") from error
    if not isinstance(value, np.ndarray) or value.shape != tuple(shape) or value.dtype != dtype:
        given = f"{value.dtype.name} {write_shape(value.shape)}" if isinstance(value, np.ndarray) else "an archive"
        wanted = f"{dtype.name} {write_shape(tuple(shape))}"
        raise MeasurementError(f"{path} holds {given}, and input {name!r} takes {wanted}")
    return value
