"""Register, fetch and list the measuring tools that run on phones."""

from pathlib import Path

from mogakit.android_runner import fetch as fetching
from mogakit.android_runner import tools
from mogakit.android_runner.tools import Tool
from mogakit.progress import Progress, silent


def add_tools(paths: list[Path]) -> list[Tool]:
    """Register binaries and libraries; the kit keeps its own copy of each.

    Raises:
        InputError: a file is not a binary for where it is run, or no tool that the kit knows.
    """
    return [tools.add(path) for path in paths]


def list_tools() -> list[Tool]:
    """Return what is registered."""
    return tools.registered()


def is_replaced(tool: Tool) -> bool:
    """Return whether a library is not brought to phones any more: another of its name was added later."""
    return tools.is_replaced(tool, tools.registered())


def missing_tools() -> dict[str, str]:
    """Return the tools that are not registered, each with where its makers publish it."""
    have = {tool.kind for tool in tools.registered()}
    return {str(kind): address for kind, address in tools.MAKERS.items() if kind not in have}


def fetch_tool(
    name: str,
    address: str | None = None,
    progress: Progress = silent,
    abi: str = fetching.DEFAULT_ABI,
    version: str = fetching.LATEST,
) -> Tool:
    """Download a tool from its makers' published address (or another one) and register it.

    Raises:
        InputError: the kit knows no address for that name, or what came is not such a tool.
        FetchError: the download failed.
    """
    return fetching.fetch(name, address, progress, abi, version)
