"""How the reward of a controller grows while it learns, alone or in turn with a supernet."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mogakit.reports.style import BLUE, GREY, SERIES, blank, drawn


@drawn
def reward_curve(mean_rewards: Sequence[float | None], label: str) -> Figure:
    """Draw the mean reward of each step and its running mean over a twentieth of the steps.

    Args:
        mean_rewards: by step; None while the controller waited.
        label: of the vertical axis.
    """
    figure, axes = blank()
    steps = np.array([index for index, mean in enumerate(mean_rewards) if mean is not None], dtype=float)
    values = np.array([mean for mean in mean_rewards if mean is not None])
    window = max(len(mean_rewards) // 20, 1)
    axes.plot(steps, values, color=GREY, linewidth=0.6, label="mean over a step's networks")
    if len(values) >= window:
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        axes.plot(steps[window - 1 :], smooth, color=BLUE, linewidth=1.8, label=f"running mean over {window} steps")
    axes.set_xlim(0, len(mean_rewards))
    axes.set_xlabel("step (blank: the controller waits, only weights learn)")
    axes.set_ylabel(label)
    if len(values):
        axes.legend(loc="lower right")
    return figure


@drawn
def rewards_by_step(means: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the mean reward of each step of several controllers, thin, and its running mean over a twentieth of them."""
    figure, axes = blank()
    for index, (name, values) in enumerate(means.items()):
        colour, window = SERIES[index % len(SERIES)], max(len(values) // 20, 1)
        axes.plot(range(len(values)), values, color=colour, linewidth=0.5, alpha=0.4)
        smooth = np.convolve(np.asarray(values), np.ones(window) / window, mode="valid")
        axes.plot(
            range(window - 1, len(values)), smooth, color=colour, linewidth=1.8, label=f"{name}, mean of {window} steps"
        )
    axes.set_xlabel("step of the controller")
    axes.set_ylabel("mean reward")
    axes.legend(loc="lower right")
    return figure
