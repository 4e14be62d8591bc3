"""Precision is judged with the machine's common speed divided out, and by how many files reach it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mogakit.bench.measurement import Measurement, Summary
from mogakit.bench.precision import relative_half_widths, share_wider_than
from mogakit.bench.runner import Job


def test_common_drift_does_not_widen_intervals(jobs: list[Job], make_measurement: Callable[..., Measurement]) -> None:
    rng = np.random.default_rng(0)
    taken = [
        make_measurement(job, 0, window, tuple((1 + index) * speed * np.exp(rng.normal(0, 0.002, 2))))
        for window, speed in enumerate(rng.uniform(1, 1.5, 20))
        for index, job in enumerate(jobs)
    ]
    assert max(relative_half_widths(taken).values()) < 0.004
    assert share_wider_than(taken, 0.01) == 0.0


def test_summaries_of_phones_count_as_one_sample_each(
    jobs: list[Job], make_measurement: Callable[..., Measurement]
) -> None:
    taken = [
        replace(
            make_measurement(jobs[0], number, 0, ()),
            process=f"p{number}",
            summary=Summary(count=50, mean_ms=mean_ms, std_ms=0.1, min_ms=1.0, max_ms=2.0),
        )
        for number, mean_ms in enumerate((1.0, 1.1, 0.9, 1.0))
    ]
    (width,) = relative_half_widths(taken).values()
    assert width == pytest.approx(0.07, abs=0.03)
    assert share_wider_than(taken[:2], 0.01) == 1.0  # two samples say nothing of their error
    assert share_wider_than([], 0.01) == 1.0
