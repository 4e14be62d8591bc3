"""Every reader on damaged files with a fixed seed, and on every file that once broke one."""

from pathlib import Path

import pytest
from readers import FAILURES, run, sound, targets

TARGETS = {target.name: target for target in targets()}


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_rejected(name: str) -> None:
    count, broken = run(TARGETS[name], num_inputs=60, seconds=10.0, seed=1)
    assert count >= 1
    assert broken == []


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(FAILURES.glob("*.*")) if path.stem.rpartition("-")[0] in TARGETS],
    ids=lambda path: path.name,
)
def test_what_once_broke_a_reader_does_not_any_more(path: Path) -> None:
    name = path.stem.rpartition("-")[0]
    assert sound(TARGETS[name], path)
