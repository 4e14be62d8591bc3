"""What a finished run of a tool measured: its times, what was delegated, and the status that follows from both."""

from dataclasses import replace

from mogakit.android_runner import commands, detached
from mogakit.android_runner.commands import Call
from mogakit.android_runner.parsers.common import Timing, tail
from mogakit.bench.measurement import Delegation, DelegationKind, Measurement, Status
from mogakit.bench.target import Hardware, Target
from mogakit.errors import MeasurementError

_STATUSES = {
    DelegationKind.FULL: Status.OK,
    DelegationKind.NOT_ASKED: Status.OK,
    DelegationKind.PARTIAL: Status.PARTIAL,
    DelegationKind.NONE: Status.FALLBACK,
    DelegationKind.UNKNOWN: Status.UNKNOWN_DELEGATION,
}


def read_run(call: Call, finished: detached.Finished) -> tuple[Timing, Delegation]:
    """Read the times of a finished run and where it ran.

    Raises:
        MeasurementError: it did not end, printed without end, or said nothing that can be read.
    """
    tool = call.row.tool
    if finished.cut:
        limit = detached.MAX_OUTPUT_BYTES
        raise MeasurementError(f"{tool} printed more than {limit} bytes and was ended:\n{tail(finished.output)}")
    if finished.exit_code is None:
        raise MeasurementError(
            f"{tool} did not end within {call.length.deadline_s:g} s and was ended; it said:\n{tail(finished.output)}"
        )
    return commands.read_output(call, finished)


def status_of(target: Target, verdict: Delegation, hot: bool) -> Status:
    """Return what a run that gave a time counts as.

    Args:
        hot: whether the phone was hot before or after the run.
    """
    status = _STATUSES[verdict.kind]
    if target.hardware is Hardware.CPU and status is not Status.FALLBACK:
        status = Status.OK  # what XNNPACK leaves over runs on the same CPU
    if status is not Status.FALLBACK and hot:
        status = Status.HOT  # what was delegated stays in its field
    return status


def filled(blank: Measurement, timing: Timing, verdict: Delegation, status: Status) -> Measurement:
    """Return `blank` with what its run measured."""
    return replace(
        blank,
        status=status,
        delegation=verdict,
        samples_ms=timing.samples_ms,
        summary=timing.summary,
        init_ms=timing.init_ms,
        first_run_ms=timing.first_run_ms,
        peak_memory_mb=timing.peak_memory_mb,
    )
