"""From the runs of one file to one number with its interval, by a `Statistic`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mogakit.luts import undisturbed
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.statistic import Centre, Statistic

NUM_RESAMPLES = 500


@dataclass(frozen=True)
class RunSamples:
    """Normalised samples of one file in one process; `summary_ms` instead where a tool printed only a summary."""

    warm_ms: FloatArray
    cold_ms: FloatArray
    summary_ms: float | None
    num_calls: int


@dataclass(frozen=True)
class Estimator:
    """How the runs of a file become a number.

    Attributes:
        statistic: resolved (`estimate.resolved`).
        cold_share: of this file; the statistic's own, or 0 for what is timed warm.
    """

    statistic: Statistic
    cold_share: float

    def run_value(self, run: RunSamples) -> float:
        """Return the value of one run."""
        if not len(run.warm_ms):
            return float(run.summary_ms or 0.0)
        warm = self._within(run.warm_ms[None, :])
        if not self.cold_share or not len(run.cold_ms):
            return float(warm[0])
        return float(((1 - self.cold_share) * warm + self.cold_share * self._within(run.cold_ms[None, :]))[0])

    def value(self, runs: Sequence[RunSamples]) -> float:
        """Return one value from all runs; runs of which a tool printed only a summary have nothing to pool."""
        pooled = self.statistic.across_runs is Centre.POOLED
        if pooled and all(len(run.warm_ms) for run in runs):
            warm, cold = np.concatenate([run.warm_ms for run in runs]), np.concatenate([run.cold_ms for run in runs])
            return self.run_value(RunSamples(warm, cold, None, len(warm)))
        values = np.array([[self.run_value(run) for run in runs]])
        return float((np.median(values, axis=1) if pooled else self._across(values))[0])

    def counted(self, runs: Sequence[RunSamples]) -> list[RunSamples]:
        """Return the runs that count: all, or those that nothing slowed."""
        if self.statistic.across_runs is not Centre.UNDISTURBED:
            return list(runs)
        kept = undisturbed.undisturbed_mask(np.array([self.run_value(run) for run in runs]), self._threshold)
        return [run for run, counts in zip(runs, kept, strict=True) if counts]

    def interval(self, runs: Sequence[RunSamples], rng: np.random.Generator) -> tuple[float | None, float | None]:
        """Resample runs, and in each its samples; None for one run without samples, whose error nothing shows."""

        def resampled(samples: FloatArray) -> FloatArray:
            return self._within(samples[rng.integers(0, len(samples), size=(NUM_RESAMPLES, len(samples)))])

        if len(runs) == 1 and len(runs[0].warm_ms) < 2:
            return None, None
        lines = []
        for run in runs:
            if not len(run.warm_ms):
                lines.append(np.full(NUM_RESAMPLES, self.run_value(run)))
                continue
            line = resampled(run.warm_ms)
            if self.cold_share and len(run.cold_ms):
                line = (1 - self.cold_share) * line + self.cold_share * resampled(run.cold_ms)
            lines.append(line)
        drawn = np.stack(lines, axis=1)  # (resamples, runs)
        picks = rng.integers(0, len(runs), size=drawn.shape)
        low, high = np.quantile(self._across(np.take_along_axis(drawn, picks, axis=1)), [0.025, 0.975])
        return float(low), float(high)

    def _within(self, values: FloatArray) -> FloatArray:
        return _centres(values, self.statistic.within_run, self.statistic.trim)

    def _across(self, values: FloatArray) -> FloatArray:
        if self.statistic.across_runs is Centre.UNDISTURBED:
            return undisturbed.means(values, self._threshold)
        return _centres(values, self.statistic.across_runs, self.statistic.trim)

    @property
    def _threshold(self) -> float:
        if self.statistic.reach is None:
            raise ValueError("which runs are undisturbed is not resolved; see estimate.resolved")
        return self.statistic.reach


def _centres(values: FloatArray, centre: Centre, trim: float) -> FloatArray:
    """Return the centre of each line; shape (lines, n) to (lines,)."""
    if centre is Centre.MEDIAN:
        return np.asarray(np.median(values, axis=1))
    if centre in (Centre.MEAN, Centre.POOLED):  # where runs are resampled, pooling equal runs is the mean of them
        return np.asarray(values.mean(axis=1))
    cut = int(values.shape[1] * trim)
    return np.asarray(np.sort(values, axis=1)[:, cut : values.shape[1] - cut].mean(axis=1))
