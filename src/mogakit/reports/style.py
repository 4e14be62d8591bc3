"""One look for every figure: readable in print and by the colour-blind, and the same bytes from the same data.

Figures are drawn on matplotlib's object interface: no global state, no window, no font but the one that matplotlib
brings. Colours are those of Okabe and Ito; what a colour says, a marker, a hatch or a label says too.
"""

import io
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, NullFormatter

from mogakit import files

P = ParamSpec("P")

BLACK, GREY, LIGHT = "#1a1a1a", "#7a7a7a", "#d9d9d9"
BLUE, ORANGE, GREEN, VERMILION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
SKY, PURPLE, YELLOW = "#56b4e9", "#cc79a7", "#f0e442"
SERIES = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SEQUENTIAL = "cividis"
"""Colour map of magnitudes: monotone in lightness, and made for the colour-blind."""

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": BLACK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8e8e8",
    "grid.linewidth": 0.6,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "figure.facecolor": "white",
    "text.parse_math": False,  # a dollar in the name of a device is a dollar
    "svg.fonttype": "path",
    "svg.hashsalt": "moga-kit",
}


def drawn(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a function that draws a figure under the kit's style."""

    @wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(RC):
            figure = function(*args, **kwargs)
            for axes in figure.axes:
                _plain_numbers(axes.xaxis)
                _plain_numbers(axes.yaxis)
            return figure

    return styled


def _plain_numbers(axis: Axis) -> None:
    """Write the ticks of a logarithmic axis as plain numbers: matplotlib's own are formulas, which are not parsed."""
    if isinstance(axis.get_major_formatter(), LogFormatter):
        axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
        axis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def blank(width_in: float = 5.2, height_in: float = 3.6) -> tuple[Figure, Axes]:
    """Return an empty figure with one pair of axes; sizes in inches."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def blank_grid(rows: int, columns: int, width_in: float, height_in: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with a grid of axes, row by row."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Return places 1, 2, 5, 10, ... (closer ones in a narrow range) between two positive numbers, plainly labelled."""
    steps = (1, 2, 3, 5, 7) if high < 20 * low else (1, 2, 5)
    ticks = [step * 10.0**power for power in range(-6, 10) for step in steps]
    ticks = [tick for tick in ticks if 0.99 * low <= tick <= 1.01 * high]
    return ticks, [_plain(tick) for tick in ticks]


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `<name>.svg` and `<name>.png` into `folder`, atomically; equal figures give equal bytes."""
    return write(rendered(figure), folder, name)


def rendered(figure: Figure) -> tuple[bytes, bytes]:
    """Return a figure as the bytes of an SVG and of a PNG file."""
    pixels = io.BytesIO()
    vector = to_svg(figure).encode("utf-8")
    with matplotlib.rc_context(RC):
        figure.savefig(pixels, format="png", metadata={"Software": None})
    return vector, pixels.getvalue()


def write(drawing: tuple[bytes, bytes], folder: Path, name: str) -> tuple[Path, Path]:
    """Write what `rendered` returned as `<name>.svg` and `<name>.png` into `folder`, atomically."""
    vector, pixels = folder / f"{name}.svg", folder / f"{name}.png"
    files.write_bytes(vector, drawing[0])
    files.write_bytes(pixels, drawing[1])
    return vector, pixels


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG document without date or version."""
    text = io.StringIO()
    with matplotlib.rc_context(RC):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def to_inline_svg(figure: Figure, name: str, alternative: str) -> str:
    """Return a figure as an element for an HTML page: scalable, its ids prefixed, with a text for those who cannot see.

    Args:
        name: distinct on the page.
        alternative: what the figure shows, in words.
    """
    body = to_svg(figure)
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid=")', rf"\1{name}-", body)
    body = re.sub(r'(url\(#|xlink:href="#)', rf"\1{name}-", body)
    body = re.sub(r' (?:width|height)="[\d.]+pt"', "", body, count=2)
    label = alternative.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return body.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
