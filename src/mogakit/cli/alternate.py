"""`moga supernet alternate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import click

from mogakit.cli.broken_images import print_broken_images
from mogakit.cli.combine_options import combine_options
from mogakit.cli.command import command as new_command
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.reward_options import reward_options
from mogakit.cli.training_options import training_options
from mogakit.cli.types import NEW_FOLDER, PIXELS, SHARE, SPACE, TABLE, Number, Whole
from mogakit.search.rewards import Reward
from mogakit.training.recipes import RECIPES

if TYPE_CHECKING:
    from mogakit.flows.train.alternate import AlternateSummary

EPILOG = """
\b
Examples:
  moga supernet alternate --space digits --data digits --recipe digits --table RUN/lut.json --target-ms 0.08 -o turn
  moga supernet alternate --space multi-hardware --data imagenet/ --table cpu.json --table gpu.json --combine max \\
      --reference multi-avg --target-ms 1 --delay 0.5 -o turn
"""


@new_command("alternate", epilog=EPILOG)
@click.option("--space", default="moga", show_default=True, type=SPACE, help="Search space.")
@click.option("--data", required=True, help="Image folder (one folder a class), or the word digits.")
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    default="multi-hardware-search",
    show_default=True,
    help="Of the weights.",
)
@click.option(
    "--table",
    "tables",
    required=True,
    multiple=True,
    type=TABLE,
    metavar="RUN|FILE",
    help="Latency table or cost model of the space; one a hardware.",
)
@combine_options
@reward_options(required=True)
@click.option(
    "--paths",
    default=8,
    show_default=True,
    type=Whole(2, 10_000),
    help="Networks that the controller tries a step.",
)
@click.option(
    "--learning-rate",
    type=Number(0, 100, open_low=True),
    help="The controller's, at the start; it grows tenfold. [default: by learning steps: 0.03 up to 120, TuNAS's "
    "0.0048 from 750 on]",
)
@click.option(
    "--delay",
    type=SHARE,
    help="Share of the steps that train weights only. [default: 0.5 with recipe multi-hardware-search, else 0.25]",
)
@click.option(
    "--warm-up",
    type=SHARE,
    default=0.25,
    show_default=True,
    help="Share of the steps over which operations are averaged and filters are the widest, ever less often.",
)
@click.option("--input-size", type=PIXELS, help="Pixels of the images; default: the space's own, as in the tables.")
@training_options
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder of the run.")
@log_option
@json_option
def command(
    space: str,
    data: str,
    recipe: str,
    tables: tuple[Path, ...],
    combined: dict[str, Any],
    reward: Reward,
    paths: int,
    learning_rate: float | None,
    delay: float | None,
    warm_up: float,
    input_size: int | None,
    training: dict[str, Any],
    folder: Path,
    as_json: bool,
) -> None:
    """Train shared weights and a controller in turn (TuNAS): one run gives both the supernet and the network chosen."""
    from mogakit import records
    from mogakit.flows.train.alternate import AlternateRequest, run_alternation

    request = AlternateRequest(
        space=space,
        data=data,
        recipe=recipe,
        tables=tables,
        **combined,
        reward=reward,
        folder=folder,
        paths_per_step=paths,
        learning_rate=learning_rate,
        delay=delay,
        warm_up=warm_up,
        input_size=input_size,
        **training,
    )
    with progress_bar(f"supernet and controller of {space}") as progress:
        summary = run_alternation(request, progress)
    if as_json:
        print_json(records.document(summary))
        return
    _print(summary, folder)


def _print(summary: AlternateSummary, folder: Path) -> None:
    from mogakit.flows.train.alternate import FIGURE, RESULT

    earned = [mean for mean in summary.mean_rewards if mean is not None]
    share = max(len(earned) // 20, 1)
    rows = [
        ("network", summary.network),
        ("probability of its choices, mean", f"{summary.confidence:.2f}"),
        *((f"{name} (ms)", _short(value)) for name, value in summary.latencies_ms.items()),
        ("aimed at", f"{summary.rewarded} {summary.reward.target_ms:g}, came to {_short(summary.rewarded_value)}"),
        ("source", summary.latency),
        ("mean reward, first and last twentieth", _first_and_last(earned, share)),
        ("steps", summary.num_steps),
        ("broken images", len(summary.broken_images)),
    ]
    print_table(f"Supernet and controller of {summary.space}", ("what", "value"), rows)
    print_broken_images(summary.broken_images)
    say(f"Written: {summary.checkpoint}, {folder / RESULT}, {folder / FIGURE}.svg")
    say(f"Next: moga train {summary.network} --data {summary.data} --recipe {summary.recipe} -o {folder / 'alone'}")


def _short(value: float | None) -> str:
    return "none: a hardware cannot run it" if value is None else f"{value:.4g}"


def _first_and_last(earned: Sequence[float], share: int) -> str:
    if not earned:
        return "the controller never learnt: give more --epochs or a shorter --delay"
    return f"{fmean(earned[:share]):.4f} and {fmean(earned[-share:]):.4f}"
