"""Options that every command takes which may measure on a phone."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import click

from mogakit.cli.command import Given, ignored
from mogakit.cli.measuring import HOST
from mogakit.cli.options import with_options
from mogakit.cli.types import Number

F = TypeVar("F", bound=Callable[..., Any])

_SCREEN: dict[str | None, bool | None] = {"on": True, "off": False, None: None}


def phone_options(function: F) -> F:
    """Add `--run-s`, `--fixed-performance` and `--screen`; the command gets them as one parameter `phone`.

    The command must have an option `--quick`, which shortens the runs.
    """

    @wraps(function)
    def gathered(fixed_performance: bool, screen: str | None, run_s: float | None, **others: Any) -> Any:
        from mogakit.flows.measure.devices import PhoneRequest

        phone = PhoneRequest(others["quick"], fixed_performance, _SCREEN[screen], run_s)
        return function(phone=phone, **others)

    options = (
        click.option(
            "--run-s",
            type=Number(0, 3600, open_low=True),
            help="Seconds that each process on a phone measures at least. [default: 1, with --quick 0.2]",
        ),
        click.option(
            "--fixed-performance",
            is_flag=True,
            help="Hold a phone at clocks that last (Android 11+); undone at the end.",
        ),
        click.option("--screen", type=click.Choice(["on", "off"]), help="Keep a phone's screen on or off meanwhile."),
        ignored(
            *("run_s", "fixed_performance", "screen"),
            when=lambda given: _all_host(given),
            because="it is of phones, and this computer measures; give a phone with --device",
        ),
        ignored(
            "clock",
            when=lambda given: "clock" in given and _no_host(given),
            because="it is of this computer, and a phone measures",
        ),
    )
    return with_options(gathered, options)  # type: ignore[return-value]


def _devices(given: Given) -> Sequence[str] | None:
    """Return the devices that a command measures on; None where its run says it (`validate`)."""
    if "devices" in given:
        return given["devices"] or (HOST,)
    return (given["device"],) if "device" in given else None


def _all_host(given: Given) -> bool:
    devices = _devices(given)
    return devices is not None and all(device == HOST for device in devices)


def _no_host(given: Given) -> bool:
    devices = _devices(given)
    return devices is not None and HOST not in devices
