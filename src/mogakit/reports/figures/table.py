"""A latency table as a picture: slots x choices, and what a network pays slot by slot."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mogakit.luts.model import Prediction
from mogakit.luts.table import LatencyTable
from mogakit.nets.block import Block
from mogakit.nets.spaces import SlotSpace
from mogakit.reports.style import GREY, SEQUENTIAL, SERIES, blank, drawn, log_ticks


def choice_label(block: Block) -> str:
    """Return what tells a block from the other choices of its slot: `k5 e6 se`."""
    words = [f"k{block.kernel}"]
    if block.expanded_channels is not None:
        words.append(f"e{block.expanded_channels / block.in_channels:g}")
    if block.se is not None:
        words.append("se")
    return " ".join(words)


def slot_label(index: int, block: Block) -> str:
    """Return what the choices of a slot share: `5: 40→80 @28 /2`."""
    stride = f" /{block.stride}" if block.stride > 1 else ""
    return f"{index}: {block.in_channels}→{block.out_channels} @{block.input_size}{stride}"


@drawn
def heat_map(table: LatencyTable, space: SlotSpace, title: str = "") -> Figure:
    """Draw the latency of every choice in every slot; what has no number is crossed out."""
    width = max(len(slot) for slot in space.slots)
    values = np.full((len(space.slots), width), np.nan)
    for row, slot in enumerate(space.slots):
        for column, block in enumerate(slot):
            found = table.rows.get(block.key)
            if found is not None and found.latency_ms is not None:
                values[row, column] = found.latency_ms
    figure, axes = blank(0.52 * width + 2.0, 0.27 * len(space.slots) + 1.3)
    axes.grid(False)
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap=SEQUENTIAL, aspect="auto", norm="log" if _wide(values) else None
    )
    middle = np.sqrt(np.nanmin(values) * np.nanmax(values)) if _wide(values) else np.nanmean(values)
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            axes.text(column, row, "✕" if column < len(space.slots[row]) else "", ha="center", va="center", color=GREY)
        else:
            colour = "white" if value < middle else "black"
            axes.text(column, row, _short(value), ha="center", va="center", color=colour, fontsize=6.2)
    axes.set_xticks(range(width), [choice_label(block) for block in space.slots[-1]], rotation=45, ha="right")
    axes.set_yticks(range(len(space.slots)), [slot_label(i + 1, slot[0]) for i, slot in enumerate(space.slots)])
    axes.tick_params(length=0)
    axes.set_title(title or f"Latency of every block (ms), {table.target}")
    bar = figure.colorbar(image, ax=axes, label="ms", pad=0.02)
    if _wide(values):
        ticks, labels = log_ticks(float(np.nanmin(values)), float(np.nanmax(values)))
        bar.set_ticks(ticks, labels=labels)
        bar.minorticks_off()
    return figure


@drawn
def slot_costs(predictions: Sequence[Prediction], names: Mapping[str, str] | None = None) -> Figure:
    """Draw what each network pays block by block, from the image to the head."""
    longest = max(len(one.parts) for one in predictions)
    figure, axes = blank(max(5.2, 0.36 * longest), 3.2)
    width = 0.8 / len(predictions)
    for index, one in enumerate(predictions):
        places = np.arange(len(one.parts)) + (index - (len(predictions) - 1) / 2) * width
        label = (names or {}).get(one.network, one.network)
        label = f"{label}: {one.latency_ms:.2f} ms"
        axes.bar(places, [part.latency_ms for part in one.parts], width, color=SERIES[index % len(SERIES)], label=label)
    ticks = ["stem", *[str(index) for index in range(1, longest - 1)], "head"]
    axes.set_xticks(range(longest), ticks)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("block")
    axes.set_ylabel("latency (ms)")
    axes.set_title("Cost block by block")
    axes.legend()
    return figure


def _wide(values: np.ndarray) -> bool:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low > 0 and high / low > 8


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.01 else f"{value:.1g}"
