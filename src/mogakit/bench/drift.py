"""Drift: has the machine's speed moved while we measured? The sentinel, one file timed again and again, tells.

A verdict rests only on readings that were there when it was made, never on later ones, so that a resumed run comes to
the same verdicts as one that was never interrupted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mogakit.bench.measurement import Measurement

MIN_READINGS = 4
"""Readings of a round before the first verdict: the median of fewer is not a reference."""


@dataclass(frozen=True)
class Reading:
    """What the sentinel took in one timing window of a round."""

    window: int
    time_ms: float


def readings(sentinels: Iterable[Measurement]) -> list[Reading]:
    """Return the sentinel's readings in the order in which they were taken: the median of a window's timed calls."""
    found = []
    for measurement in sentinels:
        if measurement.samples_ms:
            found.append(Reading(measurement.window, float(np.median(measurement.samples_ms))))
        elif measurement.summary is not None:
            found.append(Reading(measurement.window, measurement.summary.centre_ms))
    return found


def drifted_windows(taken: Sequence[Reading], limit: float) -> frozenset[int]:
    """Return the windows of a round in which the machine's speed was off by more than `limit` (a share, 0.03).

    A reading is compared with the median of all readings up to it (the first ones with the median of the first
    `MIN_READINGS`). One that is off flags its own window and those between it and its neighbours: on a phone, where
    a window holds one file, the files measured between two readings.
    """
    flagged: set[int] = set()
    for index, reading in enumerate(taken):
        known = taken[: max(index + 1, MIN_READINGS)]
        if len(known) < MIN_READINGS:
            break
        reference = float(np.median([other.time_ms for other in known]))
        if abs(reading.time_ms / reference - 1) <= limit:
            continue
        first = taken[index - 1].window + 1 if index > 0 else 0
        last = taken[index + 1].window - 1 if index + 1 < len(taken) else reading.window
        flagged.update(range(min(first, reading.window), max(last, reading.window) + 1))
    return frozenset(flagged)
