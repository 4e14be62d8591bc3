"""Layers that are left in float inside an integer file, chosen by name."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from mogakit.errors import InputError, unknown_name

MAX_LISTED = 8
"""Names that a rejection lists where none is near to what was given."""


def chosen(patterns: Sequence[str], names: Sequence[str]) -> frozenset[str]:
    """Return those of `names` that one of `patterns` means.

    A pattern is the name of a layer, of a module around layers (`blocks.3` is all of it), or a glob (`*.project.conv`).
    Case counts.

    Raises:
        InputError: a pattern means none of them; the message suggests near ones.
    """
    found: set[str] = set()
    for pattern in patterns:
        meant = [name for name in names if _means(pattern, name)]
        if not meant:
            raise InputError(_unknown(pattern, names))
        found.update(meant)
    return frozenset(found)


def _means(pattern: str, name: str) -> bool:
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)


def _unknown(pattern: str, names: Sequence[str]) -> str:
    modules = dict.fromkeys(part for name in names for part in _around(name))
    message = unknown_name("layer", pattern, [*names, *modules])
    if "; supported: " not in message:
        return message
    shown = ", ".join(names[:MAX_LISTED])
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"unknown layer {pattern!r}; the file's layers are {shown}{more} (or a glob, such as *.conv)"


def _around(name: str) -> list[str]:
    """Return the modules around a layer: `a` and `a.b` of `a.b.conv`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]
