"""How much of each kind of device is measured, and the plan that follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mogakit.bench.runner import Job, Runner, RunnerKind
from mogakit.bench.schedule import Plan
from mogakit.bench.target import Hardware
from mogakit.luts.statistic import HOST_STATISTIC, PHONE_STATISTIC, Statistic


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        num_rounds: fresh processes or deployments at least; `max_rounds` at most, while intervals are too wide.
        num_passes: visits of each file in a round.
        num_calibration: networks for the calibration, spread evenly over the strata of the space.
        num_sentinels: visits of the sentinel in a pass.
        drift_limit: by how much (a share) the sentinel may be off before its window is measured again. This computer's
            speed is divided out of every visit, so only what that cannot fix is repeated there.
        precision: half-width of a file's interval (a share of its time) at which rounds end early.
    """

    num_rounds: int
    max_rounds: int
    num_passes: int
    num_calibration: int
    num_sentinels: int
    drift_limit: float = 0.50
    precision: float = 0.01


FULL_HOST = Effort(num_rounds=6, max_rounds=8, num_passes=16, num_calibration=20, num_sentinels=4)
QUICK_HOST = Effort(num_rounds=2, max_rounds=2, num_passes=6, num_calibration=8, num_sentinels=3)
FULL_PHONE = Effort(num_rounds=3, max_rounds=6, num_passes=1, num_calibration=20, num_sentinels=14, drift_limit=0.05)
QUICK_PHONE = Effort(num_rounds=1, max_rounds=1, num_passes=1, num_calibration=4, num_sentinels=6, drift_limit=0.05)
FULL_ACCELERATOR = replace(FULL_PHONE, max_rounds=24, precision=0.005)
"""An accelerator adds milliseconds to every run, so a small error of a time is a large one of what a block adds."""


def effort_for(runner: Runner, quick: bool, hardware: Hardware = Hardware.CPU) -> Effort:
    """Return how much to measure: a computer times thousands of calls a minute, a phone starts a process a file."""
    if runner.kind is RunnerKind.HOST:
        return QUICK_HOST if quick else FULL_HOST
    if quick:
        return QUICK_PHONE
    return FULL_PHONE if hardware is Hardware.CPU else FULL_ACCELERATOR


def statistic_for(runner: Runner) -> Statistic:
    """Return how samples become a row on this kind of device."""
    return HOST_STATISTIC if runner.kind is RunnerKind.HOST else PHONE_STATISTIC


def plan_for(
    effort: Effort,
    jobs: Sequence[Job],
    sentinel: Job,
    rounds: int | None,
    seed: int,
    *,
    until_precise: bool = False,
    budget_s: float | None = None,
) -> Plan:
    """Return the plan for some files.

    Args:
        rounds: exactly so many; None for what the effort says.
        until_precise: go on to the effort's largest number of rounds while intervals are wide.
    """
    first = effort.num_rounds if rounds is None else rounds
    return Plan(
        jobs=tuple(jobs),
        sentinel=sentinel,
        num_rounds=first,
        max_rounds=effort.max_rounds if until_precise and rounds is None else first,
        num_passes=effort.num_passes,
        num_sentinels=effort.num_sentinels,
        precision=effort.precision,
        drift_limit=effort.drift_limit,
        budget_s=budget_s,
        seed=seed,
    )
