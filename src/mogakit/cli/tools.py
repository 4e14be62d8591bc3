"""`moga tools`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import group, ignored
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say, warn
from mogakit.cli.types import FILE

if TYPE_CHECKING:
    from mogakit.android_runner.tools import Tool


@group("tools", epilog="Example: moga tools fetch benchmark_model && moga tools list")
def command() -> None:
    """Register or fetch the on-device measuring tools.

    The kit ships none of them: a build is either yours (add) or downloaded from its makers (fetch).
    """


@command.command("add", epilog="Example: moga tools add ~/mace/build/mace_run libQnnHtp.so")
@click.argument("paths", nargs=-1, required=True, type=FILE)
@json_option
def add(paths: tuple[Path, ...], as_json: bool) -> None:
    """Register tools and libraries (*.so) by path; a copy of each is kept."""
    from mogakit.flows.measure.tools import add_tools
    from mogakit.records import to_json

    added = add_tools(list(paths))
    if as_json:
        print_json([to_json(tool) for tool in added])
        return
    _print("Registered", added)


@command.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """Show what is registered, and where the makers publish the rest."""
    from mogakit.flows.measure.tools import list_tools, missing_tools
    from mogakit.records import to_json

    have, missing = list_tools(), missing_tools()
    if as_json:
        print_json({"registered": [to_json(tool) for tool in have], "missing": missing})
        return
    _print("Registered tools", have)
    if missing:
        print_table("Not registered", ("tool", "where its makers publish it"), list(missing.items()))


@command.command("fetch", epilog="Example: moga tools fetch benchmark_model")
@click.argument("name")
@click.option("--from", "address", metavar="URL", help="Another address than the makers' published one.")
@click.option(
    "--abi",
    type=click.Choice(["arm64-v8a", "armeabi-v7a", "x86_64"]),
    default="arm64-v8a",
    show_default=True,
    help="The phone's instruction set, as moga devices --json names it.",
)
@click.option("--version", default="latest", show_default=True, help="A release of LiteRT, such as 2.1.5.")
@log_option
@json_option
@ignored("abi", "version", when=lambda given: given["address"] is not None, because="--from names the build itself")
def fetch(name: str, address: str | None, abi: str, version: str, as_json: bool) -> None:
    """Download a tool from its makers and register it: benchmark_model or benchmark_model_litert."""
    from mogakit.flows.measure.tools import fetch_tool
    from mogakit.records import to_json

    with progress_bar(f"fetch {name}") as progress:
        tool = fetch_tool(name, address, progress, abi, version)
    if as_json:
        print_json(to_json(tool) if tool.versioned else {**to_json(tool), "note": _UNVERSIONED})
        return
    _print(f"Fetched from {tool.source}", [tool])
    if not tool.versioned:
        say(_UNVERSIONED)


_UNVERSIONED = (
    "This build has no version: its makers replace it under the same address. Its sha256 is recorded with every time "
    "that it measures, and tables of different builds are not merged."
)


def _print(title: str, tools: list[Tool]) -> None:
    from mogakit.flows.measure.tools import is_replaced

    rows = [
        (tool.kind, tool.name, tool.abi, f"{tool.num_bytes / 1e6:.1f}", tool.sha256[:16], tool.source) for tool in tools
    ]
    print_table(title, ("tool", "file", "ABI", "MB", "sha256", "from"), rows)
    for tool in tools:
        if not tool.for_android and not tool.runs_here:
            warn(f"{tool.name} asks for a Linux loader, so it will not start on a phone")
        if is_replaced(tool):
            say(f"{tool.name} {tool.sha256[:16]} is not used: another of its name was added later")
