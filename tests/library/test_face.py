"""`import mogakit`: about thirty names, loaded lazily, described with an example that runs."""

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mogakit as mk
from mogakit import plugins

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_the_face_is_about_thirty_names_each_with_a_home_and_a_type() -> None:
    assert 28 <= len(mk.__all__) <= 36
    assert sorted(mk.__all__) == sorted(mk._HOMES)
    assert set(dir(mk)) == {*mk.__all__, "__version__"}
    tree = ast.parse(Path(inspect.getfile(mk)).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {name.name: each.module for each in block.body if isinstance(each, ast.ImportFrom) for name in each.names}
    homes = {name: getattr(mk, name).__module__ for name in mk.__all__}
    assert typed.keys() == homes.keys()  # a type checker sees what is there
    for name, module in typed.items():
        assert homes[name].startswith(str(module)), name


def test_importing_the_face_loads_nothing_else_and_costs_little() -> None:
    program = (
        "import sys, time; before = set(sys.modules); start = time.process_time(); import mogakit; "
        "took = time.process_time() - start; heavy = {'torch', 'numpy', 'matplotlib', 'onnx', 'scipy', 'click'}; "
        "print(took, sorted(heavy & set(sys.modules)))"
    )
    took, heavy = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split(maxsplit=1)
    assert heavy.strip() == "[]"
    assert float(took) < 0.05  # CPU seconds: nothing but the standard library


def test_what_predicts_and_searches_does_without_torch() -> None:
    names = ["predict", "Plan", "load_table", "get_network", "run_search", "f_avg"]
    program = f"import mogakit, sys; [getattr(mogakit, n) for n in {names}]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        mk.nothing  # noqa: B018


@pytest.mark.parametrize("name", mk.__all__)
def test_a_public_name_is_described_with_errors_source_and_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(mk, name)) or ""
    for word in ("Source:", "Examples:", ">>> "):
        assert word in text, word
    thing = getattr(mk, name)
    if inspect.isfunction(thing):
        if inspect.signature(thing).return_annotation not in (None, "None"):
            assert "Returns:" in text
        if inspect.signature(thing).parameters:
            assert "Args:" in text or name.startswith("register")
        assert "Raises:" in text


@pytest.mark.parametrize("name", mk.__all__)
def test_the_example_of_a_public_name_runs(name: str, measured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(measured)
    monkeypatch.setattr(plugins, "_registered", {group: {} for group in plugins.Group})
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    found = [test for test in finder.find(getattr(mk, name), name, globs={"mk": mk}) if test.examples]
    assert found
    written: list[str] = []
    for test in found:
        runner.run(test, out=written.append)
    assert not runner.summarize(verbose=False).failed, "".join(written)
