"""Errors of predictions: golden values, agreement with scipy, and data that breaks percentages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from mogakit.errors import InputError
from mogakit.luts.error_metrics import kendall_tau, score

LATENCIES = hnp.arrays(np.float64, st.integers(5, 30), elements=st.floats(0.5, 100))


def test_metrics_of_a_hand_computed_case() -> None:
    report = score([10.0, 22.0, 30.0, 36.0], [10.0, 20.0, 30.0, 40.0])
    assert report.rmse_ms.value == pytest.approx(np.sqrt((4 + 16) / 4))
    assert report.rmse_percent.value == pytest.approx(100 * np.sqrt(5) / 25)
    assert report.mae_ms.value == pytest.approx(1.5)
    assert report.mape_percent.value == pytest.approx((10 + 10) / 4)
    assert report.mdape_percent.value == pytest.approx(5.0)
    assert report.bias_ms.value == pytest.approx(-0.5)
    assert report.bias_percent.value == pytest.approx(0.0)
    assert report.r2.value == pytest.approx(1 - 20 / 500)
    assert report.kendall_tau.value == 1.0
    assert report.within_5_percent.value == 0.5
    assert report.within_10_percent.value == 1.0
    assert report.num == 4
    assert report.num_excluded == 0


@given(measured=LATENCIES, seed=st.integers(0, 100))
def test_correlations_are_those_of_scipy(measured: np.ndarray, seed: int) -> None:
    predicted = np.round(measured + np.random.default_rng(seed).normal(0, 5, len(measured)), 1)
    measured = np.round(measured, 1)
    if len(set(measured)) < 2 or len(set(predicted)) < 2:
        return
    report = score(predicted, measured)
    assert report.pearson.value == pytest.approx(stats.pearsonr(predicted, measured).statistic, abs=1e-9)
    assert report.spearman.value == pytest.approx(stats.spearmanr(predicted, measured).statistic, abs=1e-9)
    assert report.kendall_tau.value == pytest.approx(stats.kendalltau(predicted, measured).statistic, abs=1e-9)


def test_every_interval_holds_its_value_and_comes_back_with_the_same_seed() -> None:
    rng = np.random.default_rng(0)
    measured = rng.uniform(5, 50, 60)
    predicted = measured * np.exp(rng.normal(0.02, 0.03, 60))
    report = score(predicted, measured, seed=3)
    assert report == score(predicted, measured, seed=3)
    for name in ("rmse_ms", "mape_percent", "bias_ms", "r2", "kendall_tau", "spearman", "within_5_percent"):
        metric = getattr(report, name)
        assert metric.low <= metric.value <= metric.high
        assert metric.low < metric.high


def test_networks_measured_at_zero_are_counted_and_left_out_of_percentages() -> None:
    report = score([1.0, 10.5, 21.0, 30.0], [0.0, 10.0, 20.0, 30.0])
    assert report.num == 4
    assert report.num_excluded == 1
    assert report.mape_percent.value == pytest.approx((5 + 5 + 0) / 3)
    assert report.mae_ms.value == pytest.approx((1 + 0.5 + 1) / 4)


def test_what_is_not_defined_is_none_and_not_a_number() -> None:
    alike = score([2.0, 2.0, 2.0], [3.0, 3.0, 3.0])
    assert alike.r2.value is None
    assert alike.kendall_tau.value is None
    assert alike.pearson.value is None
    nothing = score([1.0, 2.0], [0.0, 0.0])
    assert nothing.mape_percent.value is None
    assert nothing.num_excluded == 2
    single = score([1.0], [2.0])
    assert single.mape_percent.value == pytest.approx(50)
    assert single.spearman.value is None


def test_few_networks_have_no_interval_and_equal_ones_no_wild_one() -> None:
    assert score([1.0, 2.0, 3.1], [1.1, 2.0, 3.0]).r2.low is None
    measured = [7.123456789, 7.123456789, 7.123456789, 7.123456789, 7.9]
    report = score([7.0, 7.1, 7.2, 7.1, 8.0], measured)
    assert report.r2.low is None or report.r2.low > -1e6


def test_a_thousand_networks_are_scored_in_little_memory() -> None:
    rng = np.random.default_rng(0)
    measured = rng.uniform(5, 50, 1000)
    report = score(measured + rng.normal(0, 1, 1000), measured)
    assert report.kendall_tau.low is not None


@pytest.mark.parametrize(
    ("predicted", "measured"), [([], []), ([1.0], [1.0, 2.0]), ([float("nan")], [1.0]), ([1.0], [float("inf")])]
)
def test_what_cannot_be_compared_is_rejected(predicted: list[float], measured: list[float]) -> None:
    with pytest.raises(InputError):
        score(predicted, measured)


def test_tau_of_a_constant_sequence_is_none() -> None:
    assert kendall_tau([1.0, 1.0], [1.0, 2.0]) is None
    assert kendall_tau([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == -1.0
