"""From the measurements of a run to its `LatencyTable`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from mogakit import __version__
from mogakit.bench.measurement import Identity, Measurement, Status, counts
from mogakit.errors import InputError, TableError
from mogakit.export.artifact import Role
from mogakit.luts.calibrate import Calibration, CalibrationKind, fit, fit_best
from mogakit.luts.estimate import estimate_files, merge_conditions, resolved
from mogakit.luts.infer import infer_rows
from mogakit.luts.overhead import fit_overhead, refine_by_networks
from mogakit.luts.statistic import HOST_STATISTIC, Statistic
from mogakit.luts.table import LatencyTable, Origin, Row
from mogakit.nets.block import Block
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve

_ROW_ROLES = (Role.CHOICE, Role.FIXED)


def build_table(
    measurements: Iterable[Measurement],
    identity: Identity,
    *,
    name: str,
    space: str = "",
    statistic: Statistic = HOST_STATISTIC,
    calibration: CalibrationKind | None = None,
    accepted: Collection[Status] = (),
    networks: Mapping[str, Network] | None = None,
    source: str = "",
    seed: int = 0,
    infer: Sequence[Block] = (),
) -> LatencyTable:
    """Build the table of one target.

    What does not stand for the target (a fallback to the CPU, a part of the graph) is kept in its row, marked; no
    overhead or calibration is made of it.

    Args:
        measurements: all of one target and identity: blocks, fixed parts, chains (`chain-<n>x<key>`) and the networks
            of the calibration.
        identity: what they are a table of.
        name: of the table, e.g. its path; it stands in messages.
        space: name of the search space that it covers.
        statistic: how samples become a row; `HOST_STATISTIC` or `PHONE_STATISTIC` unless there is a reason. The table
            holds it resolved, so that what is measured beside it later is estimated alike.
        calibration: kind to fit; where None, the kind with the least leave-one-out error that the networks allow.
        accepted: statuses besides `ok` that count all the same.
        networks: the networks of the calibration by the name of their file. Where None, every measured network whose
            name the kit can resolve.
        source: the run's name, for the record.
        seed: of the bootstrap.
        infer: blocks that get a row from those that were measured, where they were not (`luts.infer`).

    Raises:
        TableError: no measurement, several targets, or no block among them.
        InputError: fewer networks count than the kind of calibration asked for needs.
    """
    taken = list(measurements)
    statistic = resolved(taken, statistic, accepted)
    estimates = estimate_files(taken, statistic, seed, accepted)
    sound = {key: row for key, row in estimates.items() if row.latency_ms is not None and counts(row.status, accepted)}
    measured = {key: row for key, row in sound.items() if row.role is Role.NETWORK}
    known = _resolved(measured) if networks is None else {key: networks[key] for key in measured if key in networks}
    alone = {key: row for key, row in estimates.items() if row.role in _ROW_ROLES}
    overhead = fit_overhead(row for row in sound.values() if row.role is Role.CHAIN)
    if overhead is not None:
        parts = {name: [block.key for block in network.blocks] for name, network in known.items()}
        usable = {key: row for key, row in alone.items() if key in sound}
        overhead = refine_by_networks(
            overhead, usable, parts, {key: row.latency_ms or 0.0 for key, row in measured.items()}
        )
    overhead_ms = 0.0 if overhead is None else overhead.value_ms
    rows = {key: net_of(row, overhead_ms) for key, row in alone.items()}
    if not rows:
        raise TableError(f"none of the {len(estimates)} measured files is a block or fixed part, so there is no table")
    table = LatencyTable(
        name=name,
        space=space,
        target=taken[0].target,
        identity=identity,
        statistic=statistic,
        rows=rows,
        origin=Origin(made_by=f"mogakit {__version__}", source=source),
        overhead=overhead,
        conditions=merge_conditions(taken),
        seed=seed,
        accepted=tuple(sorted(accepted)),
    )
    if infer:
        table = replace(table, rows=table.rows | infer_rows(table.rows, infer, table.counts))
    return table.with_calibration(calibrate_table(table, known, measured, calibration))


def calibrate_table(
    table: LatencyTable,
    networks: Mapping[str, Network],
    measured: Mapping[str, Row],
    kind: CalibrationKind | None = None,
) -> Calibration:
    """Fit the calibration of `table` on measured networks; those with a block that has no usable row are left out.

    Args:
        networks: by name. measured: their rows by the same names, as `estimate_files` gives them.
        kind: where None, the one with the least leave-one-out error.

    Raises:
        InputError: fewer networks are left than `kind` needs.
    """
    usable = [key for key in sorted(networks) if not table.unusable(block.key for block in networks[key].blocks)]
    predicted = [table.predict_raw(networks[key]) for key in usable]
    latencies = [measured[key].latency_ms or 0.0 for key in usable]
    if kind is None:
        return fit_best(predicted, latencies, usable)
    return fit(kind, predicted, latencies, usable)


def net_of(row: Row, overhead_ms: float) -> Row:
    """Subtract what a network pays once, from the value and its interval."""
    if row.latency_ms is None:
        return row
    return replace(
        row,
        latency_ms=row.latency_ms - overhead_ms,
        low_ms=None if row.low_ms is None else row.low_ms - overhead_ms,
        high_ms=None if row.high_ms is None else row.high_ms - overhead_ms,
    )


def _resolved(names: Iterable[str]) -> dict[str, Network]:
    networks = {}
    for name in names:
        try:
            networks[name] = resolve(name)
        except InputError:  # a file of the user's own, timed beside the table: no part of a calibration
            continue
    return networks
