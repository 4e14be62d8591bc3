"""`moga train`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mogakit import records
from mogakit.cli.broken_images import print_broken_images
from mogakit.cli.options import with_options
from mogakit.cli.output import json_option, print_json, print_table, progress_bar
from mogakit.flows.train import TrainRequest, TrainSummary, run_training
from mogakit.search.training.loop import CHECKPOINT_INTERVAL_S, Settings
from mogakit.search.training.recipes import RECIPES

F = TypeVar("F", bound=Callable[..., Any])

EPILOG = """
\b
Examples:
  moga train moga-a --data imagenet/ --recipe moga -o runs/moga-a
  torchrun --nproc-per-node 8 -m mogakit train moga-a --data imagenet/ --recipe moga --bfloat16 -o runs/moga-a
  moga train digits/0-1-2-3-4-5 --data digits --recipe digits -o runs/plumbing
"""


def training_options(function: F) -> F:
    """Add the options that every kind of training takes."""
    options = (
        click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Instead of the recipe's."),
        click.option("--batch-size", type=click.IntRange(min=1), help="Instead of the recipe's; the rate scales."),
        click.option("--seed", default=0, show_default=True, help="Of weights, order and augmentation."),
        click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Default: a GPU where there is one."),
        click.option("--bfloat16", is_flag=True, help="Autocast to bfloat16."),
        click.option("--sync-norm", is_flag=True, help="Batch norm over the images of all processes."),
        click.option("--workers", default=4, show_default=True, help="Threads that decode images."),
        click.option(
            "--checkpoint-s", default=CHECKPOINT_INTERVAL_S, show_default=True, help="Seconds between checkpoints."
        ),
        click.option("--tensorboard", type=click.Path(path_type=Path), help="Folder for TensorBoard scalars."),
        click.option("--resume", is_flag=True, help="Go on where a killed run was."),
    )
    return with_options(function, options)


def settings_from(given: dict[str, Any]) -> Settings:
    """Build settings from the values of `training_options`."""
    return Settings(
        seed=given["seed"],
        batch_size=given["batch_size"],
        epochs=given["epochs"],
        bfloat16=given["bfloat16"],
        synchronise_norm=given["sync_norm"],
        num_workers=given["workers"],
        checkpoint_interval_s=given["checkpoint_s"],
    )


@click.command("train", epilog=EPILOG)
@click.argument("network")
@click.option("--data", required=True, help="Folder (one folder a class; scored on val/ if it has one), or digits.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="moga", show_default=True, help="How to train.")
@click.option("--width", default=1.0, show_default=True, help="Width multiplier of a zoo network.")
@click.option("--input-size", type=int, help="Pixels; default: the network's own.")
@training_options
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@json_option
def command(
    network: str,
    data: str,
    recipe: str,
    width: float,
    input_size: int | None,
    folder: Path,
    as_json: bool,
    **given: Any,
) -> None:
    """Train NETWORK (a zoo name or space/chromosome) with a published recipe.

    The checkpoint ships with `moga ship NETWORK --weights RUN/checkpoint.pt`. Broken images are left out, counted and
    named.
    """
    request = TrainRequest(
        network=network,
        data=data,
        recipe=recipe,
        folder=folder,
        settings=settings_from(given),
        width=width,
        input_size=input_size,
        device=given["device"],
        resume=given["resume"],
        tensorboard=given["tensorboard"],
    )
    with progress_bar(f"training {network}") as progress:
        summary = run_training(request, progress)
    if as_json:
        print_json(records.to_json(summary))
    else:
        _print(summary)


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
    click.echo(f"recipe: {summary.recipe_source}")
    print_broken_images(summary.broken_images)
