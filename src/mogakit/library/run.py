"""`Run`: the folder of a measured latency table, and what was made from it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mogakit.errors import InputError
from mogakit.flows.measure.runs import RunFolder, RunSettings
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable, load
from mogakit.luts.validation import Validation, load_validation
from mogakit.search.front import SearchResult


@dataclass(frozen=True)
class Run:
    """A run's folder, as `moga profile -o FOLDER` or `profile_space` makes one. Files are read when they are asked for.

    Attributes:
        path: of the folder.

    Source: docs/tables.md describes every file of the folder.

    Examples:
        >>> run = mk.load_run("run")
        >>> run.settings.space, run.settings.target
        ('digits', 'tflite/cpu/float32')
        >>> run.table
        <LatencyTable: ...run/lut.json, tflite/cpu/float32 on ...>
        >>> run.validation is None
        False
    """

    path: Path

    @property
    def settings(self) -> RunSettings:
        """What the run is a run of: space, target, device, seed.

        Raises:
            InputError: the folder holds no run.
        """
        return RunFolder(self.path).read_settings()

    @cached_property
    def table(self) -> LatencyTable:
        """The latency table; latencies in milliseconds.

        Raises:
            TableError: there is none yet, or it is malformed.
        """
        return load(RunFolder(self.path).table)

    @property
    def validation(self) -> Validation | None:
        """The result of the last validation, None before the first."""
        path = RunFolder(self.path).validation
        return load_validation(path) if path.exists() else None

    @property
    def cost_models(self) -> tuple[CostModel, ...]:
        """The cost models that were fitted, the one on the table's residual first; empty before the first fit."""
        from mogakit.flows.measure.fit import cost_models  # what measures loads torch, and predictions do without

        return tuple(cost_models(RunFolder(self.path)))

    @property
    def searches(self) -> dict[str, SearchResult]:
        """The searches in folders directly below the run's, by the folder's name."""
        from mogakit.flows.report import find_searches
        from mogakit.flows.search.find import read_search

        return {folder.name: read_search(folder) for folder in find_searches(self.path)}

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table."""
        return self.table._repr_html_()


def load_run(path: str | Path) -> Run:
    """Open the folder of a run.

    Args:
        path: the folder, or the `lut.json` in it.

    Returns:
        The run; its files are read when they are asked for.

    Raises:
        InputError: the folder holds no run.

    Source: `moga profile` writes such a folder; docs/tables.md describes its files.

    Examples:
        >>> mk.load_run("run")
        Run(path=...Path('run'))
    """
    folder = Path(path)
    if folder.is_file():
        folder = folder.parent
    run = Run(folder)
    if not RunFolder(folder).settings_path.is_file():
        raise InputError(f"{folder} holds no run (no run.json); mogakit.profile_space or `moga profile -o` makes one")
    return run
