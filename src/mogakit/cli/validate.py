"""`moga validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import command as new_command
from mogakit.cli.command import reject_given
from mogakit.cli.measuring import HOST, STOPPED, budget_option, rounds_option
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say, warn
from mogakit.cli.phone_options import phone_options
from mogakit.cli.tracking_option import mlflow_option, tracked_run
from mogakit.cli.types import RUN, SEED, Whole

if TYPE_CHECKING:
    from mogakit.flows.measure.devices import PhoneRequest
    from mogakit.luts.error_metrics import ErrorReport, Metric
    from mogakit.luts.validation import Validation


@new_command("validate", epilog="Example: moga validate RUN --models 30 --seed 0")
@click.argument("folder", metavar="RUN", type=RUN)
@click.option("--models", default=30, show_default=True, type=Whole(2, 100_000), help="Random networks a stratum.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the networks, the order and the intervals.")
@click.option("--quick", is_flag=True, help="Fewer rounds.")
@click.option("--resume", is_flag=True, help="Go on with the validation in the folder.")
@rounds_option
@budget_option
@phone_options
@mlflow_option
@log_option
@json_option
def command(
    folder: Path,
    models: int,
    seed: int,
    quick: bool,
    resume: bool,
    rounds: int | None,
    budget_s: float | None,
    phone: PhoneRequest,
    mlflow: str | None,
    as_json: bool,
) -> None:
    """Compare a table's predictions with networks measured afresh.

    Measures random networks and MoGA-A, B and C, none of which the calibration has seen, on the device of the run, and
    scores the stored table, raw and calibrated: over all choices, and without 7x7 kernels, which are so slow on some
    computers that they make a good rank correlation easy. Writes RUN/validation.json.
    """
    from mogakit.flows.measure.devices import open_runner, scope_of
    from mogakit.flows.measure.runs import RunFolder
    from mogakit.flows.measure.validate import ValidateRequest
    from mogakit.flows.measure.validate import validate as run
    from mogakit.records import to_json

    request = ValidateRequest(
        folder=folder,
        num_models=models,
        seed=seed,
        quick=quick,
        resume=resume,
        rounds=rounds,
        budget_s=budget_s,
    )
    settings = RunFolder(folder).read_settings()
    if settings.device == HOST:
        reject_given(
            ("run_s", "max_wait_s", "fixed_performance", "screen", "cluster"),
            f"it is of phones, and {folder} is of this computer",
        )
    with (
        tracked_run(mlflow) as tracker,
        open_runner(settings.device, settings.clock, phone) as runner,
        progress_bar("validate") as progress,
    ):
        result = run(request, runner, progress)
        tracker.metrics(_metrics(result))
        tracker.artifacts(RunFolder(folder).validation)
    if as_json:
        print_json({**to_json(result), "scope": scope_of(settings.device)})
    else:
        _print(result, RunFolder(folder).validation)
        if scope := scope_of(settings.device):
            say(f"All times {scope}.")


def _metrics(result: Validation) -> dict[str, float | None]:
    """Return the errors of each stratum, raw and calibrated: `all/calibrated/mape_percent`."""
    names = ("mape_percent", "rmse_ms", "bias_percent", "kendall_tau", "within_5_percent")
    return {
        f"{stratum.name}/{what}/{name}": getattr(report, name).value
        for stratum in result.strata
        for what, report in (("raw", stratum.raw), ("calibrated", stratum.calibrated))
        for name in names
    }


def _print(result: Validation, path: Path) -> None:
    rows: list[tuple[str, ...]] = []
    for stratum in result.strata:
        scored: list[tuple[str, ErrorReport]] = [("raw", stratum.raw), ("calibrated", stratum.calibrated)]
        scored += [(f"cost model {name}", report) for name, report in stratum.models.items()]
        rows += [
            (
                f"{stratum.title} ({report.num}), {what}",
                _show(report.mape_percent, with_interval=True),
                _show(report.rmse_percent),
                _show(report.bias_percent),
                _show(report.kendall_tau, 3),
                _show(report.within_5_percent),
            )
            for what, report in scored
        ]
    columns = ("networks", "MAPE %", "RMSE %", "bias %", "tau", "within 5 %")
    caption = "RMSE in percent of the mean latency; in brackets the 95 % bootstrap interval"
    print_table(f"{result.target}: predicted against measured", columns, rows, caption)
    noise, drift = result.noise, result.drift
    if noise.repeat_percent is not None:
        say(
            f"Noise floor: a network repeats within {noise.repeat_percent:.2f} % between {noise.num_rounds} processes, "
            f"which leaves {noise.measured_percent:.2f} % in a measured value."
        )
    if drift.speed_ratio is not None and drift.spread_percent is not None:
        say(
            f"Drift since the table was made: {100 * (drift.speed_ratio - 1):+.2f} % in speed, "
            f"{drift.spread_percent:.2f} % from row to row over {drift.num_rows} rows."
        )
    fresh = result.strata[0].fresh_calibrated
    if fresh is not None:
        say(f"With blocks measured beside the networks MAPE would be {_show(fresh.mape_percent)} %.")
    say(f"Stopped: {STOPPED[result.stopped]}. Written: {path}")
    for warning in result.warnings:
        warn(warning)


def _show(metric: Metric, digits: int = 2, with_interval: bool = False) -> str:
    if metric.value is None:
        return "undefined"
    text = f"{metric.value:.{digits}f}"
    if not with_interval or metric.low is None or metric.high is None:
        return text
    return f"{text} [{metric.low:.{digits}f}, {metric.high:.{digits}f}]"
