"""`moga fit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.cluster_option import cluster_option
from mogakit.cli.command import command as new_command
from mogakit.cli.measuring import rounds_option
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say, warn
from mogakit.cli.types import RUN, SEED, Whole

if TYPE_CHECKING:
    from mogakit.flows.measure.fit import FitFolder, FitResult


@new_command("fit", epilog="Example: moga fit RUN --pairs 100")
@click.argument("folder", metavar="RUN", type=RUN)
@click.option("--pairs", default=100, show_default=True, type=Whole(5, 100_000), help="Networks to measure.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of networks, order and learning curves.")
@click.option("--quick", is_flag=True, help="Fewer rounds.")
@click.option("--resume", is_flag=True, help="Go on with the fit in the folder, or add pairs to it.")
@rounds_option
@cluster_option("Measure on a phone that a worker of this Dask scheduler owns")
@log_option
@json_option
def command(
    folder: Path,
    pairs: int,
    seed: int,
    quick: bool,
    resume: bool,
    rounds: int | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Fit a linear cost model on measured networks.

    Measures random networks of the run's space on its device, and fits two models that stay additive, so that the
    exact front stays exact: one number a choice on top of the table, and one number a choice without it. Writes
    RUN/cost-model.json, RUN/cost-model-one-hot.json and RUN/fit.json (pairs, learning curves).
    """
    from mogakit.flows.measure.devices import PhoneRequest, open_runner, scope_of
    from mogakit.flows.measure.fit import FitFolder, FitRequest, fit_run
    from mogakit.flows.measure.runs import RunFolder

    request = FitRequest(folder=folder, num_pairs=pairs, seed=seed, quick=quick, resume=resume, rounds=rounds)
    settings = RunFolder(folder).read_settings()
    with (
        open_runner(settings.device, settings.clock, PhoneRequest(cluster=cluster)) as runner,
        progress_bar("fit") as progress,
    ):
        result = fit_run(request, runner, progress)
    if as_json:
        print_json({**_summary(result), "scope": scope_of(settings.device)})
    else:
        _print(result, FitFolder(RunFolder(folder)))
        if scope := scope_of(settings.device):
            say(f"All times {scope}.")


def _summary(result: FitResult) -> dict[str, object]:
    from mogakit.records import to_json

    return {
        "table": result.table,
        "num_pairs": len(result.pairs.names),
        "failed": list(result.failed),
        "models": {
            model.kind.value: {"loo_mape_percent": model.loo_mape_percent, "loo_rmse_ms": model.loo_rmse_ms}
            for model in (result.on_table, result.one_hot)
        },
        "curves": [to_json(point) for point in result.curves],
    }


def _print(result: FitResult, folder: FitFolder) -> None:
    models = [
        (model.name, model.num_pairs, _round(model.loo_mape_percent), _round(model.loo_rmse_ms, 4), str(path))
        for model, path in ((result.on_table, folder.model), (result.one_hot, folder.one_hot))
    ]
    print_table("leave-one-out error", ("model", "pairs", "MAPE %", "RMSE ms", "file"), models)
    sizes = sorted({point.num_pairs for point in result.curves})
    by_model: dict[str, dict[int, float]] = {}
    for point in result.curves:
        by_model.setdefault(point.model, {})[point.num_pairs] = point.mape_percent
    rows = [(name, *(_round(errors.get(size)) for size in sizes)) for name, errors in by_model.items()]
    if rows:
        print_table("MAPE % on networks left out, by number of measured ones", ("model", *map(str, sizes)), rows)
    for name in result.failed:
        warn(f"{name} gave no number")


def _round(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
