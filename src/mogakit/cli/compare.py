"""`moga compare`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.bench.target import Target
from mogakit.cli.command import command as new_command
from mogakit.cli.command import ignored
from mogakit.cli.measuring import HOST
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.types import FACTOR, FILE, MODEL, NETWORK, NEW_FOLDER, TABLE, TARGET, WEIGHT

if TYPE_CHECKING:
    from mogakit.search.comparison import Comparison

MEASURED_ONLY = "only a column that is measured uses it; name one with --target"

EPILOG = """
\b
Examples:
  moga compare moga-a moga-b moga-c --table cpu.json --table gpu.json --reference moga-a
  moga compare moga-a mobilenet-v2 model.tflite --target tflite/cpu/float32 --quick
  moga compare --published multi-hardware/1
  moga compare multi-avg multi-max --published multi-hardware/1
"""


@new_command("compare", epilog=EPILOG)
@click.argument("models", metavar="FILE|NET...", nargs=-1, type=MODEL)
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=TABLE,
    metavar="RUN|FILE",
    help="Predict from a latency table or cost model.",
)
@click.option(
    "--target", "targets", multiple=True, type=TARGET, help="Measure on runtime/hardware/precision[,option=value...]."
)
@click.option(
    "--published",
    multiple=True,
    metavar="TABLE|DEVICE",
    help="A paper's table (multi-hardware/1, moga/3), or what papers published for such a device.",
)
@click.option(
    "--device", default=HOST, show_default=True, help="For --target: host (this computer) or a phone's serial."
)
@click.option(
    "--reference", type=NETWORK, default="mobilenet-v1", show_default=True, help="Network that normalises each column."
)
@click.option(
    "--factor",
    "factors",
    multiple=True,
    type=FACTOR,
    metavar="MS",
    help="The factor itself, one a column; inf leaves it out.",
)
@click.option("--weight", "weights", multiple=True, type=WEIGHT, help="Importance of each column in f_avg and f_max.")
@click.option(
    "--accuracy",
    "accuracies",
    type=FILE,
    metavar="FILE.csv",
    help="Accuracies of your own in percent (columns network, accuracy), instead of published ones.",
)
@click.option("--quick", is_flag=True, help="For --target: one round only.")
@click.option("-o", "--output", "folder", type=NEW_FOLDER, help="Keep measured files and journal here.")
@click.option("--resume", is_flag=True, help="Go on with the measurements in the folder.")
@log_option
@json_option
@ignored("device", "quick", "folder", "resume", when=lambda given: not given["targets"], because=MEASURED_ONLY)
@ignored("reference", when=lambda given: bool(given["factors"]), because="--factor gives the factors themselves")
@ignored(
    *("reference", "factors", "weights", "accuracies"),
    when=lambda given: not given["models"],
    because="a paper's table is printed as the paper has it; name networks to compare",
)
@ignored("resume", when=lambda given: given["folder"] is None, because="it goes on in a folder; name it with -o")
def command(
    models: tuple[str, ...],
    tables: tuple[Path, ...],
    targets: tuple[Target, ...],
    published: tuple[str, ...],
    device: str,
    reference: str,
    factors: tuple[float, ...],
    weights: tuple[float, ...],
    accuracies: Path | None,
    quick: bool,
    folder: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Compare networks over several hardware, with the metrics f_avg and f_max of the multi-hardware paper.

    Columns are predicted from tables, measured now, or published. A network without a number on one hardware has no
    f_avg and no f_max; below the table stands why. Without networks, --published prints the papers' own tables as they
    have them: moga/3, multi-hardware/1 to 3, mnasnet/1 to 3, mnasnet/6.
    """
    if not models and published and not (tables or targets):
        _print_papers(published, as_json)
        return
    if not models:
        raise click.UsageError("name networks to compare, or a paper's table alone: --published multi-hardware/1")
    from mogakit.flows.measure.devices import open_runner
    from mogakit.flows.search.compare import CompareRequest, compare
    from mogakit.records import document

    request = CompareRequest(
        models=models,
        tables=tables,
        targets=targets,
        published=published,
        reference=reference,
        factors_ms=factors,
        weights=weights or None,
        accuracies=accuracies,
        quick=quick,
        folder=folder,
        resume=resume,
    )
    with open_runner(device) if targets else nullcontext() as runner, progress_bar("compare") as progress:
        result = compare(request, runner, progress)
    if as_json:
        print_json(document(result))
    else:
        _print(result)


def _print_papers(names: tuple[str, ...], as_json: bool) -> None:
    """Print the papers' tables as they have them."""
    from mogakit.nets.published import get_paper_table
    from mogakit.records import to_json

    tables = [get_paper_table(name) for name in names]
    if as_json:
        print_json({"tables": [to_json(table) for table in tables]})
        return
    for table in tables:
        headings = [f"{column.name} ({column.unit})" if column.unit else column.name for column in table.columns]
        rows = [(row.label, *(cell.printed for cell in row.cells)) for row in table.rows]
        print_table(f"{table.source}: {table.caption}", ("network", *headings), rows)
        for column in table.columns:
            if column.device:
                say(f"{column.name}: {column.device}, {column.runtime}")
        for note in table.notes:
            say(note)


def _print(result: Comparison) -> None:
    """Print networks as rows; columns are numbered, and named below, since their names are long."""
    headings = ["network", "params (M)", "MAdds (M)", "top-1 %"]
    headings += [f"[{number}] ms" for number in range(1, len(result.columns) + 1)]
    rows = [
        [
            each.name,
            *(None if count is None else round(count / 1e6, 2) for count in (each.params, each.madds)),
            each.top1,
            *(None if latency is None else float(f"{latency:.4g}") for latency in each.latencies_ms),
            *(None if metric is None else round(metric, 2) for metric in (each.f_avg, each.f_max)),
        ]
        for each in result.networks
    ]
    print_table("Networks by hardware", [*headings, "f_avg", "f_max"], rows)
    for number, column in enumerate(result.columns, 1):
        factor = "unknown" if column.factor_ms is None else f"{column.factor_ms:.4g} ms"
        factor = "infinite: left out" if column.left_out else factor
        say(f"[{number}] {column.name}: {column.origin}, {column.source}; factor {factor} ({result.reference})")
    for each in result.networks:
        for name, reason in each.reasons.items():
            say(f"{each.name} on {name}: {reason}")
    for source in sorted({each.top1_source for each in result.networks if each.top1 is not None}):
        say(f"top-1: {source}, {', '.join(each.name for each in result.networks if each.top1_source == source)}")
    if any(column.factor_ms is None and not column.left_out for column in result.columns):
        say("no f_avg and f_max: a factor is unknown; give --reference a network known everywhere, or --factor")
