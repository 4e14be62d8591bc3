"""What measurements on a new device say of every row, given its model.

Everything is Gaussian in logarithms and linearised where times add up (rows in a network, overhead and row in a file):
one Gauss-Newton iteration conditions on single rows, chains and whole networks alike. How large the parts of the model
are is found by the marginal likelihood of what was measured, under priors (Rasmussen and Williams 2006, section 5.4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.transfer.items import File, IntArray, Measured
from mogakit.luts.transfer.model import FITTED, FIXED, Mode, OverheadPrior, Part, TransferModel

_HYPER_SPREAD = 0.7
"""Standard deviation of the logarithms of `FITTED` and `NETWORK_SPREAD`: with few measurements they hardly move."""

_RATIO_SPREAD = 0.04
"""Standard deviation of the logarithm of how networks differ from sums, from one device to another."""

_NOISE_FLOOR = 3e-3
_MAX_STEP = 1.5
_NUM_ITERATIONS, _FITS_OF_SPREADS, _CLOSE = 60, (2, 4, 6, 8), 5e-4
"""Steps at most, those before which spreads are fitted, and the change of a row's logarithm that ends them."""
_TRUST = 8.0
"""Measurements' worth of trust in the model's own error bars, against what left-out measurements say of them."""


def fit(model: TransferModel, measured: Sequence[Measured]) -> "Posterior":
    """Condition a model on measurements; without any, the result is what the sources alone say.

    A run's overhead is like the sources', or it is not: the likelier of the two is taken.
    """
    found = [(_Fit(model, measured, prior).posterior(), prior) for prior in model.overheads]
    return max(found, key=lambda each: each[0].log_evidence + each[1].log_odds)[0]


class Prior:
    """Covariances of the rows' logarithms at a point, part by part; `spreads` scales them."""

    def __init__(
        self, model: TransferModel, point: Mode, spreads: Mapping[Part, float], overhead_spread: float
    ) -> None:
        self.rows, shares = model.rows_at(point)
        self.factors = model.factors_at(point, shares)
        self.smooth = model.smooth
        self.parts = model.parts
        self.spreads = spreads
        self.extras = np.array([overhead_spread, _RATIO_SPREAD])

    def between(self, left: "Slopes", right: "Slopes") -> dict[Part, FloatArray]:
        """Return shape (left, right) for each part, in squared prior standard deviations."""
        found = {part: (left.rows @ factor) @ (right.rows @ factor).T for part, factor in self.factors.items()}
        if self.smooth is not None:
            kernel = self.smooth[np.ix_(left.touched, right.touched)]
            found[Part.SMOOTH] = left.rows[:, left.touched] @ kernel @ right.rows[:, right.touched].T
        if Part.OWN in self.parts:
            found[Part.OWN] = left.rows @ right.rows.T
        return found

    def summed(self, parts: Mapping[Part, FloatArray], left: "Slopes", right: "Slopes") -> FloatArray:
        """Return the covariance of two groups of functions, given that of each part."""
        extras = (left.extras * self.extras**2) @ right.extras.T
        return np.asarray(extras + sum(self.spreads[part] ** 2 * each for part, each in parts.items()))

    def covariance(self, left: "Slopes", right: "Slopes") -> FloatArray:
        """Return shape (left, right)."""
        return self.summed(self.between(left, right), left, right)


@dataclass(frozen=True)
class Slopes:
    """Derivatives of logarithms of files' times: by the rows' logarithms, and by those of overhead and network ratio.

    Attributes:
        rows: shape (n, rows). extras: shape (n, 2).
    """

    rows: FloatArray
    extras: FloatArray

    @cached_property
    def touched(self) -> IntArray:
        """Return which rows any of the files holds; in spaces of thousands, few."""
        return np.flatnonzero(self.rows.any(axis=0))


def file_slopes(
    files: Sequence[File], rows_log: FloatArray, overhead_log: float, ratio_log: float
) -> tuple[FloatArray, Slopes]:
    """Return logarithms of files' milliseconds, shape (n,), and their slopes."""
    counts = np.array([each.counts for each in files]).reshape(len(files), len(rows_log))
    whole = np.array([each.whole for each in files], dtype=np.float64)
    parts = counts * np.exp(rows_log)
    overhead = np.array([each.once for each in files]) * np.exp(overhead_log)
    total = overhead + parts.sum(axis=1)
    slopes = Slopes(parts / total[:, None], np.stack([overhead / total, whole], axis=1))
    return np.log(total) + whole * ratio_log, slopes


class _Fit:
    """One call of `TransferModel.fit`."""

    def __init__(self, model: TransferModel, measured: Sequence[Measured], overhead: OverheadPrior) -> None:
        self.model, self.overhead = model, overhead
        self.files = [each.file for each in measured]
        self.whole = np.array([each.file.whole for each in measured], dtype=bool)
        self.logs = np.log([each.latency_ms for each in measured])
        errors = np.array([each.std_ms / each.latency_ms for each in measured])
        self.noise = np.maximum(errors, _NOISE_FLOOR) ** 2
        self.spreads: dict[Part, float] = {
            part: (FIXED | FITTED)[part] for part in (*FIXED, *FITTED) if part in model.parts
        }
        self.network_spread = model.network_spread
        self.before = replace(model.start(), overhead_log=overhead.log)
        self.point = self._first_guess()

    def _first_guess(self) -> Mode:
        """Return the prior mean with the level that the measurements ask for."""
        if not self.files:
            return self.before
        rows, _ = self.model.rows_at(self.before)
        found, _ = file_slopes(self.files, rows, self.before.overhead_log, self.before.ratio_log)
        shift = float(np.median(self.logs - found))
        return replace(self.before, level=self.before.level + shift)

    def posterior(self) -> "Posterior":
        """Iterate to the mode; a step that comes no nearer than the one before was too long, and halves the next."""
        self._linearise()
        change, share = np.inf, 1.0
        for iteration in range(_NUM_ITERATIONS if self.files else 0):
            if iteration in _FITS_OF_SPREADS:
                self._fit_spreads()
            last, change = change, self._move(share)
            self._linearise()
            if change < _CLOSE and iteration > max(_FITS_OF_SPREADS):
                break
            share = max(share / 2, 0.1) if change > (1 - share / 4) * last else min(1.5 * share, 1.0)
        return Posterior(self)

    def _linearise(self) -> None:
        point = self.point
        self.prior = Prior(self.model, point, self.spreads, self.overhead.spread)
        self.rows_log = self.prior.rows + point.own
        found, self.slopes = file_slopes(self.files, self.rows_log, point.overhead_log, point.ratio_log)
        before = self._linear_before()
        extras = np.array([self.before.overhead_log - point.overhead_log, self.before.ratio_log - point.ratio_log])
        self.errors = self.logs - found - self.slopes.rows @ (before - self.rows_log) - self.slopes.extras @ extras
        self.between = self.prior.between(self.slopes, self.slopes)

    def _linear_before(self) -> FloatArray:
        """Return the prior mean of the rows, as the tangent at the point has it."""
        factors, point, before = self.prior.factors, self.point, self.before
        rows = self.prior.rows + factors[Part.LEVEL][:, 0] * (before.level - point.level)
        if Part.MIXTURE in factors:
            rows = rows - factors[Part.MIXTURE] @ point.mixture
        if Part.KINDS in factors:
            rows = rows - factors[Part.KINDS] @ _over(point.kinds, self.model.kind_spreads)
        if Part.RESIDUALS in factors:
            rows = rows - factors[Part.RESIDUALS] @ point.residuals
        return rows

    def inner(self) -> FloatArray:
        """Return the covariance of the measurements, shape (measured, measured)."""
        noise = self.noise + self.whole * self.network_spread**2
        return self.prior.summed(self.between, self.slopes, self.slopes) + np.diag(noise)

    def _fit_spreads(self) -> None:
        """Find how large the parts are, by the marginal likelihood and the priors."""
        fitted = [part for part in self.spreads if part in FITTED]
        fixed = sum(self.spreads[part] ** 2 * self.between[part] for part in self.spreads if part not in FITTED)
        fixed = fixed + (self.slopes.extras * self.prior.extras**2) @ self.slopes.extras.T + np.diag(self.noise)
        stacked = np.array([self.between[part] for part in fitted] + [np.diag(self.whole.astype(np.float64))])
        centre = np.log([*(FITTED[part] for part in fitted), self.model.network_spread])

        def loss(given: FloatArray) -> tuple[float, FloatArray]:
            squares = np.exp(2 * given)
            covariance = fixed + np.tensordot(squares, stacked, axes=1)
            factor = cho_factor(covariance, lower=True)
            weights = cho_solve(factor, self.errors)
            inverse = cho_solve(factor, np.eye(len(self.errors)))
            pull = (given - centre) / _HYPER_SPREAD
            value = 0.5 * self.errors @ weights + np.log(np.diag(factor[0])).sum() + 0.5 * pull @ pull
            slope = squares * (
                np.einsum("kij,ij->k", stacked, inverse) - np.einsum("kij,i,j->k", stacked, weights, weights)
            )
            return float(value), slope + pull / _HYPER_SPREAD

        start = np.log([*(self.spreads[part] for part in fitted), self.network_spread])
        bounds = [(middle - _HYPER_SPREAD, middle + 4 * _HYPER_SPREAD) for middle in centre]
        found = np.exp(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)
        self.spreads |= dict(zip(fitted, found[:-1].tolist(), strict=True))
        self.network_spread = float(found[-1])

    def _move(self, share: float) -> float:
        """Go a share of the way to the tangent's posterior mean; return the largest change of a row's logarithm."""
        gain = cho_solve(cho_factor(self.inner(), lower=True), self.errors)
        onto = self.slopes.rows.T @ gain
        extras = self.slopes.extras.T @ gain * self.prior.extras**2
        moves = {part: self.spreads[part] ** 2 * (factor.T @ onto) for part, factor in self.prior.factors.items()}
        own = self.spreads.get(Part.OWN, 0.0) ** 2 * onto
        if Part.LAYERS in moves:
            own = own + self.prior.factors[Part.LAYERS] @ moves[Part.LAYERS]
        if self.prior.smooth is not None:
            own = own + self.spreads[Part.SMOOTH] ** 2 * (self.prior.smooth @ onto)
        nothing = np.zeros(1)
        goal = Mode(
            level=self.before.level + float(moves[Part.LEVEL][0]),
            mixture=moves.get(Part.MIXTURE, 0.0 * self.before.mixture),
            kinds=moves.get(Part.KINDS, nothing) * self.model.kind_spreads,
            residuals=moves.get(Part.RESIDUALS, 0.0 * self.before.residuals),
            own=own,
            overhead_log=self.before.overhead_log + float(extras[0]),
            ratio_log=self.before.ratio_log + float(extras[1]),
        )
        rows = self.model.rows_at(goal)[0] + goal.own
        change = max(float(np.abs(rows - self.rows_log).max()), abs(goal.overhead_log - self.point.overhead_log))
        self.point = _between(self.point, goal, min(share, _MAX_STEP / max(change, 1e-9)))
        return change


def _over(values: FloatArray, spreads: FloatArray) -> FloatArray:
    return np.divide(values, spreads, out=np.zeros_like(values), where=spreads > 0)


def _between(first: Mode, second: Mode, share: float) -> Mode:
    """Return the point that lies `share` of the way from one to the other."""
    pairs = {name: (value, vars(second)[name]) for name, value in vars(first).items()}
    return Mode(**{name: one + share * (two - one) for name, (one, two) in pairs.items()})


class Posterior:
    """The new device, as sources and measurements have it.

    Attributes:
        rows_log: shape (rows,), logarithms of milliseconds. overhead_ms: of a run. ratio: of networks over their sums.
        network_spread: relative standard deviation of single networks around that.
        widened: by how much error bars are widened, because left-out measurements lay farther off than the model says.
        log_evidence: logarithm of the marginal likelihood of the measurements.
        held_out_logs: shape (measured,), of each measurement the logarithm of its time over what all others predict.
        held_out_scaled: the same in standard deviations.
    """

    def __init__(self, fit: _Fit) -> None:
        self.items = fit.model.items
        self.rows_log = fit.rows_log
        self.overhead_log, self.ratio_log = fit.point.overhead_log, fit.point.ratio_log
        self.spreads, self.network_spread = dict(fit.spreads), fit.network_spread
        self._prior, self._slopes = fit.prior, fit.slopes
        self.log_evidence, self.widened = 0.0, 1.0
        self.held_out_logs = self.held_out_scaled = np.zeros(0)
        if not fit.files:
            self._root: FloatArray = np.zeros((0, 0))
            return
        inner = fit.inner()
        self._root = np.asarray(np.linalg.cholesky(inner), dtype=np.float64)
        inverse = np.linalg.inv(inner)
        gain = inverse @ fit.errors
        self.log_evidence = float(
            -0.5 * fit.errors @ gain - np.log(np.diag(self._root)).sum() - 0.5 * len(gain) * np.log(2 * np.pi)
        )
        spread = np.sqrt(np.diag(inverse))
        self.held_out_logs, self.held_out_scaled = gain / spread**2, gain / spread
        squares = float(np.sum(self.held_out_scaled**2))
        self.widened = max(1.0, float(np.sqrt((_TRUST + squares) / (_TRUST + len(gain)))))

    @property
    def overhead_ms(self) -> float:
        """Return what a run costs besides its rows."""
        return float(np.exp(self.overhead_log))

    @property
    def ratio(self) -> float:
        """Return how whole networks differ from the sums of their rows."""
        return float(np.exp(self.ratio_log))

    def covariance(self, slopes: Slopes) -> FloatArray:
        """Return the covariance of functions of the rows, shape (n, n), not widened, without networks' own spread."""
        found = self._prior.covariance(slopes, slopes)
        if not len(self._root):
            return found
        cross = np.linalg.solve(self._root, self._prior.covariance(self._slopes, slopes))
        return found - cross.T @ cross

    def predict(self, files: Sequence[File]) -> tuple[FloatArray, FloatArray]:
        """Return milliseconds of files and relative standard deviations of what a measurement of them would show."""
        logs, slopes = file_slopes(files, self.rows_log, self.overhead_log, self.ratio_log)
        whole = np.array([each.whole for each in files], dtype=np.float64)
        variance = np.maximum(np.diag(self.covariance(slopes)), 0.0)
        own = (whole * self.network_spread) ** 2
        return np.exp(logs), np.sqrt(self.widened**2 * variance + own)

    def slopes_of(self, files: Sequence[File]) -> Slopes:
        """Return the slopes of files' logarithms at the posterior mean."""
        return file_slopes(files, self.rows_log, self.overhead_log, self.ratio_log)[1]
