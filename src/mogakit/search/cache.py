"""Expensive evaluations kept on disk: one row a (source, chromosome), committed as soon as it is known.

A SQLite file in write-ahead mode: what was committed survives `kill -9`, and several processes may share it.
"""

import math
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from mogakit.errors import InputError

_SCHEMA = """
create table if not exists evaluations (
  source text not null,
  chromosome text not null,
  value real,
  primary key (source, chromosome)
) without rowid
"""
_BATCH = 500  # SQLite's default limit on parameters of one statement is larger


class EvaluationCache:
    """Values by source and chromosome; a value of None (stored as NULL) means that there is none: unsupported."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            InputError: the file is not such a cache.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
        try:
            self._connection.execute("pragma journal_mode=wal")
            self._connection.execute("pragma synchronous=normal")
            self._connection.execute(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise InputError(f"{path} is not a cache of evaluations ({error}); name another file") from error

    def get(self, source: str, chromosomes: Sequence[str]) -> dict[str, float]:
        """Return what is known of `chromosomes`; NaN for those without a value."""
        known: dict[str, float] = {}
        for start in range(0, len(chromosomes), _BATCH):
            batch = chromosomes[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            rows = self._connection.execute(
                f"select chromosome, value from evaluations where source = ? and chromosome in ({marks})",
                (source, *batch),
            )
            known.update((name, math.nan if value is None else value) for name, value in rows)
        return known

    def put(self, source: str, values: Iterable[tuple[str, float]]) -> None:
        """Store values in one transaction; a later value of the same chromosome replaces the earlier one."""
        rows = [(source, name, None if math.isnan(value) else value) for name, value in values]
        self._connection.execute("begin immediate")
        self._connection.executemany("insert or replace into evaluations values (?, ?, ?)", rows)
        self._connection.execute("commit")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> "EvaluationCache":
        """Return itself; leaving closes the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()
