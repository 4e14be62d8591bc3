"""Predicted against measured latency, residuals and learning curves."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mogakit.luts.curves import CurvePoint
from mogakit.luts.error_metrics import ErrorReport
from mogakit.luts.validation import CheckedNetwork
from mogakit.reports.style import BLACK, GREY, LIGHT, MARKERS, SERIES, blank, blank_grid, drawn


@drawn
def predicted_measured(networks: Sequence[CheckedNetwork], report: ErrorReport, title: str = "") -> Figure:
    """Draw calibrated prediction against measurement with the line y = x (MoGA Figure 4).

    Args:
        networks: those that `report` is about.
        report: errors of the calibrated prediction, written into the figure.
    """
    figure, axes = blank(4.4, 4.2)
    measured = np.array([one.measured_ms for one in networks])
    low, high = measured.min(), measured.max()
    margin = 0.06 * (high - low or high)
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=GREY, linewidth=1, label="predicted = measured")
    axes.axline((low, low), slope=1, color=GREY, linewidth=1)
    for one in networks:
        if one.low_ms is not None and one.high_ms is not None:
            axes.plot([one.low_ms, one.high_ms], [one.calibrated_ms] * 2, color=LIGHT, linewidth=1, zorder=1)
    axes.plot(measured, [one.raw_ms for one in networks], "x", color=SERIES[3], label="sum of blocks", alpha=0.8)
    axes.plot(measured, [one.calibrated_ms for one in networks], "o", color=SERIES[0], label="calibrated", alpha=0.85)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("measured latency (ms)")
    axes.set_ylabel("predicted latency (ms)")
    axes.set_title(title or "Predicted against measured")
    axes.legend(loc="upper left")
    lines = (
        f"RMSE {_value(report.rmse_ms.value, 3)} ms ({_value(report.rmse_percent.value, 2)} %)",
        f"MAPE {_value(report.mape_percent.value, 2)} %",
        f"Kendall tau {_value(report.kendall_tau.value, 3)}",
        f"{report.num} networks",
    )
    axes.text(0.98, 0.03, "\n".join(lines), transform=axes.transAxes, ha="right", va="bottom", color=BLACK)
    return figure


@drawn
def residuals(networks: Sequence[CheckedNetwork], title: str = "Residuals") -> Figure:
    """Draw the error of each network in percent, over its latency and as a histogram, raw and calibrated."""
    figure, (left, right) = blank_grid(1, 2, 5.4, 3.4, sharey=True, width_ratios=(3, 1))
    measured = np.array([one.measured_ms for one in networks])
    kinds = (
        ("sum of blocks", np.array([one.raw_ms for one in networks]), SERIES[3], "x"),
        ("calibrated", np.array([one.calibrated_ms for one in networks]), SERIES[0], "o"),
    )
    errors = [(name, 100 * (predicted / measured - 1), colour, marker) for name, predicted, colour, marker in kinds]
    bins = np.linspace(*_span(np.concatenate([error for _, error, _, _ in errors])), 17).tolist()
    left.axhline(0, color=GREY, linewidth=1)
    for name, error, colour, marker in errors:
        left.plot(measured, error, marker, color=colour, label=name, alpha=0.85)
        right.hist(error, bins=bins, orientation="horizontal", color=colour, alpha=0.55)
    left.set_xlabel("measured latency (ms)")
    left.set_ylabel("predicted - measured (%)")
    left.set_title(title)
    left.legend()
    right.set_xlabel("networks")
    return figure


@drawn
def learning_curve(points: Sequence[CurvePoint], title: str = "Error against networks measured") -> Figure:
    """Draw the error on networks left out against the number of networks fitted on, one line a kind of model."""
    figure, axes = blank()
    for index, model in enumerate(dict.fromkeys(point.model for point in points)):
        line = sorted((point for point in points if point.model == model), key=lambda point: point.num_pairs)
        sizes = [point.num_pairs for point in line]
        colour = SERIES[index % len(SERIES)]
        axes.plot(
            sizes,
            [point.mape_percent for point in line],
            marker=MARKERS[index % len(MARKERS)],
            color=colour,
            label=model,
        )
        axes.fill_between(
            sizes, [point.low for point in line], [point.high for point in line], color=colour, alpha=0.12
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted({point.num_pairs for point in points})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    errors = [value for point in points for value in (point.low, point.high)]
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if min(errors) / 2 <= tick <= 2 * max(errors)]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("networks measured")
    axes.set_ylabel("MAPE on networks left out (%)")
    axes.set_title(title)
    axes.legend(ncols=2)
    return figure


def _value(value: float | None, digits: int) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"


def _span(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1, high + 1)
