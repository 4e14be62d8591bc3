"""Expensive evaluations kept on disk: one row a (source, chromosome), committed as soon as it is known.

A SQLite file in write-ahead mode: what was committed survives `kill -9`, and several processes may share it.
"""

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from mogakit.records import sealed

_SCHEMA = """
create table if not exists evaluations (
  source text not null,
  chromosome text not null,
  value real,
  seal text,
  primary key (source, chromosome)
) without rowid
"""
_TABLES = {"evaluations": ("source", "chromosome", "value")}
_WHAT = "a cache of evaluations"
_log = logging.getLogger(__name__)
_BATCH = 500  # SQLite's default limit on parameters of one statement is larger


class EvaluationCache:
    """Values by source and chromosome; a value of None (stored as NULL) means that there is none: unsupported."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            InputError: the file is not such a cache.
        """
        self._path = path
        self._connection = sealed.connect(path, _SCHEMA, _TABLES, _WHAT, timeout_s=60)

    def get(self, source: str, chromosomes: Sequence[str]) -> dict[str, float]:
        """Return what is known of `chromosomes`; NaN for those without a value."""
        known: dict[str, float] = {}
        for start in range(0, len(chromosomes), _BATCH):
            batch = chromosomes[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            with sealed.whole(self._path, _WHAT):
                rows = self._connection.execute(
                    f"select chromosome, value, seal from evaluations where source = ? and chromosome in ({marks})",
                    (source, *batch),
                ).fetchall()
            sound = [(name, value) for name, value, stored in rows if stored == sealed.seal(source, name, value)]
            if len(sound) < len(rows):
                _log.warning("%s: %d damaged evaluations are computed again", self._path, len(rows) - len(sound))
            known.update((name, math.nan if value is None else value) for name, value in sound)
        return known

    def put(self, source: str, values: Iterable[tuple[str, float]]) -> None:
        """Store values in one transaction; a later value of the same chromosome replaces the earlier one."""
        given = [(source, name, None if math.isnan(value) else float(value)) for name, value in values]
        rows = [(*row, sealed.seal(*row)) for row in given]
        with sealed.whole(self._path, _WHAT):
            self._connection.execute("begin immediate")
            self._connection.executemany("insert or replace into evaluations values (?, ?, ?, ?)", rows)
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
