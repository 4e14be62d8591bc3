"""What a table keeps about rows that come from tables of other devices: sources, measurements, errors in common.

Errors of such rows are not independent: if the device is a little slower than was inferred, all rows are. So each row's
error is a sum of a few errors that rows share and one of its own, and a network's error bar adds them up accordingly.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mogakit.luts.error_metrics import FloatArray

Z95 = 1.96
"""Standard deviations from the middle of a normal distribution to the ends of its 95 % interval."""

MEAN_OF_NORMAL = 0.7979
"""Mean absolute value of a normal distribution in standard deviations, the root of 2 over pi."""


@dataclass(frozen=True, kw_only=True)
class TransferSource:
    """A table that rows come from.

    Attributes:
        table: its name. sha256: of its file.
        device_name, target: what it is a table of; `unknown` where it does not say.
    """

    table: str
    sha256: str
    device_name: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Transferred:
    """How the rows marked `transferred` came about, and the error bars of what they predict.

    Attributes:
        method: of `luts.transfer.model.Method`.
        sources: tables of other devices.
        measured: names of the files that were timed on this one and count: blocks, chains, networks.
        seconds: that measuring took, exports included.
        network_spread: relative standard deviation of single networks around what their rows say.
        ratio_spread: shared errors of the calibration, relative, in the order of those of the rows.
        overhead_spread: those of the overhead, relative to it.
        shared_spread: those of each row, relative to it; rows that were measured have none.
        own_spread: relative standard deviation of each row that no other shares.
    """

    method: str
    sources: tuple[TransferSource, ...]
    measured: tuple[str, ...]
    seconds: float
    network_spread: float
    ratio_spread: tuple[float, ...]
    overhead_spread: tuple[float, ...]
    shared_spread: dict[str, tuple[float, ...]]
    own_spread: dict[str, float]

    def relative_error(self, parts_ms: Mapping[str, float], overhead_ms: float) -> float:
        """Return the relative standard deviation of a network's time around its prediction.

        Args:
            parts_ms: what each row adds to it, by key. overhead_ms: what it pays once.
        """
        total_ms = overhead_ms + sum(parts_ms.values())
        shared: FloatArray = np.array(self.ratio_spread)
        shared = shared + overhead_ms / total_ms * np.array(self.overhead_spread)
        own = self.network_spread**2
        for key, ms in parts_ms.items():
            share = ms / total_ms
            if key in self.shared_spread:
                shared = shared + share * np.array(self.shared_spread[key])
            own += (share * self.own_spread.get(key, 0.0)) ** 2
        return float(np.sqrt(shared @ shared + own))
