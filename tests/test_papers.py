"""docs/papers.md: a row for every table and figure, none of them empty, and commands that exist."""

import re
from pathlib import Path

import click
import pytest

from mogakit.cli.main import cli
from mogakit.nets.published import PAPER_TABLES
from mogakit.reports.paper_figures import PAPER_FIGURES

PAGE = (Path(__file__).parents[1] / "docs" / "papers.md").read_text(encoding="utf-8")
SECTIONS = {title.split(" ")[0]: body for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)}
NUMBERED = {  # by paper, how many tables and figures it numbers
    "MoGA": (3, 9),
    "MnasNet": (3, 7),
    "Multi-hardware": (3, 7),
}


@pytest.mark.parametrize("paper", NUMBERED)
def test_every_numbered_table_and_figure_has_a_row(paper: str) -> None:
    tables, figures = NUMBERED[paper]
    first = " ".join(line.split("|")[1] for line in SECTIONS[paper].splitlines() if line.startswith("|"))
    for kind, count in (("Table", tables), ("Figure", figures)):
        assert {number for number in range(1, count + 1) if f"{kind} {number}" not in first} == set()


def test_no_row_is_empty() -> None:
    for line in PAGE.splitlines():
        if line.startswith("| ") and not line.startswith("| in the paper"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            assert any(cells[1:]), line


def test_every_figure_and_table_that_is_named_exists() -> None:
    assert set(re.findall(r"--figure ([\w-]+/\d+)", PAGE)) == set(PAPER_FIGURES)
    assert set(re.findall(r"--published ([\w-]+/\d+)", PAGE)) <= set(PAPER_TABLES)
    assert {name.split("/")[0] for name in PAPER_TABLES} == {"moga", "mnasnet", "multi-hardware"}


def test_every_command_that_is_named_exists() -> None:
    for words in re.findall(r"`moga ((?:[a-z]+ ?)+)", PAGE):
        name = words.split()[0]
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
