"""`moga report`."""

from pathlib import Path

import click

from mogakit.cli.cluster_option import cluster_option
from mogakit.cli.command import command as new_command
from mogakit.cli.command import ignored
from mogakit.cli.output import json_option, log_option, print_json, progress_bar, say
from mogakit.cli.types import FILE, FOLDER, NETWORK, NEW_FILE, NEW_FOLDER, RUN, TABLE_OR_RUN

EPILOG = """
\b
Examples:
  moga report RUN
  moga report RUN --figures RUN/figures
  moga report CPU_RUN --against GPU_RUN --figure multi-hardware/2 --network mobilenet-v3-large-minimalistic
  moga report CPU_RUN --against GPU_RUN --search CPU_RUN/search -o page.html
"""


@new_command("report", epilog=EPILOG)
@click.argument("folder", metavar="RUN", type=RUN)
@click.option(
    "--search",
    "searches",
    multiple=True,
    type=FOLDER,
    help="Folder of a search; repeatable. Default: every search below RUN.",
)
@click.option(
    "--against",
    multiple=True,
    type=TABLE_OR_RUN,
    metavar="RUN|FILE",
    help="Run or table of the same space on another target; repeatable.",
)
@click.option("--comparison", type=FILE, help="What `moga compare --json` printed, as a file.")
@click.option("-o", "--output", type=NEW_FILE, help="Default: RUN/report.html.")
@click.option("--figures", type=NEW_FOLDER, help="Write every figure as SVG and PNG.")
@click.option(
    "--figure",
    "numbers",
    multiple=True,
    metavar="PAPER/NUMBER",
    help="Write the figures of that number only (moga/1, mnasnet/4, multi-hardware/2), to RUN/figures; repeatable.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=NETWORK,
    help="Network that figures of networks show, instead of published ones and picks; repeatable.",
)
@cluster_option("Draw the files of --figures and --figure on the workers of this Dask scheduler")
@log_option
@json_option
@ignored(
    "cluster", when=lambda given: given["figures"] is None and not given["numbers"], because="no --figures are asked"
)
def command(
    folder: Path,
    searches: tuple[Path, ...],
    against: tuple[Path, ...],
    comparison: Path | None,
    output: Path | None,
    figures: Path | None,
    numbers: tuple[str, ...],
    networks: tuple[str, ...],
    cluster: str | None,
    as_json: bool,
) -> None:
    """Build one self-contained page from a run: overview, front, validation, table and where it comes from.

    Beside it goes report.json with the same numbers (-o page.html: page.json). The page opens in any browser and loads
    nothing from elsewhere. The same results give the same bytes.
    """
    from mogakit.flows.report import ReportRequest
    from mogakit.flows.report import report as run
    from mogakit.workers.cluster import open_workers

    request = ReportRequest(
        folder=folder,
        searches=searches,
        against=against,
        comparison=comparison,
        output=output,
        figures=figures,
        numbers=numbers,
        networks=networks,
    )
    with open_workers(cluster) as workers, progress_bar("figures") as progress:
        result = run(request, progress, workers)
    if as_json:
        print_json(
            {
                "page": str(result.page),
                "record": str(result.record),
                "num_bytes": result.num_bytes,
                "parts": list(result.parts),
                "figures": [str(path) for path in result.figures],
                "captions": list(result.captions),
            }
        )
        return
    say(f"{result.page}: {result.num_bytes / 1e6:.1f} MB, with {', '.join(result.parts)}")
    say(f"{result.record}: its numbers")
    if result.figures:
        for caption in result.captions:
            say(caption)
        say(f"{len(result.figures) // 2} figures as SVG and PNG in {result.figures[0].parent}")
