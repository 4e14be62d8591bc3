"""`moga zoo`: the networks that the kit knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mogakit.cli.command import command as new_command
from mogakit.cli.output import json_option, print_json, print_table, say
from mogakit.cli.types import space_names

if TYPE_CHECKING:
    from mogakit.flows.zoo import NetworkSummary


@new_command("zoo")
@json_option
def command(as_json: bool) -> None:
    """List the networks that the kit knows, with their counts and sources.

    Params include batch norm; MAdds are those of convolutions and linear layers at 224 x 224 pixels. Where the
    published counts cannot be reproduced, the verdict says so and the comment why.

    \b
    Examples:
      moga zoo
      moga zoo --json
    """
    from mogakit.flows.zoo import list_zoo
    from mogakit.records import to_json

    summaries = list_zoo()
    if as_json:
        print_json([to_json(summary) for summary in summaries])
        return
    columns = ("name", "params M", "MAdds M", "published", "top-1 %", "verdict")
    print_table("Networks", columns, [_row(summary) for summary in summaries], caption=_comments(summaries))
    say(f"Search spaces, for --space and SPACE/CHROMOSOME: {', '.join(space_names())}")


def _row(summary: NetworkSummary) -> tuple[object, ...]:
    published = summary.published
    counts = f"{published.params_m:g} / {published.madds_m:g}" if published else "-"
    top1 = published.top1 if published else None
    params, madds = f"{summary.params / 1e6:.3f}", f"{summary.madds / 1e6:.1f}"
    return (summary.name, params, madds, counts, top1, summary.verdict)


def _comments(summaries: list[NetworkSummary]) -> str:
    """Say why counts differ, where they do."""
    odd = (summary for summary in summaries if summary.verdict != "match")
    return "\n".join(f"{summary.name}: {summary.comment}" for summary in odd)
