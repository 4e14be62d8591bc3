"""The statistics say what their names promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.bench.statistics import (
    bootstrap_interval,
    common_mode,
    is_warm,
    mad,
    percentile,
    relative_half_width,
    trimmed_mean,
    tukey_outliers,
)

TIMES = st.lists(st.floats(0.01, 1000), min_size=1, max_size=60)


def test_the_trimmed_mean_leaves_out_a_tenth_at_each_end() -> None:
    assert trimmed_mean([1, 1, 1, 1, 1, 1, 1, 1, 1, 1000]) == 1.0
    assert trimmed_mean([1, 2, 3]) == 2.0  # too few to trim
    assert trimmed_mean([0, 10, 20, 30], fraction=0.25) == 15.0


@given(TIMES)
def test_the_trimmed_mean_lies_within_the_samples_and_scales_with_them(samples: list[float]) -> None:
    value = trimmed_mean(samples)
    assert min(samples) - 1e-9 <= value <= max(samples) + 1e-9
    assert trimmed_mean([3 * sample for sample in samples]) == pytest.approx(3 * value)


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_what_is_no_sample_is_rejected(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="sample"):
        trimmed_mean(samples)


def test_an_impossible_trim_is_rejected() -> None:
    with pytest.raises(ValueError, match="not in"):
        trimmed_mean([1.0], fraction=0.5)


def test_mad_and_percentiles_by_hand() -> None:
    assert mad([1, 1, 2, 2, 4, 6, 9]) == 1.0
    assert percentile([1, 2, 3, 4, 5], 50) == 3.0
    assert percentile([1, 2], 25) == 1.25


def test_tukey_counts_mild_and_severe_outliers_and_deletes_none() -> None:
    samples = [*range(10, 21), 30, 100]  # quartiles 13 and 19, fences 4 and 28, -5 and 37
    found = tukey_outliers(samples)
    assert (found.count, found.mild, found.severe) == (13, 2, 1)


@given(TIMES, st.integers(0, 5))
def test_a_bootstrap_is_repeatable_and_lies_within_the_samples(samples: list[float], seed: int) -> None:
    first = bootstrap_interval(samples, num_resamples=50, seed=seed)
    assert first == bootstrap_interval(samples, num_resamples=50, seed=seed)
    assert min(samples) - 1e-9 <= first.low <= first.high <= max(samples) + 1e-9


def test_a_bootstrap_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = sum(
        (interval := bootstrap_interval(rng.normal(10, 1, 40), lambda row: float(row.mean()), seed=index)).low
        <= 10
        <= interval.high
        for index in range(200)
    )
    assert 180 <= covered <= 198  # 95 % of 200 is 190


def test_intervals_narrow_with_the_root_of_the_number_of_samples() -> None:
    rng = np.random.default_rng(1)
    few, many = (relative_half_width(rng.normal(10, 1, count)) for count in (50, 5000))
    assert few / many == pytest.approx(10, rel=0.4)
    assert relative_half_width([1.0, 1.0]) == float("inf")  # two samples say nothing of their error


def test_a_steady_file_is_warm_and_one_that_still_speeds_up_is_not() -> None:
    rng = np.random.default_rng(2)
    steady = list(rng.normal(10, 0.1, 40))
    assert is_warm(steady)
    assert not is_warm(steady[:39])  # less than two windows
    slowing = [*rng.normal(10, 0.1, 20), *rng.normal(12, 0.1, 20)]
    assert not is_warm(slowing)
    falling = [*rng.normal(30, 0.1, 20), *rng.normal(10, 0.1, 20)]
    assert not is_warm(falling)
    wild = [*rng.normal(10, 0.1, 20), *rng.normal(10, 5, 20)]
    assert not is_warm(wild)
    bad_start = [*rng.normal(10, 0.1, 20), 20.0, *rng.normal(10, 0.1, 19)]
    assert not is_warm(bad_start)


@given(st.lists(st.floats(0.5, 2.0), min_size=3, max_size=8), st.integers(0, 100))
def test_the_common_mode_of_a_complete_design_is_found_exactly(speeds: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.1, 10, 12)
    groups, items = (index.ravel() for index in np.meshgrid(np.arange(len(speeds)), np.arange(12), indexing="ij"))
    factors = common_mode(truth[items] * np.array(speeds)[groups], groups, items)
    assert factors / factors[0] == pytest.approx(np.array(speeds) / speeds[0], rel=1e-3)
    assert np.percentile(np.log(factors), 25) == pytest.approx(0, abs=1e-9)


def test_a_tenth_of_disturbed_calls_does_not_move_the_common_mode() -> None:
    rng = np.random.default_rng(3)
    groups, items = (index.ravel() for index in np.meshgrid(np.arange(4), np.arange(100), indexing="ij"))
    times = rng.uniform(0.1, 10, 100)[items] * np.array([1.0, 1.1, 1.0, 1.2])[groups]
    times[rng.random(times.size) < 0.1] *= 1.5
    factors = common_mode(times, groups, items)
    assert factors / factors[0] == pytest.approx([1.0, 1.1, 1.0, 1.2], rel=0.01)
