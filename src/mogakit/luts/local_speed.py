"""The machine's speed at each moment of a window, from the files that were visited around it.

Other programs slow a computer in bursts, longer than a network runs and shorter than a window takes. Every visit says
how much slower than usual its file ran; the median over the visits around it says how fast the machine was then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mogakit.bench.measurement import Measurement
from mogakit.bench.statistics import UNDISTURBED_PERCENT, moving_median
from mogakit.luts.error_metrics import FloatArray

NUM_NEIGHBOURS = 10
"""Visits before, and as many after, whose median is the speed at one visit: with files of 0.1 to 20 ms about 0.1 s."""

Window = tuple[str, int]
"""(process, number of the window)."""


@dataclass(frozen=True, kw_only=True)
class _Visit:
    window: Window
    at_ms: float
    owner: int  # index of the measurement
    number: int  # of the visit within it
    slowness: float  # logarithm of its warm calls over the file's usual time


def divide_out_local_speed(measurements: Sequence[Measurement], windows: Mapping[Window, float]) -> list[Measurement]:
    """Return the measurements with the machine's speed at each visit divided out of its calls.

    Args:
        measurements: of all files. One that does not say when each visit was is divided by its window's speed.
        windows: speed factor of each window (`estimate.speed_factors`); a window that is not there is left alone.
    """
    placed = [one for one in measurements if (one.process, one.window) in windows and _num_warm(one)]
    speeds = _speeds(measurements, windows, _usual_times(placed, windows)) if placed else {}
    divided = []
    for index, one in enumerate(measurements):
        if index in speeds:
            divided.append(_divided(one, speeds[index]))
        elif (one.process, one.window) in windows:
            divided.append(_divided(one, windows[one.process, one.window]))
        else:
            divided.append(one)
    return divided


def _speeds(
    measurements: Sequence[Measurement], windows: Mapping[Window, float], usual: Mapping[str, float]
) -> dict[int, FloatArray]:
    """Return the speed factor at each visit of each measurement that says when it was visited, by its index."""
    visits = sorted(_visits(measurements, windows, usual), key=lambda visit: (visit.window, visit.at_ms))
    slowness = np.array([visit.slowness for visit in visits])
    starts = [index for index in range(1, len(visits)) if visits[index].window != visits[index - 1].window]
    smooth = np.concatenate([moving_median(part, NUM_NEIGHBOURS) for part in np.split(slowness, starts)])
    factors = np.exp(smooth - np.percentile(smooth, UNDISTURBED_PERCENT))
    speeds: dict[int, FloatArray] = {}
    for visit, factor in zip(visits, factors, strict=True):
        of_owner = speeds.setdefault(visit.owner, np.ones(len(measurements[visit.owner].visited_at_ms)))
        of_owner[visit.number] = factor
    return speeds


def _num_warm(one: Measurement) -> int:
    """Return the number of warm calls of each visit, 0 where visits and calls cannot be matched."""
    num_visits = len(one.visited_at_ms)
    if not num_visits or len(one.cold_ms) != num_visits or len(one.samples_ms) % num_visits:
        return 0
    return len(one.samples_ms) // num_visits


def _usual_times(measurements: Sequence[Measurement], windows: Mapping[Window, float]) -> dict[str, float]:
    """Return the median warm time of each file, the speed of its windows divided out."""
    times: dict[str, list[FloatArray]] = {}
    for one in measurements:
        times.setdefault(one.artifact_name, []).append(np.array(one.samples_ms) / windows[one.process, one.window])
    return {name: float(np.median(np.concatenate(parts))) for name, parts in times.items()}


def _visits(
    measurements: Sequence[Measurement], windows: Mapping[Window, float], usual: Mapping[str, float]
) -> list[_Visit]:
    found = []
    for owner, one in enumerate(measurements):
        window = (one.process, one.window)
        num_warm = _num_warm(one)
        if window not in windows or not num_warm:
            continue
        slowness = np.log(np.array(one.samples_ms).reshape(-1, num_warm) / usual[one.artifact_name]).mean(axis=1)
        found += [
            _Visit(window=window, at_ms=at_ms, owner=owner, number=number, slowness=float(value))
            for number, (at_ms, value) in enumerate(zip(one.visited_at_ms, slowness, strict=True))
        ]
    return found


def _divided(one: Measurement, speeds: FloatArray | float) -> Measurement:
    """Divide calls by one speed, or by one for each visit; a tool's summary by the one speed."""
    warm = np.repeat(speeds, _num_warm(one)) if isinstance(speeds, np.ndarray) else speeds
    summary = one.summary
    if summary is not None and not isinstance(speeds, np.ndarray):
        median_ms = None if summary.median_ms is None else summary.median_ms / speeds
        summary = replace(summary, mean_ms=summary.mean_ms / speeds, median_ms=median_ms)
    return replace(
        one,
        samples_ms=tuple((np.array(one.samples_ms) / warm).tolist()),
        cold_ms=tuple((np.array(one.cold_ms) / speeds).tolist()),
        summary=summary,
    )
