"""Of a file's runs those count that nothing slowed, where the fastest are common; elsewhere the median."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mogakit.bench.measurement import Measurement, Status
from mogakit.luts import undisturbed
from mogakit.luts.estimate import estimate_files
from mogakit.luts.table import PHONE_STATISTIC, Row

NUM_FILES, NUM_SENTINEL, NUM_RUNS = 200, 42, 6
MakeDevice = Callable[..., Any]
FilesOf = Callable[[Any, int], list[Any]]


def runs(
    slowed: Callable[[NDArray[np.float64]], NDArray[np.float64]], noise: float = 0.0115, seed: int = 0
) -> list[NDArray[np.float64]]:
    """Return run times of files that take 1 ms, and last of a sentinel; `slowed` maps random shares to factors."""
    rng = np.random.default_rng(seed)
    counts = [NUM_RUNS] * NUM_FILES + [NUM_SENTINEL]
    return [slowed(rng.random(count)) * (1 + noise * rng.normal(size=count)) for count in counts]


def errors(times: list[NDArray[np.float64]], reach: float) -> NDArray[np.float64]:
    return np.array([undisturbed.means(one[None, :], reach)[0] - 1 for one in times])


def test_of_an_idle_machine_nearly_every_run_counts() -> None:
    times = runs(np.ones_like)
    reach = undisturbed.reach(times)
    assert reach is not None
    found = errors(times[:-1], reach)
    assert abs(found.mean()) < 0.0015
    assert found.std() < np.std([np.median(one) for one in times[:-1]])  # the mean of all is better than their median


def test_where_half_of_the_processes_are_slowed_the_others_count() -> None:
    times = runs(lambda drawn: np.where(drawn < 0.45, 1.25 + 0.3 * drawn, 1.0))
    reach = undisturbed.reach(times)
    assert reach is not None
    found = errors(times[:-1], reach)
    assert abs(np.median(found)) < 0.005
    assert (np.abs(found) < 0.03).mean() > 0.95
    medians = np.array([np.median(one) - 1 for one in times[:-1]])
    assert np.abs(medians).mean() > 0.05  # the median of such runs stands for nothing


def test_a_machine_that_was_fast_for_a_while_only_is_judged_by_its_median() -> None:
    assert undisturbed.reach(runs(lambda drawn: np.where(drawn < 0.1, 0.88, 1.0))) is None


def test_of_a_few_runs_nobody_can_tell() -> None:
    assert undisturbed.reach([np.array([1.0, 1.0, 1.4])] * 50) is None
    assert undisturbed.reach([]) is None


@pytest.mark.parametrize("noise", [1e-6, 0.2])
def test_what_counts_as_slowed_has_limits_of_its_own(noise: float) -> None:
    reach = undisturbed.reach(runs(np.ones_like, noise=noise, seed=1))
    assert reach is None or undisturbed.LEAST_REACH <= reach <= undisturbed.MOST_REACH
    assert (reach is None) == (noise == 0.2)


def slowed(one: Measurement, factor: float, status: Status) -> Measurement:
    assert one.summary is not None
    median_ms = one.summary.mean_ms * factor
    return replace(one, status=status, summary=replace(one.summary, mean_ms=2 * median_ms, median_ms=median_ms))


def test_a_phones_table_takes_medians_of_runs_and_leaves_out_those_that_were_slowed(
    files_of: FilesOf, make_device: MakeDevice
) -> None:
    device = make_device(noise=0.01)
    listed = files_of(device, 0)
    truth = {name: truth_ms for name, _, truth_ms in listed}
    taken = [
        replace(one, process=f"{one.round}-{one.artifact_name}")
        for one in device.measure(listed, rounds=8, summaries=True)
    ]
    rng = np.random.default_rng(
        1
    )  # half of the runs end slow, and the sentinel condemns as many good ones as slow ones
    mixed = [
        slowed(one, 1.4 if rng.random() < 0.5 else 1.0, Status.DRIFTED if rng.random() < 0.5 else Status.OK)
        for one in taken
    ]
    rows = estimate_files(mixed, PHONE_STATISTIC)
    assert {row.status for row in rows.values()} <= {Status.OK, Status.DRIFTED}

    def error(row: Row) -> float:
        assert row.latency_ms is not None
        return abs(row.latency_ms / truth[row.key] - 1)

    assert np.mean([error(row) < 0.015 for row in rows.values()]) > 0.98  # of 2^-8 of the files every run was slow
    assert all(row.num_rounds == 8 for row in rows.values())
