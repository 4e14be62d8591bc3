"""Ridge regression with a part that is not penalised, its strength chosen by exact leave-one-out."""

from dataclasses import dataclass

import numpy as np

from mogakit.luts.error_metrics import FloatArray

STRENGTHS: FloatArray = np.logspace(-4, 4, 33)
"""Candidate penalties, relative to the mean squared length of a column."""


@dataclass(frozen=True)
class RidgeFit:
    """`y = plain @ plain_weights + penalised @ weights`.

    Attributes:
        plain_weights: shape (q,). weights: shape (p,).
        strength: the chosen penalty, relative (see `STRENGTHS`).
        held_out: for each sample the prediction of the fit on all others, shape (n,).
    """

    plain_weights: FloatArray
    weights: FloatArray
    strength: float
    held_out: FloatArray


def fit_ridge(
    plain: FloatArray, penalised: FloatArray, y: FloatArray, relative: bool = True, strengths: FloatArray = STRENGTHS
) -> RidgeFit:
    """Fit by weighted least squares with a squared penalty on `weights` only.

    The unpenalised part is projected out; in what remains, one singular value decomposition gives the fit and the
    leave-one-out residuals `r / (1 - h)` for every strength at once, so that nothing is refitted.

    Args:
        plain: shape (n, q), full column rank, n > q.
        penalised: shape (n, p), any rank.
        y: shape (n,), above zero where `relative`.
        relative: weight each sample by 1 / y², so that errors count in percent.
        strengths: candidates, relative to the mean squared length of a projected column.
    """
    root = 1 / y if relative else np.ones_like(y)
    plain_w, penalised_w, y_w = plain * root[:, None], penalised * root[:, None], y * root
    basis, _ = np.linalg.qr(plain_w)
    projected = penalised_w - basis @ (basis.T @ penalised_w)
    target = y_w - basis @ (basis.T @ y_w)
    left, singular, right = np.linalg.svd(projected, full_matrices=False)
    unit = float(np.mean(np.sum(projected**2, axis=0))) or 1.0
    shrink = singular**2 / (singular**2 + strengths[:, None] * unit)  # (strengths, rank)
    fitted = (shrink * (left.T @ target)) @ left.T  # (strengths, n)
    leverage = np.sum(basis**2, axis=1) + shrink @ (left.T**2)  # (strengths, n)
    residuals = (target - fitted) / np.maximum(1 - leverage, 1e-12)
    best = int(np.argmin(np.mean(residuals**2, axis=1)))
    gains = singular / (singular**2 + strengths[best] * unit)
    weights = right.T @ (gains * (left.T @ target))
    plain_weights = np.linalg.lstsq(plain_w, y_w - penalised_w @ weights, rcond=None)[0]
    return RidgeFit(plain_weights, weights, float(strengths[best]), y - residuals[best] / root)
