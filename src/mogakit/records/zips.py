"""Zip files of plain members (`.npz`, torch's checkpoints): every byte is checked before anything is read from them."""

import struct
import zipfile
import zlib
from pathlib import Path

from mogakit.errors import InputError
from mogakit.records.reading import check_file

_DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
    struct.error,
    zlib.error,
)


def check_zip(path: Path, expected: str, remedy: str = "") -> None:
    """Compare every member of an uncompressed zip file with its CRC-32.

    Args:
        path: of the file.
        expected: what the file should be, for the message. remedy: what to do where it is not.

    Raises:
        InputError: it is not a zip file, a member is damaged or compressed, or it cannot be read.
    """
    hint = f"; {remedy}" if remedy else ""
    check_file(path, expected, remedy)
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise InputError(f"{path} has compressed members; expected a {expected}{hint}")
            bad = archive.testzip()
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged or not a {expected} ({error}){hint}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if bad is not None:
        raise InputError(f"{path} is damaged: the checksum of {bad!r} does not match{hint}")
