"""The options of a training, for every command that trains."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mogakit.cli.command import ignored, renamed
from mogakit.cli.options import with_options
from mogakit.cli.types import COUNT, EPOCHS, NEW_FOLDER, SECONDS, SEED, Whole

F = TypeVar("F", bound=Callable[..., Any])

CHECKPOINT_S = 600.0
"""As `training.loop.CHECKPOINT_INTERVAL_S`, which takes torch to load (a test compares them)."""
NUM_WORKERS = 4
"""As `training.loop.Settings.num_workers`."""

WORKERS = Whole(0, 1024)


def torch_device_option(function: F) -> F:
    """Add --torch-device, as the parameter `device`: what torch trains on. (`--device` is what measures.)"""
    option = click.option(
        "--torch-device", "device", type=click.Choice(["cpu", "cuda"]), help="Default: a GPU where there is one."
    )
    return with_options(function, (option, renamed("--device", "--torch-device", "{}")))


def training_options(function: F) -> F:
    """Add --epochs to --resume; the command gets `training`, the fields of its request that they fill."""

    @functools.wraps(function)
    def command(
        *args: Any,
        epochs: float | None,
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
            epochs=epochs,
            bfloat16=bfloat16,
            synchronise_norm=sync_norm,
            num_workers=workers,
            checkpoint_interval_s=checkpoint_s,
        )
        training = {"settings": settings, "device": device, "tensorboard": tensorboard, "resume": resume}
        return function(*args, training=training, **given)

    options = (
        click.option("--epochs", type=EPOCHS, help="Instead of the recipe's."),
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
    return with_options(command, options)  # type: ignore[return-value]
