"""Damage to SQLite files: a cell, with the seal of its row or without; a table; a page."""

import hashlib
import random
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from damage import bytes_
from damage.values import NUMBERS, TEXTS, near

_STRANGE: list[Any] = [
    *(each for each in NUMBERS if not isinstance(each, int) or abs(each) < 2**63),
    *(each for each in TEXTS if "\x00" not in each),
    *(None, b"", b"\xff\xfe", b"\x00" * 100, "[" * 3000, '{"a":1}', "[1e999]", "NaN"),
]


def change_cell(data: bytes, rng: random.Random) -> bytes:
    """Change one cell to another value of its type; the seal stays what it was."""
    return _edited(data, rng, lambda connection: _change(connection, rng, sealed=False))


def change_sealed_cell(data: bytes, rng: random.Random) -> bytes:
    """Put something else in a cell, and seal its row again."""
    return _edited(data, rng, lambda connection: _change(connection, rng, sealed=True))


def reshape(data: bytes, rng: random.Random) -> bytes:
    """Drop, add, rename or empty a table, or change what the file says of itself."""
    return _edited(data, rng, lambda connection: _reshape(connection, rng))


def _edited(data: bytes, rng: random.Random, edit: Callable[[sqlite3.Connection], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edited"
        path.write_bytes(data)
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                edit(connection)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            return bytes_.scramble(data, rng)
        return path.read_bytes()


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return sorted(name for (name,) in rows)


def _change(connection: sqlite3.Connection, rng: random.Random, sealed: bool) -> None:
    filled = [name for name in _tables(connection) if connection.execute(f'SELECT 1 FROM "{name}"').fetchone()]
    if not filled:
        raise sqlite3.Error("nothing to change")
    table = rng.choice(filled)
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
    old = dict(zip(columns, rng.choice(rows), strict=True))
    changed = dict(old)
    column = rng.choice([name for name in columns if name != "seal"])
    changed[column] = rng.choice(_STRANGE) if sealed and rng.random() < 0.6 else _near(old[column], rng)
    if sealed and "seal" in columns:
        values = tuple(value for name, value in changed.items() if name != "seal")
        digest = hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8)
        changed["seal"] = digest.hexdigest()
    same = " AND ".join(f'"{name}" IS ?' for name in columns)
    listed = ", ".join(f'"{name}" = ?' for name in columns)
    connection.execute(f'UPDATE "{table}" SET {listed} WHERE {same}', (*changed.values(), *old.values()))


def _near(value: Any, rng: random.Random) -> Any:
    if isinstance(value, str) and len(value) > 2 and rng.random() < 0.7:
        place = rng.randrange(len(value))
        digit = rng.choice("0123456789")
        return value[:place] + digit + value[place + 1 :]
    changed = near(value, rng)
    return (
        str(changed)
        if (isinstance(changed, int) and abs(changed) >= 2**63) or isinstance(changed, list | dict)
        else changed
    )


def _reshape(connection: sqlite3.Connection, rng: random.Random) -> None:
    table = rng.choice(_tables(connection) or ["none"])
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    column = rng.choice(columns or ["none"])
    connection.execute(
        rng.choice(
            [
                f'DROP TABLE "{table}"',
                f'DELETE FROM "{table}"',
                f'ALTER TABLE "{table}" RENAME TO "other"',
                f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "other"',
                f'ALTER TABLE "{table}" ADD COLUMN "other" TEXT',
                f'UPDATE "{table}" SET "{column}" = NULL',
                f'UPDATE "{table}" SET "{column}" = zeroblob(20)',
                f'CREATE VIEW "view" AS SELECT * FROM "{table}"',
                f'CREATE TRIGGER "t" AFTER INSERT ON "{table}" BEGIN DELETE FROM "{table}"; END',
                'CREATE TABLE "foreign" (a, b)',
                "PRAGMA user_version = 99",
                "PRAGMA application_id = 7",
                "PRAGMA journal_mode = DELETE",
                "PRAGMA encoding = 'UTF-16'",
            ]
        )
    )
