"""Whether a file that SQLite wrote survived what a test did to its writer."""

import sqlite3
from contextlib import closing
from pathlib import Path


def is_sound(path: Path) -> bool:
    """Return whether SQLite finds the file whole."""
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
