"""A crash, a hang or a flood of memory in the runtime is an answer, not the end."""

import ctypes
import faulthandler
import sys
import time

import numpy as np
import pytest

from mogakit.bench.attempt import Limits, Tried, attempt
from mogakit.errors import MeasurementError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

LIMITS = Limits(memory_bytes=2**29, seconds=2)


def crash() -> None:
    faulthandler.disable()
    ctypes.string_at(0)


def hang() -> None:
    while True:
        time.sleep(0.01)


def flood() -> None:
    np.ones(2**28, np.float64)


def fail() -> None:
    raise MeasurementError("ids out of range")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (crash, r"crashed the runtime \(SIGSEGV\)"),
        (hang, "not loaded and run once within 2 s; --timeout-s"),
        (flood, "more memory than one file may take"),
        (fail, "ids out of range"),
        (sys.exit, "ended the runtime's process"),
    ],
)
def test_what_went_wrong_is_told(act, reason) -> None:
    found = attempt(act, LIMITS)
    assert found.grown_mb is None
    with pytest.raises(MeasurementError, match=reason):
        raise MeasurementError(found.error)


def test_the_growth_of_memory_is_measured() -> None:
    found = attempt(lambda: np.ones(2**24, np.float64), LIMITS)  # beyond what an allocator keeps for itself
    assert found.error is None and found.grown_mb is not None
    assert 120 < found.grown_mb < 150
    assert found != Tried()
