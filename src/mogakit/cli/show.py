"""`moga show`: a network block by block."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import command as new_command
from mogakit.cli.output import json_option, print_json, print_table
from mogakit.cli.types import CLASSES, NETWORK, NEW_FILE, PIXELS, WIDTH

if TYPE_CHECKING:
    from mogakit.flows.zoo import NetworkSummary


@new_command("show")
@click.argument("network", type=NETWORK)
@click.option("--width", type=WIDTH, default=1.0, show_default=True, help="Width multiplier.")
@click.option("--input-size", type=PIXELS, help="Height and width of the image in pixels.")
@click.option("--classes", type=CLASSES, help="Number of classes.")
@click.option("--save", "path", type=NEW_FILE, help="Write the network as a file (NAME.json), to edit and use by name.")
@json_option
def command(
    network: str, width: float, input_size: int | None, classes: int | None, path: Path | None, as_json: bool
) -> None:
    """Show NETWORK block by block: key, resolution, parameters, multiply-adds.

    NETWORK is a name from `moga zoo` or a chromosome of a search space as SPACE/CHROMOSOME.

    \b
    Examples:
      moga show moga-a
      moga show mobilenet-v2 --width 1.4 --input-size 192
      moga show moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9
      moga show mnasnet-a1 --save mine.json && moga show mine.json
    """
    from mogakit.flows.zoo import save_summarised, summarise
    from mogakit.records import to_json

    summary = summarise(network, width, input_size, classes)
    if path is not None:
        save_summarised(network, width, input_size, classes, path)
    if as_json:
        print_json(to_json(summary))
        return
    rows: list[tuple[object, ...]] = [
        (index, block.key, block.input_size, f"{block.params:,}", f"{block.madds / 1e6:.2f}")
        for index, block in enumerate(summary.blocks)
    ]
    rows.append(("", "total", summary.input_size, f"{summary.params:,}", f"{summary.madds / 1e6:.2f}"))
    print_table(summary.name, ("#", "block", "px in", "params", "MAdds M"), rows, caption=_caption(summary))


def _caption(summary: NetworkSummary) -> str:
    """Describe what the counts are and what was published."""
    lines = [f"{summary.params_without_norm:,} params without batch norm; {summary.num_classes} classes"]
    published = summary.published
    if published is not None:
        lines.append(
            f"published at width 1 and 224 px: {published.params_m:g}M params, {published.madds_m:g}M MAdds, "
            f"top-1 {published.top1} % ({published.source})"
        )
    if summary.verdict is not None:
        lines.append(f"{summary.verdict}: {summary.comment}")
    if summary.source:
        lines.append(f"layers: {summary.source}")
    return "\n".join(lines)
