"""`--cluster`: the workers of a Dask scheduler do what this computer would."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_ADDRESS = re.compile(r"(?:tcp|tls)://(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")


class Address(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on only
    """The address of a Dask scheduler."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address."""
        found = _ADDRESS.fullmatch(str(value))
        if found is None or not 0 < int(found["port"]) < 65536:
            self.fail(f"{value!r} is not an address of a Dask scheduler, such as tcp://host:8786", param, ctx)
        return str(value)


def cluster_option(help_text: str) -> Callable[[F], F]:
    """Return a decorator that adds `--cluster`, as the parameter `cluster`."""
    return click.option(
        "--cluster", type=Address(), metavar="tcp://HOST:PORT", help=f"{help_text} (needs the extra `cluster`)."
    )
