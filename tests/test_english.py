"""Strings, docstrings, comments and pages use the field's plain terms; the glossary is the table below."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

GLOSSARY = {
    r"(?<!here )\bis no (?!longer\b|more\b)": "is not a",
    r"\blegal (is|are)\b": "supported:",
    r"\brefus(e|es|ed|ing|al)\b": "reject",
    r"\b(mend|mends|mending|condemn\w*)\b": "fix, flag",
    r"\b(obituary|complaints|patiently|hopeless)\b": "exit report, stderr, retry on disconnect, too many failures",
    r"\b(heard on|is told so|be told otherwise|told to|brought by)\b": "measured on, is reported, supplied by",
    r"\b(a room|rooms|doors?) (to|of|below|above)\b": "package, link",
    r"\bat the begin\b": "at the start",
    r"(?m)^\s*\"\"\"Say (whether|what|how|which)\b": "Return whether, return",
    r"\bof one's own\b": "separate",
    r"\b(was|were|is) (at hand|played by)\b": "was available, was simulated",
    r"\b(dead writers?|writer lives|in vain)\b": "processes that have ended, without success",
    r"\banew\b": "again, from scratch",
    r"\bfor ever\b": "forever",
    r"\bgo(es)? on with\b": "continue",
    r"\bstands? twice\b": "appears twice",
    r"\b([Tt]he plan was|\(the plan\))": "what is, not what was planned",
    r"\b([Ww]hat became of|is content|are content|was content)\b": "the outcome of, passed",
    r"\b(of the moment|just then|in the hour of|at the mercy)\b": "local, then, within an hour of, dependent on",
}
"""What stops a reader, as a regular expression, and what to write instead."""

EXCEPTIONS = re.compile(r'^"refused"$|`refused`|[Cc]onnection refused')
"""Words of stored files and of other programs, which keep their spelling."""

SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PROSE = {tokenize.STRING, tokenize.COMMENT} | {
    value for name, value in vars(tokenize).items() if name == "FSTRING_MIDDLE"
}


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every string, docstring and comment of a module, or of every line of a page."""
    if path.suffix == ".md":
        yield from enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in PROSE:
                yield token.start[0], token.string


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_keeps_to_the_glossary(path: Path) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}: write {instead!r}"
        for line, text in prose_of(path)
        if not EXCEPTIONS.search(text)
        for pattern, instead in GLOSSARY.items()
        if (match := re.search(pattern, text))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["x is no option; legal are a, b", "the file is refused", "say it is told to stop", "write the table anew"]
)
def test_the_glossary_finds_what_it_names(text: str) -> None:
    assert any(re.search(pattern, text) for pattern in GLOSSARY)
