"""Nothing that is read can run code, and nothing that is named can lead out of its folder."""

import ast
import os
import re
from pathlib import Path

import pytest

from mogakit import files
from mogakit.errors import InputError

SOURCE = Path(__file__).parents[1] / "src" / "mogakit"
MODULES = sorted(SOURCE.rglob("*.py"))

UNPICKLING = {"cPickle", "cloudpickle", "dill", "jsonpickle", "marshal", "pickle", "shelve"}
"""Modules of which the kit imports at most the name of an exception."""
EXCEPTIONS_ONLY = {"UnpicklingError", "PickleError"}
CODE = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def unsafe_calls(source: str) -> list[str]:
    """Return every place of a module that would unpickle, evaluate text, or hand it to a shell."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLING:
            found += [f"{node.module}.{each.name}" for each in node.names if each.name not in EXCEPTIONS_ONLY]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in UNPICKLING and node.attr not in EXCEPTIONS_ONLY:
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Call):
            found += unsafe_call(node)
    return found


def unsafe_call(node: ast.Call) -> list[str]:
    name = ast.unparse(node.func)
    given = {each.arg: ast.unparse(each.value) for each in node.keywords}
    if name in CODE or name in SHELLS or given.get("shell") == "True":
        return [name]
    if name in ("torch.load", "torch.hub.load", "torch.jit.load") and given.get("weights_only") != "True":
        return [f"{name} without weights_only=True"]
    if name in ("np.load", "numpy.load", "np.fromfile") and given.get("allow_pickle", "False") != "False":
        return [f"{name} with allow_pickle"]
    if re.fullmatch(r"yaml\.(unsafe_load|full_load|load_all|unsafe_load_all)(_all)?", name):
        return [name]
    if name == "yaml.load" and "Safe" not in given.get("Loader", ""):
        return [f"{name} without a safe loader"]
    if name in ("joblib.load", "pd.read_pickle", "pandas.read_pickle", "torch.package.PackageImporter"):
        return [name]
    return []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_unpickles_evaluates_text_or_calls_a_shell(path: Path) -> None:
    assert unsafe_calls(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.loads(b'')",
        "from pickle import load",
        "import torch\ntorch.load('a')",
        "torch.load('a', weights_only=False)",
        "np.load('a', allow_pickle=True)",
        "np.load('a', allow_pickle=given)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "joblib.load('a')",
        "import shelve\nshelve.open('a')",
        "marshal.loads(b'')",
        "from dill import loads",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "pd.read_pickle('a')",
    ],
)
def test_the_lint_finds_what_it_names(text: str) -> None:
    assert unsafe_calls(text)


@pytest.mark.parametrize("text", ["from pickle import UnpicklingError", "torch.load('a', weights_only=True)"])
def test_the_lint_lets_pass_what_is_safe(text: str) -> None:
    assert unsafe_calls(text) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every way out of it: a link to a file, a link to a folder, a device, a pipe."""
    made = tmp_path / "folder"
    made.mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("outside")
    (made / "plain").write_text("plain")
    (made / "linked").symlink_to(tmp_path / "secret")
    (made / "tunnel").symlink_to(tmp_path / "outside")
    (made / "zero").symlink_to("/dev/zero")
    (made / "near").symlink_to("plain")
    os.mkfifo(made / "pipe")
    return made


WAYS_OUT = ("../secret", "/etc/passwd", "a/../../secret", "linked", "tunnel/file", "zero", "pipe", "", "..", "a\0b")


@pytest.mark.parametrize("name", WAYS_OUT)
def test_no_name_leads_out_of_its_folder(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="index names"):
        files.inside(folder, name, named_by=Path("index"))


@pytest.mark.parametrize("name", ["plain", "near", "not/yet/there"])
def test_a_name_inside_is_taken(folder: Path, name: str) -> None:
    assert files.inside(folder, name, named_by=Path("index")) == folder / name


@pytest.mark.parametrize(
    ("text", "is_one"), [("a.so", True), ("..", False), ("a/b", False), ("", False), (".", False), ("a\0", False)]
)
def test_a_name_is_one_part_of_a_path(text: str, is_one: bool) -> None:
    assert files.is_name(text) is is_one
