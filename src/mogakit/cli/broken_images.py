"""How commands name images that could not be decoded."""

from collections.abc import Sequence

import click

NUM_NAMED = 10


def print_broken_images(paths: Sequence[str]) -> None:
    """Name the first ten, and count the rest."""
    for path in paths[:NUM_NAMED]:
        click.echo(f"could not be decoded: {path}")
    if len(paths) > NUM_NAMED:
        click.echo(f"and {len(paths) - NUM_NAMED} more")
