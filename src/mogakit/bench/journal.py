"""`Journal`: every measurement of a run, kept in SQLite so that kill -9 loses at most the window in flight.

A unit is (round, window, artifact, target) and is written once. Rows are appended in one transaction after their timing
window has ended, so nothing touches the disk inside a window. What a schedule decides, it decides from the journal
alone; a resumed run therefore goes on exactly where the killed one stood.
"""

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mogakit.bench.agreement import DeviceAgreement
from mogakit.bench.measurement import Conditions, Identity, Measurement, Status
from mogakit.bench.target import Target, parse_target
from mogakit.bench.warning import typed_conditions
from mogakit.errors import InputError, MeasurementError
from mogakit.export.artifact import Artifact
from mogakit.records import from_json, parse_json, sealed, to_json

SCHEMA_VERSION = 3
"""Of version 1 were journals whose rows had no seal, of 2 those whose warnings were sentences."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL, seal TEXT);
CREATE TABLE IF NOT EXISTS identities (target TEXT PRIMARY KEY, record TEXT NOT NULL, seal TEXT);
CREATE TABLE IF NOT EXISTS artifacts (sha256 TEXT PRIMARY KEY, record TEXT NOT NULL, seal TEXT);
CREATE TABLE IF NOT EXISTS conditions (id INTEGER PRIMARY KEY, record TEXT NOT NULL UNIQUE, seal TEXT);
CREATE TABLE IF NOT EXISTS measurements (
    id INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    "window" INTEGER NOT NULL,
    artifact TEXT NOT NULL,
    target TEXT NOT NULL,
    status TEXT NOT NULL,
    before INTEGER NOT NULL REFERENCES conditions (id),
    after INTEGER NOT NULL REFERENCES conditions (id),
    record TEXT NOT NULL,
    seal TEXT,
    UNIQUE (round, "window", artifact, target)
);
CREATE TABLE IF NOT EXISTS agreements (
    artifact TEXT NOT NULL,
    target TEXT NOT NULL,
    record TEXT NOT NULL,
    seal TEXT,
    PRIMARY KEY (artifact, target)
);
"""

_TABLES = {
    "settings": ("name", "value"),
    "identities": ("target", "record"),
    "artifacts": ("sha256", "record"),
    "conditions": ("record",),
    "measurements": ("round", "window", "artifact", "target", "status", "before", "after", "record"),
    "agreements": ("artifact", "target", "record"),
}
_WHAT = "a journal of this kit"
FINISHED = "finished"
"""Setting of a journal that holds all that was asked for; removed with damaged rows: they are measured again."""

_log = logging.getLogger(__name__)

Unit = tuple[int, int, str, str]
"""(round, window, artifact sha256, target as text): what is measured once."""


def _sealed(*values: Any) -> tuple[Any, ...]:
    """Return a row's values with their checksum behind them."""
    return *values, sealed.seal(*values)


def _remarked(values: Sequence[Any], status: Status, number: int) -> tuple[str, str, int]:
    """Return the new status of a row of measurements, its new checksum, and its number."""
    changed = dict(zip(_TABLES["measurements"], values, strict=True)) | {"status": str(status)}
    return str(status), sealed.seal(*changed.values()), number


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


class Journal:
    """The measurements of one run folder. Use as a context manager, or call `close`.

    One writer at a time: SQLite's own lock keeps a second `moga profile` on the same folder out (it waits, then fails
    with a MeasurementError).
    """

    def __init__(self, path: Path) -> None:
        """Open or create the journal at `path`.

        Raises:
            InputError: the file is not a journal, or one of a newer kit.
        """
        self.path = path
        self._connection = sealed.connect(path, _SCHEMA, _TABLES, _WHAT, timeout_s=10)
        try:
            self._remove_damaged()
            version = self.setting("schema_version")
            if version in (None, 1, 2):
                self._upgrade()
            elif version != SCHEMA_VERSION:
                raise InputError(
                    f"{path} has schema version {version}, this kit reads up to {SCHEMA_VERSION}: use the kit that "
                    "wrote it"
                )
        except BaseException:
            self._connection.close()
            raise

    def _upgrade(self) -> None:
        """Give the warnings of an older journal their type, and state the version; a new journal has none."""
        rows = self._connection.execute("SELECT id, record FROM conditions").fetchall()
        with self._transaction():
            for number, text in rows:
                typed = _dump(typed_conditions(self._parsed(text)))
                self._connection.execute(
                    "UPDATE conditions SET record = ?, seal = ? WHERE id = ?", (*_sealed(typed), number)
                )
            self.set_setting("schema_version", SCHEMA_VERSION)

    def _remove_damaged(self) -> None:
        """Remove rows whose checksum does not match, and what stands on them; all of it can be measured again."""
        with sealed.whole(self.path, _WHAT):
            damaged = {table: sealed.damaged_rows(self._connection, table, names) for table, names in _TABLES.items()}
            if not any(damaged.values()):
                return
            with self._transaction():
                for table, rowids in damaged.items():
                    rows = [(rowid,) for rowid in rowids]
                    self._connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", rows)
                if damaged["identities"]:
                    self._connection.execute(
                        "DELETE FROM measurements WHERE target NOT IN (SELECT target FROM identities)"
                    )
                known = "(SELECT id FROM conditions)"
                self._connection.execute(
                    f"DELETE FROM measurements WHERE before NOT IN {known} OR after NOT IN {known}"
                )
                self._connection.execute("DELETE FROM settings WHERE name = ?", (FINISHED,))
        counts = ", ".join(f"{len(rowids)} of {table}" for table, rowids in damaged.items() if rowids)
        _log.warning(
            "%s: damaged rows were removed (%s); what they held is measured again with --resume", self.path, counts
        )

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # --- what the run is

    def setting(self, name: str) -> Any:
        """Return what was kept under `name` (any JSON value), or None."""
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else self._parsed(row[0])

    def set_setting(self, name: str, value: Any) -> None:
        """Keep a JSON value under `name`, replacing what stood there."""
        self._connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", _sealed(name, _dump(value)))

    def identity(self, target: Target) -> Identity | None:
        """Return the identity under which `target` was measured here, or None."""
        row = self._connection.execute("SELECT record FROM identities WHERE target = ?", (str(target),)).fetchone()
        return None if row is None else from_json(self._parsed(row[0]), Identity, f"{self.path} identities")

    def claim(self, target: Target, identity: Identity) -> None:
        """Say that what follows is measured on `target` under `identity`.

        Raises:
            InputError: the journal holds measurements under another identity; the message names the fields.
        """
        known = self.identity(target)
        if known is None:
            row = _sealed(str(target), _dump(to_json(identity)))
            self._connection.execute("INSERT INTO identities VALUES (?, ?, ?)", row)
        elif known != identity:
            old, new = to_json(known), to_json(identity)
            changed = "; ".join(f"{name} was {old[name]!r}, is {new[name]!r}" for name in old if old[name] != new[name])
            raise InputError(
                f"{self.path} was measured on {target} under another identity ({changed}); "
                "times of the two must not be mixed: measure into a new folder"
            )

    def add_artifacts(self, artifacts: Iterable[Artifact]) -> None:
        """Keep the records of the files that are measured."""
        rows = [_sealed(artifact.sha256, _dump(to_json(artifact))) for artifact in artifacts]
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?)", rows)

    def artifacts(self) -> dict[str, Artifact]:
        """Return the records of the measured files by sha256."""
        rows = self._connection.execute("SELECT sha256, record FROM artifacts ORDER BY sha256").fetchall()
        return {sha256: from_json(self._parsed(text), Artifact, f"{self.path} artifacts") for sha256, text in rows}

    # --- whether the answers are right

    def keep_agreement(self, artifact_sha256: str, target: Target, agreement: DeviceAgreement) -> None:
        """Keep what came of comparing a file's output on a target, replacing an earlier record."""
        row = _sealed(artifact_sha256, str(target), _dump(to_json(agreement)))
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO agreements VALUES (?, ?, ?, ?)", row)

    def agreements(self) -> dict[tuple[str, str], DeviceAgreement]:
        """Return what is known of the outputs, by (artifact sha256, target as text)."""
        rows = self._connection.execute("SELECT artifact, target, record FROM agreements ORDER BY target, artifact")
        place = f"{self.path} agreements"
        return {
            (sha256, target): from_json(self._parsed(text), DeviceAgreement, place) for sha256, target, text in rows
        }

    # --- what was measured

    def append(self, measurements: Sequence[Measurement]) -> None:
        """Write measurements in one transaction: all of them or none.

        Raises:
            MeasurementError: one of them is already there, or the disk is full; nothing was written.
        """
        try:
            with self._transaction():
                for measurement in measurements:
                    self._insert(measurement)
        except sqlite3.IntegrityError as error:
            raise MeasurementError(f"a unit would be measured twice in {self.path}: {error}") from error
        except sqlite3.OperationalError as error:
            raise MeasurementError(f"{self.path} cannot be written: {error}") from error

    def _insert(self, measurement: Measurement) -> None:
        record = to_json(measurement)
        target = str(measurement.target)
        before, after = self._conditions_id(record.pop("before")), self._conditions_id(record.pop("after"))
        for column in ("round", "window", "artifact_sha256", "target", "status"):
            record.pop(column)
        self._connection.execute(
            'INSERT INTO measurements (round, "window", artifact, target, status, before, after, record, seal) '
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _sealed(
                measurement.round,
                measurement.window,
                measurement.artifact_sha256,
                target,
                str(measurement.status),
                before,
                after,
                _dump(record),
            ),
        )

    def _conditions_id(self, record: dict[str, Any]) -> int:
        """Return the row of a state of the device, which hundreds of measurements of one window share."""
        text = _dump(record)
        self._connection.execute("INSERT OR IGNORE INTO conditions (record, seal) VALUES (?, ?)", _sealed(text))
        row = self._connection.execute("SELECT id FROM conditions WHERE record = ?", (text,)).fetchone()
        return int(row[0])

    def mark(self, round_number: int, windows: Iterable[int], status: Status) -> None:
        """Change the status of the good measurements of some windows (what drifted is marked, never removed)."""
        listed = ", ".join(f'"{name}"' for name in _TABLES["measurements"])
        query = f'SELECT id, {listed} FROM measurements WHERE round = ? AND "window" = ? AND status = ?'
        with self._transaction():
            for window in windows:
                rows = self._connection.execute(query, (round_number, window, str(Status.OK))).fetchall()
                self._connection.executemany(
                    "UPDATE measurements SET status = ?, seal = ? WHERE id = ?",
                    [_remarked(values, status, number) for number, *values in rows],
                )

    def finished(self) -> frozenset[Unit]:
        """Return the units that are written."""
        rows = self._connection.execute('SELECT round, "window", artifact, target FROM measurements')
        return frozenset((int(number), int(window), sha256, target) for number, window, sha256, target in rows)

    def measurements(
        self,
        target: Target | None = None,
        round_number: int | None = None,
        statuses: Iterable[Status] | None = None,
        artifact_sha256: str | None = None,
    ) -> list[Measurement]:
        """Return measurements in the order in which they were taken, filtered by whatever is given.

        Each holds the agreement of its file on its target; where that is a wrong output, so is its status, whatever it
        was when it was taken (`statuses` filters by what it was).
        """
        wanted: list[str] = []
        values: list[Any] = []
        for column, value in (("target", target), ("round", round_number), ("artifact", artifact_sha256)):
            if value is not None:
                wanted.append(f"{column} = ?")
                values.append(value if isinstance(value, int) else str(value))
        if statuses is not None:
            texts = [str(status) for status in statuses]
            wanted.append(f"status IN ({', '.join('?' * len(texts))})")
            values.extend(texts)
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        columns = 'round, "window", artifact, target, status, before, after, record'
        query = f"SELECT {columns} FROM measurements {where} ORDER BY id"
        rows = self._connection.execute(query, values).fetchall()
        states = self._all_conditions()
        targets = {text: parse_target(text) for text in {row[3] for row in rows}}
        agreements = self.agreements()
        return [
            _with_agreement(self._measurement(row, states, targets), agreements.get((row[2], row[3]))) for row in rows
        ]

    def _all_conditions(self) -> dict[int, Conditions]:
        rows = self._connection.execute("SELECT id, record FROM conditions").fetchall()
        return {
            int(number): from_json(self._parsed(text), Conditions, f"{self.path} conditions") for number, text in rows
        }

    def _measurement(
        self, row: tuple[Any, ...], states: dict[int, Conditions], targets: dict[str, Target]
    ) -> Measurement:
        number, window, sha256, target, status, before, after, text = row
        empty = {"at": ""}
        record = self._parsed(text) | {
            "round": number,
            "window": window,
            "artifact_sha256": sha256,
            "target": to_json(targets[target]),
            "status": status,
            "before": empty,
            "after": empty,
        }
        measurement = from_json(record, Measurement, f"{self.path} measurements")
        return replace(measurement, before=states[before], after=states[after])

    def _parsed(self, text: str) -> Any:
        return parse_json(text, str(self.path), "journal")

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._connection)


def _with_agreement(measurement: Measurement, agreement: DeviceAgreement | None) -> Measurement:
    wrong = agreement is not None and agreement.wrong and measurement.status is not Status.FAILED
    status = Status.WRONG_OUTPUT if wrong else measurement.status
    return replace(measurement, agreement=agreement, status=status) if agreement is not None else measurement


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK on any exception."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._connection.execute("ROLLBACK")
            return
        try:
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError:
            self._connection.execute("ROLLBACK")
            raise
