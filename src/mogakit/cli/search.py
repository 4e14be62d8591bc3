"""`moga search`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mogakit.bench.target import Target
from mogakit.cli.cluster_option import cluster_option
from mogakit.cli.command import command as new_command
from mogakit.cli.command import ignored, renamed
from mogakit.cli.measuring import HOST
from mogakit.cli.options import with_options
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.search_settings import COMPUTED, PROVEN, is_computed, is_proven, measures_here, split_settings
from mogakit.cli.tracking_option import mlflow_option, tracked_run
from mogakit.cli.types import CONSTRAINT, FORBIDDEN, LATENCY, NEW_FOLDER, SEED, SPACE, TARGET, Vocabulary
from mogakit.export.support.entry import Hardware

if TYPE_CHECKING:
    from mogakit.search.front import MetricInfo, SearchResult
    from mogakit.search.problem import Constraint

EPILOG = """
\b
Settings of the engines, each with --set NAME=VALUE:
  nsga2      population, generations, second_initial, crossover,
             crossover_rate, mutation, mutation_rate, random_share,
             crowding_range
  sms-emoa   the same without crowding_range
  random     population, generations
  fit-front  num_fit, num_check
  ppo, reinforce
             population, generations, reward, target_ms, alpha, beta,
             accuracy_scale
  exact, best
             none
  every one  picks (3), jobs (1: evaluations of an expensive accuracy
             at once), and over several latencies reference (the
             network whose latency normalises each; avg and max of
             them are metrics), combine (avg or max), factor and
             weight, one a latency; a factor replaces the reference's
             latency, inf leaves the hardware out

\b
Examples:
  moga search --table RUN/lut.json -o RUN/search
  moga search --table RUN --set population=140 --set generations=60 -o RUN/more
  moga search --table RUN --engine best --limit 'latency<=12' -o RUN/best
  moga search --table CPU --table GPU --set reference=moga-a -o both
  moga search --table RUN --engine ppo --set target_ms=12 -o RUN/ppo
  moga search --table RUN --accuracy mymodule:evaluate --set jobs=4 -o RUN/own
  moga search --table RUN --accuracy supernet:CKPT --cluster tcp://host:8786 -o RUN/many
"""

METHODS = ("nsga2", "sms-emoa", "random", "exact", "fit-front", "best", "ppo", "reinforce")
SETTINGS_ONCE_OPTIONS = (
    *("population", "generations", "crossover", "crossover-rate", "mutation", "mutation-rate", "random-share"),
    *("crowding-range", "num-fit", "num-check", "reward", "target-ms", "alpha", "beta", "accuracy-scale"),
    *("picks", "jobs", "combine", "factor", "weight", "reference"),
)
"""Settings that were options of their own; that spelling is deprecated."""


def _old_options(function: Any) -> Any:
    old = [renamed(f"--{name}", "--set", f"{name.replace('-', '_')}={{}}") for name in SETTINGS_ONCE_OPTIONS]
    flags = [
        renamed("--runs-on", "--forbid", "unsupported:{}"),
        renamed("--second-initial", "--set", "second_initial=true", takes_value=False),
        renamed("--no-second-initial", "--set", "second_initial=false", takes_value=False),
    ]
    return with_options(function, [*old, *flags])


@new_command("search", epilog=EPILOG)
@click.option("--space", default="moga", show_default=True, type=SPACE, help="Search space.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=LATENCY,
    metavar="RUN|FILE",
    help="Latency table or cost model; one a hardware.",
)
@click.option(
    "--target", "targets", multiple=True, type=TARGET, help="Measure each candidate on such a target, in the loop."
)
@click.option(
    "--device", default=HOST, show_default=True, help="For --target: host (this computer) or a phone's serial."
)
@click.option(
    "--accuracy",
    default="proxy",
    show_default=True,
    help="proxy (capacity, no accuracy), table:FILE[,column=NAME], fitted:FILE.json, supernet:CKPT, "
    "train:RECIPE,data=DIR,epochs=5, or package.module:function.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="METRIC[:max|min][:WEIGHT]",
    help="Default: accuracy:max:0.4 latency:min:0.4 params:max:0.2, as MoGA. Weights are of the crowding distance.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    type=CONSTRAINT,
    metavar="METRIC<=X",
    help="Constraint, e.g. 'latency<=12', 'params>=4M'.",
)
@click.option(
    "--forbid",
    multiple=True,
    type=FORBIDDEN,
    metavar="PATTERN|unsupported:HARDWARE",
    help="Choices to leave out: block keys by a pattern, e.g. '*_se*', or what a hardware does not surely run.",
)
@click.option(
    "--engine",
    type=Vocabulary("mogakit.flows.search.plan:Method", *METHODS),
    default="nsga2",
    show_default=True,
    help="How to search.",
)
@click.option("--set", "texts", multiple=True, metavar="NAME=VALUE", help="A setting, see below; may be repeated.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of everything random.")
@cluster_option("Evaluate an accuracy that is asked network by network, and measure --target, on these Dask workers")
@click.option("--resume", is_flag=True, help="Continue a search that was stopped.")
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder for the result.")
@mlflow_option
@log_option
@json_option
@_old_options
@ignored("device", when=lambda given: not given["targets"], because="only --target measures")
@ignored("cluster", when=is_proven, because=PROVEN)
@ignored("cluster", when=lambda given: is_computed(given) and measures_here(given), because=COMPUTED)
@ignored("seed", when=is_proven, because=PROVEN)
def command(
    space: str,
    tables: tuple[Path | str, ...],
    targets: tuple[Target, ...],
    device: str,
    accuracy: str,
    objectives: tuple[str, ...],
    limits: tuple[Constraint, ...],
    forbid: tuple[str | Hardware, ...],
    engine: str,
    texts: tuple[str, ...],
    seed: int,
    cluster: str | None,
    resume: bool,
    folder: Path,
    mlflow: str | None,
    as_json: bool,
) -> None:
    """Search a space for networks that are accurate and fast.

    Where latency, parameters and the accuracy source add up over blocks (tables, the proxy, fitted models), the exact
    Pareto front of the whole space is computed as well, and the search is judged by it.
    """
    from mogakit import records
    from mogakit.flows.measure.devices import PhoneRequest, open_runner
    from mogakit.flows.search.find import ARCHIVE, EXACT, RESULT, SAMPLES, search
    from mogakit.flows.search.plan import Method, SearchPlan, device_input, latency_input
    from mogakit.flows.search.settings import parse_settings, plan_settings

    method = Method(engine)
    of_every_engine, of_engine = split_settings(texts, click.get_current_context())
    plan = SearchPlan(
        space=space,
        accuracy=accuracy,
        latencies=tuple(latency_input(path) for path in tables),
        objectives=objectives,
        limits=limits,
        forbid=tuple(each for each in forbid if not isinstance(each, Hardware)),
        runs_on=tuple(each for each in forbid if isinstance(each, Hardware)),
        **of_every_engine,
        **plan_settings(method, parse_settings(of_engine)),
        method=method,
        seed=seed,
        cluster=None if is_computed({"accuracy": accuracy}) else cluster,
    )
    phone = PhoneRequest(cluster=None if device == HOST else cluster)
    with (
        tracked_run(mlflow) as tracker,
        open_runner(device, phone=phone) if targets else nullcontext() as runner,
        progress_bar("searching") as progress,
    ):
        if runner is not None:
            measured = tuple(device_input(runner, target) for target in targets)
            plan = replace(plan, latencies=plan.latencies + measured)
        result = search(plan, folder, resume, progress)
        tracker.metrics(_metrics(result))
        tracker.artifacts(*(folder / name for name in (RESULT, EXACT, ARCHIVE, SAMPLES)))
    if as_json:
        print_json({"folder": str(folder), **records.to_json(result)})
    else:
        _print(result, folder)


def _metrics(result: SearchResult) -> dict[str, float | None]:
    return {
        "num_evaluations": result.num_evaluations,
        "num_networks": result.num_networks,
        "num_front": len(result.front),
        "archive_percent": result.quality.archive_percent,
        "population_percent": result.quality.population_percent,
    }


IN_MILLIONS = ("params", "madds")


def _print(result: SearchResult, folder: Path) -> None:
    """Print the picks, and how far the search came."""
    from mogakit.flows.search.find import EXACT, RESULT
    from mogakit.flows.search.plan import Method
    from mogakit.search.front import rows_of

    front = result.front
    by_reward = result.engine in (Method.PPO, Method.REINFORCE) and result.population is not None
    shown = result.population if by_reward and result.population is not None else front
    rows = [
        [f"{front.space}/{row['chromosome']}", *(_short(metric.name, row[metric.name]) for metric in front.metrics)]
        for row in rows_of(shown, shown.chromosomes if by_reward else result.picks)
    ]
    title = "The controller's most likely network, and its best" if by_reward else "Picks, fastest first"
    print_table(title, ["network", *map(_heading, front.metrics)], rows)
    for metric in front.metrics:
        if metric.unit == "ms":
            say(f"{metric.name}: {metric.source}")
    say(f"front: {len(front)} of {result.num_networks} networks ({front.how})")
    quality = result.quality
    if quality.archive_percent is not None:
        last = quality.population_percent
        population = "" if last is None else f" (last population: {last:.1f} %)"
        share = f"{quality.archive_percent:.1f} % of its hypervolume{population}"
        within = quality.tolerance_percent
        exact = "" if within == 0 else f", to within {within:.1f} % of each objective's range"
        say(f"exact front: {quality.num_exact} networks{exact}; found {share}")
        say(f"written: {folder / RESULT}, {folder / EXACT}")
    else:
        say(f"exact front: none; {quality.without}")
        say(f"written: {folder / RESULT}")
    if any(metric.is_proxy for metric in front.metrics):
        say("proxy is a capacity, not an accuracy: train the picks before believing their order")


def _heading(metric: MetricInfo) -> str:
    unit = "M" if metric.name in IN_MILLIONS else metric.unit
    return f"{metric.name} ({unit})" if unit else metric.name


def _short(name: str, value: float | str | None) -> float | None:
    if not isinstance(value, float):
        return None
    return float(f"{value / 1e6 if name in IN_MILLIONS else value:.4g}")
