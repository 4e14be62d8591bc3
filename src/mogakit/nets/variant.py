"""`NET@0.75x@192px` taken apart: which network, how wide, for images of which size."""

from dataclasses import dataclass

from mogakit.errors import InputError

DEFAULT_SIZE = 224
"""Pixels of an image where a name says nothing."""


@dataclass(frozen=True)
class Variant:
    """A network by its base name, at a width multiplier, for images of `input_size` pixels."""

    base: str
    width: float = 1.0
    input_size: int = DEFAULT_SIZE


def parse_variant(text: str) -> Variant:
    """Read `NET`, `NET@1.25x`, `NET@192px`, or both, in the order in which the zoo names its networks.

    A number of classes (`@100c`) is passed over: it scales no layer but the last.

    Raises:
        InputError: what stands behind an @ is neither.
    """
    base, *scales = text.split("@")
    width, input_size = 1.0, DEFAULT_SIZE
    for scale in scales:
        try:
            if scale.endswith("px"):
                input_size = int(scale.removesuffix("px"))
            elif scale.endswith("x"):
                width = float(scale.removesuffix("x"))
            else:
                int(scale.removesuffix("c"))
        except ValueError as error:
            raise InputError(f"{text!r}: @{scale} is not a scale; supported: @0.75x, @192px and @100c") from error
    return Variant(base, width, input_size)
