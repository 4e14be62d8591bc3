"""Options and words that every command which measures has in common."""

import click

from mogakit.bench.measurement import Clock
from mogakit.cli.types import ROUNDS, SECONDS

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
clock_option = click.option(
    "--clock",
    type=click.Choice([clock.value for clock in Clock]),
    help="Force a clock on this computer (one thread: its CPU time).",
)
agreement_option = click.option(
    "--agreement",
    type=click.Choice(["networks", "all", "off"]),
    default="networks",
    show_default=True,
    help="Of which files a phone's output is compared with this computer's, once, before anything is timed.",
)
