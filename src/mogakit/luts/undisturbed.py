"""Which runs of a file nothing slowed, where a run is a process of its own and tells no more than one number.

Other programs only ever slow a process, and often a whole one: half of a phone's runs may take a fifth longer. The
median over runs stands for nothing then, and the fastest runs do. Where the fastest are rare, though, as of a phone
that was fast for its first minute only, they stand for a state that most files never saw: then the median is right.
"""

from collections.abc import Collection, Sequence
from statistics import NormalDist

import numpy as np

from mogakit.luts.errors import FloatArray

NUM_SPREADS = 4.0
"""Runs of a file that are so many standard deviations slower than its fastest count as slowed."""
LEAST_REACH, MOST_REACH = 0.03, 0.07
"""Whatever the spread: on an idle machine a file's processes differ by 1 to 2 %; other programs cost 10 % or more."""
MIN_RUNS_TO_JUDGE = 6
"""Runs of one file without which nobody can say how often the machine is fast."""


def reach(runs: Sequence[FloatArray]) -> float | None:
    """Return how much slower (a share) than its file's fastest run an undisturbed run may be.

    None where the fastest runs are no measure: fewer than `MIN_RUNS_TO_JUDGE` runs of every file, or the fastest fifth
    of the runs of the file with the most (a schedule's sentinel) does not lie within that reach, its tip left out.

    Args:
        runs: of each file, one value for each run.
    """
    most = max(runs, key=len, default=np.array([]))
    if len(most) < MIN_RUNS_TO_JUDGE:
        return None
    found = float(np.clip(np.expm1(NUM_SPREADS * _spread(runs)), LEAST_REACH, MOST_REACH))
    tip, fifth = np.percentile(most, [5, 20])
    return found if fifth <= tip * (1 + found) else None


def means(values: FloatArray, reach: float) -> FloatArray:
    """Return the mean of the undisturbed runs of each line; shape (lines, runs) to (lines,)."""
    kept = values <= values.min(axis=1, keepdims=True) * (1 + reach)
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
