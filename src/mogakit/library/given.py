"""From what a caller gives, text or object, to what the flows take: names, paths, records."""

from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, TypeVar

from mogakit.errors import InputError
from mogakit.flows.lut import load_any
from mogakit.flows.measure.runs import RunFolder
from mogakit.library.run import Run
from mogakit.luts.latencies import table_path
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SearchSpace, get_space, register_space
from mogakit.plugins import Group, register

RunLike: TypeAlias = str | Path | Run
TableLike: TypeAlias = str | Path | Run | LatencyTable | CostModel
NetworkLike: TypeAlias = str | Network
SpaceLike: TypeAlias = str | SearchSpace
E = TypeVar("E", bound=StrEnum)


def run_folder(run: RunLike) -> Path:
    """Return the folder of a run given as itself, its folder, or its table."""
    path = run.path if isinstance(run, Run) else Path(run)
    return path.parent if path.name == RunFolder(path.parent).table.name else path


def table_file(table: str | Path | Run) -> Path:
    """Return the file of a table given as that file, as a run, or as a run's folder."""
    return table_path(table.path if isinstance(table, Run) else table)


def latency_model(table: TableLike) -> LatencyTable | CostModel:
    """Return a latency table or cost model, read where it is a path.

    Raises:
        TableError: the file is neither.
    """
    return table if isinstance(table, LatencyTable | CostModel) else load_any(table_file(table))


def network_of(network: NetworkLike) -> Network:
    """Return a network, found by `resolve` where it is text.

    Raises:
        InputError: nothing is called so.
    """
    return network if isinstance(network, Network) else resolve(network)


def name_of(network: NetworkLike) -> str:
    """Return a name by which the flows find a network; one of the caller's own is registered under its own.

    Raises:
        InputError: its name is that of another network.
    """
    if isinstance(network, str):
        return network
    try:
        known = resolve(network.name)
    except InputError:
        known = None
    if known == network:
        return network.name
    if known is not None or "/" in network.name:
        raise InputError(f"the name {network.name!r} is another network's; give yours another (dataclasses.replace)")
    register(Group.NETWORKS, network.name, network)
    return network.name


def choice(vocabulary: type[E], text: str) -> E:
    """Return the member of a vocabulary that a text names.

    Raises:
        InputError: there is none; the message lists them.
    """
    if text not in list(vocabulary):
        raise InputError(f"{vocabulary.__name__} {text!r} is unknown; supported: {', '.join(vocabulary)}")
    return vocabulary(text)


def space_name(space: SpaceLike) -> str:
    """Return a name by which the flows find a space; a caller's own is registered under its own.

    Raises:
        InputError: it is not a space, or has the name of another.
    """
    if isinstance(space, str):
        get_space(space)
        return space
    register_space(space)
    return space.name
