"""`moga train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mogakit.cli.broken_images import print_broken_images
from mogakit.cli.command import command as new_command
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.tracking_option import mlflow_option, tracked_run
from mogakit.cli.training_options import training_options
from mogakit.cli.types import NETWORK, NEW_FOLDER, PIXELS, WIDTH
from mogakit.training.recipes import RECIPES

if TYPE_CHECKING:
    from mogakit.flows.train.classifier import TrainSummary

EPILOG = """
\b
Examples:
  moga train moga-a --data imagenet/ --recipe moga -o runs/moga-a
  torchrun --nproc-per-node 8 -m mogakit train moga-a --data imagenet/ --recipe moga --bfloat16 -o runs/moga-a
  moga train digits/0-1-2-3-4-5 --data digits --recipe digits -o runs/plumbing
"""


@new_command("train", epilog=EPILOG)
@click.argument("network", type=NETWORK)
@click.option("--data", required=True, help="Folder (one folder a class; scored on val/ if it has one), or digits.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="moga", show_default=True, help="How to train.")
@click.option("--width", type=WIDTH, default=1.0, show_default=True, help="Width multiplier of a zoo network.")
@click.option("--input-size", type=PIXELS, help="Pixels; default: the network's own.")
@training_options
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder of the run.")
@mlflow_option
@log_option
@json_option
def command(
    network: str,
    data: str,
    recipe: str,
    width: float,
    input_size: int | None,
    training: dict[str, Any],
    folder: Path,
    mlflow: str | None,
    as_json: bool,
) -> None:
    """Train NETWORK (a zoo name or space/chromosome) with a published recipe.

    The checkpoint ships with `moga ship NETWORK --weights RUN/checkpoint.pt`. Broken images are left out, counted and
    named.
    """
    from mogakit import records
    from mogakit.flows.train.classifier import CHECKPOINT, RESULT, TrainRequest, run_training

    request = TrainRequest(
        network=network,
        data=data,
        recipe=recipe,
        folder=folder,
        width=width,
        input_size=input_size,
        **training,
    )
    with tracked_run(mlflow) as tracker, progress_bar(f"training {network}") as progress:
        summary = run_training(request, progress)
        tracker.metrics(_metrics(summary))
        tracker.artifacts(folder / RESULT, folder / CHECKPOINT)
    if as_json:
        print_json(records.to_json(summary))
    else:
        _print(summary)


def _metrics(summary: TrainSummary) -> dict[str, float | None]:
    score = summary.score
    return {
        "top1_percent": score.top1_percent,
        "top5_percent": score.top5_percent,
        "nll": score.nll,
        "num_steps": summary.num_steps,
        "images_per_second": summary.images_per_second,
    }


def _print(summary: TrainSummary) -> None:
    score = summary.score
    rows = [
        ("top-1", f"{score.top1_percent:.2f} % +- {score.top1_standard_error:.2f} (binomial standard error)"),
        ("top-5", f"{score.top5_percent:.2f} %"),
        ("negative log-likelihood", f"{score.nll:.4f} nats"),
        ("scored on", f"{score.num_images} images of {summary.scored_on}"),
        ("updates", summary.num_steps),
        ("images/s", summary.images_per_second),
        ("broken images", len(summary.broken_images)),
        ("checkpoint", summary.checkpoint),
    ]
    print_table(f"{summary.network} on {summary.data}, recipe {summary.recipe}", ("what", "value"), rows)
    say(f"recipe: {summary.recipe_source}")
    print_broken_images(summary.broken_images)
