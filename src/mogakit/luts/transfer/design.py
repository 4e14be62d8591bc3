"""What to measure next: the files whose times, once known, leave least uncertain of what networks cost.

The files of a batch are taken one after the other, each the one that takes most of the variance away that those before
it leave (greedy D-optimal designs of Gaussian processes choose alike; here the variance is that of what is asked for).
Nothing needs to be measured for that: in a Gaussian model, variances do not depend on what is found.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.transfer.items import File
from mogakit.luts.transfer.posterior import Posterior

MEASURED_AGAIN = 0.01
"""Relative standard error that a measurement is expected to have."""

NUM_ROWS = 300
"""Rows that are to become certain one by one: in spaces of thousands, those that networks spend most time in."""


@dataclass(frozen=True)
class Choice:
    """A file to be measured, and what share of the variance of unseen networks and rows is expected to be left then."""

    file: File
    share_left: float


def choose(
    posterior: Posterior,
    candidates: Sequence[File],
    networks: Sequence[File],
    num: int,
    expected_error: float = MEASURED_AGAIN,
    known: Collection[str] = (),
) -> list[Choice]:
    """Return up to `num` candidates, the most telling first.

    What is to become certain are `networks`, drawn at random and not measured, each as a whole; and every row, weighted
    by the share of a network's time that it stands for, so that what cancels in sums is learned as well.

    Args:
        candidates: files that may be measured; those named in `known` have been.
        expected_error: relative standard error of a measurement.
    """
    open_files = [each for each in candidates if each.name not in known]
    rows, usage = _rows_of(posterior, networks)
    wanted = [*networks, *rows]
    slopes = posterior.slopes_of([*open_files, *wanted])
    covariance = posterior.covariance(slopes)
    weights = np.concatenate([np.full(len(networks), 1 / len(networks)), usage])
    own = np.array([each.whole for each in open_files]) * posterior.network_spread**2
    noise = own + expected_error**2
    chosen: list[Choice] = []
    left = np.ones(len(open_files), dtype=bool)
    first = float(weights @ np.diag(covariance)[len(open_files) :])
    while len(chosen) < num and left.any():
        cross = covariance[: len(open_files), len(open_files) :]
        variance = np.maximum(np.diag(covariance)[: len(open_files)], 0.0) + noise
        gains = np.where(left, (cross**2 @ weights) / variance, -np.inf)
        best = int(np.argmax(gains))
        column = covariance[:, best]
        covariance = covariance - np.outer(column, column) / variance[best]
        left[best] = False
        remaining = float(weights @ np.diag(covariance)[len(open_files) :])
        chosen.append(Choice(open_files[best], max(remaining, 0.0) / first if first > 0 else 0.0))
    return chosen


def _rows_of(posterior: Posterior, networks: Sequence[File]) -> tuple[list[File], FloatArray]:
    """Return the rows that stand for most of the networks' time, without the overhead of a run, and their weights.

    A row's weight is the mean over networks of the squared share of time that it stands for.
    """
    weights = np.mean(posterior.slopes_of(networks).rows ** 2, axis=0)
    used = [row for row in np.argsort(-weights, kind="stable")[:NUM_ROWS] if weights[row] > 0]
    files = []
    for row in used:
        counts = np.zeros(len(weights))
        counts[row] = 1.0
        files.append(File(name=posterior.items.keys[row], counts=counts, whole=False, once=0.0))
    return files, np.asarray(weights[used])
