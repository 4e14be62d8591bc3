"""Every figure that a run's results allow, in sections: the page shows them, `moga report --figures` writes them."""

from collections.abc import Collection, Sequence

import numpy as np

from mogakit.luts.decompose import time_by_kind
from mogakit.luts.spaces import slot_space_of, table_input_size
from mogakit.luts.table import LatencyTable
from mogakit.nets import zoo
from mogakit.nets.network import Network
from mogakit.nets.spaces import SlotSpace, get_space, holds
from mogakit.reports.drawn import Drawn
from mogakit.reports.figures import operators, prediction, searches, targets
from mogakit.reports.figures import table as tables
from mogakit.reports.published import published_figures
from mogakit.reports.run import RunContent
from mogakit.reports.scaling import scaling_figures
from mogakit.reports.search_gallery import (
    compared_figures,
    front_figures,
    picked_networks,
    samples_figures,
    search_figures,
)
from mogakit.search.comparison import Comparison

NUM_COMPARED = 100
"""Random networks that a scatter of two targets shows, as MoGA Figure 2."""
MIN_SHOWN = 5
"""A stratum of fewer networks has its numbers, and no picture."""


def all_figures(content: RunContent) -> list[Drawn]:
    """Return every figure, in the order of the page, those that need no run last."""
    drawn: list[Drawn] = []
    for index, _ in enumerate(content.searches):
        drawn += front_figures(content, index) + search_figures(content, index)
    drawn += compared_figures(content) + samples_figures(content)
    for index, _ in enumerate(content.validation.strata if content.validation else ()):
        drawn += validation_figures(content, index)
    drawn += table_figures(content) + model_figures(content) + target_figures(content) + comparison_figures(content)
    return drawn + published_figures(content)


def validation_figures(content: RunContent, index: int) -> list[Drawn]:
    """Draw predicted against measured and the residuals of one stratum."""
    if content.validation is None:
        return []
    stratum = content.validation.strata[index]
    inside = [one for one in content.validation.networks if stratum.name in one.strata]
    if len(inside) < MIN_SHOWN:
        return []
    words = f"Predicted against measured latency of {len(inside)} networks, {stratum.title}."
    figure = prediction.predicted_measured(inside, stratum.calibrated, stratum.title)
    residuals = prediction.residuals(inside, f"Residuals, {stratum.title}")
    return [
        Drawn(f"predicted-{stratum.name}", figure, words),
        Drawn(f"residuals-{stratum.name}", residuals, f"Errors in percent, {stratum.title}."),
    ]


def table_figures(content: RunContent) -> list[Drawn]:
    """Draw the table as slots and choices, and where the time of known networks goes."""
    table, space = content.table, slot_space_of(content.table)
    drawn = []
    if space is not None and any(block.key in table.rows for block in space.choice_blocks):
        words = "Latency of every choice in every slot, in milliseconds."
        drawn.append(Drawn("table", tables.heat_map(table, space), words, wide=True))
    if content.operators:
        profiled = [operators.Shares(*one) for one in content.operators]
        figure = operators.time_by_operator(profiled, "per-operator profile, in runs of its own")
        words = "Time by type of operator, as the runtime's or tool's own profiler has it."
        drawn.append(Drawn("time-by-profiled-operator", figure, words, wide=True))
    asked = content.networks or (() if space is None or not drawn else _known_networks(content, space))
    known = [network for network in asked if _predictable(table, network)]
    known = known if content.networks else known[:4]
    if not known:
        return drawn
    names = ", ".join(network.name for network in known)
    left_out = [network.name for network in content.networks if network not in known]
    if left_out:
        names += f". Left out, since the table lacks rows of theirs: {', '.join(left_out)}"
    costs = tables.slot_costs([table.predict(network) for network in known])
    drawn.append(Drawn("cost-by-block", costs, f"What a network pays block by block: {names}.", wide=True))
    figure = operators.time_by_operator(_shares(content, known), "rows of the table", "kind of block")
    drawn.append(
        Drawn("time-by-operator", figure, f"Where the time goes, from the rows of the table: {names}.", wide=True)
    )
    shown = len(known) if content.networks else 1
    return drawn + [_layers_figure(content, network, index) for index, network in enumerate(known[:shown])]


def _layers_figure(content: RunContent, network: Network, index: int) -> Drawn:
    """Draw the share of each block of a network, one line a target that has rows for it."""
    layers = [f"{place}: {tables.choice_label(block)}" for place, block in enumerate(network.blocks)]
    times = {name: _part_times(one, network) for name, one in _tables(content, [network]).items()}
    figure = operators.per_layer(layers, times, f"Time block by block: {network.name}")
    words = f"Share of each block of {network.name} in the latency."
    left_out = 1 + len(content.others) - len(times)
    if left_out:
        words += f" {left_out} of {1 + len(content.others)} targets are left out: their tables lack rows of it."
    return Drawn(f"time-by-layer-{index}" if index else "time-by-layer", figure, words, wide=True)


def model_figures(content: RunContent) -> list[Drawn]:
    """Draw the learning curves of the cost models."""
    if content.fit is None or not content.fit.curves:
        return []
    words = "Error on networks left out against the number of networks measured, for each kind of model."
    return [Drawn("learning-curve", prediction.learning_curve(content.fit.curves), words)]


def target_figures(content: RunContent) -> list[Drawn]:
    """Draw the same random networks on this target and each other one: measured where both measured them, predicted."""
    return _measured_figures(content) + _errors_figure(content) + _predicted_figures(content)


def _errors_figure(content: RunContent) -> list[Drawn]:
    """Draw predicted against measured latency of the networks of each target's fit, one panel a target."""
    panels: dict[str, tuple[list[float], list[float]]] = {}
    tables_and_fits = zip((content.table, *content.others), (content.fit, *content.other_fits), strict=False)
    for table, fitted in tables_and_fits:
        if fitted is None:
            continue
        space = get_space(fitted.pairs.space, fitted.pairs.input_size)
        measured = zip(fitted.pairs.chromosomes, fitted.pairs.measured_ms, strict=True)
        known = [(network, ms) for one, ms in measured if _predictable(table, network := space.decode(one))]
        if len(known) >= MIN_SHOWN:
            name = f"{table.target or 'unknown target'}\n{table.identity.device_name}"
            panels[_unused(name, panels)] = (
                [table.latency_ms(network) for network, _ in known],
                [ms for _, ms in known],
            )
    if len(panels) < 2:
        return []
    words = "Networks measured on each target, and what its table predicts for them."
    return [Drawn("predicted-by-target", targets.predicted_by_target(panels), words, wide=True)]


def _measured_figures(content: RunContent) -> list[Drawn]:
    mine = content.fit
    drawn = []
    for index, (other, theirs) in enumerate(zip(content.others, content.other_fits, strict=False)):
        if mine is None or theirs is None:
            continue
        found = dict(zip(theirs.pairs.names, theirs.pairs.measured_ms, strict=True))
        measured = zip(mine.pairs.names, mine.pairs.measured_ms, strict=True)
        pairs = [(x, found[name]) for name, x in measured if name in found]
        if len(pairs) < MIN_SHOWN:
            continue
        names = (f"{content.table.target}", f"{other.target}")
        words = f"{len(pairs)} random networks, each measured on {names[0]} and on {names[1]}."
        figure = targets.scatter([x for x, _ in pairs], [y for _, y in pairs], *names)
        drawn.append(Drawn(f"measured-{index}", figure, words))
    return drawn


def _predicted_figures(content: RunContent) -> list[Drawn]:
    space = slot_space_of(content.table)
    if space is None or not content.others:
        return []
    rng = np.random.default_rng(0)
    sample = [space.decode(space.sample(rng)) for _ in range(NUM_COMPARED)]
    every = _tables(content, sample)
    if len(every) < 2:
        return []
    latencies = {name: [table.latency_ms(network) for network in sample] for name, table in every.items()}
    (mine, x), *rest = latencies.items()
    drawn = []
    for index, (name, y) in enumerate(rest):
        words = f"{len(sample)} random networks, predicted for {mine} and {name}."
        drawn.append(Drawn(f"targets-{index}", targets.scatter(x, y, mine, name), words))
    if len(latencies) > 2:
        words = "How far two targets agree on the order of networks."
        drawn.append(Drawn("target-correlations", targets.correlations(latencies), words))
    return drawn


def comparison_figures(content: RunContent) -> list[Drawn]:
    """Draw a comparison of networks over several hardware: accuracy and normalised latency."""
    found = content.comparison
    if found is None:
        return []
    names = [one.name for one in found.networks]
    ratios = {
        column.name: [_ratio(one.latencies_ms[place], column.factor_ms) for one in found.networks]
        for place, column in enumerate(found.columns)
        if column.factor_ms is not None
    }
    ratios |= {"f avg": [one.f_avg for one in found.networks], "f max": [one.f_max for one in found.networks]}
    words = f"Latency of each network over that of {found.reference}; a cross says that there is no number."
    drawn = [Drawn("normalised", targets.normalised(names, ratios), words, wide=True), *scaling_figures(content)]
    accuracies = {one.name: one.top1 for one in found.networks if one.top1 is not None}
    if not accuracies:
        return drawn
    unsearched = _unsearched(content, found)
    latencies = {
        column.name + unsearched.get(place, ""): {one.name: one.latencies_ms[place] for one in found.networks}
        for place, column in enumerate(found.columns)
    }
    words = f"Accuracy, published or given, against latency on each hardware. {_without_accuracy(found)}".strip()
    missing = [
        f"{one.name} on {column.name}"
        for place, column in enumerate(found.columns)
        for one in found.networks
        if one.top1 is not None and one.latencies_ms[place] is None
    ]
    if missing:
        words += f" Without a latency: {'; '.join(missing)}."
    drawn.append(Drawn("accuracy-by-target", targets.accuracy_by_target(accuracies, latencies), words, wide=True))
    averages, worst = (_metric_points(found, accuracies, which) for which in ("f_avg", "f_max"))
    if averages and worst:
        figure = searches.accuracy_against_metrics(worst, averages, "top-1 (%)")
        words = f"Published accuracy against the multi-hardware metrics. {_without_accuracy(found)}".strip()
        unknown = [one.name for one in found.networks if one.top1 is not None and one.f_max is None]
        if unknown:
            words += f" Left out, since a hardware has no number of theirs: {', '.join(unknown)}."
        drawn.append(Drawn("accuracy-by-metric", figure, words, wide=True))
    return drawn


def _unsearched(content: RunContent, found: Comparison) -> dict[int, str]:
    """Return a mark for each column whose hardware no search of the run knew; none where no search knew any."""
    sources = [
        metric.source
        for search in content.searches
        for metric in search.result.front.metrics
        if metric.name.partition(":")[0] == "latency"
    ]
    known = {place for place, one in enumerate(found.columns) if any(f"{one.name} on " in text for text in sources)}
    return {place: " (not searched)" for place in range(len(found.columns)) if known and place not in known}


def _without_accuracy(found: Comparison) -> str:
    """Return the line that names the networks which a figure of accuracies leaves out."""
    names = [one.name for one in found.networks if one.top1 is None]
    return f"Left out, since no accuracy is published: {', '.join(names)}." if names else ""


def _known_networks(content: RunContent, space: SlotSpace) -> list[Network]:
    """Return networks that a reader knows: published ones of the space, then the picks of the first search."""
    size = table_input_size(content.table)
    published = [zoo.get(name, input_size=size).network for name in zoo.names()]
    known = [network for network in published if holds(space, network)]
    if content.searches:
        known += picked_networks(content, content.searches[0])
    return known


def _predictable(table: LatencyTable, network: Network) -> bool:
    return not table.unusable(block.key for block in network.blocks)


def _tables(content: RunContent, needed: Sequence[Network]) -> dict[str, LatencyTable]:
    """Return the tables that predict all of `needed`, by a name of their own, the run's first."""
    named: dict[str, LatencyTable] = {}
    for table in (content.table, *content.others):
        if not all(_predictable(table, network) for network in needed):
            continue
        name = f"{table.target or 'unknown target'}, {table.identity.device_name}"
        named[_unused(name, named)] = table
    return named


def _unused(name: str, used: Collection[str]) -> str:
    """Return the name, numbered where another target has it."""
    return name if name not in used else f"{name} [{len(used) + 1}]"


def _shares(content: RunContent, known: Sequence[Network]) -> list[operators.Shares]:
    return [
        operators.Shares(network.name, name, time_by_kind(table, network))
        for network in known
        for name, table in _tables(content, known).items()
    ]


def _part_times(table: LatencyTable, network: Network) -> list[float | None]:
    return [part.latency_ms for part in table.predict(network).parts]


def _ratio(latency_ms: float | None, factor_ms: float | None) -> float | None:
    return None if latency_ms is None or factor_ms is None else latency_ms / factor_ms


def _metric_points(found: Comparison, accuracies: dict[str, float], which: str) -> list[searches.Points]:
    points = []
    for one in found.networks:
        value = one.f_avg if which == "f_avg" else one.f_max
        if value is not None and one.name in accuracies:
            points.append(searches.Points(one.name, [value], [accuracies[one.name]]))
    return points
