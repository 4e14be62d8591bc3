"""`moga search`."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mogakit import records
from mogakit.bench.target import parse_target
from mogakit.cli.combine_options import combine_options
from mogakit.cli.output import json_option, print_json, print_table, progress_bar
from mogakit.cli.reward_options import reward_options
from mogakit.export.support.entry import Hardware
from mogakit.flows.measure.devices import HOST, open_runner
from mogakit.flows.search.find import EXACT, RESULT, search
from mogakit.flows.search.plan import Method, SearchPlan, device_input, table_input
from mogakit.nets.spaces import space_names
from mogakit.search.evolution import Settings
from mogakit.search.front import MetricInfo, SearchResult, rows_of
from mogakit.search.problem import parse_constraint
from mogakit.search.rewards import Reward
from mogakit.search.surrogate import SurrogateSettings
from mogakit.search.survival import CrowdingRange
from mogakit.search.variation import CrossoverKind, MutationKind

DEFAULTS, FIT_DEFAULTS = Settings(), SurrogateSettings()

EPILOG = """
\b
Examples:
  moga search --table RUN/lut.json -o RUN/search
  moga search --table RUN/lut.json --engine best --limit 'latency<=12' -o RUN/best
  moga search --table cpu.json --table gpu.json --combine max --reference moga-a -o RUN/both
  moga search --table RUN/lut.json --accuracy mymodule:evaluate --jobs 4 -o RUN/search
"""


@click.command("search", epilog=EPILOG)
@click.option("--space", default="moga", show_default=True, type=click.Choice(space_names()), help="Search space.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Latency table (lut.json) or cost model; one a hardware.",
)
@click.option("--target", "targets", multiple=True, help="Measure each candidate on such a target, in the loop.")
@click.option(
    "--device", default=HOST, show_default=True, help="For --target: host (this computer) or a phone's serial."
)
@click.option(
    "--accuracy",
    default="proxy",
    show_default=True,
    help="proxy (capacity, no accuracy), table:FILE.csv, fitted:FILE.json, supernet:CKPT, or package.module:function.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="METRIC[:max|min][:WEIGHT]",
    help="Default: accuracy:max:0.4 latency:min:0.4 params:max:0.2, as MoGA. Weights are of the crowding distance.",
)
@click.option(
    "--limit", "limits", multiple=True, metavar="METRIC<=X", help="Constraint, e.g. 'latency<=12', 'params>=4M'."
)
@click.option("--forbid", multiple=True, metavar="PATTERN", help="Block keys that may not be chosen, e.g. '*_se*'.")
@click.option(
    "--runs-on",
    multiple=True,
    type=click.Choice([each.value for each in Hardware]),
    help="Leave out choices that this hardware does not surely run; may be repeated.",
)
@combine_options
@click.option(
    "--engine",
    type=click.Choice([each.value for each in Method]),
    default="nsga2",
    show_default=True,
    help="How to search.",
)
@reward_options(required=False)
@click.option(
    "--accuracy-scale",
    default=1.0,
    show_default=True,
    help="Factor that makes the accuracy a fraction (0.01: percent).",
)
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option("--picks", default=3, show_default=True, help="Networks to take from the front at equal distance.")
@click.option("--jobs", default=1, show_default=True, help="Evaluations of an expensive accuracy at once.")
@click.option("--population", default=DEFAULTS.population, show_default=True, help="Individuals kept.")
@click.option("--generations", default=DEFAULTS.generations, show_default=True, help="Batches evaluated.")
@click.option(
    "--crossover",
    type=click.Choice([each.value for each in CrossoverKind]),
    default=DEFAULTS.crossover.value,
    show_default=True,
    help="Exchange the tail of two parents, or one gene as MoGA's formula says literally.",
)
@click.option("--crossover-rate", default=DEFAULTS.crossover_rate, show_default=True, help="Share of pairs crossed.")
@click.option(
    "--mutation",
    type=click.Choice([each.value for each in MutationKind]),
    default=DEFAULTS.mutation.value,
    show_default=True,
    help="One factor of one block, or every gene by chance.",
)
@click.option("--mutation-rate", default=DEFAULTS.mutation_rate, show_default=True, help="Share of children mutated.")
@click.option(
    "--random-share", default=DEFAULTS.random_share, show_default=True, help="Of these, share with a gene redrawn."
)
@click.option(
    "--second-initial/--no-second-initial",
    default=DEFAULTS.second_initial,
    show_default=True,
    help="Draw two initial populations, as MoGA Algorithm 1.",
)
@click.option(
    "--crowding-range",
    type=click.Choice([each.value for each in CrowdingRange]),
    default=DEFAULTS.crowding_range.value,
    show_default=True,
    help="Over what MoGA eq. 5 takes the extremes of an objective.",
)
@click.option("--num-fit", default=FIT_DEFAULTS.num_fit, show_default=True, help="fit-front: networks to fit on.")
@click.option("--num-check", default=FIT_DEFAULTS.num_check, show_default=True, help="fit-front: networks to check.")
@click.option("--resume", is_flag=True, help="Go on where a killed search was.")
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder for the result.")
@json_option
def command(
    space: str,
    tables: tuple[Path, ...],
    targets: tuple[str, ...],
    device: str,
    accuracy: str,
    objectives: tuple[str, ...],
    limits: tuple[str, ...],
    forbid: tuple[str, ...],
    runs_on: tuple[str, ...],
    combined: dict[str, Any],
    engine: str,
    reward: Reward | None,
    accuracy_scale: float,
    seed: int,
    picks: int,
    jobs: int,
    population: int,
    generations: int,
    crossover: str,
    crossover_rate: float,
    mutation: str,
    mutation_rate: float,
    random_share: float,
    second_initial: bool,
    crowding_range: str,
    num_fit: int,
    num_check: int,
    resume: bool,
    folder: Path,
    as_json: bool,
) -> None:
    """Search a space for networks that are accurate and fast.

    Where latency, parameters and the accuracy source add up over blocks (tables, the proxy, fitted models), the exact
    Pareto front of the whole space is computed as well, and the search is judged by it.
    """
    settings = Settings(
        population=population,
        generations=generations,
        second_initial=second_initial,
        crossover=CrossoverKind(crossover),
        crossover_rate=crossover_rate,
        mutation=MutationKind(mutation),
        mutation_rate=mutation_rate,
        random_share=random_share,
        crowding_range=CrowdingRange(crowding_range),
    )
    if str(Path.cwd()) not in sys.path:  # --accuracy may name a module that lies where the command is run
        sys.path.insert(0, str(Path.cwd()))
    plan = SearchPlan(
        space=space,
        accuracy=accuracy,
        latencies=tuple(table_input(path) for path in tables),
        objectives=objectives,
        limits=tuple(parse_constraint(text) for text in limits),
        forbid=forbid,
        runs_on=tuple(Hardware(each) for each in runs_on),
        **combined,
        method=Method(engine),
        settings=settings,
        surrogate=SurrogateSettings(num_fit, num_check),
        reward=reward,
        accuracy_scale=accuracy_scale,
        seed=seed,
        num_picks=picks,
        num_jobs=jobs,
    )
    with open_runner(device) if targets else nullcontext() as runner, progress_bar("searching") as progress:
        if runner is not None:
            measured = tuple(device_input(runner, parse_target(text)) for text in targets)
            plan = replace(plan, latencies=plan.latencies + measured)
        result = search(plan, folder, resume, progress)
    if as_json:
        print_json({"folder": str(folder), **records.to_json(result)})
    else:
        _print(result, folder)


IN_MILLIONS = ("params", "madds")


def _print(result: SearchResult, folder: Path) -> None:
    """Print the picks, and how far the search came."""
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
            click.echo(f"{metric.name}: {metric.source}")
    click.echo(f"front: {len(front)} of {result.num_networks} networks ({front.how})")
    quality = result.quality
    if quality.archive_percent is not None:
        last = quality.population_percent
        population = "" if last is None else f" (last population: {last:.1f} %)"
        share = f"{quality.archive_percent:.1f} % of its hypervolume{population}"
        click.echo(f"exact front: {quality.num_exact} networks; found {share}")
        click.echo(f"written: {folder / RESULT}, {folder / EXACT}")
    else:
        click.echo(f"exact front: none; {quality.without}")
        click.echo(f"written: {folder / RESULT}")
    if any(metric.is_proxy for metric in front.metrics):
        click.echo("proxy is a capacity, not an accuracy: train the picks before believing their order")


def _heading(metric: MetricInfo) -> str:
    unit = "M" if metric.name in IN_MILLIONS else metric.unit
    return f"{metric.name} ({unit})" if unit else metric.name


def _short(name: str, value: float | str | None) -> float | None:
    if not isinstance(value, float):
        return None
    return float(f"{value / 1e6 if name in IN_MILLIONS else value:.4g}")
