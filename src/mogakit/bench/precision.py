"""Is it measured well enough? The interval of every file, with the machine's common speed divided out."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mogakit.bench.measurement import Measurement
from mogakit.bench.statistics import common_mode, relative_half_width


def relative_half_widths(measurements: Iterable[Measurement], seed: int = 0) -> dict[tuple[str, str], float]:
    """Return the bootstrap half-width over the mean by (artifact sha256, target).

    Each time is divided by the common mode of its process and window before the interval is drawn. A window of a phone
    holds one file and its process no other: there, nothing is divided out.
    """
    times: list[float] = []
    groups: dict[tuple[str, int], int] = {}
    items: dict[tuple[str, str], int] = {}
    of_group: list[int] = []
    of_item: list[int] = []
    for one in measurements:
        values = one.samples_ms or ((one.summary.centre_ms,) if one.summary is not None else ())
        group = groups.setdefault((one.process, one.window), len(groups))
        item = items.setdefault((one.artifact_sha256, str(one.target)), len(items))
        times.extend(values)
        of_group.extend([group] * len(values))
        of_item.extend([item] * len(values))
    if not times:
        return {}
    values_ms, group_of, item_of = np.array(times), np.array(of_group), np.array(of_item)
    if _are_shared(group_of, item_of):
        values_ms = values_ms / common_mode(values_ms, group_of, item_of)[group_of]
    return {key: relative_half_width(values_ms[item_of == item], seed) for key, item in items.items()}


def _are_shared(group_of: NDArray[np.int64], item_of: NDArray[np.int64]) -> bool:
    """Return whether every group timed several files, without which it has no common mode."""
    pairs = np.unique(np.stack([group_of, item_of]), axis=1)
    return bool(np.bincount(pairs[0]).min() > 1)


def share_wider_than(measurements: Iterable[Measurement], precision: float, seed: int = 0) -> float:
    """Return the share of files whose relative half-width is above `precision` (0.01); 1 where nothing is measured."""
    widths = list(relative_half_widths(measurements, seed).values())
    return sum(width > precision for width in widths) / len(widths) if widths else 1.0
