"""The options that make one number of several hardware's latencies, for every command that takes several tables."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mogakit.cli.command import ignored
from mogakit.cli.options import with_options
from mogakit.cli.types import FACTOR, NETWORK, WEIGHT

F = TypeVar("F", bound=Callable[..., Any])


def combine_options(function: F) -> F:
    """Add --combine, --reference, --factor and --weight; the command gets `combined`, fields of a `SearchPlan`."""

    @functools.wraps(function)
    def command(
        *args: Any,
        combine: str,
        reference: str | None,
        factors: tuple[float, ...],
        weights: tuple[float, ...],
        **given: Any,
    ) -> Any:
        from mogakit.nets.resolve import resolve

        combined = {
            "worst": combine == "max",
            "reference": None if reference is None else resolve(reference),
            "factors_ms": factors,
            "hardware_weights": weights or None,
        }
        return function(*args, combined=combined, **given)

    options = (
        click.option(
            "--combine",
            type=click.Choice(["avg", "max"]),
            default="avg",
            show_default=True,
            help="Latency over several tables: their normalised mean or the worst of them; 1 is the reference's.",
        ),
        click.option("--reference", type=NETWORK, help="Network whose latency normalises each table."),
        click.option(
            "--factor",
            "factors",
            multiple=True,
            type=FACTOR,
            metavar="MS",
            help="Factor itself, one a table; inf leaves the table out.",
        ),
        click.option("--weight", "weights", multiple=True, type=WEIGHT, help="Importance of each table in avg or max."),
        ignored(
            *("combine", "reference", "factors", "weights"),
            when=lambda given: len(given["tables"]) + len(given.get("targets", ())) < 2,
            because="it is of several latencies, and there is one; add a --table",
        ),
        ignored("reference", when=lambda given: bool(given["factors"]), because="--factor gives the factors"),
    )
    return with_options(command, options)  # type: ignore[return-value]
