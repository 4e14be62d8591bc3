"""SQLite files whose every row carries a checksum over its columns, in a last column `seal`.

SQLite notices damage to its own structure, not to what a row holds: a flipped bit in a number is another number.
"""

import errno
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mogakit.errors import InputError

_PRIMARY = 0xFF  # of SQLite's extended error codes, these bits are the primary one
_UNUSABLE = (
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM),
)
"""Errors of a sound file that cannot be used now."""
_UNWRITTEN = (
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC),
    *(sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE),
)
"""What a disk without space, or a limit on the size of files, ends in: no fault of the file."""

Tables = Mapping[str, Sequence[str]]
"""Columns that are sealed, by table; all names are constants of the kit, never a user's text."""


def seal(*values: Any) -> str:
    """Return the checksum of a row's values."""
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@contextmanager
def whole(path: Path, what: str) -> Iterator[None]:
    """Turn SQLite's errors about a damaged file into one message.

    Raises:
        InputError: the file is not `what`, is damaged, or is locked by another process.
        OSError: nothing more could be written.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a damaged name ends in an error about its text
        code = getattr(error, "sqlite_errorcode", None)  # absent where Python's own module raised it
        if code in _UNWRITTEN:
            raise OSError(errno.ENOSPC, f"nothing more could be written ({error})", str(path)) from error
        if code is not None and code & _PRIMARY in _UNUSABLE:
            raise InputError(f"{path} cannot be used: {error}") from error
        raise InputError(f"{path} is damaged or not {what} ({error}); move it away or name another") from error


def connect(path: Path, ddl: str, tables: Tables, what: str, timeout_s: float) -> sqlite3.Connection:
    """Open or create a file in write-ahead mode; rows of a file from before rows were sealed are sealed now.

    Args:
        ddl: creates the tables where they are absent, each with a column `seal` at its end.
        what: as in messages: "a journal of this kit".

    Raises:
        InputError: the file is not such a file, is damaged, or cannot be used; nothing of it is changed then.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a folder, pipe or device, not {what}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path, what):
        connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
    try:
        with whole(path, what):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")  # a power cut may lose the last rows, a kill none
            connection.executescript(ddl)
            _check(connection, path, tables, what)
            _seal_old(connection, tables)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path, tables: Tables, what: str) -> None:
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise InputError(f"{path} is damaged ({found}), no longer {what}; move it away or name another")
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    foreign = sorted(name for name in names if name not in tables and not name.startswith("sqlite_"))
    if foreign:
        raise InputError(f"{path} holds the table {foreign[0]!r}, so it is damaged or not {what}")


def _seal_old(connection: sqlite3.Connection, tables: Tables) -> None:
    for table, columns in tables.items():
        present = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if "seal" in present:
            continue
        listed = ", ".join(f'"{name}"' for name in columns)
        same = " AND ".join(f'"{name}" IS ?' for name in columns)
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN seal TEXT")
            rows = connection.execute(f"SELECT {listed} FROM {table}").fetchall()
            connection.executemany(f"UPDATE {table} SET seal = ? WHERE {same}", [(seal(*row), *row) for row in rows])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def damaged_rows(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[int]:
    """Return the rowids of a table's rows whose checksum does not match."""
    listed = ", ".join(f'"{name}"' for name in columns)
    rows = connection.execute(f"SELECT rowid, seal, {listed} FROM {table}")
    return [rowid for rowid, stored, *values in rows if stored != seal(*values)]
