"""What is suspicious about a cost model, as `luts.check` says it of a table."""

import math

from mogakit.errors import InputError
from mogakit.luts.check import Finding, Severity, Suspicion
from mogakit.luts.linear import CostModel
from mogakit.luts.table import UNKNOWN
from mogakit.nets.spaces import get_space


def check_model(model: CostModel) -> list[Finding]:
    """Return everything suspicious about a model, worst first."""
    return [*_not_finite(model), *_counts(model), *_negative(model), *_provenance(model)]


def _not_finite(model: CostModel) -> list[Finding]:
    bad = tuple(
        f"gene {gene} choice {choice}"
        for gene, numbers in enumerate(model.coefficients_ms)
        for choice, number in enumerate(numbers)
        if not math.isfinite(number)
    )
    if not math.isfinite(model.intercept_ms):
        bad = ("intercept", *bad)
    if not bad:
        return []
    message = f"{len(bad)} number(s) are not finite: no network that they count in has a latency"
    return [Finding(Suspicion.NO_NUMBER, Severity.ERROR, bad, message)]


def _counts(model: CostModel) -> list[Finding]:
    """Compare the coefficients with the choices of the space, gene by gene."""
    try:
        expected = get_space(model.space, model.input_size).num_choices
    except InputError as error:
        return [Finding(Suspicion.NO_NUMBER, Severity.ERROR, (), f"its space is not known: {error}")]
    found = tuple(len(numbers) for numbers in model.coefficients_ms)
    if len(found) != len(expected):
        message = f"it holds {len(found)} genes, and space {model.space} has {len(expected)}"
        return [Finding(Suspicion.NO_NUMBER, Severity.ERROR, (), message)]
    unlike = [gene for gene, (ours, its) in enumerate(zip(found, expected, strict=True)) if ours != its]
    if not unlike:
        return []
    first = unlike[0]
    message = (
        f"{len(unlike)} gene(s) hold another number of coefficients than space {model.space} has choices "
        f"(gene {first}: {found[first]}, not {expected[first]})"
    )
    return [Finding(Suspicion.NO_NUMBER, Severity.ERROR, tuple(f"gene {gene}" for gene in unlike), message)]


def _negative(model: CostModel) -> list[Finding]:
    negative = tuple(
        f"gene {gene} choice {choice}"
        for gene, numbers in enumerate(model.coefficients_ms)
        for choice, number in enumerate(numbers)
        if number < 0
    )
    if not negative:
        return []
    message = (
        f"{len(negative)} coefficient(s) are below zero: they are differences from a constant, "
        "and only their sum over a network is a latency"
    )
    return [Finding(Suspicion.NOT_POSITIVE, Severity.INFO, negative, message)]


def _provenance(model: CostModel) -> list[Finding]:
    if not model.origin.unknown and model.identity.device != UNKNOWN:
        return []
    what = ", ".join(model.origin.unknown) or "the device"
    return [Finding(Suspicion.UNKNOWN_PROVENANCE, Severity.INFO, (), f"the source does not say: {what}")]
