"""Rewards that trade accuracy for latency in one number, as the controllers of MnasNet and TuNAS maximise them."""

from dataclasses import dataclass
from enum import StrEnum

from mogakit.errors import InputError


class RewardKind(StrEnum):
    """Which formula a reward uses."""

    MNASNET = "mnasnet"  # MnasNet eq. 2-3: Q * (T / T0)^w
    ABSOLUTE = "absolute"  # TuNAS, and eq. 6-8 of the multi-hardware paper: Q + beta * |T / T0 - 1|
    ONE_SIDED = "one-sided"  # ours: Q + beta * max(T / T0 - 1, 0)


def mnasnet(accuracy: float, latency_ms: float, target_ms: float, alpha: float = -0.07, beta: float = -0.07) -> float:
    """Return `ACC * (LAT / T)^w` with w = alpha where LAT <= T, else beta (MnasNet eq. 2-3).

    The default is the paper's soft constraint. `alpha=0, beta=-1` is its hard constraint: at most T costs nothing.

    Raises:
        InputError: a latency or the target is not above zero.
    """
    _check(latency_ms, target_ms)
    exponent = alpha if latency_ms <= target_ms else beta
    return accuracy * float((latency_ms / target_ms) ** exponent)


def absolute(accuracy: float, latency_ms: float, target_ms: float, beta: float = -0.07) -> float:
    """Return `Q + beta * |T / T0 - 1|`: TuNAS's reward, and eq. 6 of the multi-hardware paper.

    Eq. 7 and 8 are the same with `f_avg` or `f_max` in place of T and a target of 1. It pulls towards the target from
    both sides: a network faster than the target is penalised too. `one_sided` does not.

    Args:
        accuracy: Q, as a fraction (0.758), since beta is on that scale.
        beta: at most zero; -0.07 in the multi-hardware paper, -0.1 the default of TuNAS's code.

    Raises:
        InputError: a latency or the target is not above zero.
    """
    _check(latency_ms, target_ms)
    return accuracy + beta * abs(latency_ms / target_ms - 1)


def one_sided(accuracy: float, latency_ms: float, target_ms: float, beta: float = -0.07) -> float:
    """Return `Q + beta * max(T / T0 - 1, 0)`: as `absolute`, but being faster than the target costs nothing (ours).

    Raises:
        InputError: a latency or the target is not above zero.
    """
    _check(latency_ms, target_ms)
    return accuracy + beta * max(latency_ms / target_ms - 1, 0.0)


@dataclass(frozen=True)
class Reward:
    """A reward with its parameters.

    Attributes:
        kind: the formula.
        target_ms: T or T0; 1 where the latency is `f_avg` or `f_max`.
        alpha: exponent at or below the target (`mnasnet` only).
        beta: exponent above the target (`mnasnet`), or weight of the deviation from it.
    """

    kind: RewardKind
    target_ms: float
    alpha: float = -0.07
    beta: float = -0.07

    def __call__(self, accuracy: float, latency_ms: float) -> float:
        """Return the reward of one network."""
        if self.kind is RewardKind.MNASNET:
            return mnasnet(accuracy, latency_ms, self.target_ms, self.alpha, self.beta)
        formula = absolute if self.kind is RewardKind.ABSOLUTE else one_sided
        return formula(accuracy, latency_ms, self.target_ms, self.beta)


def _check(latency_ms: float, target_ms: float) -> None:
    if not (latency_ms > 0 and target_ms > 0):
        raise InputError(f"latency {latency_ms} ms and target {target_ms} ms must both be above zero")
