"""A table or a linear cost model, distinguished by what the file holds; both are accepted everywhere."""

from pathlib import Path

from mogakit import records
from mogakit.bench.measurement import SHELL_FLAG, Identity
from mogakit.errors import MAX_SUGGESTIONS, TableError
from mogakit.files import closest_paths
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable

TABLE_NAME = "lut.json"
"""File of a run's folder that holds its latency table."""


def table_path(given: str | Path) -> Path:
    """Return the file of a latency table or cost model that is given as that file, or as the folder of a run.

    Raises:
        TableError: there is no such file; a folder holds no table, or the tables of several runs.
    """
    path = Path(given)
    if not path.is_dir():
        if path.exists():
            return path
        near = f"did you mean {', '.join(names)}? " if (names := closest_paths(path)) else ""
        raise TableError(
            f"there is no latency table or cost model {path}; {near}`moga profile -o RUN` writes RUN/{TABLE_NAME}, "
            "`moga fit RUN` RUN/cost-model.json"
        )
    if (path / TABLE_NAME).is_file():
        return path / TABLE_NAME
    several = runs_below(path)
    hint = f"it holds several runs: {', '.join(several)}" if several else f"`moga profile -o {path}` writes one"
    raise TableError(f"{path} holds no {TABLE_NAME}; {hint}")


def runs_below(folder: Path) -> list[str]:
    """Return the first runs that a profile of several devices or targets made: RUN/DEVICE/TARGET."""
    found = sorted(path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{TABLE_NAME}"))
    return [str(path) for path in found[:MAX_SUGGESTIONS]]


def load_latencies(path: Path) -> LatencyTable | CostModel:
    """Read what a file holds; its name says nothing.

    Raises:
        TableError: there is no such file, or it holds neither a table nor a cost model.
    """
    found: LatencyTable | CostModel = records.load_one_of((LatencyTable, CostModel), path)
    return found


def scope_note(identity: Identity) -> str | None:
    """Return what must stand beside latencies of such an identity wherever they are shown; None where nothing must."""
    if SHELL_FLAG not in identity.flags:
        return None
    # loaded here: who reads a table of this computer needs nothing of phones
    from mogakit.android_runner.runner import SHELL_NOTE

    return SHELL_NOTE
