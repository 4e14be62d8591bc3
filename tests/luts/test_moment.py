"""Bursts of other programs inside a window are divided out, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

from mogakit.bench.measurement import (
    Clock,
    Conditions,
    Delegation,
    DelegationKind,
    Measurement,
    Status,
)
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Role
from mogakit.luts.estimate import estimate_files
from mogakit.luts.local_speed import divide_out_local_speed
from mogakit.luts.statistic import HOST_STATISTIC, CommonMode

NUM_FILES, NUM_WINDOWS = 150, 12
TRUTH_MS = np.geomspace(0.1, 10, NUM_FILES)
STATE = Conditions(at="2026-01-01T00:00:00+00:00")


def windows_with_bursts(burst: float, share: float = 0.3, seed: int = 0) -> list[Measurement]:
    """Time all files in shuffled order; a share of each window, in one piece, runs `burst` times slower."""
    rng = np.random.default_rng(seed)
    taken = []
    for window in range(NUM_WINDOWS):
        order = rng.permutation(NUM_FILES)
        first = rng.integers(0, NUM_FILES)
        slow = {int(place) % NUM_FILES for place in range(first, first + int(share * NUM_FILES))}
        for place, index in enumerate(order):
            speed = burst if place in slow else 1.0
            times = TRUTH_MS[index] * speed * np.exp(rng.normal(0, 0.01, 3)) * np.array([1.2, 1.0, 1.0])
            taken.append(measurement(int(index), window, float(place), times.tolist()))
    return taken


def measurement(index: int, window: int, at_ms: float, times: list[float]) -> Measurement:
    name = f"file-{index}"
    return Measurement(
        artifact_name=name,
        artifact_sha256=name,
        role=Role.NETWORK,
        target=parse_target("tflite/cpu/float32"),
        round=window // 4,
        window=window,
        process=f"process-{window // 4}",
        clock=Clock.THREAD_CPU,
        status=Status.OK,
        delegation=Delegation(kind=DelegationKind.FULL),
        before=STATE,
        after=STATE,
        samples_ms=tuple(times[1:]),
        cold_ms=(times[0],),
        visited_at_ms=(at_ms,),
    )


def errors(taken: list[Measurement], mode: CommonMode) -> np.ndarray:
    rows = estimate_files(taken, replace(HOST_STATISTIC, common_mode=mode))
    ratios = np.array([(rows[f"file-{index}"].latency_ms or 0) / TRUTH_MS[index] for index in range(NUM_FILES)])
    return np.asarray(np.abs(ratios / np.median(ratios) - 1))


def test_bursts_shorter_than_a_window_are_divided_out() -> None:
    taken = windows_with_bursts(1.5)
    by_window, by_moment = errors(taken, CommonMode.WINDOW).mean(), errors(taken, CommonMode.MOMENT).mean()
    assert by_moment < 0.01
    assert by_moment < by_window / 3


def test_a_quiet_machine_is_left_as_it_is() -> None:
    taken = windows_with_bursts(1.0)
    rows = estimate_files(taken, HOST_STATISTIC)
    values = np.array([rows[f"file-{index}"].latency_ms for index in range(NUM_FILES)])
    assert values == pytest.approx(TRUTH_MS, rel=0.02)


def test_cold_calls_keep_their_ratio_to_the_warm_ones_beside_them() -> None:
    taken = windows_with_bursts(1.5)
    windows = {(one.process, one.window): 1.0 for one in taken}
    for before, after in zip(taken, divide_out_local_speed(taken, windows), strict=True):
        assert after.cold_ms[0] / after.samples_ms[0] == pytest.approx(before.cold_ms[0] / before.samples_ms[0])
        assert replace(after, samples_ms=(), cold_ms=()) == replace(before, samples_ms=(), cold_ms=())


def test_what_does_not_say_when_it_was_visited_is_divided_by_its_windows_speed() -> None:
    taken = [replace(one, visited_at_ms=()) for one in windows_with_bursts(1.5)]
    windows = {(one.process, one.window): 1.25 for one in taken}
    for before, after in zip(taken, divide_out_local_speed(taken, windows), strict=True):
        assert after.samples_ms == pytest.approx(np.array(before.samples_ms) / 1.25)
    assert divide_out_local_speed(taken, {}) == taken


def test_a_moving_median_follows_steps_and_drops_spikes() -> None:
    from mogakit.bench.statistics import moving_median

    steps = np.repeat([1.0, 2.0], 50)
    spiked = steps.copy()
    spiked[[10, 60]] = 9.0
    assert moving_median(spiked, 5) == pytest.approx(steps)
    assert moving_median([3.0], 10) == pytest.approx([3.0])
    assert moving_median([1.0, 2.0, 3.0], 10)[1] == pytest.approx(2.0)
