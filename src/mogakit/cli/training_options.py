"""The options of a training, for every command that trains."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mogakit.cli.command import ignored, renamed
from mogakit.cli.options import with_options
from mogakit.cli.types import COUNT, EPOCHS, NEW_FOLDER, SECONDS, SEED, SHARE, Number, Whole
from mogakit.training.recipes import Schedule

F = TypeVar("F", bound=Callable[..., Any])

CHECKPOINT_S = 600.0
"""As `training.loop.CHECKPOINT_INTERVAL_S`, which takes torch to load (a test compares them)."""
NUM_WORKERS = 4
"""As `training.loop.Settings.num_workers`."""

WORKERS = Whole(1, 1024)


def torch_device_option(function: F) -> F:
    """Add --torch-device, as the parameter `device`: what torch trains on. (`--device` is what measures.)"""
    option = click.option(
        "--torch-device", "device", type=click.Choice(["cpu", "cuda"]), help="Default: a GPU where there is one."
    )
    return with_options(function, (option, renamed("--device", "--torch-device", "{}")))


_CHANGES = {
    "peak_rate": "learning_rate",
    "weight_decay": "l2",
    "norm_momentum": "norm_momentum",
    "label_smoothing": "label_smoothing",
    "dropout": "dropout",
}
"""Options that stand in for a value of the recipe, by the field of `training.loop.Settings` that each fills."""


def recipe_options(function: F) -> F:
    """Add --epochs, --schedule and what replaces a recipe's values; the command gets `changes`, of `Settings`."""

    @functools.wraps(function)
    def command(*args: Any, epochs: float | None, schedule: str, **given: Any) -> Any:
        changes: dict[str, Any] = {field: given.pop(name) for name, field in _CHANGES.items()}
        return function(*args, changes={"epochs": epochs, "schedule": Schedule(schedule), **changes}, **given)

    options = (
        click.option("--epochs", type=EPOCHS, help="Instead of the recipe's."),
        click.option(
            "--schedule",
            type=click.Choice([each.value for each in Schedule]),
            default=Schedule.SCALED.value,
            show_default=True,
            help="Warm-up and steps of decay with --epochs: the recipe's share of the epochs, or its number of epochs.",
        ),
        click.option(
            "--peak-rate",
            type=Number(0, 1000, open_low=True),
            help="Learning rate after the warm-up, for this batch size. [default: the recipe's, scaled to the batch]",
        ),
        click.option("--weight-decay", type=Number(0, 10), help="L2, instead of the recipe's; no biases or norms."),
        click.option("--norm-momentum", type=SHARE, help="A batch's share in running statistics, as torch counts it."),
        click.option("--label-smoothing", type=SHARE, help="Instead of the recipe's."),
        click.option("--dropout", type=SHARE, help="Before the last layer, instead of the recipe's."),
        ignored(
            "schedule",
            when=lambda given: given["epochs"] is None,
            because="the recipe's own number of epochs is used; add --epochs",
        ),
    )
    return with_options(command, options)  # type: ignore[return-value]


def training_options(function: F) -> F:
    """Add --epochs to --resume; the command gets `training`, the fields of its request that they fill."""

    @functools.wraps(function)
    def command(
        *args: Any,
        changes: dict[str, Any],
        batch_size: int | None,
        seed: int,
        bfloat16: bool,
        sync_norm: bool,
        workers: int,
        checkpoint_s: float,
        device: str | None,
        tensorboard: Path | None,
        resume: bool,
        **given: Any,
    ) -> Any:
        from mogakit.training.loop import Settings

        settings = Settings(
            seed=seed,
            batch_size=batch_size,
            **changes,
            bfloat16=bfloat16,
            synchronise_norm=sync_norm,
            num_workers=workers,
            checkpoint_interval_s=checkpoint_s,
        )
        training = {"settings": settings, "device": device, "tensorboard": tensorboard, "resume": resume}
        return function(*args, training=training, **given)

    options = (
        click.option("--batch-size", type=COUNT, help="Instead of the recipe's; the rate scales."),
        click.option("--seed", type=SEED, default=0, show_default=True, help="Of weights, order and augmentation."),
        torch_device_option,
        click.option("--bfloat16", is_flag=True, help="Autocast to bfloat16."),
        click.option("--sync-norm", is_flag=True, help="Batch norm over the images of all processes."),
        click.option(
            "--workers", type=WORKERS, default=NUM_WORKERS, show_default=True, help="Threads that decode images."
        ),
        click.option(
            "--checkpoint-s", type=SECONDS, default=CHECKPOINT_S, show_default=True, help="Seconds between checkpoints."
        ),
        click.option("--tensorboard", type=NEW_FOLDER, help="Folder for TensorBoard scalars."),
        click.option("--resume", is_flag=True, help="Continue a training that was stopped."),
        ignored(
            "sync_norm",
            when=lambda given: "RANK" not in os.environ,
            because="there is one process; start several with torchrun",
        ),
    )
    return with_options(recipe_options(command), options)  # type: ignore[return-value]
