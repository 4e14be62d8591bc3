"""Files that are never half written: write beside, flush, then rename."""

import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mogakit.errors import closest


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it replaces `path`, on any exception it is removed.

    Raises:
        OSError: the disk is full, or the folder is not writable. `path` is then what it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


MAX_SEEN = 10_000
"""Names of a folder that are looked through for a suggestion."""


def closest_paths(path: Path) -> list[str]:
    """Return what a path that does not exist may have meant: at most five names in its folder."""
    try:
        names = [each.name for each in itertools.islice(path.parent.iterdir(), MAX_SEEN)]
    except OSError:
        return []
    return [str(path.parent / name) for name in closest(path.name, names)]


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def json_bytes(value: Any) -> bytes:
    """Return `value` as JSON with sorted keys, so that equal values are equal bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode("utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` atomically as JSON; see `json_bytes`."""
    write_bytes(path, json_bytes(value))


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
