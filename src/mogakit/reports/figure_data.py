"""The numbers that a figure shows, as CSV: read back from the figure itself, so that it can hold nothing else."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, Wedge

from mogakit.neutral import csv_text

COLUMNS = ("panel", "kind", "series", "x", "y", "value")


def figure_data(figure: Figure) -> str:
    """Return every point, bar, cell and wedge of a figure, one a line; empty where it shows none (a drawing)."""
    rows = [row for index, axes in enumerate(figure.axes) for row in _of_axes(axes, index)]
    if not rows:
        return ""
    return csv_text([COLUMNS, *rows])


def _of_axes(axes: Axes, index: int) -> Iterator[tuple[object, ...]]:
    panel = (axes.get_title(loc="left") or axes.get_title() or str(index + 1)).replace("\n", " ")
    for number, line in enumerate(axes.get_lines()):
        name = _name(line.get_label(), number)
        for x, y in zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True):
            yield panel, "point", name, _plain(x), _plain(y), ""
    for number, one in enumerate(axes.collections):
        if isinstance(one, PathCollection):
            for x, y in np.asarray(one.get_offsets()):
                yield panel, "point", _name(one.get_label(), number), _plain(x), _plain(y), ""
    for patch in axes.patches:
        if isinstance(patch, Wedge):
            yield panel, "share", patch.get_label(), "", "", _plain((patch.theta2 - patch.theta1) / 360 % 1.0000001)
        elif isinstance(patch, Rectangle) and patch.get_height() and patch.get_width():
            middle = patch.get_x() + patch.get_width() / 2
            yield panel, "bar", _name(patch.get_label(), 0), _plain(middle), _plain(patch.get_height()), ""
    for image in axes.get_images():
        values = np.ma.filled(np.ma.masked_invalid(np.asarray(image.get_array(), dtype=float)), np.nan)
        if values.ndim == 2:
            for (y, x), value in np.ndenumerate(values):
                yield panel, "cell", "", x, y, "" if np.isnan(value) else _plain(value)


def _name(label: object, number: int) -> str:
    text = str(label)
    return f"{number + 1}" if text.startswith("_") or not text else text


def _plain(value: object) -> object:
    """Return a number in the digits that a reader needs, anything else as its text."""
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(f"{float(value):.7g}")
    return str(value)
