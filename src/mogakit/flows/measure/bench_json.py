"""What `moga bench --json` prints, and reading it again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mogakit.bench.measurement import Status
from mogakit.errors import InputError
from mogakit.flows.measure.bench import BenchResult
from mogakit.records import from_json, read_json, to_json


@dataclass(frozen=True)
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


def document(result: BenchResult, scope: str | None) -> dict[str, Any]:
    """Return the result as plain values; `scope` says what kind of process was timed, None for this computer."""
    timings = [
        {
            "model": timing.model,
            "sha256": None if timing.artifact is None else timing.artifact.sha256,
            "num_bytes": None if timing.artifact is None else timing.artifact.num_bytes,
            "precision": None if timing.artifact is None else str(timing.artifact.precision),
            "target": None if timing.target is None else str(timing.target),
            "clock": None if timing.clock is None else str(timing.clock),
            **to_json(timing.row),
        }
        for timing in result.timings
    ]
    return {
        "device": result.device,
        "timings": timings,
        "outcome": to_json(result.outcome),
        "warnings": list(result.warnings),
        "scope": scope,
    }


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
