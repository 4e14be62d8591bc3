"""Figures that need no measurement: families, published networks, rewards, scaling, what a search costs."""

from statistics import median

from matplotlib.figure import Figure

from mogakit.nets import zoo
from mogakit.nets.network import count_madds
from mogakit.nets.resolve import resolve
from mogakit.reports.drawn import Drawn
from mogakit.reports.figures import networks, searches
from mogakit.reports.run import RunContent
from mogakit.search import rewards

FAMILY = ("mobilenet-v1", "mobilenet-v2", "mobilenet-v3-large", "moga-a")
SCALED = ("mobilenet-v1", "mobilenet-v2", "mobilenet-v3-large", "mnasnet-a1")
ARCHITECTURES = ("moga-a", "moga-b", "moga-c", "mobilenet-v3-large")
"""Drawn where no networks are named: MoGA Figure 8."""
WIDTHS = (0.5, 0.75, 1.0, 1.25)
SIZES = (128, 160, 192, 224)
PUBLISHED_COSTS = (
    searches.SearchCost("MoGA", 10.5, 1.5, "supernet once, a search for each"),
    searches.SearchCost("MnasNet", 0.0, 2400.0, "MoGA's abstract: 200 times MoGA's 12"),
)


def published_figures(content: RunContent) -> list[Drawn]:
    """Draw what needs no measurement: the family, its blocks and scaling, published networks, rewards, search cost."""
    entries = [zoo.get(name) for name in FAMILY]
    family = [
        networks.Milestone(name, entry.published.top1, entry.published.madds_m, entry.published.params_m)
        for name, entry in zip(FAMILY, entries, strict=True)
    ]
    shown = list(content.networks) or [resolve(name) for name in ARCHITECTURES]
    words = "Networks block by block." if content.networks else "Published networks block by block."
    moga = resolve("moga-a").blocks
    kinds = [
        ("separable", moga[1]),
        ("inverted bottleneck", moga[8]),
        ("with excitation", moga[7]),
        ("fused", zoo.get("mobilenet-edgetpu").network.blocks[3]),
    ]
    middle_ms = _middle_latency(content)
    return [
        Drawn(
            "evolution", networks.evolution(family), "From MobileNetV1 to MoGA-A, as published; area for parameters."
        ),
        Drawn("architectures", networks.architectures(shown), words, wide=True),
        Drawn("blocks", networks.block_diagrams(kinds), "Kinds of block, layer by layer."),
        Drawn("scaling", _scaling_figure(), "How multiply-adds grow with width and with input size."),
        Drawn("rewards", _reward_figure(middle_ms), "Rewards of one accuracy over latency, around one target."),
        Drawn(
            "search-cost",
            searches.search_cost(PUBLISHED_COSTS, "GPU days"),
            "What two published methods cost when the search is done for many platforms.",
        ),
    ]


def _middle_latency(content: RunContent) -> float:
    """Return the latency that the rewards turn at: the middle of the first front, or MnasNet's 75 ms."""
    for search in content.searches:
        if any(metric.name == "latency" for metric in search.result.front.metrics):
            known = [value for value in search.result.front.column("latency") if value is not None]
            if known:
                return median(known)
    return 75.0


def _reward_figure(target_ms: float) -> Figure:
    accuracy = 0.75
    curves = {
        "MnasNet, soft (alpha = beta = -0.07)": lambda ms: rewards.mnasnet(accuracy, ms, target_ms),
        "MnasNet, hard (alpha = 0, beta = -1)": lambda ms: rewards.mnasnet(accuracy, ms, target_ms, 0.0, -1.0),
        "absolute (TuNAS, beta = -0.07)": lambda ms: rewards.absolute(accuracy, ms, target_ms),
        "one-sided (ours)": lambda ms: rewards.one_sided(accuracy, ms, target_ms),
    }
    return searches.reward_curves(curves, target_ms, accuracy)


def _scaling_figure() -> Figure:
    lines = []
    for name in SCALED:
        by_width = [count_madds(zoo.get(name, width=width).network) / 1e6 for width in WIDTHS]
        labels = [f"{width:g}x" if name == SCALED[0] else "" for width in WIDTHS]
        lines.append(networks.ScalingLine(f"{name}, width", WIDTHS, by_width, labels))
    by_size = [count_madds(zoo.get(SCALED[-1], input_size=size).network) / 1e6 for size in SIZES]
    scales = [size / 224 for size in SIZES]
    lines.append(networks.ScalingLine(f"{SCALED[-1]}, input size", scales, by_size, [f"{size} px" for size in SIZES]))
    return networks.scaling(lines, "width multiplier, or input size over 224 px", "multiply-adds (M)", "Scaling")
