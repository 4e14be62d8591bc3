"""`moga lut`: look at, check, compare, merge, export and import latency tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import group, ignored, renamed
from mogakit.cli.lut_foreign import export, get, import_, list_, print_findings
from mogakit.cli.output import json_option, print_fields, print_json, print_table, report, say
from mogakit.cli.types import COUNT, NEW_FILE, PERCENT, RUN, TABLE

if TYPE_CHECKING:
    from mogakit.luts.linear import CostModel
    from mogakit.luts.table import LatencyTable


@group("lut")
def command() -> None:
    """Latency tables: a TABLE is a run's folder or a lut.json; `show` and `check` take cost models, too.

    \b
    moga lut show RUN
    moga lut check RUN --against OTHER_RUN
    """


for each in (export, import_, list_, get):
    command.add_command(each)


@command.command()
@click.argument("table", type=TABLE, metavar="RUN|FILE")
@click.option("--rows", "limit", type=COUNT, help="Show only the slowest rows (of a model, the widest genes).")
@json_option
@renamed("--limit", "--rows", "{}")
@ignored("limit", when=lambda given: given["as_json"], because="--json always holds every row")
def show(table: Path, limit: int | None, as_json: bool) -> None:
    """Show a table or cost model: where it comes from, what it holds.

    \b
    moga lut show RUN --rows 20
    moga lut show RUN/cost-model.json
    """
    from mogakit.flows.lut import load_any
    from mogakit.luts.check import half_width_percent
    from mogakit.luts.linear import CostModel
    from mogakit.records import document

    loaded = load_any(table)
    if isinstance(loaded, CostModel):
        if as_json:
            print_json(document(loaded))
        else:
            _print_model(loaded, limit)
        return
    if as_json:
        print_json(document(loaded))
        return
    _print_header(loaded)
    rows = sorted(loaded.rows.values(), key=lambda row: -(row.latency_ms or 0.0))
    cells = [
        (row.key, _number(row.latency_ms), _number(half_width_percent(row), 1), row.count, row.num_rounds, row.status)
        for row in rows[:limit]
    ]
    columns = ("key", "ms", "±%", "calls", "rounds", "status")
    print_table(f"{len(loaded.rows)} rows", columns, cells)


@command.command()
@click.argument("table", type=TABLE, metavar="RUN|FILE")
@click.option(
    "--against",
    multiple=True,
    type=TABLE,
    metavar="RUN|FILE",
    help="Table of another device, to find numbers copied from it. Repeatable.",
)
@json_option
def check(table: Path, against: tuple[Path, ...], as_json: bool) -> None:
    """List what is suspicious about a table or cost model; exit code 1 where a finding is an error.

    \b
    moga lut check RUN --against PHONE_RUN
    """
    from mogakit.flows.lut import check_latencies
    from mogakit.luts.check import Severity
    from mogakit.records import to_json

    findings = check_latencies(table, against)
    if as_json:
        print_json([to_json(finding) for finding in findings])
    else:
        print_findings(findings)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("first", type=TABLE, metavar="RUN|FILE")
@click.argument("second", type=TABLE, metavar="RUN|FILE")
@click.option("--all", "show_all", is_flag=True, help="Show rows without a difference, too.")
@click.option(
    "--fail-above",
    "limit_percent",
    type=PERCENT,
    help="Also compare by kind of block, and end with exit code 1 where a kind is surely slower and may be so by this "
    "many percent.",
)
@json_option
@ignored("show_all", when=lambda given: given["as_json"], because="--json always holds every row")
def diff(first: Path, second: Path, show_all: bool, limit_percent: float | None, as_json: bool) -> None:
    """Compare two tables row by row: Mann-Whitney on the runs, or whether intervals overlap.

    --fail-above is a gate for a new driver, runtime or system: the change of each kind of block (its operator, kernel,
    squeeze-and-excitation) with a 95 % interval. With it, --json holds rows, kinds and the names of those that failed.

    \b
    moga lut diff RUN_MONDAY RUN_TUESDAY
    moga lut diff RUN_OLD_DRIVER RUN_NEW_DRIVER --fail-above 5
    """
    from mogakit.flows.lut import diff_kinds, diff_tables, load_table
    from mogakit.luts.latencies import scope_note
    from mogakit.records import to_json

    differences = diff_tables(first, second)
    kinds = [] if limit_percent is None else diff_kinds(first, second, limit_percent)
    failed = [one.kind for one in kinds if one.failed]
    if as_json:
        rows = [to_json(one) for one in differences]
        print_json(
            rows
            if limit_percent is None
            else {"rows": rows, "kinds": [to_json(one) for one in kinds], "failed": failed}
        )
        _fail_where(failed)
        return
    shown = [one for one in differences if show_all or one.difference != "same"]
    cells = [
        (one.key, _number(one.first_ms), _number(one.second_ms), _number(one.ratio), str(one.difference), one.test)
        for one in shown
    ]
    title = f"{len(shown)} of {len(differences)} rows" + ("" if show_all else " differ")
    print_table(title, ("key", "first ms", "second ms", "ratio", "second is", "judged by"), cells)
    for which, table in (("first", first), ("second", second)):
        note = scope_note(load_table(table).identity)
        if note is not None:
            say(f"{which}: {note}")
    if kinds:
        lines = [
            (
                one.kind,
                str(one.num_rows),
                f"{one.change_percent:+.2f} [{one.low_percent:+.2f}, {one.high_percent:+.2f}]",
                "slower" if one.failed else "",
            )
            for one in kinds
        ]
        print_table(f"by kind of block, limit {limit_percent:g} %", ("kind", "rows", "change %", ""), lines)
    if failed:
        report(f"moga: slower, by {limit_percent:g} % or not surely less: {', '.join(failed)}")
    _fail_where(failed)


def _fail_where(failed: list[str]) -> None:
    if failed:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("tables", nargs=-1, required=True, type=TABLE, metavar="RUN|FILE...")
@click.option("-o", "--output", type=NEW_FILE, required=True, help="File to write.")
@click.option("--force", is_flag=True, help="Merge tables of unlike identities; the result says so.")
@json_option
def merge(tables: tuple[Path, ...], output: Path, force: bool, as_json: bool) -> None:
    """Merge tables of one identity: same device, runtime, target and statistic.

    \b
    moga lut merge RUN_A RUN_B -o lut.json
    """
    from mogakit.flows.lut import merge_tables

    merged = merge_tables(tables, output, force)
    if as_json:
        print_json({"path": str(output), "rows": len(merged.rows), "forced": list(merged.origin.forced)})
        return
    say(f"{output}: {len(merged.rows)} rows")
    if merged.origin.forced:
        say(f"forced although these differ: {', '.join(merged.origin.forced)}")


@command.command()
@click.argument("folder", type=RUN, metavar="RUN")
@click.option("-o", "--output", type=NEW_FILE, required=True, help="File to write.")
@json_option
def trace(folder: Path, output: Path, as_json: bool) -> None:
    """Write what ran when in a run: windows, visits of files, temperature, clock and load.

    The file is Chrome's trace format in JSON: open it in ui.perfetto.dev or chrome://tracing. Gaps are waiting.

    \b
    moga lut trace RUN -o trace.json
    """
    from mogakit.flows.lut import write_trace

    num_events = write_trace(folder, output)
    if as_json:
        print_json({"path": str(output), "events": num_events})
        return
    say(f"{output}: {num_events} events; open it in ui.perfetto.dev")


def _print_header(table: LatencyTable) -> None:
    identity, statistic, calibration = table.identity, table.statistic, table.calibration
    overhead = "not measured"
    if table.overhead is not None:
        fit = table.overhead
        line = "transferred" if fit.r2 is None else f"R2 {fit.r2:.4f}"
        overhead = (
            f"{fit.value_ms:.4f} ms ({fit.verdict}; intercept {fit.intercept_ms:.4f} "
            f"[{fit.low_ms:.4f}, {fit.high_ms:.4f}], {line})"
        )
    loo = "" if calibration.loo_mape_percent is None else f", leave-one-out MAPE {calibration.loo_mape_percent:.2f} %"
    lines = (
        ("table", f"{table.name} (schema {table.schema_version}, {table.origin.made_by})"),
        ("space", table.space or "-"),
        ("rows", table.row_sources),
        ("target", "unknown" if table.target is None else str(table.target)),
        ("device", f"{identity.device_name} ({identity.device})"),
        ("runtime", f"{identity.runtime} {' '.join(identity.flags)}".strip()),
        (
            "statistic",
            f"{statistic.within_run} within a run, {statistic.across_runs} across runs, "
            f"{statistic.cold_share:.0%} cold, common mode {statistic.common_mode}",
        ),
        ("overhead", overhead),
        (
            "calibration",
            f"{calibration.kind}: x {calibration.scale:.4f} + {calibration.offset_ms:.4f} ms, "
            f"{calibration.num_networks} networks{loo}",
        ),
        ("delegation", _delegations(table)),
        ("measured", f"{table.conditions.first_at or 'unknown'} to {table.conditions.last_at or 'unknown'}"),
        ("conditions", "; ".join(map(str, table.conditions.warnings)) or "nothing unusual"),
        ("not known", ", ".join(table.origin.unknown) or "-"),
        *_scope(table),
    )
    print_fields(lines)


def _scope(latencies: LatencyTable | CostModel) -> list[tuple[str, str]]:
    from mogakit.luts.latencies import scope_note

    note = scope_note(latencies.identity)
    return [] if note is None else [("note", note)]


def _print_model(model: CostModel, limit: int | None) -> None:
    """Print where a cost model comes from, and the coefficients of each gene: fastest choice, slowest choice."""
    fitted = "an import" if model.num_pairs is None else f"{model.num_pairs} networks"
    loo = "" if model.loo_mape_percent is None else f", leave-one-out MAPE {model.loo_mape_percent:.2f} %"
    lines = (
        ("cost model", f"{model.name} (schema {model.schema_version}, {model.origin.made_by})"),
        ("space", model.space),
        ("target", "unknown" if model.target is None else str(model.target)),
        ("device", f"{model.identity.device_name} ({model.identity.device})"),
        ("runtime", f"{model.identity.runtime} {' '.join(model.identity.flags)}".strip()),
        ("fitted on", f"{model.kind}, {fitted}{loo}" + (f", table {model.table}" if model.table else "")),
        ("constant", f"{model.intercept_ms:.4f} ms"),
        ("not known", ", ".join(model.origin.unknown) or "-"),
        *_scope(model),
    )
    print_fields(lines)
    cells = [
        (gene, len(numbers), _number(min(numbers)), _number(max(numbers)))
        for gene, numbers in enumerate(model.coefficients_ms)
    ]
    cells.sort(key=lambda cell: -((cell[3] or 0.0) - (cell[2] or 0.0)))
    title = f"{len(cells)} genes, widest first: what the constant gains or loses by their choices"
    print_table(title, ("gene", "choices", "least ms", "most ms"), cells[:limit])


def _delegations(table: LatencyTable) -> str:
    """Describe what the delegate took: of how many rows all, of how many not."""
    kinds = Counter(row.delegation.split(" ")[0] or "unknown" for row in table.rows.values())
    return ", ".join(f"{kind} ({count} rows)" for kind, count in sorted(kinds.items()))


def _number(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
