"""The examples run: every script as a program, every cell of every notebook in order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))


def code_of(notebook: Path) -> str:
    """Return the code cells of a notebook as one program, without the lines that only IPython knows."""
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines() if not line.startswith("%")]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which all of them run, as a reader would run one after the other."""
    return tmp_path_factory.mktemp("examples")


def run(arguments: list[str], folder: Path) -> str:
    paths = [str(EXAMPLES), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_and_says_what_it_found(name: str, folder: Path) -> None:
    assert "ms" in run([str(EXAMPLES / name)], folder)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_cells_of_a_notebook_run_in_order(name: str, folder: Path) -> None:
    run(["-c", code_of(EXAMPLES / name)], folder)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    cells = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


def test_there_are_five_scripts_and_two_notebooks_and_the_list_names_them() -> None:
    assert (len(SCRIPTS), len(NOTEBOOKS)) == (5, 2)
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in listed for name in SCRIPTS + NOTEBOOKS)


def test_the_laws_of_the_examples_space_and_blocks() -> None:
    program = (
        "import own_space, mogakit as mk; from mogakit.nets.kind_laws import check_block; space = own_space.space(); "
        "mk.check_space(space); [check_block(block) for block in space.choice_blocks]; print('kept, no ms')"
    )
    assert "kept" in run(["-c", program], EXAMPLES)
