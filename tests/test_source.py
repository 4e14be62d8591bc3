"""What holds for every module of the package: its imports, its functions, its records."""

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "mogakit"
MAX_CODE_LINES = 60
MAX_FLOWS = 10
MAX_POSITIONAL_FIELDS = 4
FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(path) for path in FILES}


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield every module of the kit that a file imports, in functions too; not what is imported for annotations."""
    nodes = [tree_of(path)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (tuple(each.name.split(".")) for each in node.names if each.name.startswith("mogakit"))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mogakit":
            base = tuple(node.module.split("."))
            for each in node.names:
                yield (*base, each.name) if (*base, each.name) in MODULES else base


def test_no_folder_holds_an_import_cycle_among_its_modules_and_folders() -> None:
    arrows: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in FILES:
        source = module_of(path)
        for target in imported(path):
            shared = next(
                (i for i, (a, b) in enumerate(zip(source, target, strict=False)) if a != b),
                min(len(source), len(target)),
            )
            if shared < min(len(source), len(target)):
                arrows[source[:shared]][source[shared]].add(target[shared])
    for folder, graph in arrows.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail(f"{'.'.join(folder)}: {' -> '.join(error.args[1])}")


def test_flows_holds_at_most_ten_entries() -> None:
    entries = [path for path in (PACKAGE / "flows").iterdir() if path.name not in ("__init__.py", "__pycache__")]
    assert len(entries) <= MAX_FLOWS, entries


def code_lines(text: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's body that hold code: no blank line, comment or docstring."""
    source = "\n".join(text.split("\n")[node.lineno - 1 : node.end_lineno])
    indent = len(source) - len(source.lstrip())
    source = "\n".join(line[indent:] if not line[:indent].strip() else line for line in source.split("\n"))
    quiet = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source + "\n").readline):
        if token.type not in quiet:
            lines.update(range(token.start[0], token.end[0] + 1))
    first = node.body[0]
    lines -= set(range(1, first.lineno - node.lineno + 1))  # the signature: a command has a line an option
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= set(range(first.lineno - node.lineno + 1, (first.end_lineno or 0) - node.lineno + 2))
    return len(lines)


def test_no_function_is_longer_than_sixty_lines_of_code() -> None:
    long = {
        f"{'.'.join(module_of(path))}.{node.name}": length
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := code_lines(path.read_text(encoding="utf-8"), node)) > MAX_CODE_LINES
    }
    assert long == {}


def dataclass_decorator(node: ast.ClassDef) -> ast.expr | None:
    for each in node.decorator_list:
        name = each.func if isinstance(each, ast.Call) else each
        if isinstance(name, ast.Name) and name.id == "dataclass":
            return each
    return None


def test_records_of_more_than_four_fields_are_filled_by_keyword() -> None:
    positional = []
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.ClassDef) or (found := dataclass_decorator(node)) is None:
                continue
            fields = [
                ast.unparse(each.annotation)
                for each in node.body
                if isinstance(each, ast.AnnAssign)
                and "ClassVar" not in ast.unparse(each.annotation)
                and "init=False" not in ast.unparse(each)
            ]
            if "KW_ONLY" in fields:
                del fields[fields.index("KW_ONLY") :]
            keywords = {each.arg for each in found.keywords} if isinstance(found, ast.Call) else set()
            if len(fields) > MAX_POSITIONAL_FIELDS and "kw_only" not in keywords:
                positional.append(f"{'.'.join(module_of(path))}.{node.name}")
    assert positional == []
