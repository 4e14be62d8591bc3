"""Overhead per run, from chains of one block: the intercept of time against the number of copies."""

import re
from collections.abc import Iterable

import numpy as np
from scipy import stats

from mogakit.errors import TableError
from mogakit.luts.table import Overhead, OverheadVerdict, Row

MIN_R2 = 0.99
MIN_CHAINS = 3
CONFIDENCE = 0.95
_CHAIN = re.compile(r"chain-(?P<copies>\d+)x(?P<key>.+)", re.DOTALL)


def parse_chain_name(name: str) -> tuple[int, str] | None:
    """Return (copies, key of the block) of `chain-<n>x<key>`, or None for another name."""
    found = _CHAIN.fullmatch(name)
    return (int(found["copies"]), found["key"]) if found else None


def fit_overhead(chains: Iterable[Row]) -> Overhead | None:
    """Fit `time = overhead + slope * copies`; one slope for each chained block, one overhead for all.

    Each run's mean is a point, weighted by its inverse square: the noise of a time grows with the time.

    Args:
        chains: rows named `chain-<n>x<key>`; those without a number are left out.

    Returns:
        None where no block has chains of at least three lengths. Where the times do not lie on a line (R2 < 0.99) an
        intercept that differs from zero is refused, and `verdict` says so.

    Raises:
        TableError: a row is not named as a chain.
    """
    points: list[tuple[int, str, float]] = []
    for row in chains:
        parsed = parse_chain_name(row.key)
        if parsed is None:
            raise TableError(f"{row.key!r} is not named as a chain; legal is chain-<copies>x<block key>")
        if row.alone_ms is not None:
            points += [(parsed[0], parsed[1], run_ms) for run_ms in row.run_means_ms or (row.alone_ms,)]
    keys = sorted({key for _, key, _ in points})
    keys = [key for key in keys if len({copies for copies, other, _ in points if other == key}) >= MIN_CHAINS]
    points = [point for point in points if point[1] in keys]
    if not points:
        return None
    times = np.array([time for _, _, time in points])
    design = np.array([[1.0, *(copies * (key == other) for other in keys)] for copies, key, _ in points])
    weights = 1 / times
    solution, *_ = np.linalg.lstsq(design * weights[:, None], times * weights, rcond=None)
    residuals = times - design @ solution
    freedom = len(points) - len(solution)
    variance = float(np.sum((residuals * weights) ** 2)) / freedom
    covariance = variance * np.linalg.inv((design * weights[:, None]).T @ (design * weights[:, None]))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(covariance[0, 0]))
    r2 = float(1 - np.sum(residuals**2) / np.sum((times - times.mean()) ** 2))
    intercept = float(solution[0])
    verdict = _verdict(intercept, half, r2)
    return Overhead(
        value_ms=intercept if verdict is OverheadVerdict.USED else 0.0,
        verdict=verdict,
        intercept_ms=intercept,
        low_ms=intercept - half,
        high_ms=intercept + half,
        slopes_ms={key: float(slope) for key, slope in zip(keys, solution[1:], strict=True)},
        r2=r2,
        num_chains=len({(copies, key) for copies, key, _ in points}),
    )


def _verdict(intercept_ms: float, half_ms: float, r2: float) -> OverheadVerdict:
    if abs(intercept_ms) <= half_ms:
        return OverheadVerdict.ZERO
    if r2 < MIN_R2:
        return OverheadVerdict.REFUSED
    return OverheadVerdict.USED if intercept_ms > 0 else OverheadVerdict.NEGATIVE
