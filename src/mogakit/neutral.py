r"""Text that somebody else wrote, made harmless where it is shown: on a terminal, in a spreadsheet, in Markdown.

A name in a table, a bundle or a phone's answer is data. A terminal must not obey it (escape sequences), a spreadsheet
not compute it (a cell that starts with `=`), and a page not run it. Pages escape what they show by themselves.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""C0 without tab and line feed, DEL, C1, line separators, and what changes the direction of text."""
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
"""How a cell starts that spreadsheets compute; full-width signs are taken for the plain ones by some."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|&])")


def printable(text: str) -> str:
    r"""Return `text` with every control character written as an escape (`\x1b`): shown by a terminal, not obeyed."""
    return _CONTROL.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Return `text` as `printable` does, on one line: a line feed in a stored name is shown as `\n`."""
    return printable(text).replace("\n", r"\n")


def cell(value: object) -> object:
    r"""Return what a CSV file holds for a value: text that a spreadsheet would compute gets an apostrophe in front.

    Numbers stay as they are, written ones too; None is an empty cell; line feeds and tabs are written as escapes.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = one_line(value).replace("\t", r"\t")
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV whose cells no spreadsheet computes; see `cell`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def markdown(text: object) -> str:
    """Return text as Markdown shows it letter by letter: no link, no tag, no emphasis, no new column or line."""
    return _MARKDOWN.sub(r"\\\1", one_line(str(text)))


def code(text: object) -> str:
    """Return text as Markdown's code: longer fences than it holds, no new line, and no new column of a table."""
    shown = one_line(str(text)).replace("|", "¦")
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
