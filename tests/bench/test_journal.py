"""The journal keeps everything once, and gives it back as it was."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_files import is_sound

from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Conditions, Identity, Measurement, Status, Summary
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.bench.warning import ConditionWarning, WarningKind
from mogakit.errors import InputError, MeasurementError

LOADED = ConditionWarning(kind=WarningKind.LOAD, value=3.5, limit=1.0, advice="close other programs")
IDENTITY = Identity(
    device="a",
    device_name="A",
    driver="",
    runtime="runtime 1",
    tool_sha256="",
    flags=("threads=1",),
    affinity="",
    export_version="1",
)


@pytest.fixture
def taken(jobs: list[Job], make_measurement: Callable[..., Measurement]) -> list[Measurement]:
    """Two rounds of two windows of six files."""
    return [
        make_measurement(job, number, window, (1.0 + index, 1.1 + index))
        for number in range(2)
        for window in range(2)
        for index, job in enumerate(jobs)
    ]


def test_what_was_written_is_read_back_equal_and_in_order(tmp_path: Path, taken: list[Measurement]) -> None:
    warned = Conditions(at="2026-01-02T00:00:00+00:00", load_1min=3.5, warnings=(LOADED,))
    summary = Summary(count=50, mean_ms=1.5, std_ms=0.1, min_ms=1.2, max_ms=None, median_ms=1.4)
    taken[3] = replace(taken[3], after=warned, summary=summary, warmup_ms=(2.0, 1.0), init_ms=3.25, error="none")
    with Journal(tmp_path / "j.db") as journal:
        journal.append(taken)
    with Journal(tmp_path / "j.db") as journal:
        assert journal.measurements() == taken
        assert journal.measurements(round_number=1) == taken[12:]
        assert journal.measurements(artifact_sha256=taken[0].artifact_sha256) == taken[::6]
        assert journal.measurements(parse_target("onnx/cpu/float32")) == []
    assert is_sound(tmp_path / "j.db")


def test_a_unit_is_written_once_and_a_failed_write_writes_nothing(tmp_path: Path, taken: list[Measurement]) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.append(taken[:6])
        with pytest.raises(MeasurementError, match="twice"):
            journal.append([*taken[6:12], taken[0]])
        assert journal.measurements() == taken[:6]
        assert len(journal.finished()) == 6


def test_drift_marks_good_measurements_and_no_others(tmp_path: Path, taken: list[Measurement]) -> None:
    taken[1] = replace(taken[1], status=Status.FAILED, error="it did not load")
    with Journal(tmp_path / "j.db") as journal:
        journal.append(taken)
        journal.mark(0, [0], Status.DRIFTED)
        statuses = [one.status for one in journal.measurements()]
    assert statuses[:6] == [Status.DRIFTED, Status.FAILED, *[Status.DRIFTED] * 4]
    assert set(statuses[6:]) == {Status.OK}


def test_identities_must_agree_and_the_message_names_what_differs(tmp_path: Path) -> None:
    target = parse_target("tflite/cpu/float32")
    with Journal(tmp_path / "j.db") as journal:
        assert journal.identity(target) is None
        journal.claim(target, IDENTITY)
        journal.claim(target, IDENTITY)
        assert journal.identity(target) == IDENTITY
        with pytest.raises(InputError, match=r"runtime was 'runtime 1', is 'runtime 2'.*new folder"):
            journal.claim(target, replace(IDENTITY, runtime="runtime 2"))


def test_artifacts_and_settings_are_kept(tmp_path: Path, jobs: list[Job]) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.add_artifacts(job.artifact for job in jobs)
        journal.set_setting("plan", {"seed": 3, "names": ["a", None]})
        assert set(journal.artifacts().values()) == {job.artifact for job in jobs}
        assert journal.setting("plan") == {"seed": 3, "names": ["a", None]}
        assert journal.setting("absent") is None


def test_a_file_that_is_no_journal_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    path.write_text("These are the notes of another program, and longer than a header.")
    with pytest.raises(InputError, match="not a journal"):
        Journal(path)


def test_a_journal_of_a_newer_kit_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with Journal(path) as journal:
        journal.set_setting("schema_version", 99)
    with pytest.raises(InputError, match="schema version 99"):
        Journal(path)


def test_a_second_reader_sees_what_is_committed(tmp_path: Path, taken: list[Measurement]) -> None:
    with Journal(tmp_path / "j.db") as writer, Journal(tmp_path / "j.db") as reader:
        writer.append(taken[:6])
        assert reader.measurements() == taken[:6]


def test_a_full_disk_is_a_measurement_error_and_leaves_the_journal_whole(
    tmp_path: Path, taken: list[Measurement]
) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.append(taken[:6])
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        big = [replace(one, samples_ms=tuple(range(5000))) for one in taken[6:12]]
        with pytest.raises(MeasurementError, match="cannot be written"):
            journal.append(big)
        journal._connection.execute("PRAGMA max_page_count = 100000")
        journal.append(taken[6:12])
        assert journal.measurements() == taken[:12]


def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db"):
        connection = sqlite3.connect(tmp_path / "j.db")
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()
