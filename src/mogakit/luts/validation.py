"""Is a table true? Its predictions against networks measured afresh, none of which its calibration has seen.

The stored table is scored as it ships. Beside the errors stand the two things that bound them: how well one network's
time repeats (`NoiseFloor`), and how much the machine itself has moved since the table was made (`Drift`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mogakit import records
from mogakit.bench.measurement import Identity
from mogakit.luts.error_metrics import ErrorReport, score
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable, Row
from mogakit.nets.network import Network
from mogakit.tabular import Sheet, Tabular

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CheckedNetwork:
    """One network, measured and predicted; milliseconds.

    Attributes:
        strata: names of the strata that it counts in.
        measured_ms: its estimate; `low_ms`, `high_ms` its 95 % bootstrap interval, `run_means_ms` one value a
            process that counts.
        raw_ms: overhead plus rows of the stored table. calibrated_ms: the same after the stored calibration.
        fresh_raw_ms: as `raw_ms`, from blocks measured in the same windows as the network; None where they were not.
        fresh_calibrated_ms: that after the stored calibration.
        models_ms: predictions of the run's cost models by their names, where they were not fitted on this network.
    """

    name: str
    strata: tuple[str, ...]
    measured_ms: float
    low_ms: float | None
    high_ms: float | None
    run_means_ms: tuple[float, ...]
    raw_ms: float
    calibrated_ms: float
    fresh_raw_ms: float | None
    fresh_calibrated_ms: float | None
    models_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StratumReport:
    """Errors over one part of the space; the `fresh_` ones hold what the stored table's age has no share in.

    `models` are the errors of the run's cost models by their names.
    """

    name: str
    title: str
    raw: ErrorReport
    calibrated: ErrorReport
    fresh_raw: ErrorReport | None
    fresh_calibrated: ErrorReport | None
    models: dict[str, ErrorReport] = field(default_factory=dict)


@dataclass(frozen=True)
class NoiseFloor:
    """How well the time of one network repeats, in percent of it; no prediction can be seen to be better.

    Attributes:
        num_rounds: processes (or passes) of each network that count, at least.
        repeat_percent: root mean square over networks of the standard deviation between processes, the common mode of
            each process divided out.
        measured_percent: the standard error that this leaves in a measured value (over the root of `num_rounds`).
    """

    num_rounds: int
    repeat_percent: float | None
    measured_percent: float | None


@dataclass(frozen=True)
class Drift:
    """How the rows of the table, measured again beside the networks, compare with the stored ones.

    Attributes:
        num_rows: rows measured again.
        speed_ratio: fresh over stored time, geometric mean: 1.02 says that the machine is 2 % slower now.
        spread_percent: standard deviation of single rows around that ratio.
    """

    num_rows: int
    speed_ratio: float | None
    spread_percent: float | None


@records.stored("validation", version=SCHEMA_VERSION, made_by="moga validate RUN")
@dataclass(frozen=True, kw_only=True, repr=False)
class Validation(Tabular):
    """The result of `moga validate`; `identity` is that of the validation, which must be the table's own."""

    table: str
    space: str
    target: str
    identity: Identity
    seed: int
    strata: tuple[StratumReport, ...]
    networks: tuple[CheckedNetwork, ...]
    noise: NoiseFloor
    drift: Drift
    stopped: str
    warnings: tuple[str, ...]
    schema_version: int = SCHEMA_VERSION

    def sheet(self) -> Sheet:
        """Return one row a network, measured and predicted, with the errors of every stratum as the title."""
        errors = [
            f"{each.calibrated.num} of {each.title}: MAPE {each.calibrated.mape_percent.value:.3g} %"
            for each in self.strata
            if each.calibrated.mape_percent.value is not None
        ]
        return Sheet(
            title=f"{self.table} on {self.target}, calibrated; {'; '.join(errors) or 'no network measured'}",
            columns=("network", "strata", "measured_ms", "low_ms", "high_ms", "raw_ms", "calibrated_ms"),
            rows=[
                (
                    each.name,
                    " ".join(each.strata),
                    each.measured_ms,
                    each.low_ms,
                    each.high_ms,
                    each.raw_ms,
                    each.calibrated_ms,
                )
                for each in self.networks
            ],
            note="; ".join(self.warnings),
        )


def check_networks(
    table: LatencyTable,
    networks: Mapping[str, tuple[Network, tuple[str, ...]]],
    estimates: Mapping[str, Row],
    models: Sequence[CostModel] = (),
) -> list[CheckedNetwork]:
    """Set each measured network beside its predictions.

    A network that did not run on the table's hardware (a fallback, a part of it where that was not accepted, OpenGL
    beside a table of OpenCL) was not measured on the target, and is left out: see `left_out`.

    Args:
        networks: by name, with the strata in which each counts.
        estimates: of the networks, and of the blocks that were measured beside them.
        models: cost models to be scored beside the table.

    Raises:
        TableError: the table lacks a row.
    """
    checked = []
    for name, (network, strata) in networks.items():
        row = estimates.get(name)
        if row is None or row.latency_ms is None or _why_left_out(table, row) is not None:
            continue
        raw_ms = table.predict_raw(network)
        fresh_ms = _fresh_sum(table, network, estimates)
        checked.append(
            CheckedNetwork(
                name=name,
                strata=strata,
                measured_ms=row.latency_ms,
                low_ms=row.low_ms,
                high_ms=row.high_ms,
                run_means_ms=row.run_means_ms,
                raw_ms=raw_ms,
                calibrated_ms=table.calibration.apply(raw_ms),
                fresh_raw_ms=fresh_ms,
                fresh_calibrated_ms=None if fresh_ms is None else table.calibration.apply(fresh_ms),
                models_ms={model.name: model.latency_ms(network) for model in models if name not in model.networks},
            )
        )
    return checked


def left_out(table: LatencyTable, networks: Iterable[str], estimates: Mapping[str, Row]) -> tuple[str, ...]:
    """Say of each measured network that is not scored why, as warnings for people."""
    found = {name: estimates[name] for name in networks if name in estimates}
    reasons = {name: _why_left_out(table, row) for name, row in found.items()}
    return tuple(f"{name} is not scored: {reason}" for name, reason in reasons.items() if reason is not None)


def _why_left_out(table: LatencyTable, row: Row) -> str | None:
    if not table.counts(row):
        said = row.error or row.reason or row.delegation
        return f"its time does not stand for {table.target}: {row.status}" + (f" ({said})" if said else "")
    if row.backend and table.backends and row.backend not in table.backends:
        return f"it ran on {row.backend}, and the table's rows on {', '.join(sorted(table.backends))}"
    return None


def _fresh_sum(table: LatencyTable, network: Network, estimates: Mapping[str, Row]) -> float | None:
    rows = [estimates.get(block.key) for block in network.blocks]
    alone_ms = [row.latency_ms for row in rows if row is not None and row.latency_ms is not None and table.counts(row)]
    if len(alone_ms) < len(rows):
        return None
    return table.overhead_ms + sum(value - table.overhead_ms for value in alone_ms)


def stratum_report(name: str, title: str, checked: Sequence[CheckedNetwork], seed: int) -> StratumReport | None:
    """Score the networks of one stratum; None where there is none."""
    inside = [one for one in checked if name in one.strata]
    if not inside:
        return None
    measured = [one.measured_ms for one in inside]
    fresh_raw = [one.fresh_raw_ms for one in inside if one.fresh_raw_ms is not None]
    fresh_calibrated = [one.fresh_calibrated_ms for one in inside if one.fresh_calibrated_ms is not None]
    has_fresh = len(fresh_raw) == len(inside)
    return StratumReport(
        name=name,
        title=title,
        raw=score([one.raw_ms for one in inside], measured, seed),
        calibrated=score([one.calibrated_ms for one in inside], measured, seed),
        fresh_raw=score(fresh_raw, measured, seed) if has_fresh else None,
        fresh_calibrated=score(fresh_calibrated, measured, seed) if has_fresh else None,
        models=_model_reports(inside, seed),
    )


def _model_reports(inside: Sequence[CheckedNetwork], seed: int) -> dict[str, ErrorReport]:
    """Score each cost model on the networks that it was not fitted on."""
    reports = {}
    for name in sorted({name for one in inside for name in one.models_ms}):
        pairs = [(one.models_ms[name], one.measured_ms) for one in inside if name in one.models_ms]
        reports[name] = score([predicted for predicted, _ in pairs], [measured for _, measured in pairs], seed)
    return reports


def noise_floor(checked: Sequence[CheckedNetwork]) -> NoiseFloor:
    """Return how well a network's time repeats between processes."""
    runs = [one.run_means_ms for one in checked if len(one.run_means_ms) > 1]
    if not runs:
        return NoiseFloor(min((len(one.run_means_ms) for one in checked), default=0), None, None)
    num_rounds = min(len(values) for values in runs)
    variances = [(float(np.std(values, ddof=1)) / float(np.mean(values))) ** 2 for values in runs]
    repeat = 100 * float(np.sqrt(np.mean(variances)))
    return NoiseFloor(num_rounds, repeat, repeat / num_rounds**0.5)


def drift(table: LatencyTable, estimates: Mapping[str, Row]) -> Drift:
    """Compare rows measured again with the stored ones."""
    pairs = [
        (fresh.latency_ms, stored.alone_ms)
        for key, stored in table.rows.items()
        if (fresh := estimates.get(key)) is not None and fresh.latency_ms is not None and stored.alone_ms is not None
        if table.counts(fresh) and table.counts(stored)
    ]
    if not pairs:
        return Drift(0, None, None)
    logs = np.log([fresh / stored for fresh, stored in pairs])
    spread = 100 * float(np.std(logs, ddof=1)) if len(pairs) > 1 else None
    return Drift(len(pairs), float(np.exp(logs.mean())), spread)


def save_validation(validation: Validation, path: Path) -> None:
    """Write a validation atomically; equal results give equal bytes."""
    records.save(validation, path)


def load_validation(path: Path) -> Validation:
    """Read a validation.

    Raises:
        InputError: there is no such file, or it is not a validation; see `records.load`.
    """
    return records.load(Validation, path)
