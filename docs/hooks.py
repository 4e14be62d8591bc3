"""Pages that are made from the code when the site is built: the names of the library, the commands, the stored files,
and the notebooks. Nothing of them is written by hand, so nothing of them can be out of date."""

import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).parents[1]
if str(ROOT / "src") not in sys.path:
    sys.path.insert(0, str(ROOT / "src"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/api.md": api_page(),
        "reference/commands.md": commands_page(),
    }
    for notebook in sorted((ROOT / "examples").glob("*.ipynb")):
        pages[f"tutorials/{notebook.stem}.md"] = notebook_page(notebook)
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **given: object) -> str:
    """Put the fields of every kind of file below the page that explains stored files."""
    return markdown + kinds_of_files() if page.file.src_uri == "stored-files.md" else markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Load the one script that the theme takes from elsewhere from the site itself, and make sure that it was the one.

    Raises:
        PluginError: a page loads something from the network, so it cannot be read without one.
    """
    local = get_relative_url("assets/iframe-worker.js", page.url)
    output = output.replace("https://unpkg.com/iframe-worker/shim", local)
    remote = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=.?https?://[^>]*>", output)
    remote = [tag for tag in remote if 'rel="canonical"' not in tag]
    if remote:
        raise PluginError(f"{page.file.src_uri} loads from the network: {remote[0]}")
    return output


def api_page() -> str:
    """Return the page of `mogakit.__all__`, from the docstrings."""
    import mogakit

    parts = [
        "# The library\n\n`import mogakit as mk` offers these names, and promises no others. They are loaded when they "
        "are first used. In the examples `mk` is `mogakit`, and `run` the folder of a profiled run; a test runs every "
        "one of them.\n"
    ]
    for name in mogakit.__all__:
        home = mogakit._HOMES[name]
        defined = getattr(importlib.import_module(home), name).__module__
        parts.append(f"::: {defined}.{name}\n")
    return "\n".join(parts)


def commands_page() -> str:
    """Return the page of every command, from its own help."""
    from mogakit.cli.main import cli

    parts = ["# Commands\n\nEvery command's own `--help`. `docs/reference/commands.md` is made from it.\n"]
    for path, command in _commands(cli, ["moga"]):
        context = click.Context(command, info_name=" ".join(path), terminal_width=100, max_content_width=100)
        parts.append(f"{'#' * min(len(path) + 1, 4)} {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _commands(command: click.Command, path: list[str]) -> Iterator[tuple[list[str], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1])
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _commands(found, [*path, name])


def kinds_of_files() -> str:
    """Return version, maker and fields of every kind of file, from the declarations of the records."""
    import mogakit
    from mogakit import records

    for module in pkgutil.walk_packages(mogakit.__path__, "mogakit."):
        if ".cli" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    parts = ["\n## Fields of each kind\n\nMade from the declarations in the code.\n"]
    for kind in records.kinds():
        parts.append(f"### {kind.name}\n\nVersion {kind.version}; {kind.remedy}.\n")
        text = (kind.record.__doc__ or "").strip().splitlines()
        parts.append((text[0] if text else "") + "\n")
        names = ", ".join(f"`{field.name}`" for field in fields(kind.record))
        parts.append(f"Fields: {names}. `{kind.record.__module__}.{kind.record.__qualname__}` describes each.\n")
    return "\n".join(parts)


def notebook_page(path: Path) -> str:
    """Return a notebook as a page: its words, and its cells as code."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    parts.append(f"This page is the notebook `examples/{path.name}`, which a test runs.")
    return "\n\n".join(parts) + "\n"
