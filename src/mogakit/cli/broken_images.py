"""How commands name images that could not be decoded."""

from collections.abc import Sequence

from mogakit.cli.output import say

NUM_NAMED = 10


def print_broken_images(paths: Sequence[str]) -> None:
    """Name the first ten, and count the rest."""
    for path in paths[:NUM_NAMED]:
        say(f"could not be decoded: {path}")
    if len(paths) > NUM_NAMED:
        say(f"and {len(paths) - NUM_NAMED} more")
