"""Latency tables of Once-for-All and ProxylessNAS: YAML, one `key: {count, mean, std | var}` a line.

The format names neither device nor runtime nor unit. `expand:` is a ratio in ProxylessNAS's keys and a number of
channels in Once-for-All's, so keys are kept as they are and never translated. Sources: github.com/mit-han-lab/
once-for-all (`ofa/nas/efficiency_predictor/latency_lookup_table.py`) and github.com/mit-han-lab/proxylessnas.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from mogakit import files, records
from mogakit.bench.target import Target
from mogakit.errors import InputError, TableError
from mogakit.luts.statistic import Centre, Statistic
from mogakit.luts.table import UNKNOWN, UNKNOWN_IDENTITY, LatencyTable, Origin, Row

_UNKNOWN = (
    "device",
    "runtime and its version",
    "number of threads and affinity",
    "date and conditions",
    "unit (taken as milliseconds, as the projects' papers have it)",
    "statistic across runs",
)


def import_ofa(path: Path, device_name: str = UNKNOWN, target: Target | None = None) -> LatencyTable:
    """Read a table.

    Args:
        path: of the YAML file.
        device_name, target: what the user knows about it; recorded as given, not as measured.

    Raises:
        TableError: the file is absent, no YAML, or an entry has no mean.
    """
    try:
        content = records.read_yaml(path, "latency table of Once-for-All or ProxylessNAS")
    except InputError as error:
        raise TableError(str(error)) from error
    if not isinstance(content, dict) or not content:
        raise TableError(f"{path} holds no table; supported: a mapping of `key: {{mean, std or var, count}}`")
    rows = {str(key): _row(str(key), entry, path) for key, entry in content.items()}
    return LatencyTable(
        name=path.name,
        space="",
        target=target,
        identity=replace(UNKNOWN_IDENTITY, device_name=device_name),
        statistic=Statistic(within_run=Centre.MEAN, trim=0.0, across_runs=Centre.UNKNOWN),
        rows=rows,
        origin=Origin(
            made_by="import of Once-for-All YAML",
            source=path.name,
            source_sha256=files.sha256_of(path),
            unknown=_UNKNOWN,
        ),
    )


def _row(key: str, entry: Any, path: Path) -> Row:
    if not isinstance(entry, dict):
        raise TableError(f"{path}: entry {key!r} is {entry!r}; supported: a mapping with mean, std or var, and count")
    mean = _number(entry, "mean", key, path)
    if mean is None:
        raise TableError(f"{path}: entry {key!r} has no mean; it has {', '.join(map(str, entry)) or 'nothing'}")
    std = _number(entry, "std", key, path)
    variance = _number(entry, "var", key, path)
    if std is None and variance is not None:
        std = math.sqrt(max(variance, 0.0))
    count = _number(entry, "count", key, path)
    return Row(key=key, role=None, latency_ms=mean, std_ms=std, count=None if count is None else int(count))


def _number(entry: dict[Any, Any], field: str, key: str, path: Path) -> float | None:
    value = entry.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TableError(f"{path}: {field} of {key!r} is {value!r}, which is not a number")
    return float(value)
