"""Overhead per run, from chains of one block: the intercept of time against the number of copies."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from mogakit.errors import TableError
from mogakit.luts.table import Overhead, OverheadVerdict, Row

MIN_R2 = 0.99
MAX_MISFIT = 0.03  # relative distance from the line, root mean square
MIN_CHAINS = 3
MIN_NETWORKS = 3
Z_95 = 1.96
CONFIDENCE = 0.95
NUM_SPREADS_APART = 4.0
"""Standard errors apart from which networks contradict the chains. Wide: to turn networks away for chance costs a table
several percent, to let in what does not quite add up costs nothing that a calibration does not fix."""
_CHAIN = re.compile(r"chain-(?P<copies>\d+)x(?P<key>.+)", re.DOTALL)


def parse_chain_name(name: str) -> tuple[int, str] | None:
    """Return (copies, key of the block) of `chain-<n>x<key>`, or None for another name."""
    found = _CHAIN.fullmatch(name)
    return (int(found["copies"]), found["key"]) if found else None


def fit_overhead(chains: Iterable[Row]) -> Overhead | None:
    """Fit `time = overhead + slope * copies`; one slope for each chained block, one overhead for all.

    Each run's mean is a point, weighted by its inverse square: the noise of a time grows with the time.

    Args:
        chains: rows named `chain-<n>x<key>` that stand for the target; those without a number are left out.

    Returns:
        None where no block has chains of at least three lengths. Where the times do not lie on a line an intercept that
        differs from zero is rejected, and `verdict` says so: R2 below 0.99, unless every run is near the line all the
        same (a block that is quick beside the overhead gives a shallow line, whose R2 is low from noise alone).

    Raises:
        TableError: a row is not named as a chain.
    """
    points: list[tuple[int, str, float]] = []
    for row in chains:
        parsed = parse_chain_name(row.key)
        if parsed is None:
            raise TableError(f"{row.key!r} is not named as a chain; supported: chain-<copies>x<block key>")
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
    misfit = float(np.sqrt(np.mean((residuals / times) ** 2)))
    verdict = _verdict(intercept, half, r2, misfit)
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


def refine_by_networks(
    overhead: Overhead,
    alone: Mapping[str, Row],
    networks: Mapping[str, Sequence[str]],
    measured_ms: Mapping[str, float],
) -> Overhead:
    """Narrow an overhead that chains found by what whole networks say of it.

    A network of m blocks pays once what its blocks alone pay m times: `(sum of blocks - network) / (m - 1)`
    is the overhead too. An error of the overhead counts m - 1 times in a prediction, and of all runs a network's says
    most about it. Both estimates are weighted by their inverse squares. The chains decide whether there is an overhead
    at all, and where networks contradict them (what follows one another runs faster or slower, so times do not add up),
    the chains' value stays.

    Args:
        alone: rows of the blocks that stand for the target, the overhead still in them.
        networks: keys of each network's blocks. measured_ms: its time.
    """
    keys = {name: parts for name, parts in networks.items() if len(parts) > 1 and all(key in alone for key in parts)}
    if overhead.verdict is not OverheadVerdict.USED or len(keys) < MIN_NETWORKS:
        return overhead
    latencies = {key: row.latency_ms for key, row in alone.items() if row.latency_ms is not None}
    if any(key not in latencies for parts in keys.values() for key in parts):
        return overhead
    found = [
        (sum(latencies[key] for key in parts) - measured_ms[name]) / (len(parts) - 1) for name, parts in keys.items()
    ]
    shares: Counter[str] = Counter()
    for parts in keys.values():
        shares.update({key: count / (len(parts) - 1) / len(keys) for key, count in Counter(parts).items()})
    of_blocks = sum((share * _error_of(alone[key])) ** 2 for key, share in shares.items())
    of_networks = float(np.var(found, ddof=1)) / len(found)
    of_chains = (overhead.high_ms - overhead.low_ms) / 2 / Z_95
    both = of_blocks + of_networks
    estimate = float(np.mean(found))
    if both <= 0.0 or abs(estimate - overhead.intercept_ms) > NUM_SPREADS_APART * float(np.sqrt(both + of_chains**2)):
        return overhead
    weight = of_chains**2 / (of_chains**2 + both)
    value_ms = weight * estimate + (1 - weight) * overhead.intercept_ms
    return replace(overhead, value_ms=value_ms, num_networks=len(keys))


def _error_of(row: Row) -> float:
    """Return a row's standard error from its 95 % interval; zero where it has none."""
    if row.low_ms is None or row.high_ms is None:
        return 0.0
    return (row.high_ms - row.low_ms) / 2 / Z_95


def _verdict(intercept_ms: float, half_ms: float, r2: float, misfit: float) -> OverheadVerdict:
    if abs(intercept_ms) <= half_ms:
        return OverheadVerdict.ZERO
    if r2 < MIN_R2 and misfit > MAX_MISFIT:
        return OverheadVerdict.REFUSED
    return OverheadVerdict.USED if intercept_ms > 0 else OverheadVerdict.NEGATIVE
