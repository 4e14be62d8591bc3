"""Jobs on a simulated phone: how the kit measures them, and whether their times are the phone's truth."""

from collections.abc import Callable

import pytest
from phone_simulator.phone import Phone

from mogakit.bench.measurement import Measurement, Status
from mogakit.bench.runner import Job, Runner

MakeJob = Callable[..., Job]
CPU, GPU = "tflite/cpu/float32", "tflite/gpu/float16"


def measure(runner: Runner, *jobs: Job, round_number: int = 0) -> list[Measurement]:
    """Measure each job once, in a session of its own."""
    with runner.session(jobs, round_number, seed=0) as session:
        return [one for window, job in enumerate(jobs) for one in session.measure([job], window)]


def assert_true(phone: Phone, job: Job, measured: Measurement) -> None:
    """The time is the phone's truth and stands for its target."""
    assert (measured.status, measured.error) == (Status.OK, None)
    assert measured.summary is not None
    assert measured.summary.mean_ms == pytest.approx(phone.truth_ms(job.artifact.path, str(job.target)), rel=0.1)
