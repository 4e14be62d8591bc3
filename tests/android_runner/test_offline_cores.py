"""A phone that has switched cores off is measured on the fastest ones that are on."""

import pytest
from phone_jobs import CPU, MakeJob, measure
from phone_simulator.phone import Phone

from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.target import parse_target


@pytest.mark.parametrize(
    ("offline", "cpus", "mask"),
    [((6, 7), "big", "30"), ((7,), "big", "40"), ((0, 1, 2, 3), "little", "30"), ((), "big", "c0")],
)
def test_runs_are_held_on_cores_that_are_on(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, offline: tuple[int, ...], cpus: str, mask: str
) -> None:
    quick_phone.state.offline_cpus = frozenset(offline)
    quick_phone.refresh()
    target = CPU if cpus == "big" else f"{CPU},cpus={cpus}"
    with open_phone(quick_phone.serial, options) as runner:
        assert runner.identity(parse_target(target)).affinity == mask
        job = make_job(target)
        (measured,) = measure(runner, job)
    assert measured.error is None
