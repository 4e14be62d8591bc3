"""Temporary files and folders: those of a dead writer are swept, those of a live one are left alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mogakit import files

WRITERS = {
    "file": "with files.replacing(Path(sys.argv[1]) / 'lut.json') as held:",
    "folder": "with files.building(Path(sys.argv[1]) / 'bundle') as held:",
    "scratch": "with files.scratch() as held:",
}


@contextmanager
def writer(kind: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a process that holds a temporary file or folder; yield it and the path that it holds."""
    script = f"import sys, time\nfrom pathlib import Path\nfrom mogakit import files\n{WRITERS[kind]}\n"
    script += "    print(held, flush=True)\n    time.sleep(60)\n"
    environment = os.environ | {"TMPDIR": str(folder)}
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_dead_writers_leftovers_are_swept_and_a_live_ones_are_not(kind: str, tmp_path: Path) -> None:
    names = files._SCRATCH if kind == "scratch" else files._TEMPORARY
    with writer(kind, tmp_path) as (process, held):
        assert held.parent == tmp_path
        assert files.sweep(tmp_path, names) == []
        assert held.exists()
        process.kill()
        process.wait()
        assert held.exists()
        assert files.sweep(tmp_path, names) == [held]
        assert not held.exists()


def test_only_the_kits_own_names_are_swept(tmp_path: Path) -> None:
    kept = ["notes.part", ".notes.part", "a.12345678.part", ".lut.json.ABCDEFGH.part", "moga-kit-12345678"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".lut.json.abcd_123.part").write_text("left by a kill")
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / ".link.json.abcd_123.part").symlink_to(tmp_path / "elsewhere")
    assert files.sweep(tmp_path) == [tmp_path / ".lut.json.abcd_123.part"]
    assert (tmp_path / "elsewhere").exists()
    assert all((tmp_path / name).exists() for name in kept)


def test_the_next_write_into_a_folder_sweeps_it(tmp_path: Path) -> None:
    left = tmp_path / ".lut.json.abcd_123.part"
    left.write_text("left by a kill")
    files.write_text(tmp_path / "other.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_a_command_leaves_nothing_in_the_temporary_folder(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "mogakit", "check", "tflite/cpu/float32", str(tmp_path / "absent.tflite")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
