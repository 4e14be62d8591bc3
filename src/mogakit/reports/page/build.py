"""Build the page: sections from results, pictures from `reports.figures`, one HTML document that loads nothing."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2

from mogakit import __version__
from mogakit.luts.check import half_width_percent
from mogakit.luts.error_metrics import ErrorReport, Metric
from mogakit.luts.latencies import scope_note
from mogakit.luts.spaces import table_input_size
from mogakit.luts.table import LatencyTable, RowSource
from mogakit.luts.validation import StratumReport, Validation
from mogakit.nets.spaces import get_space
from mogakit.reports import gallery, search_gallery
from mogakit.reports.drawn import Drawn
from mogakit.reports.figure_data import figure_data
from mogakit.reports.page.front_data import embed, front_data
from mogakit.reports.run import NamedSearch, RunContent
from mogakit.reports.style import to_inline_svg


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure on the page: `wide` ones scroll sideways on a phone instead of shrinking.

    Attributes:
        name: of its file. data: its numbers as CSV, in base64; empty for a drawing without any.
    """

    svg: str
    caption: str
    wide: bool = False
    name: str = ""
    data: str = ""


@dataclass(frozen=True)
class Tile:
    """One number of the overview."""

    label: str
    value: str
    note: str = ""


def build_page(content: RunContent) -> str:
    """Return the page as one HTML document; the same content gives the same text."""
    package = resources.files("mogakit.reports.page")
    script = "\n".join(package.joinpath(name).read_text(encoding="utf-8") for name in ("front.js", "tables.js"))
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
        scope=scope_note(content.table.identity),
        other_scopes=_other_scopes(content),
        version=__version__,
        tiles=_tiles(content),
        validation=None if content.validation is None else _validation(content, content.validation),
        table_pictures=_pictures(gallery.table_figures(content)),
        rows=_rows(content.table),
        answers=_answers((content.table, *content.others)),
        model_pictures=_pictures(gallery.model_figures(content)),
        searches=[_search(content, index, one) for index, one in enumerate(content.searches)],
        compared=_pictures(search_gallery.compared_figures(content)),
        comparisons=_pictures(gallery.target_figures(content) + gallery.comparison_figures(content)),
        style=package.joinpath("style.css").read_text(encoding="utf-8"),
        script=script,
        policy=policy(script),
    )


def policy(script: str) -> str:
    """Return the page's Content-Security-Policy: it loads nothing, sends nothing, and runs this script alone.

    A script that got into the page through a stored string would not run. Styles are inline in the figures' SVG.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _answers(tables: Sequence[LatencyTable]) -> dict[str, Any]:
    """Return the outputs of whole networks on the devices: a line a network, a column a target."""
    asked = [table for table in tables if table.agreements]
    names = sorted({name for table in asked for name in table.agreements})
    lines = [
        [name, *(str(table.agreements[name]) if name in table.agreements else "-" for table in asked)] for name in names
    ]
    wrong = sorted({name for table in asked for name, one in table.agreements.items() if one.wrong})
    head = ["network", *(f"{table.target}, {table.identity.device_name}" for table in asked)]
    return {"head": head, "rows": lines, "wrong": wrong}


def _other_scopes(content: RunContent) -> list[tuple[str, str]]:
    """Return what must stand beside the times of tables of other targets, by target and device."""
    notes = ((one, scope_note(one.identity)) for one in content.others)
    return [
        (f"{one.target or 'unknown target'}, {one.identity.device_name}", note)
        for one, note in notes
        if note is not None
    ]


def _tiles(content: RunContent) -> list[Tile]:
    table = content.table
    known = [row for row in table.rows.values() if row.latency_ms is not None]
    measured = sum(row.source is RowSource.MEASURED for row in known)
    note = f"of {len(table.rows)} rows, on {table.target or 'unknown'}"
    if measured < len(known):
        note += f"; {len(known) - measured} have a number that was not measured"
    tiles = [Tile("blocks measured", f"{measured}", note)]
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


def _pictures(drawn: Sequence[Drawn]) -> list[Picture]:
    return [
        Picture(
            svg=to_inline_svg(one.figure, one.name, one.caption),
            caption=one.caption,
            wide=one.wide,
            name=one.name,
            data=base64.b64encode(figure_data(one.figure).encode("utf-8")).decode("ascii"),
        )
        for one in drawn
    ]


def _validation(content: RunContent, validation: Validation) -> dict[str, Any]:
    strata = [
        {
            "title": stratum.title,
            "errors": _errors(stratum),
            "pictures": _pictures(gallery.validation_figures(content, index)),
        }
        for index, stratum in enumerate(validation.strata)
    ]
    return {"record": validation, "strata": strata}


METRICS: tuple[tuple[str, str, int], ...] = (
    # field of ErrorReport, name on the page, digits
    ("mape_percent", "MAPE %", 2),
    ("mdape_percent", "MdAPE %", 2),
    ("rmse_ms", "RMSE ms", 3),
    ("rmse_percent", "RMSE, % of the mean", 2),
    ("mae_ms", "MAE ms", 3),
    ("bias_ms", "bias ms", 3),
    ("bias_percent", "bias %", 2),
    ("r2", "R2", 4),
    ("pearson", "Pearson", 4),
    ("spearman", "Spearman", 3),
    ("kendall_tau", "Kendall tau", 3),
    ("within_5_percent", "share within 5 %", 2),
    ("within_10_percent", "share within 10 %", 2),
)


def _errors(stratum: StratumReport) -> dict[str, Any]:
    """Return the table of errors: one column a kind of prediction, one line a metric."""
    kinds: list[tuple[str, ErrorReport | None]] = [
        ("sum of blocks", stratum.raw),
        ("calibrated", stratum.calibrated),
        ("fresh blocks", stratum.fresh_raw),
        ("fresh blocks, calibrated", stratum.fresh_calibrated),
        *((f"cost model {name}", report) for name, report in stratum.models.items()),
    ]
    known = [(name, report) for name, report in kinds if report is not None]
    rows = [
        [title, *(_metric(getattr(report, field), digits) for _, report in known)] for field, title, digits in METRICS
    ]
    excluded = stratum.raw.num_excluded
    note = f" ({excluded} measured at zero and left out of percentages)" if excluded else ""
    return {"head": ["error", *(name for name, _ in known)], "rows": rows, "num": f"{stratum.raw.num} networks{note}"}


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


def _search(content: RunContent, index: int, search: NamedSearch) -> dict[str, Any]:
    result = search.result
    space = get_space(result.front.space, table_input_size(content.table))
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
        "pictures": _pictures(search_gallery.search_figures(content, index)),
    }


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
