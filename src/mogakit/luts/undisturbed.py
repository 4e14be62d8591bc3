"""Which runs of a file nothing slowed, where a run is a process of its own and tells no more than one number.

Other programs only ever slow a process, and often a whole one: half of a phone's runs may take a fifth longer. The
median over runs stands for nothing then, and the fastest runs do. Where the fastest are rare, though, as of a phone
that was fast for its first minute only, they stand for a state that most files never met: then the median is right.
"""

from collections.abc import Collection, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from mogakit.luts.error_metrics import FloatArray

NUM_SPREADS = 4.0
"""Runs of a file that are so many standard deviations slower than its fastest count as slowed."""
LEAST_THRESHOLD, MOST_THRESHOLD = 0.03, 0.07
"""Whatever the spread: on an idle machine a file's processes differ by 1 to 2 %; other programs cost 10 % or more."""
MIN_RUNS_TO_JUDGE = 20
"""Runs of one file (a schedule's sentinel) without which nobody can say how often the machine is fast."""
TIP_PERCENT, FAST_PERCENT = 5, 20
"""The fastest fifth of the sentinel's runs, its tip left out, must lie together."""


def outlier_threshold(runs: Sequence[FloatArray]) -> float | None:
    """Return how much slower (a share) than its file's fastest run an undisturbed run may be.

    None where the fastest runs are no measure: no file has `MIN_RUNS_TO_JUDGE` runs, or of one that has, the fastest
    fifth does not lie within that threshold. A run that is faster than these by more than that shows that the machine
    was in a rarer, faster state for a while, which other files may have met: then, too.

    Args:
        runs: of each file, one value for each run.
    """
    found = float(np.clip(np.expm1(NUM_SPREADS * _spread(runs)), LEAST_THRESHOLD, MOST_THRESHOLD))
    watched = [times for times in runs if len(times) >= MIN_RUNS_TO_JUDGE]
    return found if watched and all(_is_often_fast(times, found) for times in watched) else None


def _is_often_fast(times: FloatArray, threshold: float) -> bool:
    tip, fast = np.percentile(times, [TIP_PERCENT, FAST_PERCENT])
    return bool(fast <= tip * (1 + threshold) and tip <= times.min() * (1 + threshold))


def undisturbed_mask(values: FloatArray, threshold: float) -> npt.NDArray[np.bool_]:
    """Return for each run whether it is undisturbed; shape (..., runs), and the runs of a line are of one file."""
    return np.asarray(values <= values.min(axis=-1, keepdims=True) * (1 + threshold))


def means(values: FloatArray, threshold: float) -> FloatArray:
    """Return the mean of the undisturbed runs of each line; shape (lines, runs) to (lines,)."""
    kept = undisturbed_mask(values, threshold)
    return np.asarray((values * kept).sum(axis=1) / kept.sum(axis=1))


def _spread(runs: Collection[FloatArray]) -> float:
    """Return the standard deviation (of the logarithm) of undisturbed runs, from the two fastest runs of each file.

    Their distance is about exponentially distributed, with the mean that order statistics of a normal variable have
    (Blom's approximation); the median over files does not see those of which but one run was undisturbed.
    """
    apart = []
    for times in runs:
        if len(times) > 1:
            fastest, second = np.partition(times, 1)[:2]
            apart.append(float(np.log(second / fastest)) / _expected_distance(len(times)))
    return float(np.median(apart)) / float(np.log(2)) if apart else 0.0


def _expected_distance(count: int) -> float:
    """Return how far the two lowest of `count` standard normal values are expected to lie apart."""
    normal = NormalDist()
    return normal.inv_cdf(1.625 / (count + 0.25)) - normal.inv_cdf(0.625 / (count + 0.25))
