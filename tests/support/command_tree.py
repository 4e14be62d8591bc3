"""Every command of `moga`, walked from the tree, so that a new one is held to what holds for all."""

from collections.abc import Iterator

import click

from mogakit.cli.main import cli


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that call it, groups too."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk(inner, (*path, name))


ALL = {" ".join(path): command for path, command in walk(cli) if path}
CALLED = {name: command for name, command in ALL.items() if not isinstance(command, click.Group) or name == "devices"}
"""What a person calls: every command that is not a group, and the one group that does something by itself."""
LEAVES = {name: command for name, command in ALL.items() if not isinstance(command, click.Group)}
