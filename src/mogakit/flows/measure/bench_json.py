"""What `moga bench --json` prints; `luts.bench_record` reads it."""

from typing import Any

from mogakit import records
from mogakit.flows.measure.bench import BenchResult
from mogakit.luts.bench_record import BenchRecord, TimedFile


def document(result: BenchResult, scope: str | None) -> dict[str, Any]:
    """Return the result as plain values; see `BenchRecord`."""
    timings = tuple(
        TimedFile(
            model=timing.model,
            sha256=None if timing.artifact is None else timing.artifact.sha256,
            num_bytes=None if timing.artifact is None else timing.artifact.num_bytes,
            precision=None if timing.artifact is None else timing.artifact.precision,
            target=None if timing.target is None else str(timing.target),
            clock=timing.clock,
            row=timing.row,
        )
        for timing in result.timings
    )
    return records.document(
        BenchRecord(
            device=result.device, timings=timings, outcome=result.outcome, warnings=result.warnings, scope=scope
        )
    )
