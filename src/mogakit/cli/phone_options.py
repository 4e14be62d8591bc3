"""Options that every command takes which may measure on a phone."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

SCREEN: dict[str | None, bool | None] = {"on": True, "off": False, None: None}
"""What `--screen` means."""


def phone_options(function: F) -> F:
    """Add `--fixed-performance` and `--screen`, as the parameters `fixed_performance` and `screen`."""
    screen = click.option(
        "--screen", type=click.Choice(["on", "off"]), help="Keep a phone's screen on or off meanwhile."
    )
    fixed = click.option(
        "--fixed-performance", is_flag=True, help="Hold a phone at clocks that last (Android 11+); undone at the end."
    )
    return fixed(screen(function))
