"""How far searches for one reward are from the best there is."""

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from mogakit.reports.style import MARKERS, SERIES, blank_grid, drawn
from mogakit.search.controllers.judge import Regrets

LINE_CHARACTERS = 56
"""Of a line along the height of a panel."""


@drawn
def regret_curves(
    panels: Mapping[str, Sequence[Regrets]], accuracy: str, title: str = "Regret: best reward minus best found"
) -> Figure:
    """Draw mean regret against evaluations on logarithmic axes, one panel a reward.

    Args:
        panels: by the name of the reward; regrets of one searcher each, in points.
        accuracy: what stood for accuracy in the rewards; says *proxy* where it is one.
    """
    figure, grid = blank_grid(1, len(panels), 3.6 * max(len(panels), 1), 3.4, sharey=True)
    for axes, (name, searchers) in zip(grid, panels.items(), strict=True):
        for index, regrets in enumerate(searchers):
            # a regret of exactly zero has no place on a logarithmic axis: the line ends where the best is found
            shown = [(n, r) for n, r in zip(regrets.evaluations, regrets.curve, strict=True) if r > 1e-4]
            axes.plot(
                [n for n, _ in shown],
                [r for _, r in shown],
                color=SERIES[index % len(SERIES)],
                marker=MARKERS[index % len(MARKERS)],
                markevery=0.2,
                label=regrets.searcher.value,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("networks evaluated")
        axes.set_title(name)
    if grid:
        words = textwrap.fill(f"accuracy: {accuracy}", LINE_CHARACTERS)
        grid[0].set_ylabel(f"{title} (points)\n{words}", fontsize=7.5)
        if grid[0].lines:
            grid[0].legend(loc="lower left")
    return figure
