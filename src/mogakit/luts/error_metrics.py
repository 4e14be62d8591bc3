"""How far predictions lie from measurements: the one place where an error is computed.

Every figure that the kit reports about a prediction (of a table, a cost model, a calibration) comes from `score`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mogakit.errors import InputError

FloatArray = npt.NDArray[np.float64]

NUM_RESAMPLES = 2000
CONFIDENCE = 0.95
NEAR_ZERO_SHARE = 0.01
"""A measured value under this share of the median measured value is near zero: a percentage of it says nothing."""
MIN_FOR_INTERVAL = 5
"""Resampling fewer networks than this says nothing about others: their figures stand without an interval."""
_PAIR_BUDGET = 40_000_000
"""Largest number of pair comparisons that the intervals of the rank metrics may cost: fewer resamples beyond it."""


@dataclass(frozen=True)
class Metric:
    """A figure with its 95 % percentile-bootstrap interval over networks; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.value:.4g}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True, kw_only=True)
class ErrorReport:
    """Predicted against measured latency of `num` networks. An error is predicted minus measured.

    Attributes:
        num: networks compared.
        num_excluded: of those, networks measured at (nearly) zero, which the percentage metrics leave out.
        mean_measured_ms: what a relative RMSE is relative to.
        rmse_ms: root of the mean squared error.
        rmse_percent: RMSE in percent of the mean measured latency.
        mae_ms: mean absolute error.
        mape_percent: mean absolute error in percent of the measured latency, network by network.
        mdape_percent: the median of the same.
        bias_ms: mean error; positive says that the prediction is too slow.
        bias_percent: mean error in percent of the measured latency, network by network.
        r2: share of the measured variance that the prediction explains (1 - SSE/SST; may be negative).
        pearson: linear correlation.
        spearman: correlation of ranks.
        kendall_tau: tau-b, ties counted.
        within_5_percent, within_10_percent: share of networks (0 to 1) whose error is that small.
    """

    num: int
    num_excluded: int
    mean_measured_ms: float
    rmse_ms: Metric
    rmse_percent: Metric
    mae_ms: Metric
    mape_percent: Metric
    mdape_percent: Metric
    bias_ms: Metric
    bias_percent: Metric
    r2: Metric
    pearson: Metric
    spearman: Metric
    kendall_tau: Metric
    within_5_percent: Metric
    within_10_percent: Metric


def score(
    predicted_ms: Sequence[float] | FloatArray, measured_ms: Sequence[float] | FloatArray, seed: int = 0
) -> ErrorReport:
    """Compare predictions with measurements of the same networks, in the same order.

    Args:
        predicted_ms: shape (n,).
        measured_ms: shape (n,); zeros are allowed and are left out of the percentage metrics.
        seed: of the bootstrap, which resamples networks.

    Raises:
        InputError: nothing to compare, unequal lengths, or a value that is not finite.
    """
    predicted, measured = _checked(predicted_ms, measured_ms)
    rng = np.random.default_rng(seed)
    num = len(measured)
    solid = np.abs(measured) > NEAR_ZERO_SHARE * float(np.median(np.abs(measured)))
    picks = rng.integers(0, num, size=(NUM_RESAMPLES, num))
    inside = rng.integers(0, max(1, int(solid.sum())), size=(NUM_RESAMPLES, int(solid.sum())))

    def over_all(metric: "PairMetric") -> Metric:
        return _with_interval(metric, predicted, measured, picks)

    def over_solid(metric: "PairMetric") -> Metric:
        return _with_interval(metric, predicted[solid], measured[solid], inside)

    return ErrorReport(
        num=num,
        num_excluded=int(num - solid.sum()),
        mean_measured_ms=float(measured.mean()),
        rmse_ms=over_all(_rmse),
        rmse_percent=over_all(_rmse_percent),
        mae_ms=over_all(_mae),
        mape_percent=over_solid(_mape),
        mdape_percent=over_solid(_mdape),
        bias_ms=over_all(_bias),
        bias_percent=over_solid(_bias_percent),
        r2=over_all(_r2),
        pearson=over_all(_pearson),
        spearman=_rank_metric(_spearman, predicted, measured, picks),
        kendall_tau=_rank_metric(_kendall, predicted, measured, picks),
        within_5_percent=over_solid(_within(5.0)),
        within_10_percent=over_solid(_within(10.0)),
    )


def kendall_tau(first: Sequence[float] | FloatArray, second: Sequence[float] | FloatArray) -> float | None:
    """Return Kendall's tau-b of two equally long sequences, or None where one of them is constant."""
    left, right = _checked(first, second)
    with np.errstate(invalid="ignore"):
        value = float(_kendall(left[None, :], right[None, :])[0])
    return value if np.isfinite(value) else None


def mape_percent(predicted_ms: FloatArray, measured_ms: FloatArray) -> float:
    """Return the mean absolute percentage error of arrays without zeros: the cheap figure that fits are chosen by."""
    return float(np.mean(np.abs(predicted_ms - measured_ms) / np.abs(measured_ms)) * 100)


def _checked(
    predicted: Sequence[float] | FloatArray, measured: Sequence[float] | FloatArray
) -> tuple[FloatArray, FloatArray]:
    left, right = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    if left.ndim != 1 or left.shape != right.shape or len(left) == 0:
        raise InputError(
            f"predictions of shape {left.shape} and measurements of shape {right.shape} cannot be compared; "
            "give one prediction for each of at least one measurement"
        )
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise InputError(
            "a prediction or measurement is not a finite number; leave failed networks out of the comparison"
        )
    return left, right


# Each metric takes predicted and measured of shape (resamples, n) and returns shape (resamples,).
PairMetric = Callable[[FloatArray, FloatArray], FloatArray]


def _rmse(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.mean((predicted - measured) ** 2, axis=1)))


def _rmse_percent(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(100 * _rmse(predicted, measured) / np.mean(measured, axis=1))


def _mae(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(np.mean(np.abs(predicted - measured), axis=1))


def _relative(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(100 * (predicted - measured) / np.abs(measured))


def _mape(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(np.mean(np.abs(_relative(predicted, measured)), axis=1))


def _mdape(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(np.median(np.abs(_relative(predicted, measured)), axis=1))


def _bias(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(np.mean(predicted - measured, axis=1))


def _bias_percent(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return np.asarray(np.mean(_relative(predicted, measured), axis=1))


def _within(percent: float) -> PairMetric:
    def share(predicted: FloatArray, measured: FloatArray) -> FloatArray:
        return np.asarray(np.mean(np.abs(_relative(predicted, measured)) <= percent, axis=1))

    return share


def _r2(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    spread = _spread(measured)
    return np.asarray(1 - np.sum((predicted - measured) ** 2, axis=1) / spread)


def _spread(values: FloatArray) -> FloatArray:
    """Return the sum of squared deviations; NaN where only rounding is left of it, as of one network drawn n times."""
    total = np.sum((values - values.mean(axis=1, keepdims=True)) ** 2, axis=1)
    rounding = values.shape[1] * (1e-12 * np.abs(values).max(axis=1)) ** 2
    return np.asarray(np.where(total > rounding, total, np.nan))


def _pearson(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    left = predicted - predicted.mean(axis=1, keepdims=True)
    right = measured - measured.mean(axis=1, keepdims=True)
    scale = np.sqrt(_spread(predicted) * _spread(measured))
    return np.asarray(np.sum(left * right, axis=1) / scale)


def _ranks(values: FloatArray) -> FloatArray:
    """Return mean ranks along the last axis, so that ties share one; shape (resamples, n)."""
    less = np.sum(values[:, None, :] < values[:, :, None], axis=2)
    equal = np.sum(values[:, None, :] == values[:, :, None], axis=2)
    return np.asarray(less + (equal - 1) / 2, dtype=np.float64)


def _spearman(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    return _pearson(_ranks(predicted), _ranks(measured))


def _kendall(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    left = np.sign(predicted[:, :, None] - predicted[:, None, :])
    right = np.sign(measured[:, :, None] - measured[:, None, :])
    scale = np.sqrt(np.sum(left**2, axis=(1, 2)) * np.sum(right**2, axis=(1, 2)))
    return np.asarray(np.sum(left * right, axis=(1, 2)) / scale)


def _with_interval(
    metric: PairMetric, predicted: FloatArray, measured: FloatArray, picks: npt.NDArray[np.int64]
) -> Metric:
    if len(measured) == 0:
        return Metric(None)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(metric(predicted[None, :], measured[None, :])[0])
        resampled = metric(predicted[picks], measured[picks])
    return _interval(value, resampled, len(measured))


def _rank_metric(
    metric: PairMetric, predicted: FloatArray, measured: FloatArray, picks: npt.NDArray[np.int64]
) -> Metric:
    """As `_with_interval`, a few resamples at a time: the work grows with the square of the number of networks."""
    num = len(measured)
    count = int(np.clip(_PAIR_BUDGET // (num * num), 100, len(picks)))
    chunk = max(1, 2_000_000 // (num * num))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(metric(predicted[None, :], measured[None, :])[0])
        parts = [
            metric(predicted[picks[start : start + chunk]], measured[picks[start : start + chunk]])
            for start in range(0, count, chunk)
        ]
    return _interval(value, np.concatenate(parts)[:count], num)


def _interval(value: float, resampled: FloatArray, num: int) -> Metric:
    if not np.isfinite(value):
        return Metric(None)
    if num < MIN_FOR_INTERVAL:
        return Metric(value)
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < len(resampled) / 2:
        return Metric(value)
    low, high = np.quantile(finite, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Metric(value, float(low), float(high))
