"""One number for the latencies of a network on several hardware (Multi-hardware paper, arXiv 2008.08178, eq. 4-5).

A network that one hardware cannot run has no number: `f_avg` and `f_max` are then None, never a value over the rest.
"""

import math
from collections.abc import Sequence

from mogakit.errors import InputError
from mogakit.nets.published import PIXEL4_FACTORS_MS

__all__ = ["PIXEL4_FACTORS_MS", "f_avg", "f_max"]


def f_avg(
    latencies_ms: Sequence[float | None], factors_ms: Sequence[float], weights: Sequence[float] | None = None
) -> float | None:
    """Return the weighted mean of the normalised latencies, `sum_i w_i L_i / C_i / sum_i w_i` (eq. 4).

    The paper divides by the number of hardware. Dividing by the sum of the weights is the same where all are 1, and
    keeps the metric on one scale where they are not (our choice). Section 5.2 says that C = (1, inf, ...) gives L_1;
    that holds for `f_max`, while eq. 4 gives L_1 / N.

    Args:
        latencies_ms: one latency a hardware; None where the hardware cannot run the network.
        factors_ms: latency of the reference network on the same hardware; infinity leaves a hardware out of the sum.
        weights: importance of each hardware, 1 where absent; a weight of 0 leaves a hardware out altogether.

    Raises:
        InputError: the lengths differ, a factor is not above zero, or a latency or weight is below zero.

    Returns:
        A pure number, 1 for the reference network; None where one hardware cannot run the network.

    Source: Multi-Hardware Models (arXiv 2008.08178) eq. 4.

    Examples:
        >>> mk.f_avg([20.0, 3.0], factors_ms=[40.0, 4.0])
        0.625
        >>> mk.f_avg([20.0, None], factors_ms=[40.0, 4.0]) is None
        True
    """
    ratios, used_weights = _ratios(latencies_ms, factors_ms, weights)
    if ratios is None:
        return None
    total = math.fsum(weight * ratio for weight, ratio in zip(used_weights, ratios, strict=True))
    return total / math.fsum(used_weights)


def f_max(
    latencies_ms: Sequence[float | None], factors_ms: Sequence[float], weights: Sequence[float] | None = None
) -> float | None:
    """Return the worst normalised latency, `max_i w_i L_i / C_i`.

    Args:
        latencies_ms: one latency a hardware; None where the hardware cannot run the network.
        factors_ms: latency of the reference network on the same hardware.
        weights: importance of each hardware, 1 where absent.

    Returns:
        A pure number, 1 for the reference network; None where one hardware cannot run the network.

    Raises:
        InputError: as in `f_avg`.

    Source: Multi-Hardware Models (arXiv 2008.08178) eq. 5.

    Examples:
        >>> mk.f_max([20.0, 3.0], factors_ms=[40.0, 4.0])
        0.75
    """
    ratios, used_weights = _ratios(latencies_ms, factors_ms, weights)
    if ratios is None:
        return None
    return max(weight * ratio for weight, ratio in zip(used_weights, ratios, strict=True))


def _ratios(
    latencies_ms: Sequence[float | None], factors_ms: Sequence[float], weights: Sequence[float] | None
) -> tuple[list[float] | None, list[float]]:
    """Return L_i / C_i and w_i of the hardware that count; None in place of the ratios if one cannot run the net."""
    all_weights = [1.0] * len(factors_ms) if weights is None else [float(weight) for weight in weights]
    if not len(latencies_ms) == len(factors_ms) == len(all_weights):
        raise InputError(
            f"{len(latencies_ms)} latencies, {len(factors_ms)} factors and {len(all_weights)} weights were given; "
            "each hardware needs one of each"
        )
    if any(not factor > 0 for factor in factors_ms):
        raise InputError(f"normalisation factors {list(factors_ms)} must all be above zero milliseconds")
    if any(not (weight >= 0 and math.isfinite(weight)) for weight in all_weights) or not any(all_weights):
        raise InputError(f"weights {all_weights} must be finite, at least zero, and not all zero")
    ratios: list[float] = []
    for latency, factor, weight in zip(latencies_ms, factors_ms, all_weights, strict=True):
        if weight == 0:
            continue
        if latency is None:
            return None, []
        if not latency >= 0:
            raise InputError(f"latency {latency} is not a number of milliseconds; None means unsupported")
        ratios.append(latency / factor)
    return ratios, [weight for weight in all_weights if weight > 0]
