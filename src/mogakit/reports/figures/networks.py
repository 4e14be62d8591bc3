"""Networks as pictures: their blocks, the blocks of a space, how a family evolved, how it scales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from mogakit.nets.block import Block, Op
from mogakit.nets.network import Network
from mogakit.reports.style import BLACK, BLUE, GREY, LIGHT, MARKERS, ORANGE, SERIES, SKY, VERMILION, blank, drawn

KERNEL_COLOURS = {1: LIGHT, 3: SKY, 5: ORANGE, 7: VERMILION}
"""Of blocks by kernel, here and on the page."""


def block_text(block: Block) -> tuple[str, str]:
    """Return two short lines that say what a block is: (`5x5`, `e6 se`); other than an inverted bottleneck, its op."""
    if block.op is Op.HEAD:
        return "head", f"{block.features or block.in_channels}"
    ratio = (
        f"e{block.expanded_channels / block.in_channels:g}"
        if block.op is Op.MB and block.expanded_channels
        else block.kind or block.op
    )
    return f"{block.kernel}x{block.kernel}", f"{ratio} {'se' if block.se else ''}".strip()


@drawn
def architectures(networks: Sequence[Network], notes: Mapping[str, str] | None = None) -> Figure:
    """Draw networks as rows of boxes: colour for the kernel, height for the expansion, a mark for SE (MoGA Figure 8).

    Args:
        notes: by network's name, e.g. its latency.
    """
    longest = max(len(network.blocks) for network in networks)
    figure, axes = blank(0.5 * longest + 1.0, 1.15 * len(networks) + 0.7)
    axes.set_axis_off()
    for row, network in enumerate(networks):
        base = -1.5 * row
        note = (notes or {}).get(network.name)
        axes.text(-0.4, base + 0.98, network.name + (f"   {note}" if note else ""), fontsize=8.5, fontweight="bold")
        before = network.blocks[0].input_size
        for place, block in enumerate(network.blocks):
            _draw_block(axes, place, base, block)
            if block.output_size != before and block.op is not Op.HEAD:
                axes.text(place + 0.5, base - 0.16, f"{block.output_size}", ha="center", fontsize=5.8, color=GREY)
                before = block.output_size
    axes.set_xlim(-0.5, longest + 0.1)
    axes.set_ylim(-1.5 * (len(networks) - 1) - 0.35, 1.3)
    kernels = sorted({block.kernel for network in networks for block in network.blocks if block.op is not Op.HEAD})
    handles = [
        Patch(facecolor=KERNEL_COLOURS.get(kernel, GREY), edgecolor=BLACK, label=f"{kernel}x{kernel}")
        for kernel in kernels
    ]
    handles.append(Patch(facecolor="white", edgecolor=BLUE, linewidth=1.6, label="squeeze-and-excitation"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_block(axes: Axes, place: int, base: float, block: Block) -> None:
    ratio = (block.expanded_channels or block.in_channels) / block.in_channels
    height = 0.8 if block.op is Op.HEAD else 0.42 + 0.065 * min(ratio, 6)
    colour = LIGHT if block.op is Op.HEAD else KERNEL_COLOURS.get(block.kernel, GREY)
    edge, width = (BLUE, 1.6) if block.se else (BLACK, 0.6)
    axes.add_patch(_box((place + 0.06, base), 0.88, height, colour, edge, width))
    first, second = block_text(block)
    axes.text(place + 0.5, base + height * 0.66, first, ha="center", va="center", fontsize=6.2)
    axes.text(place + 0.5, base + height * 0.3, second, ha="center", va="center", fontsize=5.8)


def _box(corner: tuple[float, float], width: float, height: float, face: str, edge: str, line: float) -> FancyBboxPatch:
    style = "round,pad=0,rounding_size=0.07"
    return FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=face, edgecolor=edge, linewidth=line)


@drawn
def block_diagrams(blocks: Sequence[tuple[str, Block]], title: str = "Blocks of the space") -> Figure:
    """Draw what kinds of block compute, layer by layer, with their channels.

    Args:
        blocks: (name, block).
    """
    figure, axes = blank(1.9 * len(blocks) + 0.4, 3.9)
    axes.set_axis_off()
    for column, (name, block) in enumerate(blocks):
        layers = _layers(block)
        axes.text(column, 0.75, name, ha="center", fontsize=8.5, fontweight="bold")
        for row, (text, colour) in enumerate(layers):
            top = -row * 0.95
            axes.add_patch(_box((column - 0.4, top - 0.3), 0.8, 0.58, colour, BLACK, 0.6))
            axes.text(column, top - 0.01, text, ha="center", va="center", fontsize=6.6)
            if row:
                arrow = {"arrowstyle": "->", "lw": 0.7}
                axes.annotate("", (column, top + 0.28), (column, top + 0.65), arrowprops=arrow)
        if block.residual:
            bottom = -(len(layers) - 1) * 0.95 - 0.42
            axes.plot(
                [column, column + 0.47, column + 0.47, column], [0.42, 0.42, bottom, bottom], color=GREY, linewidth=0.8
            )
            axes.text(column, bottom, "+", ha="center", va="center", fontsize=9, color=BLACK)
    axes.set_xlim(-0.6, len(blocks) - 0.3)
    axes.set_ylim(-4.3, 1.1)
    axes.set_title(title)
    return figure


def _layers(block: Block) -> list[tuple[str, str]]:
    """Return (text, colour) of a block's layers from input to output."""
    kernel = f"{block.kernel}x{block.kernel}"
    spatial = KERNEL_COLOURS.get(block.kernel, GREY)
    middle = block.expanded_channels or block.in_channels
    layers = {
        Op.CONV: [(f"conv {kernel}\n{block.in_channels}→{block.out_channels}", spatial)],
        Op.SEP: [(f"depthwise {kernel}\n{middle}", spatial)],
        Op.MB: [(f"conv 1x1\n{block.in_channels}→{middle}", LIGHT), (f"depthwise {kernel}\n{middle}", spatial)],
        Op.FUSED: [(f"conv {kernel}\n{block.in_channels}→{middle}", spatial)],
        Op.HEAD: [(f"conv 1x1, pool,\nlinear →{block.out_channels}", LIGHT)],
        Op.OWN: [(f"{block.kind} {kernel}\n{block.in_channels}→{block.out_channels}", spatial)],
    }[block.op]
    if block.se is not None:
        layers.append((f"squeeze-excite\n{block.se.channels}", "white"))
    if block.op in (Op.SEP, Op.MB, Op.FUSED):
        layers.append((f"conv 1x1\n{middle}→{block.out_channels}", LIGHT))
    return layers


@dataclass(frozen=True)
class Milestone:
    """One network of a family: published top-1 in percent, multiply-adds and parameters in millions."""

    name: str
    top1: float
    madds_m: float
    params_m: float


@drawn
def evolution(milestones: Sequence[Milestone], title: str = "The evolution of MobileNets") -> Figure:
    """Draw accuracy against multiply-adds, the area for parameters, arrows in the order given (MoGA Figure 3)."""
    figure, axes = blank(5.4, 3.8)
    for index, one in enumerate(milestones):
        spot, colour = (one.madds_m, one.top1), SERIES[index % len(SERIES)]
        axes.scatter([spot[0]], [spot[1]], s=60 * one.params_m, color=colour, alpha=0.55, zorder=2)
        text = f"{one.name}\n{one.params_m:.1f} M params"
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        axes.annotate(
            text, spot, xytext=(10, -3), textcoords="offset points", va="center", fontsize=7.2, bbox=box, zorder=4
        )
    for one, two in pairwise(milestones):
        arrow = {"arrowstyle": "->", "color": GREY, "lw": 0.9, "shrinkA": 9, "shrinkB": 9}
        axes.annotate("", (two.madds_m, two.top1), (one.madds_m, one.top1), arrowprops=arrow)
    axes.margins(0.18, 0.14)
    axes.set_xlabel("multiply-adds (M)")
    axes.set_ylabel("top-1 on ImageNet (%), as published")
    axes.set_title(title)
    return figure


@dataclass(frozen=True)
class ScalingLine:
    """One network at several scales: `labels` name the scale (`0.75x`, `192 px`)."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    labels: Sequence[str]


@drawn
def scaling(lines: Sequence[ScalingLine], x_label: str, y_label: str, title: str = "Scaling") -> Figure:
    """Draw how networks scale by width multiplier or input size (MnasNet Figure 4)."""
    figure, axes = blank(5.6, 3.8)
    for index, line in enumerate(lines):
        colour = SERIES[index % len(SERIES)]
        axes.plot(line.x, line.y, marker=MARKERS[index % len(MARKERS)], color=colour, label=line.name)
        for x, y, label in zip(line.x, line.y, line.labels, strict=True):
            axes.annotate(label, (x, y), xytext=(4, -9), textcoords="offset points", fontsize=6.5, color=colour)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title)
    axes.legend()
    return figure
