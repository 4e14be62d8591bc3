"""Every figure is drawn from results, in both formats, the same bytes each time."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from mogakit.bench.measurement import Status
from mogakit.nets import zoo
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space
from mogakit.reports import gallery, style
from mogakit.reports.drawn import Drawn
from mogakit.reports.figures import networks, searches, targets
from mogakit.reports.figures.table import choice_label, slot_label
from mogakit.reports.run import RunContent, Samples
from mogakit.reports.scaling import scaling_figures
from mogakit.reports.search_gallery import compared_figures, samples_figures

PAPERS = {
    # what the papers draw, and the figure here
    "MoGA 1": "time-by-operator",
    "MoGA 2": "measured-0",
    "MoGA 2, predicted": "targets-0",
    "MoGA 3": "evolution",
    "MoGA 4": "predicted-all",
    "MoGA 6": "search-cost",
    "MoGA 7": "fronts-compared",
    "MoGA 7, hypervolume": "progress-compared",
    "one search": "front",
    "MoGA 8": "architectures",
    "MoGA 9": "params-compared",
    "parameters of one search": "params",
    "MnasNet 2": "rewards",
    "MnasNet 4": "scaling-latency-0",
    "MnasNet 4, in multiply-adds": "scaling",
    "multi-hardware: accuracy by hardware": "accuracy-by-target",
    "multi-hardware: layer by layer": "time-by-layer",
    "multi-hardware: blocks": "blocks",
    "multi-hardware: metrics": "accuracy-by-metric",
    "multi-hardware: normalised": "normalised",
    "multi-hardware: cost models": "predicted-by-target",
    "table": "table",
    "residuals": "residuals-all",
    "cost by block": "cost-by-block",
}


@pytest.fixture(scope="module")
def drawn(content: RunContent) -> list[Drawn]:
    return gallery.all_figures(content)


def test_every_figure_of_the_papers_is_there_under_one_name(drawn: list[Drawn]) -> None:
    names = [one.name for one in drawn]
    assert len(names) == len(set(names))
    assert set(PAPERS.values()) <= set(names)
    assert all(one.caption.endswith(".") for one in drawn)


def test_a_table_with_a_row_that_does_not_count_still_has_its_figures(content: RunContent) -> None:
    table = content.table
    key = resolve("moga-a").blocks[5].key
    rows = table.rows | {key: replace(table.rows[key], status=Status.FALLBACK)}
    partial = replace(content, table=replace(table, rows=rows), searches=())
    costs = [one for one in gallery.table_figures(partial) if one.name == "cost-by-block"]
    assert all("moga-a" not in one.caption for one in costs)
    assert "moga-a" in next(one for one in gallery.table_figures(content) if one.name == "cost-by-block").caption


def test_searches_with_the_same_axes_stand_in_one_picture(content: RunContent) -> None:
    front, progress, params = (one.figure.axes[0] for one in compared_figures(content))
    both = ["search: nsga2", "random-mutation: nsga2"]
    assert [line.get_label() for line in front.get_lines()] == ["exact front", *both]
    assert front.get_ylabel() == "proxy"
    assert [line.get_label() for line in progress.get_lines()][:2] == both
    last = [line.get_ydata()[-1] for line in progress.get_lines()[:2]]
    assert last == [one.result.quality.archive_percent for one in content.searches]
    legend = params.get_legend()
    assert legend is not None
    assert [text.get_text().split(" (")[0] for text in legend.get_texts()] == both


def test_scaling_follows_one_scale_while_the_other_stays(content: RunContent) -> None:
    figures = [one for one in scaling_figures(content) if one.name.startswith("scaling-latency")]
    assert [one.name for one in figures] == ["scaling-latency-0"]  # the other hardware has no two scales of a network
    width, size = figures[0].figure.axes[0].get_lines()
    assert (width.get_label(), size.get_label()) == ("mobilenet-v2, width", "mobilenet-v2 at 0.75x, input size")
    assert (list(width.get_xdata()), list(width.get_ydata())) == ([0.75, 1.0], [22.0, 32.0])
    assert list(size.get_xdata()) == pytest.approx([160 / 224, 192 / 224, 1.0])
    assert list(size.get_ydata()) == [11.0, 16.0, 22.0]
    texts = [text.get_text() for text in figures[0].figure.axes[0].texts]
    assert texts == ["0.75x", "1x", "160 px", "192 px", "224 px"]


def test_scaled_networks_are_a_line_and_searched_ones_points(content: RunContent) -> None:
    """MnasNet Figures 4 and 6: accuracy against latency; a network without one of them is named."""
    comparison = content.comparison
    assert comparison is not None
    accuracies = {"mobilenet-v2": 72.0, "mobilenet-v2@0.75x": 69.8}
    known = [one for one in comparison.networks if one.name.startswith("mobilenet-v2")]
    rows = [replace(one, top1=accuracies.get(one.name)) for one in known]
    rows.append(replace(rows[0], name="mine/0-1", top1=73.0, latencies_ms=(25.0, None)))
    found = scaling_figures(replace(content, comparison=replace(comparison, networks=tuple(rows))))
    (figure,) = [one for one in found if one.name.startswith("scaling-accuracy")]
    scaled, own = figure.figure.axes[0].get_lines()
    assert (scaled.get_label(), own.get_label()) == ("mobilenet-v2, scaled", "mine/0-1")
    assert (list(scaled.get_xdata()), list(scaled.get_ydata())) == ([22.0, 32.0], [69.8, 72.0])
    assert (list(own.get_xdata()), list(own.get_ydata())) == ([25.0], [73.0])
    left_out = [one.name for one in rows if one.top1 is None]
    assert left_out and all(name in figure.caption for name in left_out)


def test_hardware_that_no_search_knew_is_marked(content: RunContent) -> None:
    comparison = content.comparison
    assert comparison is not None
    mine = comparison.columns[0].name
    first = content.searches[0]
    front = first.result.front
    metrics = tuple(
        replace(one, source=f"table x, {mine} on a phone") if one.name == "latency" else one for one in front.metrics
    )
    searched = replace(first, result=replace(first.result, front=replace(front, metrics=metrics)))
    drawn = gallery.comparison_figures(replace(content, searches=(searched,)))
    (figure,) = [one for one in drawn if one.name == "accuracy-by-target"]
    every = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.figure.axes]
    titles = [title for title in every if title]
    assert ["not searched" in title for title in titles] == [one.name != mine for one in comparison.columns]


def test_the_mean_reward_of_each_step_is_drawn(content: RunContent) -> None:
    samples = Samples(steps=(0, 0, 1, 1), latency=(1.0,) * 4, accuracy=(0.5,) * 4, rewards=(0.1, 0.3, 0.5, 0.7))
    first = content.searches[0]
    settings = {"reward": {"kind": "mnasnet", "alpha": -0.07, "beta": -0.07, "target_ms": 1.0}}
    learned = replace(first, samples=samples, result=replace(first.result, settings=settings))
    (figure,) = [one for one in samples_figures(replace(content, searches=(learned,))) if one.name == "rewards-by-step"]
    assert list(figure.figure.axes[0].get_lines()[0].get_ydata()) == pytest.approx([0.2, 0.6])


def test_a_search_on_another_table_is_not_compared(content: RunContent) -> None:
    first, second = content.searches
    front = second.result.front
    metrics = tuple(replace(one, source=f"another {one.source}") for one in front.metrics)
    other = replace(second, result=replace(second.result, front=replace(front, metrics=metrics)))
    assert compared_figures(replace(content, searches=(first, other))) == []
    assert compared_figures(replace(content, searches=(first,))) == []


def test_files_are_vector_and_pixels_and_the_same_each_time(
    content: RunContent, drawn: list[Drawn], tmp_path: Path
) -> None:
    chosen = [one for one in drawn if one.name in ("predicted-all", "picks", "front", "time-by-operator")]
    for one in chosen:
        vector, pixels = style.save(one.figure, tmp_path / "first", one.name)
        ElementTree.fromstring(vector.read_text(encoding="utf-8"))
        with Image.open(pixels) as image:
            assert image.width > 600
        assert b"<dc:date>" not in vector.read_bytes()
        assert b"matplotlib version" not in pixels.read_bytes()
    again = {one.name: one for one in gallery.all_figures(content)}
    for one in chosen:
        style.save(again[one.name].figure, tmp_path / "second", one.name)
        for suffix in ("svg", "png"):
            first, second = (tmp_path / folder / f"{one.name}.{suffix}" for folder in ("first", "second"))
            assert first.read_bytes() == second.read_bytes()


def test_an_inline_picture_scales_and_has_ids_and_a_text_of_its_own(drawn: list[Drawn]) -> None:
    svg = style.to_inline_svg(drawn[0].figure, "mine", 'a "quoted" <text>')
    root = ElementTree.fromstring(svg)
    assert "width" not in root.attrib
    assert root.attrib["aria-label"] == 'a "quoted" <text>'
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert all(one.startswith("mine-") for one in ids)
    referred = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    assert referred <= set(ids)


def test_colours_can_be_told_apart_by_lightness_or_marker() -> None:
    assert len(set(style.SERIES)) == len(style.SERIES) == len(style.MARKERS) == len(set(style.MARKERS))
    reds = [int(colour[1:3], 16) for colour in style.SERIES]
    assert len({value // 8 for value in reds}) >= 6


def test_labels_say_what_tells_blocks_apart() -> None:
    block = resolve("moga-a").blocks[7]
    assert choice_label(block) == "k3 e6 se"
    assert slot_label(6, block).startswith("6: 40→")
    assert networks.block_text(resolve("moga-a").blocks[0]) == ("3x3", "conv")
    assert networks.block_text(resolve("moga-a").blocks[-1]) == ("head", "960")


def test_the_exact_front_of_three_objectives_is_drawn_as_a_front_of_two() -> None:
    points = searches.Points("exact", [1.0, 2.0, 3.0, 4.0], [10.0, 9.0, 12.0, 11.0])
    figure = searches.fronts([searches.Points("found", [1.5], [9.5])], "ms", "proxy", points)
    line = figure.axes[0].get_lines()[0]
    assert np.asarray(line.get_xdata()).tolist() == [1.0, 3.0]
    assert figure.axes[0].get_ylabel() == "proxy"


def test_dollars_and_underscores_in_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    figure = targets.scatter([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], r"a $\broken$ phone_1", "gpu$")
    vector, _ = style.save(figure, tmp_path, "dollars")
    assert vector.stat().st_size > 0


@pytest.mark.parametrize(("low", "high"), [(0.1, 15.0), (4.1, 47.0), (12.0, 96_000.0)])
def test_ticks_of_a_logarithmic_axis_are_plain_numbers_inside_it(low: float, high: float) -> None:
    ticks, labels = style.log_ticks(low, high)
    assert len(ticks) >= 3
    assert all(0.99 * low <= tick <= 1.01 * high for tick in ticks)
    assert [float(label.replace(",", "")) for label in labels] == pytest.approx(ticks)


def test_logarithmic_axes_have_plain_numbers() -> None:
    figure = searches.search_cost(
        [searches.SearchCost("one", 1.0, 2.0), searches.SearchCost("two", 0.0, 900.0)], "days"
    )
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "1,000" in labels
    assert not any("$" in label for label in labels)


def test_a_network_that_does_not_run_has_a_cross_and_no_bar() -> None:
    figure = targets.normalised(["a", "b"], {"cpu": [1.0, 2.0], "edgetpu": [0.5, None]})
    assert [text.get_text() for text in figure.axes[0].texts] == ["✕"]


def test_architectures_have_one_box_a_block() -> None:
    nets = [resolve("moga-a"), zoo.get("mobilenet-v2").network]
    figure = networks.architectures(nets)
    assert len(figure.axes[0].patches) == sum(len(net.blocks) for net in nets)


def test_each_target_whose_networks_were_measured_has_a_panel_of_its_own(content: RunContent) -> None:
    (drawn,) = [one for one in gallery.target_figures(content) if one.name == "predicted-by-target"]
    panels = [axes for axes in drawn.figure.axes if axes.axison]
    assert len(panels) == 2
    for axes, table, fitted in zip(
        panels, (content.table, *content.others), (content.fit, *content.other_fits), strict=True
    ):
        assert axes.get_title(loc="left").startswith(str(table.target))
        points = axes.lines[-1]
        assert list(points.get_xdata()) == list(fitted.pairs.measured_ms)
        space = get_space(fitted.pairs.space)
        predicted = [table.latency_ms(space.decode(one)) for one in fitted.pairs.chromosomes]
        assert list(points.get_ydata()) == predicted


def test_a_target_alone_has_no_panels(content: RunContent) -> None:
    alone = replace(content, others=(), other_fits=())
    assert not [one for one in gallery.target_figures(alone) if one.name == "predicted-by-target"]
