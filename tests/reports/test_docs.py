"""The page on figures names every figure that is drawn."""

from pathlib import Path

from mogakit.reports import gallery
from mogakit.reports.content import RunContent

PAGE = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")


def test_every_figure_is_described(content: RunContent) -> None:
    for one in gallery.all_figures(content):
        stem = one.name.split("-")[0]
        assert f"`{one.name}`" in PAGE or f"`{stem}-N`" in PAGE or f"`{stem}-STRATUM`" in PAGE, one.name
