"""The page on figures names every figure that is drawn."""

import re
from pathlib import Path

from mogakit.reports import gallery
from mogakit.reports.run import RunContent

PAGE = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")


def test_every_figure_is_described(content: RunContent) -> None:
    for one in gallery.all_figures(content):
        numbered = re.sub(r"-\d+$", "-N", one.name)
        stem = one.name.split("-")[0]
        assert any(f"`{name}`" in PAGE for name in (one.name, numbered, f"{stem}-STRATUM")), one.name
