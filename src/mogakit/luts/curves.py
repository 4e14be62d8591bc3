"""Learning curves: how the error on unseen networks falls with the number of measured ones, for each kind of model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mogakit.errors import InputError, TableError
from mogakit.luts.calibrate import CalibrationKind, fit
from mogakit.luts.counts import fit_with_table, fit_without_table
from mogakit.luts.error_metrics import FloatArray, kendall_tau, mape_percent
from mogakit.luts.linear import ModelKind, Pairs
from mogakit.luts.table import LatencyTable
from mogakit.nets.spaces import get_space

NUM_REPEATS = 10
MIN_HELD_OUT = 10

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Error of one kind of model fitted on `num_pairs` networks, on all others; over random splits.

    Attributes:
        model: `table`, `table, scale`, `table, affine`, `one-hot`, `table+one-hot`.
        mape_percent: mean over splits. low, high: 5th and 95th percentile over splits.
        rmse_percent: RMSE over the mean latency, mean over splits.
    """

    model: str
    num_pairs: int
    mape_percent: float
    low: float
    high: float
    rmse_percent: float
    kendall_tau: float | None


def learning_curves(
    pairs: Pairs, table: LatencyTable, sizes: Sequence[int], seed: int = 0, num_repeats: int = NUM_REPEATS
) -> list[CurvePoint]:
    """Fit every kind of model on random subsets of `pairs` and test each on the pairs left out.

    Args:
        sizes: numbers of networks to fit on; a kind that needs more is left out at that size.

    Raises:
        InputError: a size leaves fewer than ten networks to test on.
    """
    space = get_space(pairs.space, pairs.input_size)
    raw = np.array([table.predict_raw(space.decode(one)) for one in pairs.chromosomes])
    measured = np.array(pairs.measured_ms)
    points = []
    for size in sizes:
        if len(measured) - size < MIN_HELD_OUT:
            raise InputError(
                f"{size} of {len(measured)} networks leave fewer than {MIN_HELD_OUT} to test on; use smaller sizes"
            )
        rng = np.random.default_rng([seed, size])
        splits = [rng.permutation(len(measured)) for _ in range(num_repeats)]
        fitted = (ModelKind.ONE_HOT, ModelKind.TABLE) if space.slotted else (ModelKind.COUNTS, ModelKind.TABLE_COUNTS)
        for model in ("table", "table, scale", "table, affine", *map(str, fitted)):
            tried = [_held_out(model, pairs, table, raw, split[:size], split[size:]) for split in splits]
            truths = [measured[split[size:]] for split in splits]
            done = [(found, truth) for found, truth in zip(tried, truths, strict=True) if found is not None]
            if done:
                points.append(_point(model, size, done))
    return points


def _held_out(
    model: str, pairs: Pairs, table: LatencyTable, raw: FloatArray, inside: IndexArray, outside: IndexArray
) -> FloatArray | None:
    """Return predictions of the networks `outside`, or None where `inside` is too few for the model."""
    measured = np.array(pairs.measured_ms)
    try:
        if model == "table":
            return raw[outside]
        if model in ("table, scale", "table, affine"):
            kind = CalibrationKind(model.removeprefix("table, "))
            calibration = fit(kind, raw[inside], measured[inside])
            return np.asarray(calibration.scale * raw[outside] + calibration.offset_ms)
        train = pairs.take(inside.tolist())
        on_table = model in (ModelKind.TABLE, ModelKind.TABLE_COUNTS)
        fitted = fit_with_table(train, table) if on_table else fit_without_table(train, None, table.identity)
        return np.array([fitted.predict_chromosome(pairs.chromosomes[index]) for index in outside])
    except TableError:  # a row is missing: that is not a matter of how many
        raise
    except InputError:  # too few networks for this kind: the curve begins further right
        return None


def _point(model: str, size: int, done: Sequence[tuple[FloatArray, FloatArray]]) -> CurvePoint:
    mapes = [mape_percent(predicted, measured) for predicted, measured in done]
    rmses = [100 * float(np.sqrt(np.mean((one - two) ** 2)) / np.mean(two)) for one, two in done]
    taus = [tau for one, two in done if (tau := kendall_tau(one, two)) is not None]
    return CurvePoint(
        model=model,
        num_pairs=size,
        mape_percent=float(np.mean(mapes)),
        low=float(np.quantile(mapes, 0.05)),
        high=float(np.quantile(mapes, 0.95)),
        rmse_percent=float(np.mean(rmses)),
        kendall_tau=float(np.mean(taus)) if taus else None,
    )
