"""Calibration finds the line it was made from, by relative errors, and says how it does on networks it has not seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.luts.calibrate import CalibrationKind, fit, fit_best, leave_one_out

SUMS = np.array([3.0, 5.0, 8.0, 13.0, 21.0, 34.0])


@given(scale=st.floats(0.5, 2.0), offset=st.floats(0.0, 5.0))
def test_affine_recovers_a_line(scale: float, offset: float) -> None:
    found = fit("affine", SUMS, scale * SUMS + offset)
    assert found.scale == pytest.approx(scale, abs=1e-9)
    assert found.offset_ms == pytest.approx(offset, abs=1e-8)
    assert found.loo_mape_percent == pytest.approx(0, abs=1e-6)


def test_scale_leaves_the_offset_and_none_leaves_all() -> None:
    scaled = fit(CalibrationKind.SCALE, SUMS, 1.1 * SUMS, networks="abcdef")
    assert (scaled.scale, scaled.offset_ms) == (pytest.approx(1.1), 0.0)
    assert scaled.networks == tuple("abcdef")
    plain = fit(CalibrationKind.NONE, SUMS, 1.1 * SUMS)
    assert plain.apply(7.0) == 7.0
    assert plain.loo_mape_percent is None
    assert plain.raw_mape_percent == pytest.approx(100 * 0.1 / 1.1)


def test_errors_count_in_percent() -> None:
    """A large network off by 10 % must not weigh more than a small one off by 10 %."""
    predicted = np.array([1.0, 1.0, 100.0, 100.0])
    measured = np.array([1.1, 0.9, 110.0, 90.0])
    small, large = fit("scale", predicted[:2].repeat(2), measured[:2].repeat(2)), fit("scale", predicted, measured)
    assert small.scale == pytest.approx(large.scale)


def test_leave_one_out_is_the_fit_without_that_network() -> None:
    measured = 1.05 * SUMS + 0.4 + np.array([0.1, -0.1, 0.2, -0.2, 0.1, 0.0])
    held_out = leave_one_out(CalibrationKind.AFFINE, SUMS, measured)
    rest = np.arange(len(SUMS)) != 2
    expected = fit("affine", SUMS[rest], measured[rest]).apply(SUMS[2])
    assert held_out[2] == pytest.approx(expected)


def test_the_best_kind_is_the_one_with_the_least_error_on_unseen_networks() -> None:
    assert fit_best(SUMS, 1.02 * SUMS + 0.9).kind is CalibrationKind.AFFINE
    noise = 1 + np.array([0.01, -0.012, 0.008, -0.006, 0.011, -0.01])
    assert fit_best(SUMS, 1.2 * SUMS * noise).kind is CalibrationKind.SCALE
    assert fit_best(SUMS[:2], 1.2 * SUMS[:2]).kind is CalibrationKind.NONE
    assert fit_best([], []).kind is CalibrationKind.NONE


def test_what_chance_explains_is_left_uncorrected_most_of_the_time() -> None:
    """An offset fitted to the noise of slow networks would be wrong by far more on a fast one."""
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(200):
        predicted = rng.uniform(8, 30, 20)
        kinds.append(fit_best(predicted, predicted * (1 + rng.normal(0, 0.02, 20))).kind)
    assert kinds.count(CalibrationKind.NONE) > 0.9 * len(kinds)
    assert kinds.count(CalibrationKind.AFFINE) < 0.05 * len(kinds)


def test_the_errors_of_all_kinds_are_kept_whichever_is_fitted() -> None:
    measured = 1.02 * SUMS + 0.9
    best, asked = fit_best(SUMS, measured), fit(CalibrationKind.SCALE, SUMS, measured)
    assert best.loo_mape_percent_by_kind == asked.loo_mape_percent_by_kind
    assert list(best.loo_mape_percent_by_kind) == ["none", "scale", "affine"]
    assert best.loo_mape_percent_by_kind["none"] == best.raw_mape_percent
    assert best.loo_mape_percent_by_kind[best.kind] == best.loo_mape_percent
    assert asked.loo_mape_percent_by_kind["scale"] == asked.loo_mape_percent
    assert list(fit_best(SUMS[:3], measured[:3]).loo_mape_percent_by_kind) == ["none", "scale"]


def test_too_few_networks_and_dead_ones_are_rejected() -> None:
    with pytest.raises(InputError, match="at least 5 networks, given 4"):
        fit("affine", SUMS[:4], SUMS[:4])
    with pytest.raises(InputError, match="above zero"):
        fit("scale", SUMS, np.zeros(6))
    with pytest.raises(InputError, match="do not pair up"):
        fit("scale", SUMS, SUMS[:3])
