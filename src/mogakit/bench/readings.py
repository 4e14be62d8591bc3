"""Latencies of whole models as `moga bench --json` prints them, read again."""

from dataclasses import dataclass
from pathlib import Path

from mogakit.bench.measurement import Status
from mogakit.errors import InputError
from mogakit.records import from_json, read_json


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


def readings(path: Path) -> list[Reading]:
    """Read the latencies of a saved document; timings that failed have none and are left out.

    Raises:
        InputError: the file is not what `moga bench --json` prints.
    """
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("timings"), list) or "device" not in value:
        raise InputError(f"{path} is not what `moga bench --json` prints: it has no `timings` and `device`")
    names = tuple(Reading.__dataclass_fields__)
    found = []
    for index, timing in enumerate(value["timings"]):
        if not isinstance(timing, dict):
            raise InputError(f"{path}: timing {index} is not an object")
        if timing.get("latency_ms") is None:
            continue
        fields = {name: timing[name] for name in names if name in timing}
        found.append(from_json({**fields, "device": value["device"]}, Reading, f"{path}, timing {index}"))
    return found
