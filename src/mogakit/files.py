"""Files that are never half written: write beside, flush, then rename; and temporary ones that nobody leaves behind.

A temporary file or folder is locked (`flock`) while the process that writes it runs. The next process that writes into
the same folder removes those of processes that were killed or lost their machine, and never those of running ones.
"""

import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mogakit.errors import InputError, closest

SCRATCH_PREFIX = "moga-kit-"
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.part")
_SCRATCH = re.compile(rf"{SCRATCH_PREFIX}[a-z0-9_]{{8}}")
_swept: set[Path] = set()
"""Folders that this process has swept: an export writes thousands of files into one."""


def is_temporary(path: Path) -> bool:
    """Return whether a path has the name of a temporary file or folder that `replacing` makes."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it replaces `path`, on any exception it is removed.

    Raises:
        OSError: the disk is full, or the folder is not writable. `path` is then what it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent)
    handle, temporary = _locked_file(path)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, for the caller to fill and rename; it is removed where it still stands.

    Raises:
        OSError: the folder around it is not writable.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(folder.parent)
    with _locked_folder(f".{folder.name}.", ".part", folder.parent) as temporary:
        yield temporary


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield an empty folder in the system's temporary folder; it is removed on leaving, or by the next process.

    Raises:
        OSError: the temporary folder is not writable.
    """
    around = Path(tempfile.gettempdir())
    _sweep_once(around, _SCRATCH)
    with _locked_folder(SCRATCH_PREFIX, "", around) as temporary:
        yield temporary


def _locked_file(path: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        if _locked(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)


@contextmanager
def _locked_folder(prefix: str, suffix: str, around: Path) -> Iterator[Path]:
    while True:
        temporary = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=around))
        with suppress(FileNotFoundError):
            handle = os.open(temporary, os.O_RDONLY)
            if _locked(handle, temporary):
                break
            os.close(handle)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(handle)


def _locked(handle: int, path: Path) -> bool:
    """Mark a temporary file as in use; False where another process swept it between its creation and its lock."""
    with suppress(OSError):  # a file system without locks: nobody sweeps there either
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def _sweep_once(folder: Path, names: re.Pattern[str] = _TEMPORARY) -> None:
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder, names)


def sweep(folder: Path, names: re.Pattern[str] = _TEMPORARY) -> list[Path]:
    """Remove what processes that ended left in a folder, not below it; return what was removed."""
    removed = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if names.fullmatch(entry.name) is None:
                continue
            if not entry.is_symlink() and entry.stat().st_uid == os.geteuid() and _remove_unlocked(Path(entry.path)):
                removed.append(Path(entry.path))
    return removed


def _remove_unlocked(path: Path) -> bool:
    """Remove a temporary file or folder unless its writer holds the lock; return whether it was removed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:  # locked by its writer, or not ours to remove
        return False
    finally:
        os.close(handle)
    return True


MAX_SEEN = 10_000
"""Names of a folder that are looked through for a suggestion."""


def closest_paths(path: Path) -> list[str]:
    """Return what a path that does not exist may have meant: at most five names in its folder."""
    try:
        names = [each.name for each in itertools.islice(path.parent.iterdir(), MAX_SEEN)]
    except OSError:
        return []
    return [str(path.parent / name) for name in closest(path.name, names)]


def inside(folder: Path, name: str | Path, named_by: Path) -> Path:
    """Return `folder / name`, where `name` was read from a file and must not lead out of the folder.

    Args:
        folder: that must hold it.
        name: relative to the folder.
        named_by: the file that names it, for the message.

    Raises:
        InputError: it is absolute, goes up, leads out through a link, or is a device, a pipe or a socket.
    """
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts or "\0" in str(name):
        raise InputError(f"{named_by} names {str(name)!r}, which lies outside the folder")
    path = folder
    for part in relative.parts:
        path /= part
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{named_by} names {str(name)!r}, a link that leads outside the folder")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{named_by} names {str(name)!r}, which is not a regular file")
    return path


def is_name(text: str) -> bool:
    """Return whether `text`, read from a file, names a file in a folder and nothing else."""
    return text not in ("", ".", "..") and "/" not in text and "\0" not in text


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
