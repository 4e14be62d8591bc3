"""How good a set of networks is: the share of the true front's hypervolume that it covers."""

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from mogakit.errors import InputError
from mogakit.search.additive import Values


@dataclass(frozen=True)
class Box:
    """The range of each objective over the whole space, in which the volume is taken.

    Attributes:
        best: the good end of each objective.
        worst: the bad end; the reference point (nadir corner).
    """

    best: tuple[float, ...]
    worst: tuple[float, ...]

    def scaled(self, values: Values) -> Values:
        """Map values to costs in 0 (best) to 1 (worst), shape (n, objectives)."""
        best, worst = np.array(self.best), np.array(self.worst)
        span = np.where(worst == best, 1.0, worst - best)
        return np.asarray((values - best) / span)


def hypervolume(values: Values, box: Box) -> float:
    """Return the share of the box that `values` dominate, 0 to 1; NaN rows count for nothing."""
    finite = values[~np.isnan(values).any(axis=1)]
    if len(finite) == 0:
        return 0.0
    return float(moocore.hypervolume(box.scaled(finite), ref=np.ones(finite.shape[1])))


def percentage_of_true(values: Values, true_front: Values, box: Box) -> float:
    """Return the hypervolume of `values` in percent of the true front's.

    Raises:
        InputError: the true front has no volume (an objective that never changes).
    """
    whole = hypervolume(true_front, box)
    if whole == 0:
        raise InputError("the true front has no volume: an objective has the same value for every network")
    return 100 * hypervolume(values, box) / whole


def nondominated(values: Values, maximise: Sequence[bool]) -> NDArray[np.int64]:
    """Return the indices of the rows that no other row dominates; of equal rows the first, NaN rows never."""
    rows = np.flatnonzero(~np.isnan(values).any(axis=1))
    if len(rows) == 0:
        return rows
    kept = moocore.is_nondominated(values[rows], maximise=[bool(sense) for sense in maximise], keep_weakly=False)
    return np.asarray(rows[np.asarray(kept)])
