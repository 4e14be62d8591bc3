"""Pictures of others: decoded or rejected, whatever their headers promise."""

import random
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from damage import damage
from PIL import Image

from mogakit.errors import InputError
from mogakit.records import read_picture

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP")


def sound(format: str) -> bytes:
    """Return a small picture."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def png_of(wide: int, high: int) -> bytes:
    """Return a picture whose header alone says how large it is."""
    data = sound("PNG")
    head = struct.pack(">II", wide, high) + data[24:29]
    return data[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + data[33:]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(sound(format))
    assert read_picture(path).size == (9, 12)


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_pictures_are_read_or_rejected(format: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for number in range(150):
        path.write_bytes(damage(".png", sound(format), random.Random(number), silent=False).data)
        try:
            assert max(read_picture(path).size) < 3000
        except InputError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize("size", [(60_000, 60_000), (10_001, 10_001), (2**31 - 1, 1), (1, 60_000), (500, 2)])
def test_sizes_that_no_machine_holds_are_rejected_before_they_are_decoded(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(png_of(*size))
    with pytest.raises(InputError, match="pixels"):
        read_picture(path)


def test_what_is_no_picture_is_rejected(tmp_path: Path) -> None:
    for name, content in (
        ("a.png", b""),
        ("b.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("c.png", b"GIF89a"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not an image"):
            read_picture(tmp_path / name)
    with pytest.raises(InputError):
        read_picture(tmp_path)
