"""Figures of searches: each by itself, and those over the same axes side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mogakit.luts.spaces import table_input_size
from mogakit.nets.network import Network
from mogakit.nets.spaces import get_space, parse_chromosome
from mogakit.reports.drawn import Drawn
from mogakit.reports.figures import networks, searches
from mogakit.reports.figures.rewards import rewards_by_step
from mogakit.reports.run import NamedSearch, RunContent
from mogakit.search.front import Front, MetricInfo


def front_figures(content: RunContent, index: int) -> list[Drawn]:
    """Draw a search's front beside the exact one; the page has it as something to point at instead."""
    search = content.searches[index]
    figure = _front_figure(search)
    name = f"front-{index}" if index else "front"
    return [] if figure is None else [Drawn(name, figure, "What the search found, and the exact front.")]


def search_figures(content: RunContent, index: int) -> list[Drawn]:
    """Draw a search's picks, its progress and the parameters of what it found."""
    search = content.searches[index]
    result, suffix = search.result, f"-{index}" if index else ""
    drawn = []
    picks = picked_networks(content, search)
    if picks:
        words = "The picks: colour for the kernel, height for the expansion, a blue frame for squeeze-and-excitation."
        drawn.append(Drawn(f"picks{suffix}", networks.architectures(picks), words, wide=True))
    if any(point.archive_percent is not None for point in result.history):
        words = "How the archive of everything evaluated approaches the exact front."
        drawn.append(Drawn(f"progress{suffix}", searches.progress({result.engine: result.history}), words))
    if _has(result.front, "params"):
        groups = [("front", _millions(result.front))]
        if _is_population(search) and result.population is not None:
            groups.append(("last population", _millions(result.population)))
        drawn.append(
            Drawn(f"params{suffix}", searches.histogram(groups, "params (M)"), "Parameters of what was found.")
        )
    return drawn


def compared_figures(content: RunContent) -> list[Drawn]:
    """Draw searches that have the same axes in one picture each: fronts, progress, and parameters of what they kept."""
    drawn: list[Drawn] = []
    groups = [(axes, group) for axes, group in _by_axes(content.searches) if len(group) > 1]
    for index, (axes, group) in enumerate(groups):
        suffix, named = f"-{index}" if index else "", _named(group)
        figure = _fronts_figure(named, *axes)
        drawn.append(Drawn(f"fronts-compared{suffix}", figure, f"What each search found: {', '.join(named)}."))
        histories = {name: one.result.history for name, one in named.items() if _same_truth(one, group[0])}
        if len(histories) > 1:
            words = "How the archive of each search approaches the same exact front."
            drawn.append(Drawn(f"progress-compared{suffix}", searches.progress(histories), words))
        if all(_has(one.result.front, "params") for one in group):
            drawn.append(_params_compared(f"params-compared{suffix}", named))
    return drawn


def _is_population(search: NamedSearch) -> bool:
    """Return whether what a search kept is a population; a controller keeps two networks."""
    return search.result.engine not in ("ppo", "reinforce")


def samples_figures(content: RunContent) -> list[Drawn]:
    """Draw what the controllers of a run drew, side by side (MnasNet Figure 5)."""
    panels: dict[str, searches.Sampled] = {}
    axes = ("accuracy", "latency")
    for one in content.searches:
        if one.samples is None:
            continue
        known = [
            (x, y)
            for x, y in zip(one.samples.latency, one.samples.accuracy, strict=True)
            if x is not None and y is not None
        ]
        if not known:
            continue
        axes = (one.result.front.objectives[0].metric, one.result.front.objectives[1].metric)
        reward = one.result.settings["reward"]
        kind = f"{reward['kind']}, alpha {reward['alpha']:g}, beta {reward['beta']:g}"
        title = f"{one.name}: {one.result.engine}\n{kind if reward['kind'] == 'mnasnet' else reward['kind']}"
        panels[title] = searches.Sampled([x for x, _ in known], [y for _, y in known], float(reward["target_ms"]))
    if not panels:
        return []
    words = "Every network that a controller drew, repeats included, with the front; below, how often each latency."
    return [
        Drawn("samples", searches.sampled(panels, f"{axes[1]} (ms)", axes[0]), words, wide=True),
        *_rewards_by_step(content),
    ]


def _rewards_by_step(content: RunContent) -> list[Drawn]:
    """Draw the mean reward of the networks that each step of a controller drew."""
    means: dict[str, list[float]] = {}
    for one in content.searches:
        if one.samples is not None and one.samples.rewards:
            steps, rewards = np.array(one.samples.steps), np.array(one.samples.rewards)
            means[f"{one.name}: {one.result.engine}"] = [
                float(rewards[steps == step].mean()) for step in np.unique(steps)
            ]
    if not means:
        return []
    words = "Mean reward of the networks that a controller drew in each step, and its running mean."
    return [Drawn("rewards-by-step", rewards_by_step(means), words)]


def _params_compared(name: str, named: dict[str, NamedSearch]) -> Drawn:
    """Draw the parameters of the last populations, or of the fronts where an engine has no population."""
    populations = {name: one.result.population if _is_population(one) else None for name, one in named.items()}
    kept = {name: front for name, front in populations.items() if front is not None}
    words = "Parameters of the last population of each search."
    if len(kept) < len(named):
        kept = {name: one.result.front for name, one in named.items()}
        words = "Parameters of the front of each search, since not every engine has a last population."
    groups = [(which, _millions(front)) for which, front in kept.items()]
    return Drawn(name, searches.histogram(groups, "params (M)"), words)


def picked_networks(content: RunContent, search: NamedSearch) -> list[Network]:
    """Return the picks of a search as networks, at the input size of the run's table."""
    space = get_space(search.result.front.space, table_input_size(content.table))
    return [space.decode(parse_chromosome(pick)) for pick in search.result.picks]


def _by_axes(found: Sequence[NamedSearch]) -> list[tuple[tuple[MetricInfo, MetricInfo], list[NamedSearch]]]:
    """Group searches whose pictures have the same axes: the same two metrics, from the same sources, of one space."""
    groups: dict[tuple[str, tuple[MetricInfo, MetricInfo]], list[NamedSearch]] = {}
    for one in found:
        axes = _axes(one.result.front)
        if axes is not None:
            groups.setdefault((one.result.front.space, axes), []).append(one)
    return [(axes, group) for (_, axes), group in groups.items()]


def _named(group: Sequence[NamedSearch]) -> dict[str, NamedSearch]:
    """Name searches by folder and engine; folders of one run differ."""
    named: dict[str, NamedSearch] = {}
    for one in group:
        name = f"{one.name}: {one.result.engine}"
        named[name if name not in named else f"{name} [{len(named) + 1}]"] = one
    return named


def _same_truth(one: NamedSearch, other: NamedSearch) -> bool:
    """Return whether two searches are judged by one exact front, so that their percentages can be compared."""
    box = one.result.quality.box
    return box is not None and box == other.result.quality.box and one.exact == other.exact


def _axes(front: Front) -> tuple[MetricInfo, MetricInfo] | None:
    """Return the first metric that is a latency, for across, and the first that is another, for up."""
    across = next((one for one in front.metrics if one.name == "latency" or one.name.startswith("f_")), None)
    up = next((one for one in front.metrics if one != across), None)
    return None if across is None or up is None or not len(front) else (across, up)


def _label(metric: MetricInfo) -> str:
    return f"{metric.name} ({metric.unit})" if metric.unit else metric.name


def _fronts_figure(named: dict[str, NamedSearch], across: MetricInfo, up: MetricInfo) -> Figure:
    """Draw the fronts of searches with the same axes, and the exact front where all have the same."""
    first = next(iter(named.values()))
    groups = [_points(one.result.front, across.name, up.name, name) for name, one in named.items()]
    exact = None
    if first.exact is not None and all(_same_truth(one, first) for one in named.values()):
        exact = _points(first.exact, across.name, up.name, "exact front")
    return searches.fronts(groups, _label(across), up.name, exact, title="Fronts compared")


def _front_figure(search: NamedSearch) -> Figure | None:
    """Draw the first objective that is not a latency over the first that is."""
    front = search.result.front
    axes = _axes(front)
    if axes is None:
        return None
    across, up = (metric.name for metric in axes)
    groups = [_points(front, across, up, f"{search.result.engine}: everything evaluated")]
    if search.result.population is not None:
        which = "last population" if _is_population(search) else "most likely network, and best"
        groups.append(_points(search.result.population, across, up, which))
    exact = None
    if search.exact is not None:
        exact = _points(search.exact, across, up, "exact front")
    spots = {}
    for index, pick in enumerate(search.result.picks, start=1):
        x, y = (front.column(name)[front.chromosomes.index(pick)] for name in (across, up))
        if x is not None and y is not None:
            spots[f"pick {index}"] = (x, y)
    return searches.fronts(groups, _label(axes[0]), up, exact, spots, "Front")


def _points(front: Front, across: str, up: str, label: str) -> searches.Points:
    pairs = [
        (x, y) for x, y in zip(front.column(across), front.column(up), strict=True) if x is not None and y is not None
    ]
    return searches.Points(label, [x for x, _ in pairs], [y for _, y in pairs])


def _has(front: Front, name: str) -> bool:
    return any(metric.name == name for metric in front.metrics)


def _millions(front: Front) -> list[float]:
    return [value / 1e6 for value in front.column("params") if value is not None]
