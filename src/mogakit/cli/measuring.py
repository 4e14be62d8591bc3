"""Options and words that every command which measures has in common."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from mogakit.cli.command import Given, ignored
from mogakit.cli.options import with_options
from mogakit.cli.types import ROUNDS, SECONDS, Vocabulary

F = TypeVar("F", bound=Callable[..., Any])

HOST = "host"
"""As `flows.measure.devices.HOST`: this computer as a device."""

STOPPED = {
    "precise": "every interval that was asked for is narrow enough",
    "rounds": "all rounds are measured; some intervals are wider than 1 % (more --rounds narrow them)",
    "budget": "the time was spent before all rounds were measured (--resume goes on)",
}

device_option = click.option(
    "--device", default=HOST, show_default=True, metavar="DEVICE", help="host (this computer) or a phone's serial."
)
rounds_option = click.option("--rounds", type=ROUNDS, help="Fresh processes (this computer) or passes (a phone).")
budget_option = click.option("--budget-s", type=SECONDS, help="Seconds that measuring may take.")


def clock_option(function: F) -> F:
    """Add --clock, which has no effect where only phones measure."""
    option = click.option(
        "--clock",
        type=Vocabulary("mogakit.bench.measurement:Clock", "thread-cpu", "wall"),
        help="Force a clock on this computer (one thread: its CPU time).",
    )
    return with_options(function, (option, ignored("clock", when=_no_host, because="it is of this computer alone")))


def agreement_option(function: F) -> F:
    """Add --agreement, which has no effect where only this computer measures."""
    option = click.option(
        "--agreement",
        type=click.Choice(["networks", "all", "off"]),
        default="networks",
        show_default=True,
        help="Of which files a phone's output is compared with this computer's, once, before anything is timed.",
    )
    because = "this computer's own runtimes are what a phone is compared with; give a phone with --device"
    return with_options(function, (option, ignored("agreement", when=all_host, because=because)))


def _devices(given: Given) -> Sequence[str] | None:
    """Return the devices that a command measures on; None where its run says it (`validate`)."""
    if "devices" in given:
        return given["devices"] or (HOST,)
    return (given["device"],) if "device" in given else None


def all_host(given: Given) -> bool:
    """Return whether it is known that only this computer measures."""
    devices = _devices(given)
    return devices is not None and all(device == HOST for device in devices)


def _no_host(given: Given) -> bool:
    devices = _devices(given)
    return devices is not None and HOST not in devices
