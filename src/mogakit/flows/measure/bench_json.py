"""What `moga bench --json` prints; `bench.readings` reads it."""

from typing import Any

from mogakit.flows.measure.bench import BenchResult
from mogakit.records import to_json


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
