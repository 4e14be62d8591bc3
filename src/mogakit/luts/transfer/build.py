"""From tables of other devices and rows measured on a new one to the new one's table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse.linalg import eigsh

from mogakit import __version__
from mogakit.bench.measurement import Identity
from mogakit.bench.target import Target
from mogakit.errors import InputError
from mogakit.export.artifact import Role
from mogakit.luts.block_model import nearest
from mogakit.luts.build import net_of
from mogakit.luts.calibrate import Calibration, CalibrationKind
from mogakit.luts.error_metrics import FloatArray, mape_percent
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import LatencyTable, Origin, Overhead, OverheadVerdict, Row, RowConditions, RowSource
from mogakit.luts.transfer.items import File, Items, Measured, Source, blocks_of_keys
from mogakit.luts.transfer.model import Method
from mogakit.luts.transfer.posterior import Posterior, Slopes
from mogakit.luts.transferred import Z95, Transferred, TransferSource
from mogakit.nets.block import Block

NUM_SHARED = 24
"""Errors that rows share and a table keeps; more explain nothing that could be seen in a network's error bar."""

_TYPICAL_SPREAD = 0.015
"""Relative spread of networks around a source whose calibration does not say (docs/measuring.md has such figures)."""


def source_of(table: LatencyTable, items: Items, networks: Sequence[File]) -> Source:
    """Return what a table says of items.

    Args:
        networks: typical ones, over which an affine calibration is taken as one factor.
    """
    latencies = np.full(len(items.keys), np.nan)
    for row, key in enumerate(items.keys):
        found = table.rows.get(key)
        if found is not None and table.counts(found) and (found.latency_ms or 0.0) > 0:
            latencies[row] = found.latency_ms
    calibration, ratio = table.calibration, table.calibration.scale
    sums = np.array([table.overhead_ms + each.counts @ latencies for each in networks])
    sums = sums[np.isfinite(sums)]
    if len(sums):
        ratio += calibration.offset_ms / float(sums.mean())
    loo = calibration.loo_mape_percent
    return Source(
        name=table.name,
        latencies_ms=latencies,
        overhead_ms=max(table.overhead_ms, 0.0),
        ratio=ratio if ratio > 0 else 1.0,
        spread=None if loo is None else max(1.25 * loo / 100, 0.5 * _TYPICAL_SPREAD),  # a mean error is 0.8 spreads
    )


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What the table of the new device is a table of, and how it came about; the fields are the table's."""

    name: str
    space: str
    target: Target
    identity: Identity
    statistic: Statistic
    sources: tuple[TransferSource, ...]
    method: Method
    seconds: float
    conditions: RowConditions
    seed: int
    source: str


def transferred_table(
    posterior: Posterior,
    wanted: Sequence[Block],
    fixed: frozenset[str],
    estimates: Mapping[str, Row],
    measured: Sequence[Measured],
    networks: Sequence[File],
    about: Provenance,
) -> LatencyTable:
    """Return the table of the new device: rows that were measured as they were, all others with the model's interval.

    Args:
        wanted: blocks that get a row. fixed: keys of those that are no choice.
        estimates: of every file that was timed, by name, the overhead still in them.
        measured: those that count and were conditioned on.
        networks: random ones, whose use of rows says which errors must be kept exactly.

    Raises:
        InputError: none of the timed files stands for the target.
    """
    if not measured:
        raise InputError(_nothing_counts(estimates, about.target))
    counted = {each.file.name for each in measured}
    timed = {key: row for key, row in estimates.items() if row.role in (Role.CHOICE, Role.FIXED)}
    rows = {block.key: net_of(timed[block.key], posterior.overhead_ms) for block in wanted if block.key in timed}
    missing = [block for block in wanted if block.key not in rows]
    backend = next((estimates[name].backend for name in sorted(counted) if estimates[name].backend), "")
    shared, own, extras = _errors(posterior, networks)
    deviations = np.sqrt(np.maximum((shared**2).sum(axis=1) + own**2, 0.0))
    blocks = blocks_of_keys(timed)
    alike = nearest(missing, list(blocks.values())) if blocks else [None] * len(missing)
    for block, like in zip(missing, alike, strict=True):
        role = Role.FIXED if block.key in fixed else Role.CHOICE
        place = posterior.items.index[block.key]
        row = Row(key=block.key, role=role, latency_ms=None, backend=backend, source=RowSource.TRANSFERRED)
        if like is not None and like.key not in counted:
            why = f"not measured; {like.key}, the measured block most like it, is marked {timed[like.key].status}"
            rows[block.key] = replace(row, status=timed[like.key].status, backend="", error=why)
            continue
        latency, deviation = float(np.exp(posterior.rows_log[place])), float(deviations[place])
        low, high = latency * np.exp(-Z95 * deviation), latency * np.exp(Z95 * deviation)
        rows[block.key] = replace(row, latency_ms=latency, low_ms=float(low), high_ms=float(high))
    kept = {key for key, row in rows.items() if row.source is RowSource.TRANSFERRED and row.latency_ms is not None}
    relative = {each.file.name: each.std_ms / each.latency_ms for each in measured}
    index = posterior.items.index
    return LatencyTable(
        name=about.name,
        space=about.space,
        target=about.target,
        identity=about.identity,
        statistic=about.statistic,
        rows=rows,
        origin=Origin(made_by=f"mogakit {__version__}", source=about.source),
        overhead=_overhead(posterior, measured),
        calibration=_calibration(posterior, measured),
        conditions=about.conditions,
        seed=about.seed,
        transferred=Transferred(
            method=str(about.method),
            sources=about.sources,
            measured=tuple(sorted(counted)),
            seconds=about.seconds,
            network_spread=posterior.network_spread,
            overhead_spread=tuple(extras[0].tolist()),
            ratio_spread=tuple(extras[1].tolist()),
            shared_spread={key: tuple(shared[index[key]].tolist()) for key in sorted(kept)},
            own_spread={key: float(own[index[key]]) if key in kept else relative.get(key, 0.0) for key in sorted(rows)},
        ),
    )


def _errors(posterior: Posterior, networks: Sequence[File]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return relative errors: shared ones of rows (rows, r), their own (rows,), shared of overhead and ratio (2, r).

    They are the largest components of the posterior covariance, rows weighted by their use in networks.
    """
    num = len(posterior.items.keys)
    slopes = Slopes(np.vstack([np.eye(num), np.zeros((2, num))]), np.vstack([np.zeros((num, 2)), np.eye(2)]))
    covariance = posterior.widened**2 * posterior.covariance(slopes)
    of_networks = posterior.slopes_of(networks)
    use = np.hstack([of_networks.rows, of_networks.extras])
    weights = np.sqrt(np.mean(use**2, axis=0)) + 1e-4
    scaled = covariance * np.outer(weights, weights)
    rank = min(NUM_SHARED, num - 1)
    start = np.ones(num + 2)  # so that equal input gives equal bytes
    values, vectors = eigsh(scaled, k=rank, which="LA", v0=start) if num > 4 * rank else np.linalg.eigh(scaled)
    order = np.argsort(values)[::-1][:rank]
    signs = np.sign(vectors[np.argmax(np.abs(vectors[:, order]), axis=0), order])
    shared = vectors[:, order] * signs * np.sqrt(np.maximum(values[order], 0.0)) / weights[:, None]
    left = np.diag(covariance) - (shared**2).sum(axis=1)
    return shared[:num], np.sqrt(np.maximum(left[:num], 0.0)), shared[num:]


def _overhead(posterior: Posterior, measured: Sequence[Measured]) -> Overhead:
    num = len(posterior.items.keys)
    of_overhead = Slopes(np.zeros((1, num)), np.array([[1.0, 0.0]]))
    deviation = float(np.sqrt(max(posterior.covariance(of_overhead)[0, 0], 0.0)))
    value = posterior.overhead_ms
    return Overhead(
        value_ms=value,
        verdict=OverheadVerdict.USED,
        intercept_ms=value,
        low_ms=float(value * np.exp(-Z95 * deviation)),
        high_ms=float(value * np.exp(Z95 * deviation)),
        slopes_ms={},
        r2=None,
        num_chains=sum(not each.file.whole and float(each.file.counts.sum()) > 1 for each in measured),
        num_networks=sum(each.file.whole for each in measured),
    )


def _calibration(posterior: Posterior, measured: Sequence[Measured]) -> Calibration:
    """Return the ratio of networks to sums, with the error on each measured network as all else predicts it."""
    places = [place for place, each in enumerate(measured) if each.file.whole]
    found_ms = np.array([measured[place].latency_ms for place in places])
    if not places:
        return Calibration(kind=CalibrationKind.SCALE, scale=posterior.ratio)
    held_out = found_ms * np.exp(-posterior.held_out_logs[places])
    sums, _ = posterior.predict([measured[place].file for place in places])
    loo = mape_percent(held_out, found_ms)
    return Calibration(
        kind=CalibrationKind.SCALE,
        scale=posterior.ratio,
        num_networks=len(places),
        networks=tuple(sorted(measured[place].file.name for place in places)),
        loo_mape_percent=loo,
        loo_rmse_ms=float(np.sqrt(np.mean((held_out - found_ms) ** 2))),
        raw_mape_percent=mape_percent(sums / posterior.ratio, found_ms),
        loo_mape_percent_by_kind={str(CalibrationKind.SCALE): loo},
    )


def _nothing_counts(estimates: Mapping[str, Row], target: Target) -> str:
    reasons = sorted(
        {
            f"{row.status}: {row.error or row.reason or row.delegation or 'no reason given'}"
            for row in estimates.values()
        }
    )
    return (
        f"none of the {len(estimates)} files that were timed stands for {target} ({'; '.join(reasons[:3])}); "
        "`moga devices` and `moga check` show what the device runs; --accept-partial accepts files that it ran in part"
    )
