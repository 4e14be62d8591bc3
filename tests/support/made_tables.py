"""Latency tables of a space as one is measured: all blocks, an overhead, a calibration; the times are made up."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mogakit.luts.calibrate import Calibration, CalibrationKind
from mogakit.luts.foreign.mapping import blocks_of
from mogakit.luts.foreign.reading import Given, foreign_table
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.table import LatencyTable, Overhead, OverheadVerdict, Row
from mogakit.nets.network import count_madds
from mogakit.nets.spaces import get_space

SCALE, OFFSET_MS, OVERHEAD_MS = 1.07, 0.9, 0.7


def table_of(space: str, seed: int = 0) -> LatencyTable:
    """Return a table whose times grow with the work of a block."""
    rng = np.random.default_rng(seed)
    rows = {}
    for block, role in blocks_of(get_space(space)).items():
        latency = 0.02 + count_madds(block) / 5e6 * float(rng.uniform(0.8, 1.2))
        count = int(rng.integers(20, 200))
        rows[block.key] = Row(key=block.key, role=role, latency_ms=latency, std_ms=latency / 50, count=count)
    empty = foreign_table(Path(__file__), (), Given(unit=TimeUnit.MS, device_name="a phone"), "a test", space=space)
    overhead = Overhead(
        value_ms=OVERHEAD_MS,
        verdict=OverheadVerdict.USED,
        intercept_ms=OVERHEAD_MS,
        low_ms=0.6,
        high_ms=0.8,
        slopes_ms={},
        r2=1.0,
        num_chains=3,
    )
    calibration = Calibration(kind=CalibrationKind.AFFINE, scale=SCALE, offset_ms=OFFSET_MS)
    return replace(empty, rows=rows, overhead=overhead, calibration=calibration)
