"""`moga predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import command as new_command
from mogakit.cli.command import ignored
from mogakit.cli.output import json_option, print_json, print_table, report, say
from mogakit.cli.types import NETWORK, TABLE

if TYPE_CHECKING:
    from mogakit.flows.measure.predict import PredictedNetwork, PredictionReport

NUM_NAMED = 3
"""Blocks without a number that are named."""

EPILOG = """
\b
Examples:
  moga predict moga-a mobilenet-v2 --table RUN
  moga predict moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9 --table RUN --parts
  moga predict proxyless-mobile --table pixel1.json --json
"""


@new_command("predict", epilog=EPILOG)
@click.argument("networks", metavar="NET...", nargs=-1, required=True, type=NETWORK)
@click.option("--table", type=TABLE, metavar="RUN|FILE", required=True, help="Latency table or cost model.")
@click.option("--parts", is_flag=True, help="Show what each block adds.")
@json_option
@ignored("parts", when=lambda given: given["as_json"], because="--json always holds the parts")
def command(networks: tuple[str, ...], table: Path, parts: bool, as_json: bool) -> None:
    """Predict the latency of networks from a table or cost model, without measuring.

    NET is a name of `moga zoo`, SPACE/CHROMOSOME, a network file, or package.module:name. The error bar is the mean
    error of such predictions: from `moga validate`, or from leave-one-out where there is no validation. A table of
    `moga transfer` that is not validated gives the upper end of a 95 % interval, network by network. Exit code 1: a
    network has no prediction; below the table stands why, and the command that measures what is missing.
    """
    from mogakit.flows.measure.predict import predict_networks
    from mogakit.records import to_json

    found = predict_networks(networks, table)
    if as_json:
        print_json(to_json(found))
    else:
        _print(found, parts)
    unpredicted = [network for network in found.networks if network.latency_ms is None]
    for network in unpredicted:
        report(f"moga: {network.network} has no prediction: {network.problem}")
    if unpredicted:
        raise click.exceptions.Exit(1)


def _print(found: PredictionReport, parts: bool) -> None:
    rows = [(each.network, _ms(each.latency_ms), _half(each), len(each.doubtful) or None) for each in found.networks]
    doubtful = any(each.doubtful for each in found.networks)
    columns = ("network", "ms", "± ms", "doubtful rows")
    caption = f"Predicted from {found.model} ({found.path}) for {found.device}."
    caption += f" {found.scope[0].upper()}{found.scope[1:]}." if found.scope else ""
    shown = rows if doubtful else [row[:3] for row in rows]
    print_table(f"Latency on {found.target}", columns if doubtful else columns[:3], shown, caption)
    if parts:
        for network in found.networks:
            _print_parts(network)
    _print_error(found)
    for network in found.networks:
        for key in network.doubtful:
            say(f"{network.network}: the row of {key} counts with a reservation; `moga lut show` has its status")
        _print_lacking(network)
        if network.command:
            say(f"{network.network}: what measures it: {network.command}")


def _print_error(found: PredictionReport) -> None:
    error = found.error
    if error is None:
        say("± is not known: neither a validation nor leave-one-out measured the error of such predictions.")
    else:
        interval = "" if error.low_percent is None else f" (95 %: {error.low_percent:.2f} to {error.high_percent:.2f})"
        source = {
            "validation": "which nothing was fitted on (moga validate)",
            "leave-one-out": "each predicted by the fit on all others",
            "transfer": "as the transfer expects",
        }[error.source]
        what = "±: mean error"
        if error.source == "transfer":
            what = "±: to the upper end of each network's 95 % interval; mean error"
        say(f"{what} {error.mape_percent:.2f} %{interval}, over {error.num_networks} networks, {source}.")
    if found.advice:
        say(f"Next: {found.advice}.")


def _print_parts(network: PredictedNetwork) -> None:
    total = network.latency_ms
    rows: list[tuple[object, ...]] = [
        (part.key, _ms(part.latency_ms, 4), _share(part.latency_ms, total), part.status or "no row")
        for part in network.parts
    ]
    rows.append(("paid once (overhead)", _ms(network.overhead_ms, 4), _share(network.overhead_ms, total), None))
    if network.calibration_ms is not None:
        rows.append(("calibration", _ms(network.calibration_ms, 4), _share(network.calibration_ms, total), None))
    rows.append(("total", _ms(total, 4), _share(total, total), None))
    print_table(network.network, ("part", "ms", "%", "row"), rows)


def _print_lacking(network: PredictedNetwork) -> None:
    """Name the first blocks without a number, by reason."""
    by_problem: dict[str, list[str]] = {}
    for part in network.parts:
        if part.latency_ms is None and part.key not in by_problem.setdefault(part.problem, []):
            by_problem[part.problem].append(part.key)
    for problem, keys in by_problem.items():
        more = f" and {len(keys) - NUM_NAMED} more (--parts)" if len(keys) > NUM_NAMED else ""
        say(f"{network.network}: {problem}: {', '.join(keys[:NUM_NAMED])}{more}")


def _half(network: PredictedNetwork) -> str | None:
    if network.latency_ms is None or network.high_ms is None:
        return None
    return _ms(network.high_ms - network.latency_ms)


def _ms(value: float | None, digits: int = 3) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _share(value: float | None, total: float | None) -> str | None:
    return None if value is None or not total else f"{100 * value / total:.1f}"
