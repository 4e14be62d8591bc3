"""Command lines for the phone's shell: every word is quoted, whatever it holds.

`adb` hands one string to `/system/bin/sh` (mksh) on the phone. A model name, a serial or an option value with spaces,
quotes, `;`, `$()` or newlines in it must name something and do nothing.
"""

import re
from collections.abc import Mapping, Sequence

from mogakit.errors import InputError

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def quote(word: str) -> str:
    """Return `word` as one word of a POSIX shell.

    Raises:
        InputError: it holds a NUL, which no argument can.
    """
    if "\0" in word:
        raise InputError(f"{word!r} holds a NUL character, which no command line can carry")
    if _PLAIN.match(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def command_line(words: Sequence[str]) -> str:
    """Join words into a command line in which each stays one word."""
    return " ".join(quote(word) for word in words)


def assignments(variables: Mapping[str, str]) -> str:
    """Return `A=... B=...` for the shell or for `env`.

    Raises:
        InputError: a name is not a shell variable's.
    """
    for name in variables:
        if not _VARIABLE.match(name):
            raise InputError(f"{name!r} cannot name an environment variable; supported: letters, digits and _")
    return " ".join(f"{name}={quote(value)}" for name, value in variables.items())
