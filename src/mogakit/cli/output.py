"""How every command prints: a table for people, `--json` for programs, progress on standard error."""

import errno
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from mogakit.progress import Progress

PIPE_WIDTH = 150
"""Columns of a table that does not go to a terminal."""

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add `--json` to a command, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")(function)


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
    """Print rows under a heading; numbers are aligned to the right."""
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows)
        # The first column names the row: a name cut over two lines can be neither read nor copied.
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*("-" if cell is None else str(cell) for cell in row))
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    _Console(file=sys.stdout, highlight=False, markup=False, width=width).print(table)


class _Console(Console):
    """A console that leaves it to the command how to end where nobody reads the output any more."""

    def on_broken_pipe(self) -> None:
        """Raise, where rich itself would end the process with the exit code of a failure."""
        raise BrokenPipeError(errno.EPIPE, "standard output is closed")


def _is_number(cell: object) -> bool:
    """Return whether a cell is a number, written or not; empty cells do not matter."""
    text = "" if cell is None else str(cell)
    return isinstance(cell, int | float) or not text or text.replace(",", "").replace(".", "", 1).isdecimal()


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Draw a bar with the estimated time left on standard error; where that is not a terminal, nothing is drawn."""
    with progress_bars([what]) as bars:
        yield bars[what]


@contextmanager
def progress_bars(names: Sequence[str]) -> Iterator[dict[str, Progress]]:
    """Draw one bar for each name, as `progress_bar` does; each may be advanced from a thread of its own."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        tasks = {name: bar.add_task(name, total=None, note="") for name in names}

        def advancing(name: str) -> Progress:
            def advance(done: int, total: int, note: str) -> None:
                bar.update(tasks[name], completed=done, total=total, note=note)

            return advance

        yield {name: advancing(name) for name in names}
