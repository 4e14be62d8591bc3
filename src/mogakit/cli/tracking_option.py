"""`--mlflow`: a copy of a command's parameters, numbers and files in an MLflow run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mogakit.cli.output import warn

if TYPE_CHECKING:
    from mogakit.tracking import Tracker

F = TypeVar("F", bound=Callable[..., Any])

_OF_THE_OUTPUT = ("as_json", "mlflow")


def mlflow_option(function: F) -> F:
    """Add `--mlflow` to a command, as the parameter `mlflow`."""
    return click.option(
        "--mlflow",
        metavar="URI",
        help="Also log parameters, numbers and files to MLflow there, such as http://host:5000 or file:///folder "
        "(needs the extra `mlflow`).",
    )(function)


@contextmanager
def tracked_run(uri: str | None) -> Iterator[Tracker]:
    """Yield the MLflow run of the command that is called; without `uri`, one that does nothing.

    Raises:
        InputError: MLflow is not installed, or cannot be reached.
    """
    from mogakit.tracking import tracked

    context = click.get_current_context()
    parameters = {name: value for name, value in context.params.items() if name not in _OF_THE_OUTPUT}
    with tracked(uri, context.command_path.partition(" ")[2], parameters, warn) as run:
        yield run
