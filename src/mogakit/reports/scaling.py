"""How latency and accuracy go with width and input size, where a comparison holds one network at several scales."""

from collections.abc import Callable, Sequence

from mogakit.nets import zoo
from mogakit.nets.variant import DEFAULT_SIZE, Variant, parse_variant
from mogakit.reports.drawn import Drawn
from mogakit.reports.figures import networks
from mogakit.reports.run import RunContent
from mogakit.search.comparison import Comparison

Timed = tuple[Variant, float]


def scaling_figures(content: RunContent) -> list[Drawn]:
    """Draw a figure for each hardware of the comparison that has a network at two widths, or at two input sizes."""
    found = content.comparison
    if found is None:
        return []
    drawn: list[Drawn] = []
    for place, column in enumerate(found.columns):
        timed = [
            (parse_variant(one.name), latency_ms)
            for one in found.networks
            if one.name.partition("@")[0] in zoo.names() and (latency_ms := one.latencies_ms[place]) is not None
        ]
        lines = _lines(timed)
        if lines:
            axis = "width multiplier, or input size over 224 px"
            figure = networks.scaling(lines, axis, "latency (ms)", f"Scaling on {column.name}")
            words = f"How latency grows with width and with input size, on {column.name}."
            drawn.append(Drawn(f"scaling-latency-{place}", figure, words))
    return drawn + [
        one for place, column in enumerate(found.columns) for one in _accuracy_figure(found, place, column.name)
    ]


def _accuracy_figure(found: Comparison, place: int, hardware: str) -> list[Drawn]:
    """Draw accuracy against latency of scaled networks as lines, of all others as points (MnasNet Figures 4 and 6)."""
    known = [
        (one.name, latency_ms, one.top1)
        for one in found.networks
        if one.top1 is not None and (latency_ms := one.latencies_ms[place]) is not None
    ]
    bases = [name.partition("@")[0] for name, _, _ in known]
    scaled = {base for base in bases if base in zoo.names() and bases.count(base) > 1}
    if not scaled:
        return []
    lines = []
    for base in sorted(scaled):
        mine = sorted((ms, top1, name) for (name, ms, top1), of in zip(known, bases, strict=True) if of == base)
        labels = [name.partition("@")[2] or "1x" for _, _, name in mine]
        lines.append(
            networks.ScalingLine(f"{base}, scaled", [ms for ms, _, _ in mine], [top1 for _, top1, _ in mine], labels)
        )
    lines += [
        networks.ScalingLine(name, [ms], [top1], [""])
        for (name, ms, top1), base in zip(known, bases, strict=True)
        if base not in scaled
    ]
    left_out = [one.name for one in found.networks if one.top1 is None or one.latencies_ms[place] is None]
    words = f"Scaled networks against others at their latency on {hardware}; accuracy as published or given."
    if left_out:
        words += f" Left out, without accuracy or latency: {', '.join(left_out)}."
    figure = networks.scaling(lines, "latency (ms)", "top-1 (%)", f"Scaled and searched on {hardware}")
    return [Drawn(f"scaling-accuracy-{place}", figure, words)]


def _lines(timed: Sequence[Timed]) -> list[networks.ScalingLine]:
    """Follow one scale while network and other scale stay: the width at each size, then the size at each width."""
    by_width = _grouped(timed, lambda one: f"{one.base}{_at(one.input_size, DEFAULT_SIZE, 'px')}, width")
    by_size = _grouped(timed, lambda one: f"{one.base}{_at(one.width, 1, 'x')}, input size")
    lines = [_line(name, group, lambda one: one.width, "{:g}x", 1.0) for name, group in by_width.items()]
    lines += [
        _line(name, group, lambda one: one.input_size, "{:g} px", DEFAULT_SIZE) for name, group in by_size.items()
    ]
    return [line for line in lines if len(set(line.x)) > 1]


def _grouped(timed: Sequence[Timed], name: Callable[[Variant], str]) -> dict[str, list[Timed]]:
    groups: dict[str, list[Timed]] = {}
    for one in timed:
        groups.setdefault(name(one[0]), []).append(one)
    return groups


def _at(value: float, usual: float, unit: str) -> str:
    return "" if value == usual else f" at {value:g}{unit}"


def _line(
    name: str, group: Sequence[Timed], scale: Callable[[Variant], float], label: str, unit: float
) -> networks.ScalingLine:
    ordered = sorted((scale(variant), latency_ms) for variant, latency_ms in group)
    return networks.ScalingLine(
        name,
        [value / unit for value, _ in ordered],
        [latency_ms for _, latency_ms in ordered],
        [label.format(value) for value, _ in ordered],
    )
