"""What all importers share: the table of a file whose keys are still its own, and numbers that are surely numbers."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mogakit import files
from mogakit.bench.target import Target
from mogakit.errors import TableError
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.statistic import Centre, Statistic
from mogakit.luts.table import UNKNOWN, UNKNOWN_IDENTITY, LatencyTable, Origin, Row

NOT_SAID = ("device", "runtime and its version", "number of threads and affinity", "date and conditions")
"""What no format of this package says."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the person who imports a file knows about it; it is recorded as given, not as measured.

    Attributes:
        unit: of its times.
        device_name: what a person calls the device.
        target: what ran the blocks there.
    """

    unit: TimeUnit
    device_name: str = UNKNOWN
    target: Target | None = None


def foreign_table(
    path: Path, rows: Iterable[Row], given: Given, made_by: str, *, unknown: Sequence[str] = (), space: str = ""
) -> LatencyTable:
    """Return the table of a file, its keys as the file has them.

    Args:
        path: of the file.
        rows: in milliseconds.
        given: what is known about it.
        made_by: which importer this is.
        unknown: what the format does not say besides `NOT_SAID`.
        space: which space it covers, where the rows name its networks.
    """
    return LatencyTable(
        name=path.name,
        space=space,
        target=given.target,
        identity=replace(UNKNOWN_IDENTITY, device_name=given.device_name),
        statistic=Statistic(within_run=Centre.MEAN, trim=0.0, across_runs=Centre.UNKNOWN),
        rows={row.key: row for row in rows},
        origin=Origin(
            made_by=made_by,
            source=path.name,
            source_sha256=files.sha256_of(path),
            unknown=(*NOT_SAID, f"unit (given as {given.unit} by who imported it)", *unknown),
        ),
    )


def number(value: Any, what: str, path: Path) -> float:
    """Return a finite number.

    Raises:
        TableError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise TableError(f"{path}: {what} is {repr(value)[:40]}, which is not a number")
    return float(value)
