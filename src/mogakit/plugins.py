"""What a user adds to the kit: found by name, by `package.module:name`, or through an installed package's entry points.

A space, a block kind, a network, an accuracy, a latency, a row of phone targets and a device runner are added the same
way; `docs/how-to/your-own.md` has an example of each. Three ways lead to an addition, asked in this order:

1. registered in this process with `register(GROUP, name, value)`, which the library does for objects it is given;
2. named by an installed package: entry point `name` of the group `mogakit.spaces`, `mogakit.blocks`, ...;
3. written out as `package.module:name`, where the module may lie in the current folder.
"""

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from mogakit.errors import InputError

_REFERENCE = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")


class Group(StrEnum):
    """What can be added; the value is the group of entry points."""

    SPACES = "mogakit.spaces"
    BLOCKS = "mogakit.blocks"
    NETWORKS = "mogakit.networks"
    ACCURACIES = "mogakit.accuracies"
    LATENCIES = "mogakit.latencies"
    TARGETS = "mogakit.targets"
    RUNNERS = "mogakit.runners"


_registered: dict[Group, dict[str, Any]] = {group: {} for group in Group}
_used: dict[str, None] = {}


def is_reference(text: str) -> bool:
    """Return whether `text` has the form `package.module:name`."""
    return _REFERENCE.fullmatch(text) is not None


def register(group: Group, name: str, value: Any) -> None:
    """Make `value` known under `name` until this process ends; the same name again replaces it."""
    _registered[group][name] = value


def names(group: Group) -> tuple[str, ...]:
    """Return the names that are registered or installed, sorted; nothing is imported for it."""
    installed = {point.name for point in _entry_points(group)}
    return tuple(sorted(installed | _registered[group].keys()))


def _entry_points(group: Group) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Return the entry points of a group: read once, and again where a folder of `sys.path` has changed.

    Reading takes tens of milliseconds where a hundred packages are installed, and every block key and target asks.
    """
    folders = tuple((folder, _modified_ns(folder)) for folder in sys.path)
    return _read_entry_points(folders).get(group, ())


def _modified_ns(folder: str) -> int | None:
    try:
        return Path(folder or ".").stat().st_mtime_ns
    except OSError:  # not there, or not a folder: it has no packages
        return None


@lru_cache(maxsize=1)
def _read_entry_points(
    folders: tuple[tuple[str, int | None], ...],
) -> dict[Group, tuple[importlib.metadata.EntryPoint, ...]]:
    found = importlib.metadata.entry_points()
    return {group: tuple(found.select(group=group.value)) for group in Group}


def find(group: Group, text: str) -> Any | None:
    """Return what `text` names in a group; None where nothing is called so and `text` is not `package.module:name`.

    Raises:
        InputError: two installed packages use the name, or the module or the name in it does not exist.
    """
    if text in _registered[group]:
        return _registered[group][text]
    points = [point for point in _entry_points(group) if point.name == text]
    if len(points) > 1:
        homes = ", ".join(sorted(point.value for point in points))
        raise InputError(f"{text!r} is defined by several installed packages ({homes}); write one of these instead")
    if points:
        return load(points[0].value, f"{text!r} of the entry points {group}")
    return load(text) if is_reference(text) else None


def every(group: Group) -> dict[str, Any]:
    """Return everything of a group that is registered or installed, by name, imported.

    Raises:
        InputError: as `find`.
    """
    return {name: find(group, name) for name in names(group)}


def load(text: str, what: str = "") -> Any:
    """Import `package.module:name`; a module in the current folder is found, too.

    Args:
        text: the reference.
        what: what it is, for the message; `text` itself where empty.

    Raises:
        InputError: `text` is not of that form, or there is no such module or name. An error inside the module is
            raised as it is.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} is not of the form package.module:name")
    value = use(found["module"], what or repr(text))
    for part in found["name"].split("."):
        if not hasattr(value, part):
            raise InputError(
                f"{what or repr(text)} cannot be imported: module {found['module']!r} has no {found['name']!r}"
            )
        value = getattr(value, part)
    return value


def use(module: str, what: str = "") -> Any:
    """Import a module, installed or in the current folder, and return it; importing registers what it registers.

    Raises:
        InputError: there is no such module. An error inside it is raised as it is.
    """
    try:
        with current_folder():
            imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise
        raise InputError(
            f"{what or repr(module)} cannot be imported: there is no module {error.name!r}, neither installed "
            f"nor in {Path.cwd()}"
        ) from error
    _used[module] = None
    return imported


def used() -> tuple[str, ...]:
    """Return the modules that `use` imported in this process, in their order: a worker process needs them as well."""
    return tuple(name for name in _used if name in sys.modules)


def called_with(factory: Callable[..., Any], given: dict[str, Any], what: str) -> Any:
    """Call `factory` with those of `given` that are not None.

    Raises:
        InputError: it takes no such argument.
    """
    import inspect  # slow to import, and needed for functions only

    used = {name: value for name, value in given.items() if value is not None}
    parameters = inspect.signature(factory).parameters
    if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        unknown = sorted(used.keys() - parameters.keys())
        if unknown:
            raise InputError(f"{what} takes no {', '.join(unknown)}; it takes {', '.join(parameters) or 'nothing'}")
    return factory(**used)


@contextmanager
def current_folder() -> Iterator[None]:
    """Let modules of the current folder be imported, as `python -m` does and an installed command does not."""
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)
