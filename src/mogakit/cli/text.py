"""Text that a terminal shows: names from files cannot move its cursor, clear it, or write its title."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""C0 without tab and line feed, DEL, C1, line separators, and what changes the direction of text."""


def printable(text: str) -> str:
    r"""Return `text` with every control character written as an escape (`\x1b`): shown by a terminal, not obeyed."""
    return _CONTROL.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Return `text` as `printable` does, on one line: a line feed in a stored name is shown as `\n`."""
    return printable(text).replace("\n", r"\n")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
