"""The options of a training, for every command that trains."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mogakit.cli.options import with_options
from mogakit.training.loop import CHECKPOINT_INTERVAL_S, Settings

F = TypeVar("F", bound=Callable[..., Any])

device_option = click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Default: a GPU where there is one.")


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
        click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Instead of the recipe's."),
        click.option("--batch-size", type=click.IntRange(min=1), help="Instead of the recipe's; the rate scales."),
        click.option("--seed", default=0, show_default=True, help="Of weights, order and augmentation."),
        device_option,
        click.option("--bfloat16", is_flag=True, help="Autocast to bfloat16."),
        click.option("--sync-norm", is_flag=True, help="Batch norm over the images of all processes."),
        click.option("--workers", default=4, show_default=True, help="Threads that decode images."),
        click.option(
            "--checkpoint-s", default=CHECKPOINT_INTERVAL_S, show_default=True, help="Seconds between checkpoints."
        ),
        click.option("--tensorboard", type=click.Path(path_type=Path), help="Folder for TensorBoard scalars."),
        click.option("--resume", is_flag=True, help="Go on where a killed run was."),
    )
    return with_options(command, options)  # type: ignore[return-value]
