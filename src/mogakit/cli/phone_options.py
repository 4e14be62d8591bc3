"""Options that every command takes which may measure on a phone."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from mogakit.cli.cluster_option import cluster_option
from mogakit.cli.command import ignored
from mogakit.cli.measuring import all_host
from mogakit.cli.options import with_options
from mogakit.cli.types import Number

F = TypeVar("F", bound=Callable[..., Any])

_SCREEN: dict[str | None, bool | None] = {"on": True, "off": False, None: None}


def phone_options(function: F) -> F:
    """Add `--run-s`, `--max-wait`, `--fixed-performance`, `--screen` and `--cluster`, as one parameter `phone`.

    The command must have an option `--quick`, which shortens the runs.
    """

    @wraps(function)
    def gathered(
        fixed_performance: bool,
        screen: str | None,
        run_s: float | None,
        max_wait_s: float | None,
        cluster: str | None,
        **others: Any,
    ) -> Any:
        from mogakit.flows.measure.devices import PhoneRequest

        phone = PhoneRequest(
            quick=others["quick"],
            fixed_performance=fixed_performance,
            screen_on=_SCREEN[screen],
            run_s=run_s,
            max_wait_s=max_wait_s,
            cluster=cluster,
        )
        return function(phone=phone, **others)

    options = (
        click.option(
            "--run-s",
            type=Number(0, 3600, open_low=True),
            help="Seconds that each process on a phone measures at least. [default: 1, with --quick 0.2]",
        ),
        click.option(
            "--max-wait",
            "max_wait_s",
            type=Number(0, 86400),
            help="Seconds that a warm phone may take to cool before a run. [default: 600]",
        ),
        click.option(
            "--fixed-performance",
            is_flag=True,
            help="Hold a phone at clocks that last (Android 11+); undone at the end.",
        ),
        click.option("--screen", type=click.Choice(["on", "off"]), help="Keep a phone's screen on or off meanwhile."),
        cluster_option("Measure on a phone that a worker of this Dask scheduler owns"),
        ignored(
            *("run_s", "max_wait_s", "fixed_performance", "screen", "cluster"),
            when=lambda given: all_host(given),
            because="it is of phones, and this computer measures; give a phone with --device",
        ),
    )
    return with_options(gathered, options)  # type: ignore[return-value]
