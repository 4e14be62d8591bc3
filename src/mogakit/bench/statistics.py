"""The statistics of timing: small pure functions on arrays of milliseconds.

Why the trimmed mean: expectations add, so block means may be summed to a net's, while medians and minima may not (the
minimum of a short block catches idle moments that a whole network never meets). The trim keeps one interrupted call
from standing for the block. Outliers are counted, never deleted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Statistic = Callable[[NDArray[np.float64]], float]

TRIM_FRACTION = 0.10
"""Share of the samples left out at *each* end by `trimmed_mean`."""

# Thresholds of the tested warm-up, those of pyperf (its `_worker.py`): the second window is compared with the first.
WARM_UP_WINDOW = 20
WARM_UP_MAX_SAMPLES = 300
MEAN_MAY_FALL = 0.50
MEAN_MAY_RISE = 0.10
MAD_MAY_CHANGE = 0.10
QUARTILES_MAY_CHANGE = 0.05

# Median polish: ends when no group's logarithm moves by more than `POLISHED` (a hundredth of a percent).
MAX_POLISHES = 30
POLISHED = 1e-4

UNDISTURBED_PERCENT = 25
"""Percentile of the groups' speeds that counts as the machine's own: other programs only ever slow it down."""


@dataclass(frozen=True)
class Outliers:
    """Tukey's count: `mild` beyond 1.5 interquartile ranges of the quartiles (severe included), `severe` beyond 3."""

    count: int
    mild: int
    severe: int


@dataclass(frozen=True)
class Interval:
    """A confidence interval; `half_width` is half its length, in the unit of the samples."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Return half of the interval's length."""
        return (self.high - self.low) / 2


def _as_samples(samples: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64).ravel()
    if values.size == 0:
        raise ValueError("a statistic needs at least one sample")
    if not np.isfinite(values).all():
        raise ValueError("samples hold a value that is not a finite number")
    return values


def trimmed_mean(samples: ArrayLike, fraction: float = TRIM_FRACTION) -> float:
    """Return the mean without the lowest and highest `fraction` of the samples (none of fewer than ten)."""
    if not 0 <= fraction < 0.5:
        raise ValueError(f"fraction {fraction} is not in [0, 0.5)")
    values = np.sort(_as_samples(samples))
    cut = int(values.size * fraction)
    return float(values[cut : values.size - cut].mean())


def mad(samples: ArrayLike) -> float:
    """Return the median absolute deviation from the median, unscaled."""
    values = _as_samples(samples)
    return float(np.median(np.abs(values - np.median(values))))


def percentile(samples: ArrayLike, percent: float) -> float:
    """Return a percentile, interpolated linearly."""
    return float(np.percentile(_as_samples(samples), percent))


def tukey_outliers(samples: ArrayLike) -> Outliers:
    """Count outliers by Tukey's fences at 1.5 (mild) and 3 (severe) interquartile ranges."""
    values = _as_samples(samples)
    lower, upper = np.percentile(values, [25, 75])
    spread = upper - lower

    def beyond(times: float) -> int:
        return int(((values < lower - times * spread) | (values > upper + times * spread)).sum())

    return Outliers(int(values.size), mild=beyond(1.5), severe=beyond(3.0))


def bootstrap_interval(
    samples: ArrayLike,
    statistic: Statistic | None = None,
    confidence: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of a statistic (10 %-trimmed mean where none is given).

    The resampling is seeded: equal samples give the equal interval. One sample alone gives a zero-width interval at
    itself, which says nothing about its error; callers that stop on a width must ask for more samples than that.
    """
    values = _as_samples(samples)
    rng = np.random.default_rng(seed)
    drawn = values[rng.integers(0, values.size, size=(num_resamples, values.size))]  # (num_resamples, n)
    if statistic is None:
        cut = int(values.size * TRIM_FRACTION)
        results = np.sort(drawn, axis=1)[:, cut : values.size - cut].mean(axis=1)
    else:
        results = np.array([statistic(row) for row in drawn])
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(results, [tail, 100 - tail])
    return Interval(float(low), float(high))


def relative_half_width(samples: ArrayLike, seed: int = 0) -> float:
    """Return the bootstrap interval's half-width over the trimmed mean; infinite for fewer than three samples."""
    values = _as_samples(samples)
    if values.size < 3:
        return float("inf")
    centre = trimmed_mean(values)
    return bootstrap_interval(values, seed=seed).half_width / centre if centre > 0 else float("inf")


def is_warm(samples: Sequence[float], window: int = WARM_UP_WINDOW) -> bool:
    """Return whether the last two windows of `samples` are alike, by pyperf's tested warm-up.

    The later window must not begin with a slow outlier, its mean may lie 50 % below to 10 % above the earlier one's,
    and its MAD (10 %) and quartiles (5 %) must be those of the earlier one. False for fewer than two windows.
    """
    if len(samples) < 2 * window:
        return False
    earlier, later = np.asarray(samples[-2 * window : -window]), np.asarray(samples[-window:])
    lower, upper = np.percentile(later, [25, 75])
    if later[0] > upper + 1.5 * (upper - lower):
        return False
    change = later.mean() / earlier.mean() - 1
    if not -MEAN_MAY_FALL <= change <= MEAN_MAY_RISE:
        return False
    # A MAD is small against its centre: its change is judged against the centre, or quiet windows would never agree.
    if abs(mad(later) - mad(earlier)) > MAD_MAY_CHANGE * float(np.median(earlier)):
        return False
    quartiles = np.percentile(earlier, [25, 75])
    return bool((np.abs(np.array([lower, upper]) - quartiles) <= QUARTILES_MAY_CHANGE * quartiles).all())


def moving_median(values: ArrayLike, num_neighbours: int) -> NDArray[np.float64]:
    """Return, for each value, the median of itself and up to `num_neighbours` on each side; the ends are mirrored.

    Args:
        values: Shape (n,), in order.
        num_neighbours: of each side; fewer where there are not that many values.

    Returns:
        Shape (n,).
    """
    row = _as_samples(values)
    reach = min(num_neighbours, row.size - 1)
    padded = np.pad(row, reach, mode="reflect")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1))


def common_mode(
    times_ms: NDArray[np.float64], groups: NDArray[np.int64], items: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return each group's speed factor: how much slower than typical everything ran in it.

    A process (or a window) runs all its files a common factor faster or slower, since the machine's speed drifts
    (sd about 2 % between processes); measured times are divided by the factor of their group before they are averaged.

    Tukey's median polish in the logarithm over (item + group): on a shared machine a tenth of the calls of a window
    may take half as long again, which moves a mean and not a median.

    Args:
        times_ms: Shape (n,): the times, all above zero.
        groups: Shape (n,): index of each time's process or window, from 0.
        items: Shape (n,): index of each time's file and kind of call, from 0.

    Returns:
        Shape (num_groups,): factors; 1 is the speed of the undisturbed machine, taken as the lower quartile of the
        groups, so that a run on a busy morning and one on a quiet evening mean the same by a millisecond. A group that
        shares no item with any other gets no information, and the factor that the arithmetic leaves it: callers
        measure the same items in every group.
    """
    logs = np.log(times_ms)
    group_effect = np.zeros(int(groups.max()) + 1)
    of_items, of_groups = _Medians(items), _Medians(groups)
    for _ in range(MAX_POLISHES):
        item_effect = of_items(logs - group_effect[groups])
        updated = of_groups(logs - item_effect[items])
        updated -= np.percentile(updated, UNDISTURBED_PERCENT)
        change = float(np.abs(updated - group_effect).max())
        group_effect = updated
        if change < POLISHED:
            break
    return np.exp(group_effect)


class _Medians:
    """Medians of values by their label; the sorting of labels is done once."""

    def __init__(self, labels: NDArray[np.int64]) -> None:
        self._order = np.argsort(labels, kind="stable")
        self._starts = np.searchsorted(labels[self._order], np.arange(1, int(labels.max()) + 1))

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = np.split(values[self._order], self._starts)
        return np.array([float(np.median(part)) if part.size else 0.0 for part in parts])
