"""`moga bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.bench.target import Target
from mogakit.cli.command import command as new_command
from mogakit.cli.command import ignored
from mogakit.cli.measuring import (
    HOST,
    STOPPED,
    agreement_option,
    budget_option,
    clock_option,
    device_option,
    rounds_option,
)
from mogakit.cli.options import converter_option, only_files
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say, warn
from mogakit.cli.phone_options import phone_options
from mogakit.cli.types import MODEL, NEW_FOLDER, SEED, TARGET, Number, Whole

if TYPE_CHECKING:
    from mogakit.flows.measure.bench import BenchResult, Timing
    from mogakit.flows.measure.devices import PhoneRequest


@new_command("bench", epilog="Example: moga bench moga-a mobilenet-v2 model.onnx --quick")
@click.argument("models", metavar="FILE|NET...", nargs=-1, required=True, type=MODEL)
@device_option
@click.option(
    "--target",
    "targets",
    multiple=True,
    type=TARGET,
    help="runtime/hardware/precision[,option=value...]; may be repeated. [default: what runs the file on the CPU]",
)
@click.option("-o", "--output", "folder", type=NEW_FOLDER, help="Keep files and journal in this folder.")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="[NAME=]1x224x224x3",
    help="Sizes of an input that the file leaves open; several are several runs.",
)
@click.option(
    "--input-range",
    "ranges",
    multiple=True,
    metavar="[NAME=]LOW:HIGH",
    help="Lowest and highest value drawn for an input, such as the row numbers of a table.",
)
@click.option("--input", "values", multiple=True, metavar="[NAME=]FILE.npy", help="An input's values from a file.")
@click.option("--signature", "signatures", multiple=True, metavar="NAME", help="Signature of a .tflite file to run.")
@click.option("--quick", is_flag=True, help="One round only.")
@click.option("--resume", is_flag=True, help="Go on with the measurements in the folder.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the order and the intervals.")
@rounds_option
@budget_option
@clock_option
@click.option(
    "--memory-gb",
    type=Number(0.1, 1024),
    help="On this computer: memory that loading and running one file may take. [default: 2 and eight times its size]",
)
@click.option(
    "--timeout-s",
    type=Whole(1, 86_400),
    help="On this computer: seconds that loading and running one file once may take. [default: 60]",
)
@agreement_option
@phone_options
@converter_option
@log_option
@json_option
@ignored(
    "converter",
    when=lambda given: only_files(given["models"]),
    because="it converts networks by name; files are taken as they are",
)
@ignored(
    "memory_gb",
    "timeout_s",
    when=lambda given: given["device"] != HOST,
    because="files are tried on this computer only",
)
@ignored("resume", when=lambda given: given["folder"] is None, because="it goes on in a folder; name it with -o")
def command(
    models: tuple[str, ...],
    device: str,
    targets: tuple[Target, ...],
    shapes: tuple[str, ...],
    ranges: tuple[str, ...],
    values: tuple[str, ...],
    signatures: tuple[str, ...],
    folder: Path | None,
    quick: bool,
    resume: bool,
    seed: int,
    rounds: int | None,
    budget_s: float | None,
    clock: str | None,
    memory_gb: float | None,
    timeout_s: int | None,
    agreement: str,
    phone: PhoneRequest,
    converter: str | None,
    as_json: bool,
) -> None:
    """Time any model file or network on this computer or a phone.

    FILE is a .tflite, .onnx or .ort file, on a phone also a MACE .pb or an SNPE .dlc, NET a name of the zoo (`moga
    zoo`) or a chromosome such as moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9. All are timed interleaved, so their times can be
    compared.

    A time that is not of the target's hardware, because the graph or a part of it ran on the CPU, is not shown but for
    its status and reason (--json has it, marked). The same holds where a phone's output is not what this computer
    makes of the same input. Exit code 1: a model did not run, or not on that hardware, or its output is wrong.

    Nothing that a file leaves open is filled in: sizes, row numbers and signatures are given, or that file is a failed
    row that says what to add; the others are timed. The target in the result says what was run.
    """
    from mogakit.bench.measurement import Clock, Status
    from mogakit.export.artifact import Converter
    from mogakit.flows.measure.agreement import AgreementScope
    from mogakit.flows.measure.bench import BenchRequest
    from mogakit.flows.measure.bench import bench as run
    from mogakit.flows.measure.bench_json import document
    from mogakit.flows.measure.devices import limits_of, open_runner, scope_of
    from mogakit.flows.measure.feeds import parse

    request = BenchRequest(
        models=models,
        targets=targets or None,
        folder=folder,
        seed=seed,
        quick=quick,
        resume=resume,
        rounds=rounds,
        budget_s=budget_s,
        feed=parse(shapes, ranges, values, signatures),
        agreement=AgreementScope(agreement),
        converter=None if converter is None else Converter(converter),
    )
    forced = None if clock is None else Clock(clock)
    limits = limits_of(memory_gb, timeout_s)
    with open_runner(device, forced, phone, limits=limits) as runner, progress_bar("bench") as progress:
        result = run(request, runner, progress)
    if as_json:
        print_json(document(result, scope_of(device)))
    else:
        _print(result, scope_of(device))
    if any(timing.row.status in (Status.FAILED, Status.FALLBACK, Status.WRONG_OUTPUT) for timing in result.timings):
        raise click.exceptions.Exit(1)


def _print(result: BenchResult, scope: str | None) -> None:
    from mogakit.bench.measurement import Status

    targets = sorted({str(timing.target) for timing in result.timings if timing.target is not None})
    names = [_name(timing, alone=len(targets) == 1) for timing in result.timings]
    rows = [(name, *_cells(timing), timing.row.delegation) for name, timing in zip(names, result.timings, strict=True)]
    columns = ("model", "ms", "95 %", "p90", "load", "first", "MB", "delegated")
    clocks = " and ".join(sorted({f"{timing.clock}" for timing in result.timings if timing.clock is not None}))
    count = min((timing.row.count for timing in result.timings if timing.row.count), default=0)
    rounds = 0 if result.outcome is None else result.outcome.num_rounds
    caption = (
        f"{count} or more timed calls each, {rounds} rounds; clock: {clocks or '-'}. ms: latency of a warm "
        "call, with its interval and 90th percentile; load: reading the file; first: the first call; MB: peak memory."
    ) + (f" All {scope}." if scope else "")
    print_table(" ".join(targets) if len(targets) == 1 else "Latency", columns, rows, caption)
    for name, timing in zip(names, result.timings, strict=True):
        if timing.row.status is not Status.OK:
            why = timing.row.error or timing.row.reason or timing.row.delegation
            say(f"{name}: status {timing.row.status}: {why}")
        elif timing.row.agreement is not None:
            say(f"{name}: output {timing.row.agreement}")
    stopped = "no file could be tried" if result.outcome is None else STOPPED[result.outcome.stopped]
    say(f"Stopped: {stopped}")
    for warning in result.warnings:
        warn(warning)


def _name(timing: Timing, alone: bool) -> str:
    return timing.model if alone or timing.target is None else f"{timing.model} on {timing.target}"


def _cells(timing: Timing) -> tuple[str, ...]:
    """Return the numbers of one line; none where they are not of the target's hardware."""
    from mogakit.bench.measurement import counts

    row = timing.row
    if not counts(row.status):
        return ("-",) * 6
    return (
        _ms(row.latency_ms),
        f"{_ms(row.low_ms)}-{_ms(row.high_ms)}",
        _ms(row.p90_ms),
        _ms(row.init_ms),
        _ms(row.first_run_ms),
        "-" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f}",
    )


def _ms(value: float | None) -> str:
    """Write milliseconds with three or four figures that matter."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
