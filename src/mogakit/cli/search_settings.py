"""Settings of `moga search` that every engine has, given with --set beside the engine's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from mogakit.cli.command import Given, Ignored
from mogakit.cli.measuring import HOST
from mogakit.cli.types import FACTOR, NETWORK, WEIGHT, Whole

SETTINGS: Mapping[str, click.ParamType] = {  # type: ignore[type-arg]  # generic from click 8.4 on only
    "picks": Whole(1, 1000),
    "jobs": Whole(1, 1024),
    "reference": NETWORK,
    "combine": click.Choice(["avg", "max"]),
    "factor": FACTOR,
    "weight": WEIGHT,
}
"""Each with what reads its value."""

ONE_A_LATENCY = ("factor", "weight")
"""Settings that are given once for each table or target, in their order."""


def is_set(given: Given, name: str) -> bool:
    """Return whether a call gives the setting named."""
    return any(_name(text) == name for text in given["texts"])


def has_one_latency(given: Given) -> bool:
    """Return whether a call gives fewer than two tables and targets."""
    return len(given["tables"]) + len(given["targets"]) < 2


def is_proven(given: Given) -> bool:
    """Return whether the engine of a call solves the problem instead of sampling it."""
    return given["engine"] in ("best", "exact")


def is_computed(given: Given) -> bool:
    """Return whether the accuracy of a call is computed at once, not network by network."""
    return given["accuracy"] == "proxy" or bool(given["accuracy"].startswith(("proxy:", "table:", "fitted:")))


def measures_here(given: Given) -> bool:
    """Return whether a call measures nothing, or on this computer."""
    return not given["targets"] or given["device"] == HOST


COMPUTED = "such an accuracy is computed at once"
ONE_LATENCY = "it is of several latencies, and there is one; add a --table"
PROVEN = "engines best and exact solve, and neither draw nor evaluate"

RULES = (
    Ignored(("reference", "combine", "factor", "weight"), has_one_latency, ONE_LATENCY),
    Ignored(("reference",), lambda given: is_set(given, "factor"), "--set factor gives the factors"),
    Ignored(("jobs",), is_proven, PROVEN),
    Ignored(("picks",), lambda given: given["engine"] == "best", "engine best finds one network"),
    Ignored(("jobs",), is_computed, COMPUTED),
    Ignored(("jobs",), lambda given: given["cluster"] is not None, "the cluster's workers are as many as were started"),
)


def split_settings(texts: Sequence[str], context: click.Context) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a `SearchPlan` that the settings of every engine fill, and the texts of the engine's own.

    Raises:
        UsageError: a value is not what its setting takes, a setting is given twice, or would have no effect.
    """
    from mogakit.nets.resolve import resolve

    values: dict[str, list[Any]] = {}
    of_engine = []
    for text in texts:
        name, value = _name(text), text.partition("=")[2].strip()
        if name in SETTINGS and value:
            values.setdefault(name, []).append(_converted(name, value, context))
        else:
            of_engine.append(text)
    for name, given in values.items():
        if len(given) > 1 and name not in ONE_A_LATENCY:
            raise click.UsageError(f"setting {name} is given twice: {given[0]} and {given[1]}", context)
    for rule in RULES:
        without = [name for name in rule.names if name in values]
        if without and rule.when(context.params):
            names = " and ".join(f"--set {name}" for name in without)
            raise click.UsageError(
                f"{names} {'has' if len(without) == 1 else 'have'} no effect: {rule.because}", context
            )
    weights = tuple(values.get("weight", ()))
    reference = values.get("reference", [None])[0]
    fields = {
        "reference": None if reference is None else resolve(reference),
        "num_picks": values.get("picks", [3])[0],
        "num_jobs": values.get("jobs", [1])[0],
        "worst": values.get("combine") == ["max"],
        "factors_ms": tuple(values.get("factor", ())),
        "hardware_weights": weights or None,
    }
    return fields, of_engine


def _name(text: str) -> str:
    return text.partition("=")[0].strip().replace("-", "_")


def _converted(name: str, value: str, context: click.Context) -> Any:
    try:
        return SETTINGS[name].convert(value, None, context)
    except click.BadParameter as error:
        raise click.BadParameter(error.message, context, param_hint=f"--set {name}") from error
