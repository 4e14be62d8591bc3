"""Build the page: sections from results, pictures from `reports.figures`, one HTML document that loads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np

from mogakit import __version__
from mogakit.errors import InputError
from mogakit.luts.check import half_width_percent
from mogakit.luts.errors import ErrorReport, Metric
from mogakit.luts.predict import Predictor
from mogakit.luts.table import LatencyTable
from mogakit.luts.validation import CheckedNetwork, StratumReport, Validation
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SlotSpace, get_space
from mogakit.reports.figures import networks as network_figures
from mogakit.reports.figures import prediction, searches, targets
from mogakit.reports.figures import table as table_figures
from mogakit.reports.page.content import RunContent, SearchSummary
from mogakit.reports.page.front_data import embed, front_data
from mogakit.reports.style import to_inline_svg

NUM_COMPARED = 100
"""Random networks that a scatter of two targets shows, as MoGA Figure 2."""


@dataclass(frozen=True)
class Picture:
    """A figure on the page: `wide` ones scroll sideways on a phone instead of shrinking."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Tile:
    """One number of the overview."""

    label: str
    value: str
    note: str = ""


def build_page(content: RunContent) -> str:
    """Return the page as one HTML document; the same content gives the same text."""
    package = resources.files("mogakit.reports.page")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: package.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        run=content,
        table=content.table,
        version=__version__,
        tiles=_tiles(content),
        validation=None if content.validation is None else _validation(content.validation),
        table_pictures=_table_pictures(content),
        rows=_rows(content.table),
        fit=None if content.fit is None else _fit(content),
        searches=[_search(content, index, one) for index, one in enumerate(content.searches)],
        comparisons=_comparisons(content),
        style=package.joinpath("style.css").read_text(encoding="utf-8"),
        script=package.joinpath("front.js").read_text(encoding="utf-8"),
    )


def _tiles(content: RunContent) -> list[Tile]:
    table = content.table
    measured = [row.latency_ms for row in table.rows.values() if row.latency_ms is not None]
    tiles = [Tile("blocks measured", f"{len(measured)}", f"of {len(table.rows)} rows, on {table.target or 'unknown'}")]
    if content.validation is not None and content.validation.strata:
        first = content.validation.strata[0]
        note = f"on {first.calibrated.num} networks that the calibration has not seen"
        tiles.append(Tile("error of a prediction", f"{_number(first.calibrated.mape_percent.value, 2)} %", note))
        tau = first.calibrated.kendall_tau
        tiles.append(Tile("order kept (Kendall tau)", _number(tau.value, 3), _interval(tau, 3)))
    for search in content.searches[:1]:
        quality = search.result.quality
        if quality.archive_percent is not None:
            note = f"hypervolume of {search.result.engine} against {quality.num_exact} networks of the exact front"
            tiles.append(Tile("of the best possible front", f"{quality.archive_percent:.1f} %", note))
        tiles.append(Tile("picks", f"{len(search.result.picks)}", f"from {search.result.num_networks} networks"))
    return tiles


def _validation(validation: Validation) -> dict[str, Any]:
    strata = []
    for index, stratum in enumerate(validation.strata):
        inside = [one for one in validation.networks if stratum.name in one.strata]
        strata.append({"title": stratum.title, "rows": _errors(stratum), "pictures": _scores(index, stratum, inside)})
    return {"record": validation, "strata": strata}


def _errors(stratum: StratumReport) -> list[list[str]]:
    """Return one line a kind of prediction: name, then metrics with their intervals."""
    kinds: list[tuple[str, ErrorReport | None]] = [
        ("sum of blocks", stratum.raw),
        ("calibrated", stratum.calibrated),
        ("sum of blocks measured in the same windows", stratum.fresh_raw),
        ("the same, calibrated", stratum.fresh_calibrated),
    ]
    return [
        [
            name,
            str(report.num),
            _metric(report.mape_percent, 2),
            _metric(report.mdape_percent, 2),
            _metric(report.rmse_ms, 3),
            _metric(report.rmse_percent, 2),
            _metric(report.mae_ms, 3),
            _metric(report.bias_percent, 2),
            _metric(report.r2, 4),
            _metric(report.pearson, 4),
            _metric(report.spearman, 3),
            _metric(report.kendall_tau, 3),
            _metric(report.within_5_percent, 2),
            _metric(report.within_10_percent, 2),
        ]
        for name, report in kinds
        if report is not None
    ]


def _scores(index: int, stratum: StratumReport, inside: Sequence[CheckedNetwork]) -> list[Picture]:
    figure = prediction.predicted_measured(inside, stratum.calibrated, stratum.title)
    words = f"Predicted against measured latency of {len(inside)} networks, {stratum.title}."
    pictures = [Picture(to_inline_svg(figure, f"predicted-{index}", words), words)]
    words = f"Errors in percent, {stratum.title}: the plain sum of blocks, and calibrated."
    figure = prediction.residuals(inside, f"Residuals, {stratum.title}")
    return [*pictures, Picture(to_inline_svg(figure, f"residuals-{index}", words), words)]


def _table_pictures(content: RunContent) -> list[Picture]:
    table, space = content.table, _slot_space(content.table)
    if space is None:
        return []
    words = "Latency of every choice in every slot, in milliseconds."
    pictures = [Picture(to_inline_svg(table_figures.heat_map(table, space), "heat", words), words, wide=True)]
    predictor = Predictor(table)
    shown = [network for network in _named_networks(content) if _predictable(predictor, network)][:4]
    if shown:
        words = f"What a network pays block by block: {', '.join(network.name for network in shown)}."
        figure = table_figures.slot_costs([predictor.explain(network) for network in shown])
        pictures.append(Picture(to_inline_svg(figure, "slots", words), words, wide=True))
    return pictures


def _named_networks(content: RunContent) -> list[Network]:
    """Return networks that a reader knows: the picks of the first search, or the published ones that were measured."""
    if content.searches:
        first = content.searches[0].result
        return [resolve(f"{first.front.space}/{pick}") for pick in first.picks]
    if content.validation is not None:
        names = [one.name for one in content.validation.networks if "/" not in one.name]
        return [resolve(name) for name in names]
    return []


def _predictable(predictor: Predictor, network: Network) -> bool:
    rows = predictor.table.rows
    return all(block.key in rows and rows[block.key].latency_ms is not None for block in network.blocks)


def _rows(table: LatencyTable) -> list[list[str]]:
    return [
        [
            row.key,
            "" if row.role is None else row.role.value,
            _number(row.latency_ms, 4),
            _number(half_width_percent(row), 1),
            _number(row.mad_ms, 4),
            _number(row.p10_ms, 4),
            _number(row.p90_ms, 4),
            _number(row.cold_mean_ms, 4),
            _number(row.warm_mean_ms, 4),
            "-" if row.count is None else str(row.count),
            "-" if row.num_rounds is None else str(row.num_rounds),
            row.status.value,
            row.delegation or "unknown",
        ]
        for _, row in sorted(table.rows.items())
    ]


def _fit(content: RunContent) -> dict[str, Any]:
    fit = content.fit
    if fit is None or not fit.curves:
        return {"record": fit, "picture": None}
    words = "Error on networks left out against the number of networks measured, for each kind of model."
    figure = prediction.learning_curve(fit.curves)
    return {"record": fit, "picture": Picture(to_inline_svg(figure, "curve", words), words)}


def _search(content: RunContent, index: int, search: SearchSummary) -> dict[str, Any]:
    result = search.result
    space = get_space(result.front.space)
    names = [metric.name for metric in result.front.metrics]
    picked = [result.front.values[result.front.chromosomes.index(pick)] for pick in result.picks]
    return {
        "name": search.name,
        "result": result,
        "data": embed(front_data(search, space, content.table)),
        "is_proxy": any(metric.is_proxy for metric in result.front.metrics),
        "columns": [
            f"{metric.name} ({metric.unit})" if metric.unit else metric.name for metric in result.front.metrics
        ],
        "picks": [
            [f"{result.front.space}/{pick}", *(_metric_text(names[place], value) for place, value in enumerate(values))]
            for pick, values in zip(result.picks, picked, strict=True)
        ],
        "pictures": _search_pictures(index, search),
    }


def _search_pictures(index: int, search: SearchSummary) -> list[Picture]:
    result = search.result
    pictures = []
    picks = [resolve(f"{result.front.space}/{pick}") for pick in result.picks]
    if picks:
        words = "The picks: colour for the kernel, height for the expansion, a blue frame for squeeze-and-excitation."
        svg = to_inline_svg(network_figures.architectures(picks), f"picks-{index}", words)
        pictures.append(Picture(svg, words, wide=True))
    if any(point.archive_percent is not None for point in result.history):
        words = "How the archive of everything evaluated approaches the exact front."
        svg = to_inline_svg(searches.progress({result.engine: result.history}), f"progress-{index}", words)
        pictures.append(Picture(svg, words))
    if "params" in [metric.name for metric in result.front.metrics]:
        groups = [("front", _millions(result.front.column("params")))]
        if result.population is not None:
            groups.append(("last population", _millions(result.population.column("params"))))
        words = "Parameters of the networks found."
        figure = searches.histogram(groups, "params (M)")
        pictures.append(Picture(to_inline_svg(figure, f"params-{index}", words), words))
    return pictures


def _millions(values: Sequence[float | None]) -> list[float]:
    return [value / 1e6 for value in values if value is not None]


def _comparisons(content: RunContent) -> list[Picture]:
    """Draw the same random networks on this target and each other one (MoGA Figure 2)."""
    space = _slot_space(content.table)
    if space is None:
        return []
    sample = _sample(space)
    mine = Predictor(content.table)
    pictures = []
    for index, other in enumerate(content.others):
        theirs = Predictor(other)
        shared = [network for network in sample if _predictable(mine, network) and _predictable(theirs, network)]
        if len(shared) < 3:
            continue
        words = f"{len(shared)} random networks, predicted for {content.table.target} and {other.target}."
        x, y = [mine.predict(network) for network in shared], [theirs.predict(network) for network in shared]
        figure = targets.scatter(x, y, _target_name(content.table), _target_name(other))
        pictures.append(Picture(to_inline_svg(figure, f"targets-{index}", words), words))
    return pictures


def _sample(space: SlotSpace) -> list[Network]:
    rng = np.random.default_rng(0)
    return [space.decode(space.sample(rng)) for _ in range(NUM_COMPARED)]


def _target_name(table: LatencyTable) -> str:
    return f"{table.target or 'unknown target'}, {table.identity.device_name}"


def _slot_space(table: LatencyTable) -> SlotSpace | None:
    try:
        space = get_space(table.space)
    except InputError:
        return None
    return space if isinstance(space, SlotSpace) else None


def _metric_text(name: str, value: float | None) -> str:
    if value is None:
        return "not supported"
    return f"{value / 1e6:.3f} M" if name in ("params", "madds") else f"{value:.4g}"


def _metric(metric: Metric, digits: int) -> str:
    return _number(metric.value, digits) + (f" {_interval(metric, digits)}" if metric.low is not None else "")


def _interval(metric: Metric, digits: int) -> str:
    return "" if metric.low is None else f"[{_number(metric.low, digits)}, {_number(metric.high, digits)}]"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
