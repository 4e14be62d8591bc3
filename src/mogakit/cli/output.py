"""How every command prints: a table for people, `--json` for programs, progress on standard error.

Text that a file, a phone or a person supplied reaches a terminal only through `say`, `warn` and `print_table`, which
show control characters as escapes.
"""

import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mogakit.cli.command import LOG, OPEN_LOG
from mogakit.neutral import one_line, printable
from mogakit.progress import both, silent

if TYPE_CHECKING:
    from rich.table import Table

    from mogakit.progress import Progress, ProgressLog

PIPE_WIDTH = 150
"""Columns of a table that does not go to a terminal, where COLUMNS does not say another number."""
LONGEST_WORD = 18
"""Columns that text of a table may be squeezed to; a longer word is broken."""

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add `--json` to a command, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")(function)


def log_option(function: F) -> F:
    """Add `--log` to a command that shows progress; `Command` opens the file, `progress_bars` writes to it."""
    return click.option(
        "--log",
        type=click.Path(dir_okay=False, path_type=Path),
        expose_value=False,
        callback=_note_log,
        metavar="FILE",
        help="Append one JSON line of progress a second to a file.",
    )(function)


def _note_log(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.meta[LOG] = path


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    try:
        text = json.dumps(value, indent=1, allow_nan=False)
    except ValueError:
        from mogakit.records import finite  # loaded here: help and errors need nothing of records

        text = json.dumps(finite(value), indent=1, allow_nan=False)  # JSON has no infinity: an unbounded number is null
    click.echo(text)


def say(text: object = "") -> None:
    """Print a line to standard output."""
    click.echo(printable(str(text)))


def warn(text: object) -> None:
    """Print a line to standard error, as a warning."""
    click.echo(f"warning: {printable(str(text))}", err=True)


def report(text: object) -> None:
    """Print a line to standard error."""
    click.echo(printable(str(text)), err=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
    """Print rows under a heading; numbers are aligned to the right.

    Where the width is too small for a box, the columns stand without one. Where it is too small for that, every row
    becomes a paragraph with a line for each column, so that no number loses its name and no name is cut.
    """
    cells = [[one_line("-" if cell is None else str(cell)) for cell in row] for row in rows]
    numeric = [bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(columns))]
    width = _width()
    if not cells:
        _print_wrapped(title if title.startswith("0 ") else f"{title}: none", width)
        _print_wrapped(caption, width)
        return
    widths = [_least_width(name, [row[i] for row in cells], i == 0 or numeric[i]) for i, name in enumerate(columns)]
    widths[0] = max(widths[0], len(columns[0]))
    boxed = sum(widths) + 3 * len(columns) + 1 <= width
    if not boxed and sum(widths) + 2 * (len(columns) - 1) > width:
        _print_paragraphs(title, columns, cells, caption, width)
        return
    from rich.cells import cell_len

    natural = [max(map(cell_len, (name, *(row[i] for row in cells)))) for i, name in enumerate(columns)]
    between = 3 * len(columns) + 1 if boxed else 2 * (len(columns) - 1)
    widths = _spread(widths, natural, width - between)
    # rich is loaded here: a command that prints JSON, help or an error does without it
    from rich.table import Table

    _print_wrapped(title, width)
    table = Table() if boxed else Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        # The first column names the row: a name cut over two lines can be neither read nor copied.
        table.add_column(
            column,
            justify="right" if numeric[index] else "left",
            overflow="fold",
            no_wrap=index == 0,
            width=widths[index],
        )
    for row in cells:
        table.add_row(*row)
    _print(table, width)
    _print_wrapped(caption, width)


def _spread(least: Sequence[int], natural: Sequence[int], available: int) -> list[int]:
    """Return the width of each column: its least, and of what is left as much as it can use, small needs first."""
    widths, left = list(least), available - sum(least)
    for index in sorted(range(len(widths)), key=lambda index: natural[index] - least[index]):
        added = min(max(natural[index] - least[index], 0), max(left, 0))
        widths[index] += added
        left -= added
    return widths


def _width() -> int:
    """Return the columns of the terminal, of COLUMNS, or of a pipe."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80 if sys.stdout.isatty() else PIPE_WIDTH


def _least_width(column: str, cells: Sequence[str], whole: bool) -> int:
    """Return the columns under which a heading or a number would be cut."""
    from rich.cells import cell_len

    words = [cell_len(word) for word in column.split()]
    if whole:
        return max([*words, *(cell_len(cell) for cell in cells)], default=1)
    longest = max((cell_len(word) for cell in cells for word in cell.split()), default=1)
    return max([*words, min(longest, LONGEST_WORD)])


def _print_paragraphs(
    title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], caption: str, width: int
) -> None:
    """Print `column: cell` lines; a table of two columns needs one line a row, and one for its headings."""
    _print_wrapped(title, width)
    if len(columns) == 2:
        _print_wrapped(f"{columns[0]}: {columns[1]}", width, "  ")
    for row in cells:
        if len(columns) == 2:
            _print_wrapped(f"{row[0]}: {row[1]}", width, "  ")
            continue
        click.echo()
        _print_wrapped(f"{columns[0]} {row[0]}", width, "  ")
        for name, cell in zip(columns[1:], row[1:], strict=True):
            _print_wrapped(f"  {name}: {cell}", width, "    ")
    _print_wrapped(caption, width)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print `name  text` lines with the texts below each other, wrapped to the width."""
    width, indent = _width(), " " * 13
    for name, text in fields:
        _print_wrapped(f"{name:12} {one_line(text)}", width, indent if width > 2 * len(indent) else "  ")


def _print_wrapped(text: str, width: int, indent: str = "") -> None:
    """Print each line of a text, wrapped between words; a word that is too long stays whole, so it can be copied."""
    import textwrap

    for line in printable(text).splitlines():
        if len(line) <= width:
            click.echo(line)
            continue
        wrapped = textwrap.wrap(
            line, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        click.echo("\n".join(wrapped))


def _print(table: "Table", width: int) -> None:
    from rich.console import Console

    class Leaving(Console):
        """A console that leaves it to the command how to end where nobody reads the output any more."""

        def on_broken_pipe(self) -> None:
            """Raise, where rich itself would end the process with the exit code of a failure."""
            raise BrokenPipeError(errno.EPIPE, "standard output is closed")

    Leaving(file=sys.stdout, highlight=False, markup=False, width=width).print(table)


def _is_number(cell: object) -> bool:
    """Return whether a cell is a number, written or not; empty cells do not matter."""
    text = "" if cell is None else str(cell)
    return isinstance(cell, int | float) or text in ("", "-") or text.replace(",", "").replace(".", "", 1).isdecimal()


@contextmanager
def progress_bar(what: str) -> Iterator["Progress"]:
    """Draw a bar with the estimated time left on standard error; where that is not a terminal, nothing is drawn."""
    with progress_bars([what]) as bars:
        yield bars[what]


@contextmanager
def demo_steps() -> Iterator["Callable[[int, int, str], Progress]"]:
    """Print the title of each step of a demonstration on standard error, with a bar below it."""
    with ExitStack() as bars:

        def step(number: int, total: int, title: str) -> "Progress":
            bars.close()
            click.echo(f"[{number}/{total}] {title}", err=True)
            return bars.enter_context(progress_bar(title))

        yield step


@contextmanager
def progress_bars(names: Sequence[str]) -> Iterator[dict[str, "Progress"]]:
    """Draw one bar for each name, as `progress_bar` does, and write to the log of `--log`, if there is one.

    Each may be advanced from a thread of its own.
    """
    context = click.get_current_context(silent=True)
    log: ProgressLog | None = None if context is None else context.meta.get(OPEN_LOG)
    with _drawn_bars(names) as bars:
        yield bars if log is None else {name: both(bar, log.progress(name)) for name, bar in bars.items()}


@contextmanager
def _drawn_bars(names: Sequence[str]) -> Iterator[dict[str, "Progress"]]:
    """Draw one bar for each name on a terminal."""
    if not sys.stderr.isatty():
        yield dict.fromkeys(names, silent)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        tasks = {name: bar.add_task(one_line(name), total=None, note="") for name in names}

        def advancing(name: str) -> "Progress":
            def advance(done: int, total: int, note: str) -> None:
                bar.update(tasks[name], completed=done, total=total, note=one_line(note))

            return advance

        yield {name: advancing(name) for name in names}
