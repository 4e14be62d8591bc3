"""The examples run: every script, every cell of every notebook in order, every command that names what is in them.

They run in this process, since each of their own would load torch again.
"""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit import plugins
from mogakit.cli.main import cli

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


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the folder, and find the examples as modules."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture(scope="module", autouse=True)
def forget() -> Iterator[None]:
    """Forget at the end what the examples register; within, a module that is imported once registers once."""
    before = {group: dict(known) for group, known in plugins._registered.items()}
    yield
    plugins._registered.update(before)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_and_says_what_it_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert "ms" in capsys.readouterr().out


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_cells_of_a_notebook_run_in_order(name: str) -> None:
    exec(compile(code_of(EXAMPLES / name), name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    cells = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


def test_there_are_five_scripts_and_two_notebooks_and_the_list_names_them() -> None:
    assert (len(SCRIPTS), len(NOTEBOOKS)) == (5, 2)
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in listed for name in SCRIPTS + NOTEBOOKS)


COMMANDS = {
    "space and block kind": ["show", "own_space:space/0-2-3"],
    "registered kind": ["--use", "own_space", "lut", "show", "example-runs/ghosts"],
    "network": ["show", "own_network:network"],
    "network file": ["show", "example-runs/mine.json"],
    "accuracy and latency": [
        *("search", "--space", "digits", "--table", "example-runs/digits"),
        *("--table", "own_accuracy_and_latency:MemoryBound", "--set", "reference=digits/0-0-0-0-0-0"),
        *("--accuracy", "own_accuracy_and_latency:accuracy", "--set", "population=8", "--set", "generations=3"),
        *("-o", "example-runs/from-the-command-line"),
    ],
    "device": ["bench", "own_network:network", "--device", "own_device:pinned", "--quick"],
    "target": ["--use", "own_device", "bench", "own_network:network", "--target", "tflite/npu/int8,delegate=mine"],
}


@pytest.mark.parametrize("what", COMMANDS)
def test_the_command_line_finds_what_is_ones_own_by_name(what: str) -> None:
    result = CliRunner().invoke(cli, COMMANDS[what])
    if what == "target":  # no phone is here: the answer is that of a known target on the wrong device
        assert "give a phone with --device" in str(result.exception)
        return
    assert result.exit_code == 0, result.output
    assert result.output


def test_the_laws_of_the_examples_space_and_blocks() -> None:
    import own_space

    import mogakit as mk
    from mogakit.nets.kind_laws import check_block

    space = own_space.space()
    mk.check_space(space)
    for block in space.choice_blocks:
        check_block(block)
