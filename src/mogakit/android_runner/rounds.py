"""How many inferences make a run long enough, for tools that count inferences and know no seconds."""

from collections.abc import Callable
from dataclasses import replace

from mogakit.android_runner.commands import TRIAL_RUNS, RunLength, rounds_for
from mogakit.bench.measurement import Measurement, Status
from mogakit.bench.runner import Job
from mogakit.bench.target import Target

_TRIES = 4  # of one file: clocks that rise make a run shorter than the one before


class Rounds:
    """Learns, for each file on each target, how many inferences last as long as was asked for."""

    def __init__(self, length: RunLength) -> None:
        self._length = length
        self._found: dict[tuple[str, Target], int] = {}

    def measure(self, job: Job, once: Callable[[RunLength, bool], Measurement]) -> Measurement:
        """Measure a file by a trial, where its speed is not known yet, and then by a run that is long enough.

        Args:
            once: runs the tool for a length; its second argument says whether that is a trial.
        """
        key = (job.artifact.sha256, job.target)
        if key not in self._found:
            trial = once(replace(self._length, num_runs=min(TRIAL_RUNS, self._length.num_runs)), True)
            if trial.summary is None:
                return trial
            self._found[key] = rounds_for(self._length, trial.summary.mean_ms)
        for _ in range(_TRIES):
            measured = once(replace(self._length, num_runs=self._found[key]), False)
            summary = measured.summary
            if summary is None or summary.count * summary.mean_ms >= 1000.0 * self._length.min_s:
                return measured
            self._found[key] = max(self._found[key] + 1, rounds_for(self._length, summary.mean_ms))
        lasted_s = summary.count * summary.mean_ms / 1000.0 if summary else 0.0
        error = f"{_TRIES} runs were too short: the last took {lasted_s:.3g} s and {self._length.min_s:g} s are wanted"
        return replace(measured, status=Status.FAILED, summary=None, samples_ms=(), error=error)
