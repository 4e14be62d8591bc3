"""Calibration: what whole networks say that the sum of their blocks does not.

Fitted on (predicted, measured) pairs of a few networks. One factor helps from three networks on; a second term from
about ten. Overhead is measured by itself (`luts.overhead`) and comes before: a calibration refines, never replaces it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from mogakit.errors import InputError
from mogakit.luts.error_metrics import FloatArray, mape_percent


class CalibrationKind(StrEnum):
    """Which terms a calibration has."""

    NONE = "none"  # the prediction as it is
    SCALE = "scale"  # measured = scale * predicted
    AFFINE = "affine"  # measured = scale * predicted + offset


class CalibrationChoice(StrEnum):
    """What a person may ask for."""

    BEST = "best"  # the simplest kind within one standard error of the least leave-one-out error
    NONE = "none"
    SCALE = "scale"
    AFFINE = "affine"

    @property
    def kind(self) -> CalibrationKind | None:
        """Return the kind that was asked for, or None where the errors decide."""
        return None if self is CalibrationChoice.BEST else CalibrationKind(self.value)


MIN_NETWORKS = {CalibrationKind.NONE: 0, CalibrationKind.SCALE: 3, CalibrationKind.AFFINE: 5}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """`calibrated = scale * predicted + offset_ms`.

    Attributes:
        kind: which of the two terms were fitted; the other stays at 1 or 0.
        scale: factor, without unit.
        offset_ms: milliseconds added once to a network.
        num_networks: networks it was fitted on.
        loo_mape_percent: leave-one-out error: each network predicted by the fit on all others. None for `none`.
        loo_rmse_ms: the same as root mean square.
        raw_mape_percent: error of the uncalibrated prediction on the same networks.
        networks: their names, so that validation can leave them out.
        loo_mape_percent_by_kind: leave-one-out error of every kind that so many networks allow, the fitted one or not;
            of `none` the raw error, since nothing was fitted.
    """

    kind: CalibrationKind = CalibrationKind.NONE
    scale: float = 1.0
    offset_ms: float = 0.0
    num_networks: int = 0
    loo_mape_percent: float | None = None
    loo_rmse_ms: float | None = None
    raw_mape_percent: float | None = None
    networks: tuple[str, ...] = ()
    loo_mape_percent_by_kind: dict[str, float] = field(default_factory=dict)

    def apply(self, predicted_ms: float) -> float:
        """Return the calibrated latency of one network, in milliseconds."""
        return self.scale * predicted_ms + self.offset_ms


def fit(
    kind: CalibrationKind | str,
    predicted: Sequence[float] | FloatArray,
    measured: Sequence[float] | FloatArray,
    networks: Sequence[str] = (),
) -> Calibration:
    """Fit a calibration by relative least squares: errors count in percent, so a 100 ms net does not drown a 2 ms one.

    Args:
        kind: `none`, `scale` or `affine`.
        predicted: uncalibrated predictions in ms, shape (n,).
        measured: measurements of the same networks in ms, shape (n,), all above zero.
        networks: their names, for the record.

    Raises:
        InputError: too few networks for `kind`, or a measurement that is not above zero.
    """
    kind = CalibrationKind(kind)
    left, right = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    if left.shape != right.shape or left.ndim != 1:
        raise InputError(f"{left.size} predictions and {right.size} measurements do not pair up")
    if len(left) < MIN_NETWORKS[kind]:
        raise InputError(
            f"a calibration of kind {kind} needs at least {MIN_NETWORKS[kind]} networks, given {len(left)} that ran on "
            "the target and whose blocks have rows; measure more networks or use a kind with fewer terms "
            "(moga profile --resume --correction best)"
        )
    if (right <= 0).any() or not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise InputError("a network of the calibration has no latency above zero; leave failed networks out")
    scale, offset_ms = _solve(kind, left, right)
    kinds = [one for one in CalibrationKind if len(left) >= max(MIN_NETWORKS[one], 1)]
    held_out = {one: leave_one_out(one, left, right) for one in kinds}
    errors = {one: mape_percent(predictions, right) for one, predictions in held_out.items()}
    fitted = kind is not CalibrationKind.NONE
    return Calibration(
        kind=kind,
        scale=scale,
        offset_ms=offset_ms,
        num_networks=len(left),
        loo_mape_percent=errors[kind] if fitted else None,
        loo_rmse_ms=float(np.sqrt(np.mean((held_out[kind] - right) ** 2))) if fitted else None,
        raw_mape_percent=errors.get(CalibrationKind.NONE),
        networks=tuple(networks),
        loo_mape_percent_by_kind={str(one): error for one, error in errors.items()},
    )


def fit_best(
    predicted: Sequence[float] | FloatArray, measured: Sequence[float] | FloatArray, networks: Sequence[str] = ()
) -> Calibration:
    """Fit every kind that the number of networks allows and return the simplest that the best does not clearly beat.

    The best has the least leave-one-out MAPE; it clearly beats another where the mean difference of their errors,
    network by network, is above its standard error (Breiman's one-standard-error rule). Twenty networks show a gain of
    a tenth of a percent by chance, and an offset fitted to chance is wrong by far more on networks smaller than those.
    With fewer than three networks it is `none`, whose error on networks it never saw is its raw one.
    """
    left, right = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    plain = fit(CalibrationKind.NONE, left, right, networks)
    by_mape = plain.loo_mape_percent_by_kind
    if not by_mape:
        return plain
    errors = {one: np.abs(leave_one_out(one, left, right) / right - 1) for one in map(CalibrationKind, by_mape)}
    best = errors[CalibrationKind(min(by_mape, key=by_mape.__getitem__))]
    simplest = next(one for one, error in errors.items() if not _clearly_above(error, best))
    return plain if simplest is CalibrationKind.NONE else fit(simplest, left, right, networks)


def _clearly_above(errors: FloatArray, best: FloatArray) -> bool:
    difference = errors - best
    if len(difference) < 2:
        return False
    return bool(difference.mean() > difference.std(ddof=1) / np.sqrt(len(difference)))


def leave_one_out(kind: CalibrationKind, predicted: FloatArray, measured: FloatArray) -> FloatArray:
    """Return for each network the calibrated prediction of the fit on all others, in ms, shape (n,)."""
    held_out = np.empty_like(measured)
    for index in range(len(measured)):
        rest = np.arange(len(measured)) != index
        scale, offset_ms = _solve(kind, predicted[rest], measured[rest])
        held_out[index] = scale * predicted[index] + offset_ms
    return held_out


def _solve(kind: CalibrationKind, predicted: FloatArray, measured: FloatArray) -> tuple[float, float]:
    if kind is CalibrationKind.NONE:
        return 1.0, 0.0
    columns = [predicted / measured]
    if kind is CalibrationKind.AFFINE:
        columns.append(1 / measured)
    solution = np.linalg.lstsq(np.stack(columns, axis=1), np.ones_like(measured), rcond=None)[0]
    return float(solution[0]), float(solution[1]) if len(solution) > 1 else 0.0
