"""`moga profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.bench.target import Target, parse_target
from mogakit.cli.command import command as new_command
from mogakit.cli.command import renamed
from mogakit.cli.measuring import HOST, STOPPED, agreement_option, clock_option, rounds_option
from mogakit.cli.output import (
    json_option,
    log_option,
    print_json,
    print_table,
    progress_bar,
    progress_bars,
    report,
    say,
    warn,
)
from mogakit.cli.phone_options import phone_options
from mogakit.cli.tracking_option import mlflow_option, tracked_run
from mogakit.cli.types import COUNT, NETWORK, NEW_FOLDER, PIXELS, SECONDS, SEED, SPACE, TARGET, Vocabulary

if TYPE_CHECKING:
    from mogakit.flows.measure.devices import PhoneRequest
    from mogakit.flows.measure.profile import ProfileRequest, ProfileResult
    from mogakit.flows.measure.turns import TargetOutcome
    from mogakit.luts.calibrate import Calibration
    from mogakit.luts.table import LatencyTable
    from mogakit.tracking import Tracker

DEFAULT_TARGET = "tflite/cpu/float32"


@new_command("profile", epilog="Example: moga profile --space moga --target tflite/cpu/float32 -o RUN --quick")
@click.option("--space", type=SPACE, default="moga", show_default=True, help="Search space whose blocks are measured.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="DEVICE",
    help="host (this computer) or a phone's serial; may be repeated. [default: host]",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    type=TARGET,
    help=f"runtime/hardware/precision[,option=value...]; may be repeated. [default: {DEFAULT_TARGET}]",
)
@click.option("--input-size", type=PIXELS, help="Pixels of a side; the space's own where absent.")
@click.option(
    "--blocks",
    "num_blocks",
    type=COUNT,
    help="Choice blocks to measure where channels and depth are chosen too; the others are inferred, with an error "
    "bar. [default: 240, with --quick 64]",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=NETWORK,
    help="Measure this network's blocks as well, so that the table predicts it too (mobilenet-v1 as the reference of "
    "several tables); may be repeated.",
)
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder of the run.")
@click.option("--quick", is_flag=True, help="Fewer rounds and networks: a table in under a minute on this computer.")
@click.option(
    "--resume", is_flag=True, help="Go on with the run in the folder; what is measured is not measured again."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the order, the networks and the intervals.")
@rounds_option
@click.option("--budget-s", type=SECONDS, help="Seconds that measuring may take, for each table.")
@clock_option
@click.option(
    "--accept-partial/--no-accept-partial",
    default=None,
    help="Let rows count of which the hardware ran only a part, the CPU the rest. [default: as the run has it, no]",
)
@click.option(
    "--accept-unknown/--no-accept-unknown",
    default=None,
    help="Let rows count whose log does not say what ran them. [default: as the run has it, no]",
)
@click.option(
    "--correction",
    "calibration",
    type=Vocabulary("mogakit.luts.calibrate:CalibrationChoice", "best", "none", "scale", "affine"),
    help="What whole networks correct. best: the simplest within one standard error of the least leave-one-out error. "
    "[default: as the run has it, best]",
)
@click.option(
    "--per-op",
    is_flag=True,
    help="Also time the operators of MoGA-A, B and C, MobileNetV3-Large and every --network, in runs of their own.",
)
@agreement_option
@phone_options
@mlflow_option
@log_option
@json_option
@renamed("--calibration", "--correction", "{}")
def command(
    space: str,
    devices: tuple[str, ...],
    targets: tuple[Target, ...],
    input_size: int | None,
    num_blocks: int | None,
    networks: tuple[str, ...],
    folder: Path,
    quick: bool,
    resume: bool,
    seed: int,
    rounds: int | None,
    budget_s: float | None,
    clock: str | None,
    accept_partial: bool | None,
    accept_unknown: bool | None,
    calibration: str | None,
    per_op: bool,
    agreement: str,
    phone: PhoneRequest,
    mlflow: str | None,
    as_json: bool,
) -> None:
    """Measure a latency table for a search space on a device.

    Exports what is missing, times every choice block and fixed part, chains of one block (for the overhead of a run)
    and some whole networks (for the calibration) interleaved, and writes RUN/lut.json. Ctrl-C or a kill loses nothing
    that was finished: run the same command with --resume.

    Several devices are measured side by side, several targets of a phone by turns, those of this computer one after
    the other; then each has its own run in RUN/DEVICE/TARGET.

    Only what the hardware of the target ran whole counts in the table, unless you accept more; a run that is finished
    can be changed with --resume, and its table is made again.
    """
    from mogakit.bench.measurement import Clock
    from mogakit.flows.measure.agreement import AgreementScope
    from mogakit.flows.measure.fleet import folder_of
    from mogakit.flows.measure.profile import ProfileRequest
    from mogakit.luts.calibrate import CalibrationChoice

    asked = targets or (parse_target(DEFAULT_TARGET),)
    wanted = [(device, target) for device in devices or (HOST,) for target in asked]
    pairs = tuple(dict.fromkeys(wanted))
    several = len(pairs) > 1
    requests = [
        ProfileRequest(
            space=space,
            target=target,
            folder=folder_of(folder, device, target) if several else folder,
            device=device,
            seed=seed,
            quick=quick,
            resume=resume,
            rounds=rounds,
            budget_s=budget_s,
            clock=None if clock is None else Clock(clock),
            input_size=input_size,
            num_blocks=num_blocks,
            networks=networks,
            accept_partial=accept_partial,
            accept_unknown=accept_unknown,
            calibration=None if calibration is None else CalibrationChoice(calibration),
            agreement=AgreementScope(agreement),
        )
        for device, target in pairs
    ]
    with tracked_run(mlflow) as tracker:
        outcomes = _profiled(requests, folder, phone, per_op)
        for outcome in outcomes:
            _track(tracker, outcome, several)
        if several:
            _show_several(outcomes, as_json)
        else:
            _show_one(outcomes[0], as_json)


def _profiled(requests: list[ProfileRequest], folder: Path, phone: PhoneRequest, per_op: bool) -> list[TargetOutcome]:
    """Measure every table, several side by side."""
    from mogakit.flows.measure.fleet import profile_device, profile_fleet

    if len(requests) > 1:
        names = list(dict.fromkeys(request.device for request in requests))
        with progress_bars(["export", *names]) as bars:
            return profile_fleet(requests, folder, phone, bars, bars["export"], per_op)
    with progress_bar("profile") as progress:
        return profile_device(requests, phone, progress, per_op=per_op)


def _track(tracker: Tracker, outcome: TargetOutcome, several: bool) -> None:
    """Log the numbers and the table of one outcome; where there are several, each under its device and target."""
    result = outcome.result
    if result is None:
        return
    table = result.table
    prefix = f"{outcome.request.device}/{outcome.request.target}/" if several else ""
    tracker.metrics(
        {
            f"{prefix}num_rows": len(table.rows),
            f"{prefix}num_rows_that_count": sum(table.counts(row) for row in table.rows.values()),
            f"{prefix}overhead_ms": None if table.overhead is None else table.overhead_ms,
            f"{prefix}loo_mape_percent": table.calibration.loo_mape_percent,
            f"{prefix}seconds": result.outcome.seconds,
        }
    )
    tracker.artifacts(result.path, inside=prefix.rstrip("/") or None)


def _show_one(outcome: TargetOutcome, as_json: bool) -> None:
    """Show the table of a single run; raise what went wrong."""
    from mogakit.flows.measure.devices import scope_of

    scope = scope_of(outcome.request.device)
    if outcome.result is not None and as_json:
        print_json({**_summary(outcome.result), "scope": scope})
    elif outcome.result is not None:
        _print(outcome.result, scope)
    if outcome.error is not None:
        raise outcome.error


def _show_several(outcomes: list[TargetOutcome], as_json: bool) -> None:
    """Show one table for each run; what failed is named beside them, with exit code 1."""
    from mogakit.flows.measure.devices import scope_of

    if as_json:
        print_json(
            [
                {
                    "device": outcome.request.device,
                    "target": str(outcome.request.target),
                    "error": None if outcome.error is None else str(outcome.error),
                    "scope": scope_of(outcome.request.device),
                    **({} if outcome.result is None else {"result": _summary(outcome.result)}),
                }
                for outcome in outcomes
            ]
        )
    for outcome in outcomes:
        if outcome.result is not None and not as_json:
            _print(outcome.result, scope_of(outcome.request.device))
        if outcome.error is not None:
            report(f"moga: {outcome.request.device}, {outcome.request.target}: {outcome.error}")
    if any(outcome.error is not None for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _summary(result: ProfileResult) -> dict[str, object]:
    from mogakit.records import to_json

    table = result.table
    return {
        "table": str(result.path),
        "space": table.space,
        "target": str(table.target),
        "device": table.identity.device_name,
        "num_rows": len(table.rows),
        "num_rows_inferred": table.num_inferred,
        "num_rows_that_count": sum(table.counts(row) for row in table.rows.values()),
        "accepted": [str(status) for status in table.accepted],
        "overhead": None if table.overhead is None else to_json(table.overhead),
        "calibration": to_json(table.calibration),
        "outcome": to_json(result.outcome),
        "warnings": list(result.warnings),
    }


def _print(result: ProfileResult, scope: str | None) -> None:
    table, outcome = result.table, result.outcome
    times = [row.latency_ms for row in table.rows.values() if row.latency_ms is not None and table.counts(row)]
    span = f", {min(times):.3f} to {max(times):.3f} ms" if times else ""
    calibration = table.calibration
    loo = calibration.loo_mape_percent
    rows: list[tuple[str, str]] = [
        ("device", table.identity.device_name),
        ("runtime", f"{table.identity.runtime} ({', '.join(table.identity.flags)})"),
        ("rows", f"{len(times)} of {len(table.rows)}{span}" + (f"; {table.row_sources}" if table.num_inferred else "")),
        ("overhead of a run", f"{1000 * table.overhead_ms:.1f} µs" + _verdict(result)),
        (
            "calibration",
            f"{calibration.kind} on {calibration.num_networks} networks"
            + ("" if loo is None else f", leave-one-out error {loo:.2f} %")
            + _other_kinds(calibration),
        ),
        ("measured", f"{outcome.num_rounds} rounds, {outcome.num_windows} windows, {outcome.num_drifted} drifted"),
        ("stopped", STOPPED[outcome.stopped]),
    ]
    print_table(f"{table.target} -> {result.path}", ("what", "value"), rows, scope or "")
    for warning in (*_marked(table), *map(str, table.conditions.warnings), *result.warnings):
        warn(warning)
    say(f"Next: moga lut show {result.path}; moga validate {result.path.parent}")


def _other_kinds(calibration: Calibration) -> str:
    """Return the leave-one-out errors of the kinds that were not fitted."""
    errors = calibration.loo_mape_percent_by_kind.items()
    others = [f"{kind} {error:.2f} %" for kind, error in errors if kind != calibration.kind]
    return f" ({', '.join(others)})" if others else ""


def _marked(table: LatencyTable) -> list[str]:
    """Say of how many rows something speaks against the number, the first reason, and whether they count."""
    from mogakit.bench.measurement import ACCEPTABLE, Status

    accept = dict(zip(ACCEPTABLE, ("--resume --accept-partial", "--resume --accept-unknown"), strict=True))
    notes = []
    for status in (one for one in Status if one is not Status.OK):
        rows = [row for row in table.rows.values() if row.status is status]
        if not rows:
            continue
        why = rows[0].error or rows[0].reason or rows[0].delegation
        what = "counts all the same" if table.counts(rows[0]) else "does not count, and no network with it is predicted"
        option = f" ({accept[status]} lets it count)" if status in accept and not table.counts(rows[0]) else ""
        notes.append(f"{len(rows)} row(s) {status}, which {what}{option}; {rows[0].key}: {why}")
    return notes


def _verdict(result: ProfileResult) -> str:
    overhead = result.table.overhead
    return "" if overhead is None else f" ({overhead.verdict}; fitted {1000 * overhead.intercept_ms:.1f} µs)"
