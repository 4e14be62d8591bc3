"""`moga demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import command as new_command
from mogakit.cli.output import demo_steps, json_option, log_option, print_json, say, warn
from mogakit.cli.types import NEW_FOLDER, SEED

if TYPE_CHECKING:
    from mogakit.flows.demo.host import HostDemo


@new_command("demo")
@click.option(
    "-o",
    "--output",
    "folder",
    type=NEW_FOLDER,
    default=Path("demo"),
    show_default=True,
    help="Folder; a demonstration that was stopped there goes on.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of networks, order and search.")
@log_option
@json_option
def command(folder: Path, seed: int, as_json: bool) -> None:
    """Export, profile, validate and search on this computer, ship one network, and build a page of it all.

    Takes a few minutes. Nothing leaves the machine.
    """
    from mogakit.flows.demo.host import run_host_demo

    with demo_steps() as step:
        result = run_host_demo(folder, seed, step)
    if as_json:
        print_json(_summary(result))
    else:
        _print(result)


def _summary(result: HostDemo) -> dict[str, object]:
    whole = result.validation.strata[0].calibrated
    return {
        "device": result.profile.table.identity.device_name,
        "rows": len(result.profile.table.rows),
        "networks_validated": whole.num,
        "mape_percent": whole.mape_percent.value,
        "kendall_tau": whole.kendall_tau.value,
        "front": len(result.search.front),
        "percent_of_exact_hypervolume": result.search.quality.archive_percent,
        "picks": list(result.picks),
        "bundle": str(result.bundle),
        "page": str(result.page),
    }


def _print(result: HostDemo) -> None:
    """Print what was done and what came of it, for someone who has never seen a latency table."""
    table, validation, quality = result.profile.table, result.validation, result.search.quality
    whole = validation.strata[0].calibrated
    times = [one.measured_ms for one in validation.networks]
    say()
    say(f"This computer: {table.identity.device_name}, {table.identity.runtime}, target {table.target}.")
    say(
        f"Measured: {len(table.rows)} blocks, of which 1 283 918 464 548 864 networks of the MoGA space are made, and "
        f"{table.calibration.num_networks} whole networks to calibrate their sum."
    )
    say(
        f"Checked: {whole.num} networks that the table had not seen took {min(times):.1f} to {max(times):.1f} ms; it "
        f"predicted them with a mean error of {whole.mape_percent.value or 0:.1f} % and in the right order "
        f"(Kendall tau {whole.kendall_tau.value or 0:.3f}, 1 is perfect)."
    )
    if quality.archive_percent is not None:
        say(
            f"Searched: weighted NSGA-II looked at {result.search.num_networks} networks and reached "
            f"{quality.archive_percent:.1f} % of the exact front ({quality.num_exact} networks), which the table makes "
            "computable. Its accuracy is a capacity proxy: train the picks before believing their order."
        )
    say(f"Picked: {', '.join(result.picks)}")
    say(
        f"Shipped: {result.shipped.network} in {len(result.shipped.artifacts)} files, in {result.bundle} "
        "(random weights: it shows the form, not an accuracy)"
    )
    for warning in result.profile.warnings:
        warn(warning)
    say()
    say(f"Open {result.page.resolve()} in a browser.")
    say("Next: moga devices (a phone on a cable), moga bench FILE.tflite, moga profile --help")
