"""`moga controllers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import command as new_command
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.types import MILLISECONDS, NEW_FOLDER, SPACE, TABLE, Whole
from mogakit.search.rewards import RewardKind

if TYPE_CHECKING:
    from mogakit.flows.search.controllers import JudgeResult


@new_command("controllers", epilog="Example: moga controllers --table RUN/lut.json -o RUN/controllers")
@click.option("--table", required=True, type=TABLE, metavar="RUN|FILE", help="Latency table or cost model.")
@click.option("--space", default="moga", show_default=True, type=SPACE, help="Search space.")
@click.option(
    "--accuracy", default="proxy", show_default=True, help="A source that adds up: proxy or fitted:FILE.json."
)
@click.option(
    "--reward",
    "rewards",
    multiple=True,
    type=click.Choice([each.value for each in RewardKind]),
    default=[RewardKind.MNASNET.value, RewardKind.ABSOLUTE.value],
    show_default=True,
    help="May be repeated.",
)
@click.option("--target-ms", type=MILLISECONDS, help="T of the reward. [default: latency of the middle of three picks]")
@click.option("--seeds", type=Whole(1, 10_000), default=10, show_default=True, help="Runs of each searcher.")
@click.option("--population", type=Whole(4, 100_000), default=70, show_default=True, help="Networks a step.")
@click.option("--generations", type=Whole(2, 100_000), default=120, show_default=True, help="Steps.")
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder for the result.")
@log_option
@json_option
def command(
    table: Path,
    space: str,
    accuracy: str,
    rewards: tuple[str, ...],
    target_ms: float | None,
    seeds: int,
    population: int,
    generations: int,
    folder: Path,
    as_json: bool,
) -> None:
    """Judge controllers (PPO, REINFORCE), evolution and random search by the best reward there is.

    On a table the best reward is known exactly; regret is what a search stayed below it, at equal evaluations.
    """
    from mogakit import records
    from mogakit.flows.search.controllers import JudgeRequest, judge_controllers

    request = JudgeRequest(
        table=table,
        space=space,
        accuracy=accuracy,
        kinds=tuple(RewardKind(each) for each in rewards),
        target_ms=target_ms,
        num_seeds=seeds,
        population=population,
        generations=generations,
    )
    with progress_bar("judging") as progress:
        result = judge_controllers(request, folder, progress)
    if as_json:
        print_json(records.to_json(result))
    else:
        _print(result, folder)


def _print(result: JudgeResult, folder: Path) -> None:
    from mogakit.flows.search.controllers import FIGURE, RESULT

    for judged in result.judged:
        rows = [
            [each.searcher.value, round(each.mean, 3), round(each.std, 3), round(max(each.by_seed), 3)]
            for each in judged.regrets
        ]
        print_table(f"{judged.reward.kind} reward", ["regret", "mean", "std", "worst"], rows)
        say(f"T = {judged.reward.target_ms:g} ms; best reward of the space {judged.best_reward:.5f}")
    say(f"{result.num_evaluations} evaluations, {result.num_seeds} seeds; regret in points (reward x 100)")
    say(f"latency: {result.latency}; accuracy: {result.accuracy}")
    say(f"written: {folder / RESULT}, {folder / FIGURE}.svg")
