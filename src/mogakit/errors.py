"""Every error the kit raises on purpose.

    MogaKitError
    ├── InputError            what the user gave is not usable (exit code 2)
    │   ├── KeySyntaxError        a block key, target or chromosome that does not parse
    │   ├── CheckpointError       a weights file that does not fit the network
    │   ├── TableError            a latency table is malformed, mismatched, or lacks a row
    │   └── UnsupportedOperator   an operator that the export cannot lower
    ├── ExportError           a written file does not agree with torch, or could not be written
    ├── MeasurementError      a tool or runtime failed, or said something that is not a measurement
    │   └── ParseError            the output of a tool did not hold what it must hold
    ├── DeviceError           a phone is absent, locked, unauthorized, or went away
    └── ClusterError          a cluster is not reachable, has no worker, or has one that would compute something else

A message says what was given, what is supported, and what to do.
"""

from collections.abc import Iterable

MAX_SUGGESTIONS = 5
MIN_LIKENESS = 0.7
"""Of difflib: under it a suggestion is a guess that helps nobody."""


class MogaKitError(Exception):
    """Base of every error that the kit raises on purpose; `exit_code` is what the command returns.

    Source: the head of this module draws the tree of errors.

    Examples:
        >>> try:
        ...     mk.get_network("no-such-network")
        ... except mk.MogaKitError as error:
        ...     error.exit_code
        2
    """

    exit_code = 1


class InputError(MogaKitError):
    """What the user gave is not usable."""

    exit_code = 2


class KeySyntaxError(InputError):
    """A block key, a target or a chromosome does not parse."""


class CheckpointError(InputError):
    """A weights file does not fit the network."""


class UnsupportedOperator(InputError):  # noqa: N818 - named for what it says
    """An operator that the export cannot lower."""


class ExportError(MogaKitError):
    """A written file does not agree with torch, or could not be written."""


class MeasurementError(MogaKitError):
    """A tool or runtime failed, or what it said is not a measurement."""


class ParseError(MeasurementError):
    """The output of a tool did not hold what it must hold; the message carries its tail."""


class DeviceError(MogaKitError):
    """A phone is absent, locked, unauthorized, or went away."""


class ClusterError(MogaKitError):
    """A cluster is not reachable, has no worker, or has one that would compute something else."""


class TableError(InputError):
    """A latency table is malformed, mismatched, or lacks a row."""

    exit_code = 2


def closest(given: str, names: Iterable[str]) -> list[str]:
    """Return at most five of `names` that `given` may stand for, the nearest first.

    Case, hyphens, underscores and dots do not count: `MoGA_A` is nearest to `moga-a`.
    """
    import difflib  # only where a name is wrong

    wanted = _plain(given)
    plain = {name: _plain(name) for name in names}
    same = [name for name, text in plain.items() if text == wanted]
    if same or not wanted:
        return same[:MAX_SUGGESTIONS]
    begun = [name for name, text in plain.items() if len(wanted) > 2 and (text.startswith(wanted) or wanted in text)]
    likeness = {name: difflib.SequenceMatcher(None, wanted, text).ratio() for name, text in plain.items()}
    near = sorted((name for name in plain if likeness[name] >= MIN_LIKENESS), key=lambda name: -likeness[name])
    return list(dict.fromkeys([*near, *begun]))[:MAX_SUGGESTIONS]


def unknown_name(kind: str, given: str, names: Iterable[str]) -> str:
    """Return the message for a name that is none of `names`: what it may have meant, or all that is supported."""
    known = list(names)
    near = closest(given, known)
    hint = f"did you mean {', '.join(near)}?" if near else f"supported: {', '.join(known)}"
    return f"unknown {kind} {given!r}; {hint}"


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
