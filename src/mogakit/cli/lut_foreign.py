"""`moga lut export`, `import`, `list` and `get`: tables of others, and those that ship with the kit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mogakit.cli.command import command, ignored
from mogakit.cli.output import json_option, print_json, print_table, say
from mogakit.cli.types import FILE, NEW_FILE, SPACE, TABLE, TARGET, Vocabulary

if TYPE_CHECKING:
    from mogakit.bench.target import Target
    from mogakit.flows.lut import Imported
    from mogakit.luts.check import Finding
    from mogakit.luts.foreign.operators import OperatorStudy
    from mogakit.luts.library.shelf import Listed

UNIT = Vocabulary("mogakit.flows.lut:TimeUnit", "ms", "us", "s")
OUTPUTS = Vocabulary("mogakit.flows.lut:ForeignOutput", "ofa", "nni", "nn-meter", "hw-nas-bench").choices
NUM_SHOWN = 3
"""Of keys that do not map, how many are named in text."""


@command("export")
@click.argument("table", type=TABLE, metavar="RUN|FILE")
@click.option("-o", "--output", type=NEW_FILE, required=True, help="File to write.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", *OUTPUTS]),
    default="csv",
    show_default=True,
    help="Of this kit for spreadsheets, or of the project whose tools are to read it.",
)
@click.option("--unit", type=UNIT, help="Of the times. Default: that of the project's own files.")
@json_option
@ignored("unit", when=lambda given: given["kind"] == "csv", because="CSV is in milliseconds, as its columns say")
def export(table: Path, output: Path, kind: str, unit: str | None, as_json: bool) -> None:
    """Write a table as CSV, or in the format of other projects: their sums are then its predictions.

    \b
    moga lut export RUN -o table.csv
    moga lut export RUN --format ofa -o 224_lookup_table.yaml
    """
    from mogakit.flows.lut import ForeignOutput, TimeUnit, export_table
    from mogakit.records import to_json

    chosen = None if kind == "csv" else ForeignOutput(kind)
    done = export_table(table, output, chosen, None if unit is None else TimeUnit(unit))
    if as_json:
        print_json({"rows": done.num_rows, **to_json(done), "path": str(output)})
        return
    say(f"{output}: {done.num_rows} rows" + ("" if chosen is None else f", times in {done.unit}"))
    for note in done.notes:
        say(note)
    _print_first("left out, without a number or a name there", done.left_out)


@command("import")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option(
    "--format",
    "kind",
    type=Vocabulary("mogakit.flows.lut:ForeignFormat", "ofa", "tunas", "operators", "nni", "nn-meter", "hw-nas-bench"),
    required=True,
    help="What the files are.",
)
@click.option("-o", "--output", type=NEW_FILE, required=True, help="JSON to write.")
@click.option("--unit", type=UNIT, help="Of the times, which these files do not state; none is guessed.")
@click.option("--space", type=SPACE, help="Whose blocks to look up. Default: the likeliest of the format's own spaces.")
@click.option("--infer", is_flag=True, help="Give blocks that the file lacks a number from those that it has.")
@click.option(
    "--column",
    help="operators: the device's column, e.g. 'pixel4|gpu|float'; hw-nas-bench: the metric, e.g. pixel3_latency; "
    "nni: the data type.",
)
@click.option("--device-name", default="unknown", help="What you know about the device.")
@click.option("--target", type=TARGET, help="What you know about the target, e.g. tflite/cpu/float32.")
@json_option
@ignored("column", when=lambda given: given["kind"] in ("ofa", "tunas", "nn-meter"), because="it has one latency only")
@ignored(
    "device_name",
    "target",
    "unit",
    when=lambda given: given["kind"] in ("tunas", "operators"),
    because="it is of files that do not say",
)
@ignored("space", "infer", when=lambda given: given["kind"] == "tunas", because="the model is of one space, complete")
def import_(
    files: tuple[Path, ...],
    kind: str,
    output: Path,
    unit: str | None,
    space: str | None,
    infer: bool,
    column: str | None,
    device_name: str,
    target: Target | None,
    as_json: bool,
) -> None:
    """Read a table or model of others; what its files do not say stays unknown.

    \b
    moga lut import --format ofa 224_lookup_table.yaml --unit ms -o note10.json
    moga lut import --format tunas kernel.b64 bias.b64 -o pixel1.json
    moga lut import --format operators ops.csv end_to_end.csv --column 'pixel4|gpu|float' -o pixel4.json
    """
    from mogakit.flows.lut import Asked, ForeignFormat, TimeUnit, import_foreign

    asked = Asked(
        unit=None if unit is None else TimeUnit(unit),
        column=column,
        space=space,
        infer=infer,
        device_name=device_name,
        target=target,
    )
    done = import_foreign(ForeignFormat(kind), files, output, asked)
    if as_json:
        print_json(_imported_json(done))
        return
    if done.model is not None:
        num_coefficients = sum(map(len, done.model.coefficients_ms))
        say(f"{output}: linear model of {num_coefficients} coefficients, {done.model.intercept_ms:.3f} ms constant")
    if done.table is not None:
        say(f"{output}: {len(done.table.rows)} rows")
    _print_coverage(done)
    if done.study is not None:
        _print_study(done.study)
    print_findings(list(done.findings))


@command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the tables and cost models that ship with the kit, each with its licence and what `check` says of it.

    \b
    moga lut list
    """
    from mogakit.flows.lut import list_library

    found = list_library()
    if as_json:
        print_json([_listed_json(one) for one in found])
        return
    cells = [
        (one.entry.name, one.kind, one.space or "-", one.num_rows, one.entry.device, one.entry.licence, one.verdict)
        for one in found
    ]
    print_table(f"{len(found)} in the library", ("name", "kind", "space", "rows", "device", "licence", "check"), cells)
    for one in found:
        say(f"{one.entry.name}: good for {one.entry.good_for}. Source: {one.entry.source}")
    say("moga lut get NAME -o FILE writes one")


@command("get")
@click.argument("name")
@click.option("-o", "--output", type=NEW_FILE, required=True, help="JSON to write.")
@json_option
def get(name: str, output: Path, as_json: bool) -> None:
    """Write a table or cost model of the library; the licence of another project is written beside it.

    \b
    moga lut get pixel1-tunas-proxyless -o pixel1.json
    """
    from mogakit.flows.lut import get_from_library

    found = get_from_library(name, output)
    if as_json:
        print_json({"path": str(output), **_listed_json(found)})
        return
    beside = f", with {output.name}.LICENSE beside it" if found.entry.licence_file else ""
    say(f"{output}: {found.kind}, {found.num_rows} rows, licence {found.entry.licence}{beside}")
    say(f"good for {found.entry.good_for}. Source: {found.entry.source}")
    print_findings(list(found.findings))


def _listed_json(listed: Listed) -> dict[str, Any]:
    from mogakit.records import to_json

    return {
        **to_json(listed.entry),
        "kind": listed.kind,
        "space": listed.space,
        "rows": listed.num_rows,
        "verdict": listed.verdict,
        "findings": [to_json(finding) for finding in listed.findings],
    }


def _imported_json(done: Imported) -> dict[str, Any]:
    from mogakit.records import to_json

    return {
        "path": str(done.path),
        "rows": None if done.table is None else len(done.table.rows),
        "coefficients": None if done.model is None else sum(map(len, done.model.coefficients_ms)),
        "coverage": None if done.coverage is None else to_json(done.coverage),
        "omitted": done.omitted,
        "incomplete": {key: list(lacking) for key, lacking in done.incomplete.items()},
        "notes": list(done.notes),
        "findings": [to_json(finding) for finding in done.findings],
        "study": None if done.study is None else to_json(done.study),
    }


def _print_coverage(done: Imported) -> None:
    """Print what of the space the file covers, and the first of what does not map; --json holds all."""
    if done.coverage is not None:
        found = done.coverage
        inferred = f", {len(found.inferred)} inferred" if found.inferred else ""
        say(f"space {found.space}: {found.num_mapped} of {found.num_blocks} blocks have a number{inferred}")
        _print_first("blocks without an entry", found.missing)
        if found.missing and not found.inferred:
            say("a search leaves such blocks out; --infer gives them numbers with intervals")
        _print_first("keys that no block has", found.unused)
    if done.omitted:
        counted = ", ".join(f"{count} {kind}" for kind, count in done.omitted.items())
        say(f"operators that the file does not know count as nothing: {counted} in all blocks")
    for note in done.notes:
        say(note)


def _print_first(what: str, keys: Sequence[str]) -> None:
    if keys:
        rest = f" and {len(keys) - NUM_SHOWN} more (--json lists all)" if len(keys) > NUM_SHOWN else ""
        say(f"{len(keys)} {what}: {', '.join(keys[:NUM_SHOWN])}{rest}")


def print_findings(findings: list[Finding]) -> None:
    cells = [(str(one.severity), str(one.kind), len(one.keys), one.message) for one in findings]
    print_table(f"{len(findings)} finding(s)", ("severity", "kind", "rows", "what"), cells)


def _print_study(study: OperatorStudy) -> None:
    say(
        f"{study.column}: sum of operators over measured, {study.num_networks} networks: median "
        f"{study.median_ratio:.3f} [{study.ratio_low:.2f}, {study.ratio_high:.2f}]; raw MAPE {study.raw.mape_percent} %"
    )
    for held in study.held_out:
        say(f"{held.kind} calibration, held out: MAPE {held.mape_percent:.2f} % [{held.low:.2f}, {held.high:.2f}]")
