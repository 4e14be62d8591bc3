"""`Drawn`: a figure on its way to a file or a page."""

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawn:
    """A figure with its file name and what it shows; `wide` ones scroll sideways on a phone instead of shrinking."""

    name: str
    figure: Figure
    caption: str
    wide: bool = False
