"""Pictures that anyone may have written: a few formats, and sizes that a machine can hold."""

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from mogakit.errors import InputError
from mogakit.records.reading import check_file

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "WEBP")
"""Of Pillow's decoders; others start programs, or are no pictures."""
MAX_PIXELS = 100_000_000
MAX_ASPECT = 200
"""Longer side over shorter one: scaling a strip's shorter side to a network's input takes gigabytes."""


def read_picture(path: Path) -> "Image.Image":
    """Decode a picture, in the mode that its file has.

    Raises:
        InputError: it is absent, not a regular file, of another format, damaged, or too large.
    """
    from PIL import Image, UnidentifiedImageError  # loaded here: most files hold no pictures

    check_file(path, "image")
    try:
        with Image.open(path, formats=FORMATS) as opened:
            wide, high = opened.size
            if wide * high > MAX_PIXELS or max(wide, high) > MAX_ASPECT * min(wide, high):
                raise InputError(
                    f"{path} is said to have {wide} x {high} pixels; supported: up to {MAX_PIXELS:,} pixels, and sides "
                    f"of which one is at most {MAX_ASPECT} times the other"
                )
            opened.load()
            return opened
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError, MemoryError),
        *(struct.error, zlib.error),  # Pillow's decoders raise all of these on damaged files
    ) as error:
        raise InputError(f"{path} is not an image that can be read ({error}); fix it or take it away") from error
