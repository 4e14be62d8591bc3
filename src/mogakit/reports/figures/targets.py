"""Several targets side by side: how their latencies relate, and what one network costs on all of them."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mogakit.luts.error_metrics import kendall_tau
from mogakit.reports.style import BLACK, GREY, MARKERS, SERIES, blank, blank_grid, drawn

PANEL_LETTERS = 25
"""Letters of a panel's title that fit beside the next panel's."""


def _panel_title(target: str) -> str:
    """Return a target's name over as many lines as it needs, so that titles of neighbours never overlap."""
    return "\n".join(part for line in target.splitlines() for part in textwrap.wrap(line, PANEL_LETTERS))


@drawn
def scatter(
    x_ms: Sequence[float],
    y_ms: Sequence[float],
    x_label: str,
    y_label: str,
    marked: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
) -> Figure:
    """Draw latencies of the same networks on two targets, with Kendall's tau (MoGA Figure 2).

    Args:
        marked: named networks to show among the others.
    """
    figure, axes = blank(4.6, 3.8)
    axes.plot(x_ms, y_ms, "o", color=SERIES[0], alpha=0.7, label=f"{len(x_ms)} networks")
    for index, (name, (x, y)) in enumerate((marked or {}).items(), start=1):
        axes.plot([x], [y], MARKERS[index % len(MARKERS)], color=SERIES[index % len(SERIES)], markersize=7, label=name)
    tau = kendall_tau(x_ms, y_ms)
    text = "Kendall tau undefined" if tau is None else f"Kendall tau {tau:.2f}"
    axes.text(0.98, 0.03, text, transform=axes.transAxes, ha="right", va="bottom", color=BLACK)
    axes.set_xlabel(f"{x_label} (ms)")
    axes.set_ylabel(f"{y_label} (ms)")
    axes.set_title(title or "The same networks on two targets")
    axes.legend(loc="upper left")
    return figure


@drawn
def correlations(latencies_ms: Mapping[str, Sequence[float]], title: str = "Rank correlation of targets") -> Figure:
    """Draw Kendall's tau between every two targets over the same networks."""
    names = list(latencies_ms)
    taus = np.array([[kendall_tau(latencies_ms[one], latencies_ms[two]) or np.nan for two in names] for one in names])
    figure, axes = blank(1.0 * len(names) + 2.2, 0.7 * len(names) + 1.6)
    axes.grid(False)
    image = axes.imshow(taus, cmap="cividis", vmin=min(0.0, float(np.nanmin(taus))), vmax=1)
    for (row, column), value in np.ndenumerate(taus):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="black" if value > 0.55 else "white")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set_title(title)
    figure.colorbar(image, ax=axes, label="Kendall tau")
    return figure


@drawn
def normalised(
    networks: Sequence[str], ratios: Mapping[str, Sequence[float | None]], title: str = "Latency over the reference's"
) -> Figure:
    """Draw each network's latency over the reference network's, one bar a target; a cross says that it does not run.

    Args:
        ratios: for each target (or metric, such as `avg` and `max`) one number a network.
    """
    figure, axes = blank(max(5.2, 0.28 * len(networks) * len(ratios) + 1.6), 4.4)
    width = 0.84 / len(ratios)
    for index, (name, values) in enumerate(ratios.items()):
        places = np.arange(len(networks)) + (index - (len(ratios) - 1) / 2) * width
        heights = [0.0 if value is None else value for value in values]
        axes.bar(places, heights, width, color=SERIES[index % len(SERIES)], label=name)
        for place, value in zip(places, values, strict=True):
            if value is None:
                axes.text(place, 0.03, "✕", ha="center", va="bottom", color=SERIES[index % len(SERIES)])
    axes.axhline(1, color=GREY, linewidth=1)
    axes.set_xticks(range(len(networks)), networks, rotation=25, ha="right")
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("latency over the reference's")
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=min(len(ratios), 3))
    return figure


@drawn
def accuracy_by_target(
    accuracies: Mapping[str, float],
    latencies_ms: Mapping[str, Mapping[str, float | None]],
    accuracy_label: str = "top-1 (%)",
) -> Figure:
    """Draw accuracy against latency, one picture a target, the same networks in each (multi-hardware paper).

    Args:
        accuracies: by network. latencies_ms: by target, then by network; None where it does not run.
    """
    columns = min(len(latencies_ms), 3)
    rows = -(-len(latencies_ms) // columns)
    figure, grid = blank_grid(rows, columns, 2.6 * columns + 1.7, 2.5 * rows, sharey=True)
    for axes, (target, latencies) in zip(grid, latencies_ms.items(), strict=False):
        for index, (network, accuracy) in enumerate(accuracies.items()):
            latency = latencies.get(network)
            if latency is not None:
                marker, colour = MARKERS[index % len(MARKERS)], SERIES[index % len(SERIES)]
                axes.plot([latency], [accuracy], marker, color=colour, markersize=6.5)
        axes.set_title(_panel_title(target))
        axes.set_xlabel("latency (ms)")
    for axes in grid[len(latencies_ms) :]:
        axes.set_axis_off()
    for axes in grid[:: columns or 1]:
        axes.set_ylabel(accuracy_label)
    handles = [
        grid[0].plot([], [], MARKERS[index % len(MARKERS)], color=SERIES[index % len(SERIES)], label=name)[0]
        for index, name in enumerate(accuracies)
    ]
    figure.legend(handles=handles, loc="outside right center")
    return figure


@drawn
def predicted_by_target(pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Draw predictions against measurements, one panel a target.

    Args:
        pairs: by target, (predicted, measured) in ms.
    """
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    figure, grid = blank_grid(rows, columns, 2.7 * columns + 0.3, 2.7 * rows)
    for axes, (target, (predicted, measured)) in zip(grid, pairs.items(), strict=False):
        limits = (min(*predicted, *measured), max(*predicted, *measured))
        axes.plot(limits, limits, color=GREY, linewidth=1)
        axes.plot(measured, predicted, "o", color=SERIES[0], alpha=0.7, markersize=3.5)
        axes.set_title(_panel_title(target))
        axes.set_xlabel("measured (ms)")
        axes.set_ylabel("predicted (ms)")
    for axes in grid[len(pairs) :]:
        axes.set_axis_off()
    return figure
