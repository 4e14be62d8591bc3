"""What searches find: fronts, rewards, histograms, progress, and what a search costs over many platforms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mogakit.reports.style import BLACK, GREY, LIGHT, MARKERS, SERIES, blank, blank_grid, drawn, log_ticks
from mogakit.search.front import HistoryPoint


@dataclass(frozen=True)
class Points:
    """Networks as points; a label says what they are and by which search they were found."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@drawn
def fronts(
    found: Sequence[Points],
    x_label: str,
    y_label: str,
    exact: Points | None = None,
    marked: Mapping[str, tuple[float, float]] | None = None,
    title: str = "Fronts",
) -> Figure:
    """Draw the fronts of several searches, the exact one as a line, named networks among them (MoGA Figure 7).

    Args:
        y_label: says *proxy* where it is one.
        marked: e.g. picks or published networks.
    """
    figure, axes = blank(5.4, 4.0)
    if exact is not None:
        axes.plot(*_upper_left(exact), color=GREY, linewidth=1.2, label=exact.label)
    for index, points in enumerate(found):
        marker, colour = MARKERS[index % len(MARKERS)], SERIES[index % len(SERIES)]
        axes.plot(points.x, points.y, marker, color=colour, alpha=0.65, label=points.label, markersize=4)
    for name, (x, y) in (marked or {}).items():
        axes.plot([x], [y], "o", markerfacecolor="none", markeredgecolor=BLACK, markersize=9, markeredgewidth=1.3)
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        axes.annotate(name, (x, y), xytext=(8, -12), textcoords="offset points", fontsize=7.5, bbox=box, zorder=5)
    span = [value for points in (*found, *([exact] if exact else [])) for value in points.x if value > 0]
    if span and max(span) / min(span) > 6:
        _logarithmic(axes, min(span), max(span))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title)
    axes.legend(loc="lower right")
    return figure


def _upper_left(points: Points) -> tuple[list[float], list[float]]:
    """Return what of a front of three objectives is a front in these two: more of y for less of x."""
    x: list[float] = []
    y: list[float] = []
    for one, two in sorted(zip(points.x, points.y, strict=True), key=lambda point: (point[0], -point[1])):
        if not y or two > y[-1]:
            x.append(one)
            y.append(two)
    return x, y


def _logarithmic(axes: Axes, low: float, high: float) -> None:
    """Use a logarithmic scale with plain numbers."""
    axes.set_xscale("log")
    ticks, labels = log_ticks(low, high)
    axes.set_xticks(ticks, labels)
    axes.minorticks_off()


@dataclass(frozen=True)
class Sampled:
    """What a controller drew: latency in ms across, accuracy up, and the latency that its reward aims at."""

    x: Sequence[float]
    y: Sequence[float]
    target_ms: float


@drawn
def sampled(panels: Mapping[str, Sampled], x_label: str, y_label: str) -> Figure:
    """Draw all samples of controllers with their fronts above, and a histogram of latency below (MnasNet Figure 5).

    Args:
        panels: by title; all share their axes. y_label: says *proxy* where it is one.
    """
    columns = len(panels)
    figure, grid = blank_grid(2, columns, 3.4 * columns + 0.6, 4.6, sharex=True, sharey="row", height_ratios=(2, 1))
    longest = max(value for one in panels.values() for value in one.x)
    bins = np.linspace(min(value for one in panels.values() for value in one.x), longest, 41).tolist()
    for column, (title, one) in enumerate(panels.items()):
        above, below = grid[column], grid[columns + column]
        above.plot(one.x, one.y, ".", color=SERIES[0], alpha=0.2, markersize=3, label=f"{len(one.x)} samples")
        above.plot(*_upper_left(Points("", one.x, one.y)), color=SERIES[1], linewidth=1.3, label="front")
        below.hist(one.x, bins=bins, color=SERIES[0])
        for axes in (above, below):
            axes.axvline(one.target_ms, color=GREY, linestyle="--", linewidth=1, label=f"target {one.target_ms:g}")
            axes.spines[["top", "right"]].set_visible(False)
        above.set_title(title)
        above.legend(loc="lower right")
        below.set_xlabel(x_label)
    grid[0].set_ylabel(y_label)
    grid[columns].set_ylabel("samples")
    return figure


@drawn
def histogram(groups: Sequence[tuple[str, Sequence[float]]], x_label: str, title: str = "") -> Figure:
    """Draw the distribution of one number over groups of networks, e.g. params of two searches (MoGA Figure 9)."""
    figure, axes = blank()
    values = np.concatenate([np.asarray(numbers, dtype=np.float64) for _, numbers in groups])
    low, high = float(values.min()), float(values.max())
    bins = np.linspace(low, high if high > low else low + 1, 25).tolist()
    hatches = ("", "//", "..", "xx")
    for index, (name, numbers) in enumerate(groups):
        colour = SERIES[index % len(SERIES)]
        label = f"{name} (mean {np.mean(numbers):.3g})"
        axes.hist(numbers, bins=bins, color=colour, alpha=0.5, label=label, hatch=hatches[index % 4], edgecolor=colour)
        axes.axvline(float(np.mean(numbers)), color=colour, linewidth=1.2, linestyle="--")
    axes.set_xlabel(x_label)
    axes.set_ylabel("networks")
    axes.set_title(title or f"Distribution of {x_label}")
    axes.legend()
    return figure


@drawn
def reward_curves(
    rewards: Mapping[str, Callable[[float], float]], target_ms: float, accuracy: float, title: str = ""
) -> Figure:
    """Draw rewards over latency for one accuracy (MnasNet Figure 2).

    Args:
        rewards: by label, the reward as a function of the latency in ms.
        target_ms: where they turn. accuracy: the one that they were given.
    """
    figure, axes = blank()
    latencies = np.linspace(0.25 * target_ms, 2 * target_ms, 351)
    styles = ("-", "--", "-.", ":")
    for index, (name, reward) in enumerate(rewards.items()):
        values = [reward(float(latency)) for latency in latencies]
        axes.plot(latencies, values, styles[index % 4], color=SERIES[index % len(SERIES)], label=name)
    axes.axvline(target_ms, color=GREY, linewidth=1)
    axes.text(target_ms, 0.02, " target", transform=axes.get_xaxis_transform(), color=GREY)
    axes.set_xlabel("latency (ms)")
    axes.set_ylabel(f"reward of accuracy {accuracy:g}")
    axes.set_title(title or "Reward against latency")
    axes.legend()
    return figure


@dataclass(frozen=True)
class SearchCost:
    """What a method costs: `once`, and again for every platform; `source` says where the numbers stand."""

    method: str
    once: float
    per_platform: float
    source: str = ""


@drawn
def search_cost(methods: Sequence[SearchCost], unit: str, max_platforms: int = 40, title: str = "") -> Figure:
    """Draw the cost of a search against the number of platforms that it is done for (MoGA Figure 6)."""
    figure, axes = blank()
    platforms = np.arange(1, max_platforms + 1)
    for index, method in enumerate(methods):
        label = f"{method.method} ({method.source})" if method.source else method.method
        cost = method.once + method.per_platform * platforms
        axes.plot(platforms, cost, color=SERIES[index % len(SERIES)], label=label)
        axes.plot(platforms[::8], cost[::8], MARKERS[index % len(MARKERS)], color=SERIES[index % len(SERIES)])
    axes.set_yscale("log")
    axes.set_xlabel("platforms")
    axes.set_ylabel(f"search cost ({unit})")
    axes.set_title(title or "What a search costs over many platforms")
    axes.legend()
    return figure


@drawn
def progress(
    histories: Mapping[str, Sequence[HistoryPoint]], title: str = "Share of the exact front's hypervolume"
) -> Figure:
    """Draw how the archive of each search approaches the exact front over its generations."""
    figure, axes = blank()
    for index, (name, points) in enumerate(histories.items()):
        known = [(point.generation, point.archive_percent) for point in points if point.archive_percent is not None]
        if known:
            generations, percents = zip(*known, strict=True)
            axes.plot(
                generations,
                percents,
                marker=MARKERS[index % len(MARKERS)],
                color=SERIES[index % len(SERIES)],
                label=name,
            )
    axes.axhline(100, color=LIGHT, linewidth=1)
    axes.set_xlabel("generation")
    axes.set_ylabel("% of the true hypervolume")
    axes.set_title(title)
    axes.legend(loc="lower right")
    return figure


@drawn
def accuracy_against_metrics(
    found: Sequence[Points], averages: Sequence[Points], y_label: str, labels: tuple[str, str] = ("f avg", "f max")
) -> Figure:
    """Draw accuracy against the two multi-hardware metrics, the same groups in both pictures.

    Args:
        found: against the worst hardware. averages: against the mean over hardware.
    """
    figure, grid = blank_grid(1, 2, 9.0, 3.4, sharey=True)
    for axes, groups, label in zip(grid, (averages, found), labels, strict=True):
        for index, points in enumerate(groups):
            marker, colour = MARKERS[index % len(MARKERS)], SERIES[index % len(SERIES)]
            axes.plot(points.x, points.y, marker, color=colour, label=points.label, alpha=0.75)
        axes.set_xlabel(f"{label} (reference network = 1)")
    grid[0].set_ylabel(y_label)
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center")
    return figure
