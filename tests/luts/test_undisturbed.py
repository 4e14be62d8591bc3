"""Of a file's runs those count that nothing slowed, where the fastest are common; elsewhere the median."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mogakit.bench.measurement import Identity, Measurement, Status
from mogakit.luts import undisturbed
from mogakit.luts.build import build_table
from mogakit.luts.estimate import estimate_files
from mogakit.luts.statistic import PHONE_STATISTIC, Centre
from mogakit.luts.table import Row

NUM_FILES, NUM_SENTINEL, NUM_RUNS = 200, 42, 6
MakeDevice = Callable[..., Any]
FilesOf = Callable[[Any, int], list[Any]]


def runs(
    slowed: Callable[[NDArray[np.float64]], NDArray[np.float64]], noise: float = 0.0115, seed: int = 0
) -> list[NDArray[np.float64]]:
    """Return run times of files that take 1 ms, and last of a sentinel; `slowed` maps shares of the time to factors.

    Files are visited at random moments, the sentinel at even distances.
    """
    rng = np.random.default_rng(seed)
    moments = [*rng.random((NUM_FILES, NUM_RUNS)), (np.arange(NUM_SENTINEL) + 0.5) / NUM_SENTINEL]
    return [slowed(moment) * (1 + noise * rng.normal(size=len(moment))) for moment in moments]


def errors(times: list[NDArray[np.float64]], threshold: float) -> NDArray[np.float64]:
    return np.array([undisturbed.means(one[None, :], threshold)[0] - 1 for one in times])


def test_of_an_idle_machine_nearly_every_run_counts() -> None:
    times = runs(np.ones_like)
    threshold = undisturbed.outlier_threshold(times)
    assert threshold is not None
    found = errors(times[:-1], threshold)
    assert abs(found.mean()) < 0.0015
    assert found.std() < np.std([np.median(one) for one in times[:-1]])  # the mean of all is better than their median


def test_where_half_of_the_processes_are_slowed_the_others_count() -> None:
    times = runs(lambda drawn: np.where(drawn < 0.45, 1.25 + 0.3 * drawn, 1.0))
    threshold = undisturbed.outlier_threshold(times)
    assert threshold is not None
    found = errors(times[:-1], threshold)
    assert abs(np.median(found)) < 0.005
    assert (np.abs(found) < 0.03).mean() > 0.95
    medians = np.array([np.median(one) - 1 for one in times[:-1]])
    assert np.abs(medians).mean() > 0.05  # the median of such runs stands for nothing


@pytest.mark.parametrize("share", [0.02, 0.04, 0.1, 0.15])
def test_a_machine_that_was_fast_for_a_while_only_is_judged_by_its_median(share: float) -> None:
    assert undisturbed.outlier_threshold(runs(lambda moment: np.where(moment < share, 0.88, 1.0))) is None


def test_of_a_few_runs_nobody_can_tell() -> None:
    assert undisturbed.outlier_threshold([np.array([1.0, 1.0, 1.01, 1.0, 1.0, 1.4])] * 50) is None
    assert undisturbed.outlier_threshold([]) is None


@pytest.mark.parametrize("noise", [1e-6, 0.2])
def test_what_counts_as_slowed_has_limits_of_its_own(noise: float) -> None:
    threshold = undisturbed.outlier_threshold(runs(np.ones_like, noise=noise, seed=1))
    assert threshold is None or undisturbed.LEAST_THRESHOLD <= threshold <= undisturbed.MOST_THRESHOLD
    assert (threshold is None) == (noise == 0.2)


def slowed(one: Measurement, factor: float, status: Status) -> Measurement:
    assert one.summary is not None
    median_ms = one.summary.mean_ms * factor
    return replace(one, status=status, summary=replace(one.summary, mean_ms=2 * median_ms, median_ms=median_ms))


def test_a_phones_table_takes_medians_of_runs_and_leaves_out_those_that_were_slowed(
    files_of: FilesOf, make_device: MakeDevice
) -> None:
    device = make_device(noise=0.01)
    listed = [one for one in files_of(device, 0) if one[2] > 0.2]  # shorter ones are told by their mean
    truth = {name: truth_ms for name, _, truth_ms in listed}
    often = [replace(one, round=one.round + 8) for one in device.measure(listed[-1:], rounds=30, summaries=True)]
    taken = [
        replace(one, process=f"{one.round}-{one.artifact_name}")
        for one in [*device.measure(listed, rounds=8, summaries=True), *often]
    ]
    # half of the runs end slow, and the sentinel flags as many good ones as slow ones
    rng = np.random.default_rng(1)
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
    del rows[listed[-1][0]]
    assert np.mean([row.num_rounds or 0 for row in rows.values()]) == pytest.approx(4, rel=0.1)  # those that count
    assert all(len(row.run_means_ms) == row.num_rounds and row.count == 20 * row.num_rounds for row in rows.values())
    row = rows[listed[0][0]]
    assert max(row.run_means_ms) < 1.07 * min(row.run_means_ms)


def test_a_table_holds_how_its_runs_were_judged_and_what_is_measured_later_is_judged_alike(
    files_of: FilesOf, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device(noise=0.01)
    taken = device.measure(files_of(device, 0), rounds=30, summaries=True)
    table = build_table(taken, identity, name="t", statistic=PHONE_STATISTIC)
    assert table.statistic.reach is not None
    fewer = build_table([one for one in taken if one.round < 3], identity, name="t", statistic=PHONE_STATISTIC, seed=1)
    assert (fewer.statistic.across_runs, fewer.statistic.reach) == (Centre.MEDIAN, None)
    late = [slowed(one, 1.0 if one.round else 1.06, Status.DRIFTED) for one in taken if one.round < 3]
    assert {row.num_rounds for row in estimate_files(late, replace(table.statistic, reach=0.05)).values()} == {2}
    assert replace(table.statistic, reach=0.05) == table.statistic  # tables of two hours are of one statistic
