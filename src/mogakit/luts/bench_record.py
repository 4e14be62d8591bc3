"""What `moga bench --json` prints, as a record that others read."""

from dataclasses import dataclass, fields
from pathlib import Path

from mogakit import records
from mogakit.bench.measurement import Clock, Status
from mogakit.bench.schedule import Outcome
from mogakit.bench.warning import typed_warnings
from mogakit.export.artifact import Precision
from mogakit.luts.table import Row


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One latency that was measured on a device, with its 95 % interval.

    Attributes:
        model: the network or file as it was given to `moga bench`.
        sha256: of the file that was timed.
        delegation: what the delegate took, as text; empty where unknown.
    """

    model: str
    sha256: str
    target: str
    device: str
    latency_ms: float
    low_ms: float | None
    high_ms: float | None
    status: Status
    delegation: str


@dataclass(frozen=True, kw_only=True)
class TimedFile:
    """One file on one target, as printed; in the document the fields of `row` stand beside the others.

    A file that could not be tried has neither hash, size, precision nor clock, and no target where none was asked for.
    """

    model: str
    sha256: str | None
    num_bytes: int | None
    target: str | None
    clock: Clock | None
    row: Row
    precision: Precision | None = None  # of the file; older releases did not write it


def _to_file(value: records.Document) -> records.Document:
    timings = [{**timing, **timing["row"]} for timing in value["timings"]]
    for timing in timings:
        del timing["row"]
    return {**value, "timings": timings}


def _from_file(value: records.Document) -> records.Document:
    if not isinstance(value["timings"], list):
        raise TypeError("timings is not a list")
    own = {one.name for one in fields(TimedFile)}
    timings = []
    for timing in value["timings"]:
        row = {name: one for name, one in timing.items() if name not in own}
        timings.append({name: timing[name] for name in timing.keys() & own} | {"row": row})
    return {**value, "timings": timings}


@records.stored(
    "bench-result",
    version=2,
    upgrades={1: typed_warnings},
    implied_version=1,
    made_by="moga bench NET... --json > FILE",
    title="result of moga bench",
    encode=_to_file,
    decode=_from_file,
)
@dataclass(frozen=True, kw_only=True)
class BenchRecord:
    """What `moga bench --json` prints; `scope` says what kind of process was timed, None for this computer.

    Where no file could be tried, `device` is empty and `outcome` None.
    """

    device: str
    timings: tuple[TimedFile, ...]
    outcome: Outcome | None
    warnings: tuple[str, ...]
    scope: str | None


def readings(path: Path) -> list[Reading]:
    """Read the latencies of a saved document; timings that failed have none and are left out.

    Raises:
        InputError: the file is not what `moga bench --json` prints; see `records.load`.
    """
    found = records.load(BenchRecord, path)
    return [
        Reading(
            model=timing.model,
            sha256=timing.sha256,
            target=timing.target,
            device=found.device,
            latency_ms=timing.row.latency_ms,
            low_ms=timing.row.low_ms,
            high_ms=timing.row.high_ms,
            status=timing.row.status,
            delegation=timing.row.delegation,
        )
        for timing in found.timings
        if timing.row.latency_ms is not None and timing.sha256 is not None and timing.target is not None
    ]
