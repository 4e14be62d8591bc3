"""From tables of other devices and a few measurements on a new one to every row of its table, with error bars.

The logarithm of a row's time on the new device is, in this order,

1. physical terms whose costs are those of the sources, mixed, times one factor for the device, and a factor for each
   kind of term (multiply-accumulates of depthwise 5x5, values moved, layers, ...);
2. what the sources' rows leave over their terms, mixed in the same proportions, since devices that are alike have fast
   and slow rows in common;
3. what is the device's own: of layer shapes (shared by the rows that hold them), of rows that lie near each other, and
   of single rows.

`luts.transfer.posterior` conditions it on measurements. Simpler methods are the same with parts left out, see `Method`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_array

from mogakit.errors import InputError
from mogakit.luts.block_model import matern52
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.transfer.items import Items, Source
from mogakit.luts.transfer.terms import fit_terms, log_sums


class Method(StrEnum):
    """Which parts of the model are used."""

    SCALE = "scale"  # one factor over a source's rows
    AFFINE = "affine"  # one factor, and another constant a block and a layer
    KINDS = "kinds"  # a factor for each kind of term: depthwise, pointwise, values of a resolution's size, ...
    LOW_RANK = "low-rank"  # the device as a mixture of the sources
    PROCESS = "process"  # all of them, and a Gaussian process for what is the device's own


class Part(StrEnum):
    """What a device may differ in from its sources."""

    LEVEL = "level"
    MIXTURE = "mixture"
    KINDS = "kinds"
    RESIDUALS = "residuals"
    LAYERS = "layers"
    SMOOTH = "smooth"
    OWN = "own"


_PARTS = {
    Method.SCALE: (Part.LEVEL, Part.OWN),
    Method.AFFINE: (Part.LEVEL, Part.KINDS, Part.OWN),
    Method.KINDS: (Part.LEVEL, Part.KINDS, Part.OWN),
    Method.LOW_RANK: (Part.LEVEL, Part.MIXTURE, Part.RESIDUALS, Part.OWN),
    Method.PROCESS: tuple(Part),
}

_CONSTANT_TERMS = ("layers", "blocks", "once")
"""Terms that the affine method may change."""

FITTED = {Part.KINDS: 1.0, Part.RESIDUALS: 0.25, Part.LAYERS: 0.08, Part.SMOOTH: 0.05, Part.OWN: 0.04}
"""Standard deviations before anything is measured, of logarithms; `KINDS` of the prior spread of each kind."""

FIXED = {Part.LEVEL: 2.0, Part.MIXTURE: 0.7}
NETWORK_SPREAD = 0.012
"""By how much a network differs from the sum of its rows (docs/measuring.md), before anything is measured."""

_KIND_SPREAD, _KIND_WEIGHT = 0.6, 3.0
"""Prior spread of the factor of a kind, and of how many sources' worth of evidence that is."""

_KEPT = 0.8
"""Share of what a source's row leaves over its terms that is expected on another device too."""

_DOUBT = -2.0
"""Logarithm of the odds that a run's overhead is not what the kind of hardware lets expect."""


Factor: TypeAlias = FloatArray | csr_array
"""Shape (rows, r): what r independent unknowns do to the rows."""


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Where the model is linearised: level, mixture, kinds, residual weights; own parts, overhead, network ratio."""

    level: float
    mixture: FloatArray
    kinds: FloatArray
    residuals: FloatArray
    own: FloatArray
    overhead_log: float
    ratio_log: float


@dataclass(frozen=True)
class OverheadPrior:
    """A prior of a run's overhead: logarithm of milliseconds, its standard deviation, and how likely the prior is."""

    log: float
    spread: float
    log_odds: float


class TransferModel:
    """Sources and items, ready to be fitted to measurements on a new device.

    Args:
        items: the rows.
        sources: at least one, with a number for at least one row.
        method: which parts may differ.
        like: whether a source runs on the same kind of hardware, so that its overhead tells something of the new one's.

    Raises:
        InputError: no source says anything of the rows.
    """

    def __init__(
        self, items: Items, sources: Sequence[Source], method: Method = Method.PROCESS, like: bool = True
    ) -> None:
        self.items = items
        self.sources = tuple(sources)
        self.method = method
        costs = [fit_terms(items, source.latencies_ms) for source in sources]
        if not any((np.isfinite(source.latencies_ms) & (source.latencies_ms > 0)).any() for source in sources):
            raise InputError("no source has a number above zero for any of the rows; give a table of the same space")
        logs = np.array([each.logs for each in costs])
        self.mean_logs = logs.mean(axis=0)
        self.deviations = logs - self.mean_logs
        self.levels = np.array([each.level for each in costs])
        self.residuals = np.array([each.residuals for each in costs])
        num = len(sources)
        spread = _KIND_WEIGHT * _KIND_SPREAD**2 + (self.deviations**2).sum(axis=0)
        self.kind_spreads = np.sqrt(spread / (_KIND_WEIGHT + num - 1))
        if method is Method.AFFINE:
            free = np.array([name.startswith(_CONSTANT_TERMS) for name in items.terms])
            self.kind_spreads = np.where(free, 1.5, 0.0)
        self.smooth = _smooth_kernel(items) if Part.SMOOTH in _PARTS[method] else None
        typical_ms = float(np.exp(self.levels.mean()))
        known = float(np.mean([source.overhead_ms for source in sources]))
        theirs = OverheadPrior(float(np.log(known + 3e-3 * typical_ms)), 1.0, 0.0 if like else _DOUBT)
        self.overheads = (theirs, OverheadPrior(float(np.log(0.3 * typical_ms)), 2.5, _DOUBT if like else 0.0))
        self.ratio_log = float(np.mean(np.log([source.ratio for source in sources])))
        known_spreads = [source.spread for source in sources if source.spread is not None]
        self.network_spread = max(float(np.mean(known_spreads)), 0.005) if known_spreads else NETWORK_SPREAD

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return what may differ."""
        found = _PARTS[self.method]
        return tuple(part for part in found if part is not Part.MIXTURE or len(self.sources) > 1)

    def start(self) -> Mode:
        """Return the prior mean: the sources' geometric mean."""
        num = len(self.sources)
        return Mode(
            level=float(self.levels.mean()),
            mixture=np.zeros(num),
            kinds=np.zeros(len(self.items.terms)),
            residuals=np.zeros(num),
            own=np.zeros(len(self.items.keys)),
            overhead_log=self.overheads[0].log,
            ratio_log=self.ratio_log,
        )

    @property
    def kept(self) -> float:
        """Return which share of the sources' residuals is expected of the new device: all where nothing corrects it."""
        return _KEPT if Part.RESIDUALS in self.parts else 1.0

    def rows_at(self, point: Mode) -> tuple[FloatArray, FloatArray]:
        """Return logarithms of the rows' milliseconds without its own part, and shares of the terms in each."""
        logs = self.mean_logs + point.level + point.mixture @ self.deviations + point.kinds
        sums, shares = log_sums(self.items.row_terms, logs)
        weights = self.kept * (1 / len(self.sources) + point.mixture) + point.residuals
        return sums + weights @ self.residuals, shares

    def factors_at(self, point: Mode, shares: FloatArray) -> dict[Part, Factor]:
        """Return shape (rows, r) of each part: its effect on the rows' logarithms, in prior standard deviations."""
        items = self.items
        found: dict[Part, Factor] = {Part.LEVEL: np.ones((len(items.keys), 1))}
        if Part.MIXTURE in self.parts:
            found[Part.MIXTURE] = shares @ self.deviations.T + self.kept * self.residuals.T
        if Part.KINDS in self.parts:
            found[Part.KINDS] = shares * self.kind_spreads
        if Part.RESIDUALS in self.parts:
            found[Part.RESIDUALS] = self.residuals.T
        if Part.LAYERS in self.parts:
            logs = self.mean_logs + point.level + point.mixture @ self.deviations + point.kinds
            costs = items.layer_terms @ np.exp(logs)
            total = np.zeros(len(items.keys))
            np.add.at(total, items.row_of_layer, costs)
            share = costs / np.maximum(total[items.row_of_layer], 1e-12)
            found[Part.LAYERS] = csr_array((share, (items.row_of_layer, items.shape_of_layer)))
        return found


def _smooth_kernel(items: Items) -> FloatArray:
    """Return shape (rows, rows): near 1 for rows of one kind whose numbers are close, 0 for rows that are unlike."""
    squares = np.zeros((len(items.keys), len(items.keys)))
    for column in items.numbers.T:
        squares += (column[:, None] - column[None, :]) ** 2
    differing = np.zeros_like(squares)
    for kinds in items.kinds.T:
        differing += kinds[:, None] != kinds[None, :]
    return np.asarray(matern52(np.sqrt(5 * squares)) * np.power(0.5, differing), dtype=np.float64)
