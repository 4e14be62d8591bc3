"""A flipped byte in a database, a checkpoint or weights is found and said, or changes nothing."""

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from stored_kinds import OLD

from mogakit import records
from mogakit.bench.journal import FINISHED, SCHEMA_VERSION, Journal
from mogakit.bench.warning import WarningKind
from mogakit.errors import CheckpointError, InputError
from mogakit.nets.weights import read_state, save_weights
from mogakit.search.cache import EvaluationCache
from mogakit.training.checkpoint import read_checkpoint, save_checkpoint

NAMES = ["0-0-0-0-0-0", "1-0-0-0-0-0"]


def flipped(whole: bytes, path: Path, count: int, seed: int = 0) -> Iterator[str]:
    """Write a file again and again, each time with another byte changed; yield what was changed."""
    rng = np.random.default_rng(seed)
    for position, mask in zip(rng.integers(len(whole), size=count), rng.integers(1, 256, size=count), strict=True):
        for beside in path.parent.glob(f"{path.name}-*"):
            beside.unlink()  # SQLite's own files of the one before
        damaged = bytearray(whole)
        damaged[position] ^= mask
        path.write_bytes(damaged)
        yield f"byte {position} ^ {mask}"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of this release, made from one of release 0.1."""
    path = tmp_path / "journal.db"
    shutil.copy(OLD / "journal.db", path)
    with Journal(path) as opened:
        assert len(opened.measurements()) == 6
    return path


def test_a_journal_of_release_0_1_is_sealed_and_holds_what_it_held(journal: Path) -> None:
    with Journal(journal) as opened:
        assert len(opened.measurements()) == len(opened.finished()) == 6
        assert opened.setting(FINISHED) is True
        assert opened.setting("schema_version") == SCHEMA_VERSION
        kinds = {warning.kind for one in opened.measurements() for warning in one.before.warnings}
        assert kinds == {WarningKind.LOAD}
    with Journal(journal) as again:  # nothing is upgraded twice, and no row lost its seal
        assert len(again.measurements()) == 6


def test_a_flipped_byte_in_a_journal_loses_what_it_hit_and_says_so(
    journal: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Journal(journal) as opened:
        before = {(one.round, one.window, one.artifact_sha256): one for one in opened.measurements()}
    path = tmp_path / "damaged.db"
    for what in flipped(journal.read_bytes(), path, 120):
        caplog.clear()
        try:
            with Journal(path) as opened:
                found = {(one.round, one.window, one.artifact_sha256): one for one in opened.measurements()}
                opened.artifacts()
        except InputError as error:
            assert str(path) in str(error), what
            continue
        assert found.items() <= before.items(), what
        assert found == before or caplog.messages, what


@pytest.mark.parametrize("table", ["measurements", "conditions", "artifacts", "settings", "identities"])
def test_a_damaged_row_goes_with_what_stands_on_it(table: str, journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    column = "value" if table == "settings" else "record"
    connection = sqlite3.connect(journal)
    connection.execute(f"UPDATE {table} SET {column} = {column} || ' '")
    connection.commit()
    connection.close()
    with caplog.at_level(logging.WARNING), Journal(journal) as opened:
        assert opened.setting(FINISHED) is None
        left = len(opened.measurements())
    assert left == (6 if table in ("artifacts", "settings") else 0)
    assert f"of {table}" in caplog.text
    assert "measured again" in caplog.text
    caplog.clear()
    with Journal(journal):
        assert not caplog.messages


def test_damaged_evaluations_are_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "evaluations.sqlite"
    shutil.copy(OLD / "evaluations.sqlite", path)
    with EvaluationCache(path) as cache:
        before = cache.get("accuracy a:b", NAMES)
        assert before["0-0-0-0-0-0"] == 0.5
        cache.put("accuracy a:b", [("1-0-0-0-0-0", 0.75)])
        before = cache.get("accuracy a:b", NAMES)
    damaged = tmp_path / "damaged.sqlite"
    said = 0
    for what in flipped(path.read_bytes(), damaged, 400):
        caplog.clear()
        try:
            with EvaluationCache(damaged) as cache:
                found = cache.get("accuracy a:b", NAMES)
        except InputError as error:
            assert str(damaged) in str(error), what
            continue
        assert found.items() <= before.items(), what
        said += "computed again" in caplog.text
    connection = sqlite3.connect(path)
    connection.execute("UPDATE evaluations SET value = 0.25")
    connection.commit()
    connection.close()
    with EvaluationCache(path) as cache:
        assert cache.get("accuracy a:b", NAMES) == {}
    assert "2 damaged evaluations are computed again" in caplog.text


def test_a_flipped_byte_in_a_search_checkpoint_is_found(tmp_path: Path) -> None:
    whole, path = (OLD / "search-checkpoint.npz").read_bytes(), tmp_path / "checkpoint.npz"
    with np.load(OLD / "search-checkpoint.npz", allow_pickle=False) as stored:
        before = {name: stored[name] for name in stored.files}
    for what in flipped(whole, path, 150):
        try:
            records.check_zip(path, "checkpoint of a search")
            with np.load(path, allow_pickle=False) as stored:
                found = {name: stored[name] for name in stored.files}
        except (InputError, KeyError, ValueError):
            continue
        assert found.keys() == before.keys(), what
        assert all(np.array_equal(found[name], before[name], equal_nan=found[name].dtype.kind == "f") for name in found)


def test_a_flipped_byte_in_a_training_checkpoint_is_found(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"run": {"seed": 0}, "step": 3, "model": {"weight": torch.arange(6.0)}})
    before = read_checkpoint(path)
    for what in flipped(path.read_bytes(), path, 120):
        try:
            found = read_checkpoint(path)
        except CheckpointError as error:
            assert str(path) in str(error), what
            continue
        assert found["run"] == before["run"], what
        assert found["step"] == before["step"], what
        assert torch.equal(found["model"]["weight"], before["model"]["weight"]), what


def test_a_training_checkpoint_of_release_0_1_is_read() -> None:
    assert read_checkpoint(OLD / "checkpoint.pt")["step"] == 3


def test_a_flipped_byte_in_weights_is_found(tmp_path: Path) -> None:
    path, module = tmp_path / "weights.safetensors", torch.nn.Linear(3, 2)
    save_weights(module, path)
    before = read_state(path)
    for what in flipped(path.read_bytes(), path, 120):
        try:
            found = read_state(path)
        except CheckpointError as error:
            assert str(path) in str(error), what
            continue
        assert found.keys() == before.keys(), what
        assert all(torch.equal(found[name], before[name]) for name in found), what
