"""The command `moga`. A command's module is imported only when that command is called, so `moga --help` is quick."""

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import click

from mogakit import __version__, files
from mogakit.cli.command import Group
from mogakit.cli.exits import exit_code_of
from mogakit.plugins import use

SECTIONS: dict[str, dict[str, str]] = {
    # section of --help: {command: its line}; the command is `command` in the module of its name under mogakit.cli
    "Start": {
        "doctor": "Show what is installed, what would work, and how to install the rest.",
        "demo": "Export, profile, validate and search on this computer, in minutes.",
    },
    "Measure": {
        "devices": "List phones, their state and what would work on them.",
        "tools": "Register or fetch the on-device measuring tools.",
        "export": "Write choice blocks or whole models as TFLite, ONNX and MACE files.",
        "bench": "Time any model file or network on this computer or a phone.",
        "profile": "Measure a latency table for a search space on a device.",
        "transfer": "Make a table of a new device from tables of others and few measurements.",
        "validate": "Compare a table's predictions with networks measured afresh.",
        "fit": "Fit a linear cost model on measured networks.",
        "lut": "Show, check, diff, merge, export or import latency tables.",
    },
    "Use": {
        "zoo": "List the networks and search spaces that the kit knows.",
        "show": "Show a network or chromosome block by block.",
        "predict": "Predict the latency of networks from a table, without measuring.",
        "search": "Search a space for networks that are accurate and fast.",
        "compare": "Compare networks over several targets.",
        "controllers": "Judge controllers and evolution by the best reward there is.",
        "report": "Build a self-contained page from a run.",
    },
    "Ship": {
        "check": "Show which hardware can run a network, and which layers would leave it.",
        "ship": "Bundle a model for an app's author, or check a bundle.",
    },
    "Train": {
        "train": "Train a network with a published recipe.",
        "supernet": "Train, evaluate and rank a weight-sharing supernet.",
        "detect": "Train, score and run SSDLite detectors on the zoo's backbones.",
    },
}
COMMANDS = tuple(name for section in SECTIONS.values() for name in section)


class LazyGroup(Group):
    """A group that lists its commands from a table and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"mogakit.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands section by section, without importing any of them."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="moga")
@click.option(
    "--use",
    "modules",
    multiple=True,
    envvar="MOGA_USE",
    metavar="MODULE",
    help="Import a module of yours first, which registers block kinds, spaces, targets or devices; may be repeated.",
)
def cli(modules: tuple[str, ...]) -> None:
    """Latency tables for your own device: export, profile, validate, search and ship mobile architectures.

    With no phone, this computer is the device. Begin with `moga doctor` or `moga demo`.
    """
    for module in modules:
        use(module)


@contextmanager
def _temporary_folder() -> Iterator[None]:
    """Give the process and its workers a temporary folder that is removed: runtimes and compilers leave files in it."""
    with ExitStack() as stack:
        with suppress(OSError):  # nowhere to write: what needs a temporary file will say so
            folder = stack.enter_context(files.scratch())
            before = os.environ.get("TMPDIR")
            os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
            stack.callback(_restore_temporary_folder, before)
        yield


def _restore_temporary_folder(before: str | None) -> None:
    tempfile.tempdir = None
    if before is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before


def main() -> None:
    """Run the command line; every way to end becomes the exit code that docs/cli.md lists."""
    with _temporary_folder():
        # Without standalone mode click returns the code of `Exit`, and otherwise what the command returned.
        code = exit_code_of(lambda: cli.main(prog_name="moga", standalone_mode=False))
    if code:
        sys.exit(code)
