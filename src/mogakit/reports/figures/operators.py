"""Where the time goes: by kind of operator and layer by layer, on one or several targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from mogakit.reports.style import BLACK, MARKERS, SERIES, blank, blank_grid, drawn

_HATCHES = ("", "//", "..", "\\\\", "xx", "--", "oo", "++")


@dataclass(frozen=True)
class Shares:
    """Time of one network on one target by kind of operator, in milliseconds."""

    network: str
    target: str
    parts_ms: Mapping[str, float]


@drawn
def time_by_operator(shares: Sequence[Shares], source: str = "", legend: str = "operator") -> Figure:
    """Draw rings of shares, one picture a network, the first target innermost (MoGA Figure 1).

    Args:
        shares: the same targets, in the same order, for each network.
        source: how the times were taken, e.g. `per-operator profile` or `rows of the table`.
        legend: what the parts are.
    """
    networks = list(dict.fromkeys(one.network for one in shares))
    targets = list(dict.fromkeys(one.target for one in shares))
    kinds = _drawn_kinds(shares)
    shares = [Shares(one.network, one.target, _with_rest(one.parts_ms, kinds)) for one in shares]
    columns = min(len(networks), 4)
    rows = -(-len(networks) // columns)
    figure, grid = blank_grid(rows, columns, 2.2 * columns + 1.6, 2.4 * rows + 0.5)
    ring = 0.75 / len(targets)
    for axes, network in zip(grid, networks, strict=False):
        for depth, target in enumerate(targets):
            found = [one for one in shares if (one.network, one.target) == (network, target)]
            if not found:
                continue
            values = [max(found[0].parts_ms.get(kind, 0.0), 0.0) for kind in kinds]
            wedges, *_ = axes.pie(
                values,
                radius=0.25 + ring * (depth + 1),
                colors=[SERIES[index % len(SERIES)] for index in range(len(kinds))],
                wedgeprops={"width": ring * 0.92, "edgecolor": "white", "linewidth": 0.8},
                startangle=90,
                counterclock=False,
            )
            total = sum(values)
            for index, (wedge, value) in enumerate(zip(wedges, values, strict=True)):
                wedge.set_hatch(_HATCHES[index % len(_HATCHES)])
                if value / total >= 0.07:
                    angle = np.deg2rad((wedge.theta1 + wedge.theta2) / 2)
                    radius = 0.25 + ring * (depth + 0.54)
                    text = f"{100 * value / total:.0f}"
                    spot = (radius * float(np.cos(angle)), radius * float(np.sin(angle)))
                    axes.text(*spot, text, ha="center", va="center", fontsize=6.5, color=BLACK, bbox=_BOX)
        axes.set_title(network, loc="center")
    for axes in grid[len(networks) :]:
        axes.set_axis_off()
    figure.legend(wedges, kinds, loc="outside right center", title=f"{legend}, % of time")
    if len(targets) > 1:
        lines = [f"ring {depth}: {target}" for depth, target in enumerate(targets, start=1)]
        figure.supxlabel("\n".join(["from the inside" + (f" ({source})" if source else ""), *lines]), fontsize=8)
    elif source:
        figure.supxlabel(f"{targets[0]} ({source})", fontsize=8)
    return figure


_MOST_KINDS = 8
_REST = "all others"


def _drawn_kinds(shares: Sequence[Shares]) -> list[str]:
    """Return the kinds that get a colour of their own: all where few, else the largest, by their mean share."""
    kinds = list(dict.fromkeys(kind for one in shares for kind in one.parts_ms))
    if len(kinds) <= _MOST_KINDS:
        return kinds
    totals = [sum(one.parts_ms.values()) or 1.0 for one in shares]
    mean = {
        kind: sum(one.parts_ms.get(kind, 0.0) / total for one, total in zip(shares, totals, strict=True))
        for kind in kinds
    }
    return [*sorted(kinds, key=lambda kind: -mean[kind])[: _MOST_KINDS - 1], _REST]


def _with_rest(parts_ms: Mapping[str, float], kinds: Sequence[str]) -> dict[str, float]:
    own = {kind: parts_ms[kind] for kind in kinds if kind in parts_ms}
    rest = sum(value for kind, value in parts_ms.items() if kind not in own)
    return own | ({_REST: rest} if _REST in kinds else {})


_BOX = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}


@drawn
def per_layer(layers: Sequence[str], times_ms: Mapping[str, Sequence[float | None]], title: str = "") -> Figure:
    """Draw the time of each layer on several targets, each in percent of the whole (multi-hardware paper).

    Args:
        layers: names, in order.
        times_ms: for each target one time a layer; None where the target does not run it.
    """
    figure, axes = blank(max(5.2, 0.3 * len(layers) + 1.4), 3.6 + 0.18 * len(times_ms))
    for index, (target, times) in enumerate(times_ms.items()):
        total = sum(time for time in times if time is not None)
        percent = [np.nan if time is None else 100 * time / total for time in times]
        axes.plot(
            percent,
            marker=MARKERS[index % len(MARKERS)],
            color=SERIES[index % len(SERIES)],
            label=f"{target} ({total:.2f} ms)",
        )
    axes.set_xticks(range(len(layers)), layers, rotation=60, ha="right", fontsize=6.5)
    axes.set_ylabel("share of the latency (%)")
    axes.set_ylim(bottom=0)
    axes.set_title(title or "Time layer by layer")
    figure.legend(loc="outside lower center")
    return figure
