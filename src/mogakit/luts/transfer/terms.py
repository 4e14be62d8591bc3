"""The physical terms of a device's table: what a multiply-accumulate, a value, a layer costs, and what that leaves."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.transfer.items import Items

_NOMINAL = {
    "MAdds of depthwise": 0.2,
    "MAdds of": 0.07,
    "weights": 0.2,
    "layers": 1e-3,
    "blocks": 1e-3,
    "values": 0.2,
    "once": 0.1,
}
"""Milliseconds a million (a layer, a block) of a middling core. Only their ratios matter, and only where rows do not
say: a term that always grows together with another takes its share of the two."""

_TERM_SPREAD = 1.5
"""Standard deviation of a term's logarithm around its nominal cost."""

_RESIDUAL = 0.08
"""Relative standard deviation of rows around the terms, about what docs/staged.md reports of XNNPACK."""


@dataclass(frozen=True)
class TermCosts:
    """Costs of one device's terms.

    Attributes:
        logs: shape (terms,), logarithm of milliseconds a unit, the level taken out.
        level: mean logarithm of the fitted rows' milliseconds.
        residuals: shape (rows,), logarithm of each row over its terms; zero where the row is not known.
    """

    logs: FloatArray
    level: float
    residuals: FloatArray


def log_sums(terms: FloatArray, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the logarithm of `terms @ exp(logs)` and the share of each term in it.

    Args:
        terms: shape (n, terms). logs: shape (terms,).

    Returns:
        Shapes (n,) and (n, terms).
    """
    parts = terms * np.exp(logs)
    total = np.maximum(parts.sum(axis=1), 1e-12)
    return np.log(total), parts / total[:, None]


def fit_terms(items: Items, latencies_ms: FloatArray) -> TermCosts:
    """Fit positive costs to the rows that are known and above zero, by least squares on logarithms.

    Args:
        latencies_ms: shape (rows,), NaN where a row is not known.
    """
    known = np.flatnonzero(np.isfinite(latencies_ms) & (latencies_ms > 0))
    terms, wanted = items.row_terms[known], np.log(latencies_ms[known])
    nominal = np.log([_nominal(name) for name in items.terms])
    start_level = float(np.mean(wanted - log_sums(terms, nominal)[0])) if len(known) else 0.0

    def errors(given: FloatArray) -> FloatArray:
        found, _ = log_sums(terms, nominal + given[0] + given[1:])
        return np.concatenate([(found - wanted) / _RESIDUAL, given[1:] / _TERM_SPREAD])

    def slopes(given: FloatArray) -> FloatArray:
        _, shares = log_sums(terms, nominal + given[0] + given[1:])
        data = np.hstack([shares.sum(axis=1, keepdims=True), shares]) / _RESIDUAL
        prior = np.hstack([np.zeros((len(nominal), 1)), np.eye(len(nominal)) / _TERM_SPREAD])
        return np.vstack([data, prior])

    start = np.concatenate([[start_level], np.zeros(len(nominal))])
    solution = least_squares(errors, start, jac=slopes, method="trf", max_nfev=100).x
    logs = nominal + solution[0] + solution[1:]
    residuals = np.zeros(len(items.keys))
    residuals[known] = wanted - log_sums(terms, logs)[0]
    level = float(np.mean(wanted)) if len(known) else 0.0
    return TermCosts(logs - level, level, residuals)


def _nominal(name: str) -> float:
    return next((cost for start, cost in _NOMINAL.items() if name.startswith(start)), 0.1)
