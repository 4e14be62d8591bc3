"""`moga transfer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.bench.target import Target
from mogakit.cli.command import command as new_command
from mogakit.cli.measuring import device_option
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say, warn
from mogakit.cli.phone_options import phone_options
from mogakit.cli.types import COUNT, DURATION, NEW_FOLDER, PIXELS, SEED, SPACE, TABLE, TARGET

if TYPE_CHECKING:
    from mogakit.flows.measure.devices import PhoneRequest
    from mogakit.flows.measure.transfer import TransferResult

DEFAULT_TARGET = "tflite/cpu/float32"

EPILOG = """
\b
Examples:
  moga transfer --from PHONE_A --from PHONE_B --device SERIAL --budget 120s -o NEW
  moga transfer --from RUN --target tflite/cpu/int8 --measurements 20 -o NEW
"""


@new_command("transfer", epilog=EPILOG)
@click.option(
    "--from",
    "sources",
    multiple=True,
    required=True,
    type=TABLE,
    metavar="RUN|FILE",
    help="Table of another device or target; may be repeated, and more of them help.",
)
@device_option
@click.option(
    "--target",
    type=TARGET,
    default=DEFAULT_TARGET,
    show_default=True,
    help="runtime/hardware/precision[,option=value...] of the new table.",
)
@click.option("--budget", "budget_s", type=DURATION, help="Time that it may take: 90, 120s, 2min. [default: 120s]")
@click.option("--measurements", "num_measurements", type=COUNT, help="Files to measure; as many as fit where absent.")
@click.option("--space", type=SPACE, help="Search space of the new table; that of the first --from where absent.")
@click.option("--input-size", type=PIXELS, help="Pixels of a side; the space's own where absent.")
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder of the run.")
@click.option("--quick", is_flag=True, help="Shorter runs, so that more files fit; their times are less sure.")
@click.option("--resume", is_flag=True, help="Continue the transfer in the folder: what was killed, or a new budget.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the networks and the order.")
@click.option(
    "--accept-partial/--no-accept-partial",
    default=None,
    help="Let files count of which the hardware ran only a part, the CPU the rest. [default: as the run has it, no]",
)
@click.option(
    "--accept-unknown/--no-accept-unknown",
    default=None,
    help="Let files count whose log does not say what ran them. [default: as the run has it, no]",
)
@phone_options
@log_option
@json_option
def command(
    sources: tuple[Path, ...],
    device: str,
    target: Target,
    budget_s: float | None,
    num_measurements: int | None,
    space: str | None,
    input_size: int | None,
    folder: Path,
    quick: bool,
    resume: bool,
    seed: int,
    accept_partial: bool | None,
    accept_unknown: bool | None,
    phone: PhoneRequest,
    as_json: bool,
) -> None:
    """Make a table of a new device from tables of others and few measurements.

    Times the blocks and networks that tell most about random networks of the space, batch by batch, each batch chosen
    from what was measured before, and infers all other rows from the tables given, each with an error bar. Writes
    NEW/lut.json, which every command takes; `moga predict` gives a 95 % interval for each network.

    \b
    Ctrl-C or a kill loses nothing that was finished: run the same command with --resume.
    moga validate NEW         measures how far its predictions lie off
    moga profile ... -o NEW   with --resume measures the rows that are missing
    """
    from mogakit.flows.measure.devices import open_runner, scope_of
    from mogakit.flows.measure.transfer import TransferRequest, transfer

    request = TransferRequest(
        sources=sources,
        target=target,
        folder=folder,
        device=device,
        space=space,
        input_size=input_size,
        budget_s=budget_s,
        num_measurements=num_measurements,
        seed=seed,
        quick=quick,
        resume=resume,
        accept_partial=accept_partial,
        accept_unknown=accept_unknown,
    )
    with open_runner(device, phone=phone) as runner, progress_bar("transfer") as progress:
        result = transfer(request, runner, progress)
    if as_json:
        print_json({**_summary(result), "scope": scope_of(device)})
    else:
        _print(result, scope_of(device))


def _summary(result: TransferResult) -> dict[str, object]:
    from mogakit.records import to_json

    table = result.table
    assert table.transferred is not None
    return {
        "table": str(result.path),
        "space": table.space,
        "target": str(table.target),
        "device": table.identity.device_name,
        "sources": [to_json(source) for source in table.transferred.sources],
        "measured": list(table.transferred.measured),
        "failed": list(result.failed),
        "num_rows": len(table.rows),
        "num_rows_transferred": table.num_inferred,
        "num_rows_that_count": sum(table.counts(row) for row in table.rows.values()),
        "num_batches": result.num_batches,
        "seconds": result.seconds,
        "expected_error_percent": result.expected_percent,
        "expected_error_before_measuring_percent": result.sources_percent,
        "calibration": to_json(table.calibration),
        "warnings": list(result.warnings),
    }


def _print(result: TransferResult, scope: str | None) -> None:
    table, calibration = result.table, result.table.calibration
    about = table.transferred
    assert about is not None
    times = [row.latency_ms for row in table.rows.values() if row.latency_ms is not None and table.counts(row)]
    span = f", {min(times):.3f} to {max(times):.3f} ms" if times else ""
    loo = calibration.loo_mape_percent
    rows: list[tuple[str, str]] = [
        ("device", table.identity.device_name),
        ("from", "; ".join(f"{each.target} on {each.device_name}" for each in about.sources)),
        (
            "measured",
            f"{len(about.measured)} files ({calibration.num_networks} networks) in {result.num_batches} batches",
        ),
        ("rows", f"{len(times)} of {len(table.rows)}{span}; {table.row_sources}"),
        ("overhead of a run", f"{1000 * table.overhead_ms:.1f} µs"),
        (
            "expected error",
            f"{result.expected_percent:.2f} % of a network, {result.sources_percent:.0f} % before anything was measured"
            + ("" if loo is None else f"; leave-one-out {loo:.2f} %"),
        ),
        ("took", f"{result.seconds:.0f} s"),
    ]
    print_table(f"{table.target} -> {result.path}", ("what", "value"), rows, scope or "")
    for name in result.failed:
        row = table.rows.get(name)
        why = f": {row.status} {row.error or row.reason or row.delegation}".rstrip() if row is not None else ""
        warn(f"{name} was chosen and says nothing{why}")
    for warning in result.warnings:
        warn(warning)
    say(f"Next: moga validate {result.path.parent}; moga predict NET --table {result.path.parent}")
