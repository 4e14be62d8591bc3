"""The one way a long job says how far it is: a callable that the command line draws and a test can record."""

from typing import Protocol


class Progress(Protocol):
    """Called whenever a unit of work is finished."""

    def __call__(self, done: int, total: int, note: str) -> None:
        """Say that `done` of `total` units are finished; `note` names the one at hand."""


def silent(done: int, total: int, note: str) -> None:
    """Draw nothing."""
