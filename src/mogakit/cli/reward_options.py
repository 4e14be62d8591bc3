"""The options that make a reward, for every command whose controller needs one."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mogakit.cli.command import ignored
from mogakit.cli.options import with_options
from mogakit.cli.types import COEFFICIENT, MILLISECONDS
from mogakit.search.rewards import Reward, RewardKind

F = TypeVar("F", bound=Callable[..., Any])


def reward_options(required: bool) -> Callable[[F], F]:
    """Add --reward, --target-ms, --alpha and --beta; the command gets `reward`, None where no target is given."""

    def add(function: F) -> F:
        @functools.wraps(function)
        def command(
            *args: Any, reward_kind: str, target_ms: float | None, alpha: float, beta: float, **given: Any
        ) -> Any:
            reward = None if target_ms is None else Reward(RewardKind(reward_kind), target_ms, alpha, beta)
            return function(*args, reward=reward, **given)

        options = (
            click.option(
                "--reward",
                "reward_kind",
                type=click.Choice([each.value for each in RewardKind]),
                default=RewardKind.ABSOLUTE.value,
                show_default=True,
                help="Of the controllers: MnasNet eq. 2, TuNAS's absolute reward, or the one-sided variant of it.",
            ),
            click.option(
                "--target-ms",
                required=required,
                type=MILLISECONDS,
                help="Latency that the reward aims at (1 for f_avg, f_max).",
            ),
            click.option(
                "--alpha",
                type=COEFFICIENT,
                default=-0.07,
                show_default=True,
                help="MnasNet reward: exponent up to the target.",
            ),
            click.option(
                "--beta",
                type=COEFFICIENT,
                default=-0.07,
                show_default=True,
                help="Exponent beyond it; weight of the deviation otherwise.",
            ),
            ignored(
                "alpha",
                when=lambda given: given["reward_kind"] != RewardKind.MNASNET.value,
                because="it is of the MnasNet reward; add --reward mnasnet",
            ),
        )
        return with_options(command, options)  # type: ignore[return-value]

    return add
