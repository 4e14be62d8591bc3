"""A phone beside another computer: measured by the worker that owns it, which lets it go when its client leaves."""

from contextlib import ExitStack

import pytest
from dask_processes import dask_processes, wait_until
from phone_simulator.fixtures import adb_binaries

from mogakit.android_runner.adb import Link
from mogakit.android_runner.discovery import default_servers
from mogakit.android_runner.lock import held_on
from mogakit.bench.measurement import Status
from mogakit.bench.target import parse_target
from mogakit.errors import DeviceError, InputError
from mogakit.flows.measure.bench import BenchRequest, bench
from mogakit.flows.measure.devices import PhoneRequest, open_runner

__all__ = ["dask_processes"]


@pytest.fixture
def adb_binary():
    """One adb is enough here: what differs between them is tested beside the link."""
    return adb_binaries()[0]


TARGET = parse_target("tflite/cpu/float32")


def test_a_phone_is_measured_by_the_worker_that_owns_it(dask_processes, quick_phone):
    serial = quick_phone.serial
    dask_processes.scheduler()
    dask_processes.worker()
    owner = dask_processes.worker("--resources", f"phone-{serial}=1")
    wait_until(lambda: dask_processes.joined() == 2, "both workers join")
    phone = PhoneRequest(quick=True, run_s=0.02, cluster=dask_processes.address)
    request = BenchRequest(models=("digits/0-0-0-0-0-0",), targets=(TARGET,), quick=True)
    link = Link(default_servers()[0], serial)
    with open_runner(serial, phone=phone) as runner:
        assert str(owner.pid) in str(held_on(link))
        (timing,) = bench(request, runner).timings
        assert timing.row.status is Status.OK
        assert timing.row.agreement is not None
    wait_until(lambda: held_on(link) is None, "the phone is let go")
    with (
        pytest.raises(InputError, match=f"no worker .* owns phone-other; they own phone-{serial}"),
        ExitStack() as stack,
    ):
        stack.enter_context(open_runner("other", phone=phone))
    with pytest.raises(DeviceError, match="went away"), open_runner(serial, phone=phone) as runner:
        owner.kill()
        runner.conditions()
