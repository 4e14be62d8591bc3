"""`moga check`: which hardware can run it, and what leaves the hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mogakit.cli.command import command as new_command
from mogakit.cli.command import ignored
from mogakit.cli.options import converter_option, only_files
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say, warn
from mogakit.cli.types import MODEL, SPACE
from mogakit.export.support.entry import Hardware

if TYPE_CHECKING:  # importing the flow imports torch, which `moga check --help` does not need
    from mogakit.export.support.space import Intersection
    from mogakit.flows.deploy.check import Checked


@new_command("check")
@click.argument("models", metavar="[MODEL]...", nargs=-1, type=MODEL)
@click.option(
    "--hardware",
    "names",
    type=click.Choice([item.value for item in Hardware]),
    multiple=True,
    help="May be repeated. [default: all of them]",
)
@click.option("--zoo", is_flag=True, help="Instead of MODEL: every network of the zoo.")
@click.option("--space", type=SPACE, help="Instead of MODEL: what all the hardware together leaves of a search space.")
@converter_option
@log_option
@json_option
@ignored(
    "converter",
    when=lambda given: given["space"] is not None or (bool(given["models"]) and only_files(given["models"])),
    because="it converts networks by name; files are taken as they are, and spaces block by block",
)
def command(
    models: tuple[str, ...],
    names: tuple[str, ...],
    zoo: bool,
    space: str | None,
    converter: str | None,
    as_json: bool,
) -> None:
    """Report which hardware can run a network, and which layers would leave it.

    MODEL is a network (moga-a, moga/8-10-6-...), a .tflite, .onnx or MACE .pb file. Every answer names its source;
    what no source says is unknown. The command ends with 0 whatever the answer is: it is an answer, not a failure. Exit
    code 1: a file could not be read, or a compiler not be asked; the others are answered.

    \b
    moga check moga-a --hardware edgetpu
    moga check --zoo
    moga check --space moga --hardware edgetpu --hardware hexagon
    """
    if [bool(models), zoo, space is not None].count(True) != 1:
        raise click.UsageError("give one of MODEL, --zoo and --space")
    from mogakit.export.artifact import Converter
    from mogakit.flows.deploy.check import check_models, check_space
    from mogakit.nets import zoo as networks
    from mogakit.records import to_json

    hardware = [Hardware(name) for name in dict.fromkeys(names)] or list(Hardware)
    if space is not None:
        _print_space(check_space(space, hardware), as_json)
        return
    asked = networks.names() if zoo else models
    with progress_bar("check") as progress:
        answers = check_models(asked, hardware, progress, None if converter is None else Converter(converter))
    if as_json:
        print_json(to_json(answers))
    elif len(asked) == 1:
        _print_model(answers)
    else:
        _print_matrix(answers, hardware)
    errors = dict.fromkeys((item.name, item.error) for item in answers if item.error is not None)
    if errors and not as_json:
        for name, error in errors:
            warn(f"{name}: {error}")
    if errors:
        raise click.exceptions.Exit(1)


def _print_matrix(answers: list[Checked], hardware: list[Hardware]) -> None:
    by_model: dict[str, dict[Hardware, str]] = {}
    for item in answers:
        by_model.setdefault(item.name, {})[item.report.hardware] = item.report.answer.value
    rows = [[name, *(found[one] for one in hardware)] for name, found in by_model.items()]
    print_table("Which hardware runs all of it", ["model", *(one.value for one in hardware)], rows)
    say("Why, with sources: moga check MODEL, or --json")


def _print_model(answers: list[Checked]) -> None:
    print_table(
        answers[0].name,
        ["hardware", "answer", "operators that stay", "of", "partitions", "leaving"],
        [
            [
                item.report.hardware.value,
                item.report.answer.value,
                item.report.num_running,
                item.report.num_operators,
                item.report.num_partitions,
                ", ".join(sorted({finding.operator for finding in item.report.findings})) or None,
            ]
            for item in answers
        ],
    )
    for item in answers:
        _print_details(item)


def _print_details(item: Checked) -> None:
    report = item.report
    say(f"\n{report.hardware}: {report.answer}")
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for finding in report.findings:
        grouped.setdefault((finding.operator, finding.reason, finding.remedy), []).append(finding.layer)
    for (operator, reason, remedy), layers in grouped.items():
        say(f"  {operator} leaves it ({len(layers)}): {', '.join(layers)}")
        say(f"    why: {reason}")
        if remedy:
            say(f"    what would fix it: {remedy}")
    for page in sorted({*report.sources, *(finding.source for finding in report.findings if finding.source)}):
        say(f"  source: {page}")
    if item.suggestion:
        say(f"  runs there: {item.suggestion}")
    if item.compilation is not None:
        found = item.compilation
        say(
            f"  compiler: {found.num_on_edgetpu} operators on the Edge TPU, {found.num_on_cpu} on the CPU; weights "
            f"{found.on_chip_used_bytes} bytes on the chip, {found.off_chip_bytes} streamed"
        )
    for remark in (report.caveat, item.remark):
        if remark:
            say(f"  note: {remark}")


def _print_space(found: Intersection, as_json: bool) -> None:
    from mogakit.records import to_json

    if as_json:
        print_json(to_json(found))
        return
    where = ", ".join(item.value for item in found.hardware)
    rows = [[slot + 1, len(choices), " ".join(map(str, choices)) or None] for slot, choices in enumerate(found.slots)]
    print_table(f"{found.space} on {where}", ["slot", "choices left", "which"], rows)
    if found.blocked:
        blocked = [
            [item.key, item.hardware.value, item.answer.value, ", ".join(item.operators)] for item in found.blocked
        ]
        print_table("blocks that do not run", ["block", "hardware", "answer", "because of"], blocked)
    if found.size:
        say(f"{found.size:,} networks are left")
    elif found.blocked_fixed:
        say(f"no network is left: {found.blocked_fixed} fixed parts (the first rows above) do not run")
    else:
        say("no network is left: a slot has no choice that runs")
    if found.suggestion:
        say(f"the kit's space {found.suggestion} has networks that run there: --space {found.suggestion}")
