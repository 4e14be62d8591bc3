"""The sentinel flags what was measured while the machine's speed was off."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mogakit.bench.drift import MIN_READINGS, Reading, drifted_windows, readings
from mogakit.bench.measurement import Measurement, Summary
from mogakit.bench.runner import Job


def test_on_a_computer_a_window_with_a_slow_sentinel_is_flagged_alone() -> None:
    taken = [Reading(window, 1.5 if window == 4 else 1.0) for window in range(8)]
    assert drifted_windows(taken, 0.03) == {4}


def test_on_a_phone_the_files_between_two_readings_are_flagged() -> None:
    taken = [Reading(window, 1.2 if window == 30 else 1.0) for window in range(0, 60, 10)]
    assert drifted_windows(taken, 0.03) == set(range(21, 40))


def test_a_drift_below_the_limit_and_too_few_readings_condemn_nothing() -> None:
    assert drifted_windows([Reading(window, 1 + 0.002 * window) for window in range(10)], 0.03) == frozenset()
    assert drifted_windows([Reading(0, 1.0), Reading(1, 9.0), Reading(2, 1.0)], 0.03) == frozenset()


def test_a_slow_first_window_is_flagged_once_enough_readings_are_there() -> None:
    taken = [Reading(0, 2.0), *(Reading(window, 1.0) for window in range(1, 6))]
    assert drifted_windows(taken[:3], 0.03) == frozenset()
    assert drifted_windows(taken, 0.03) == {0}


@given(st.lists(st.floats(0.5, 2.0), min_size=MIN_READINGS, max_size=30), st.integers(0, 10))
def test_verdicts_do_not_change_when_readings_are_added(times: list[float], more: int) -> None:
    """A resumed run must come to the verdicts of an uninterrupted one."""
    taken = [Reading(window, time_ms) for window, time_ms in enumerate(times)]
    longer = taken + [Reading(len(taken) + index, 1.0) for index in range(more)]
    assert drifted_windows(taken, 0.05) == drifted_windows(longer, 0.05) & set(range(len(taken)))


def test_a_reading_is_the_median_of_samples_or_a_tools_summary(
    jobs: list[Job], make_measurement: Callable[..., Measurement]
) -> None:
    sampled = make_measurement(jobs[0], 0, 3, (1.0, 9.0, 2.0))
    summarised = replace(
        make_measurement(jobs[0], 0, 5, ()), summary=Summary(count=50, mean_ms=4.0, std_ms=0.1, min_ms=3.0, max_ms=9.0)
    )
    failed = make_measurement(jobs[0], 0, 7, ())
    assert readings([sampled, summarised, failed]) == [Reading(3, 2.0), Reading(5, 4.0)]
