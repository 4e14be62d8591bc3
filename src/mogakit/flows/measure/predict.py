"""Predict networks from a latency table or cost model, with what is known about the error of such predictions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.bench.measurement import SHELL_FLAG, Status
from mogakit.flows.measure.devices import HOST
from mogakit.flows.measure.runs import RunFolder
from mogakit.luts.advice import profile_command, remedy
from mogakit.luts.error_metrics import Metric
from mogakit.luts.latencies import load_latencies, scope_note, table_path
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable
from mogakit.luts.transferred import MEAN_OF_NORMAL, Z95
from mogakit.luts.validation import Validation
from mogakit.nets.block import Block
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space


@dataclass(frozen=True, kw_only=True)
class ErrorBar:
    """How far predictions of a table or model lie from measurements.

    A transferred table knows an interval for each network until a validation has measured its error.

    Attributes:
        mape_percent: mean absolute error in percent of the measured latency, network by network.
        low_percent, high_percent: its 95 % bootstrap interval over networks; None from leave-one-out.
        num_networks: measured networks that it is the mean over; of `transfer` the networks asked for.
        source: `validation`: networks that nothing was fitted on; `leave-one-out`: each predicted by the fit on all
            others; `transfer`: what the model of a transferred table expects, with a 95 % interval for each network.
    """

    mape_percent: float
    low_percent: float | None = None
    high_percent: float | None = None
    num_networks: int
    source: str


@dataclass(frozen=True, kw_only=True)
class PredictedPart:
    """What one block (of a cost model: one gene) adds.

    Attributes:
        key: the block's key, or `gene 3 = 2`.
        latency_ms: milliseconds before the calibration; None where there is no number that counts.
        status: of the table's row; None where there is no row.
        problem: why there is no number, and what can be done; empty where there is one.
    """

    key: str
    latency_ms: float | None
    status: Status | None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class PredictedNetwork:
    """One network.

    Attributes:
        network: as it was named.
        latency_ms: milliseconds, calibrated; None where a part has no number.
        low_ms, high_ms: the same less and plus the mean error of such predictions, or the ends of its own 95 % interval
            (`ErrorBar.source`: `transfer`); None where neither is known.
        overhead_ms: what a network pays once (of a cost model: its constant).
        calibration_ms: what the calibration adds to overhead and parts; may be negative.
        parts: in the network's order; empty where a cost model does not know the network.
        doubtful: keys whose row counts with a reservation.
        problem: why there is no prediction; empty where there is one.
        command: what measures the parts that are missing; empty where nothing is, or where nothing would.
    """

    network: str
    latency_ms: float | None
    low_ms: float | None = None
    high_ms: float | None = None
    overhead_ms: float
    calibration_ms: float | None = None
    parts: tuple[PredictedPart, ...]
    doubtful: tuple[str, ...] = ()
    problem: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class PredictionReport:
    """Networks predicted from one table or cost model.

    Attributes:
        model: what it is, in a few words. path: its file.
        target, device: what it predicts the latency on; `unknown` where an import does not state it.
        scope: what must stand beside its latencies; None where nothing must.
        error: None where neither a validation nor leave-one-out says anything.
        advice: how to learn the error; empty where it is known from a validation.
    """

    model: str
    path: Path
    target: str
    device: str
    scope: str | None
    error: ErrorBar | None
    advice: str
    networks: tuple[PredictedNetwork, ...]


def predict_networks(networks: Sequence[str | Network], table: str | Path) -> PredictionReport:
    """Predict each network from the table or cost model in a file.

    A network that cannot be predicted has no number, and a sentence on why; the others are predicted all the same.

    Args:
        networks: names as `nets.resolve` reads them, or networks.
        table: file of a latency table or cost model, or a run's folder. A validation beside it gives the error bar
            where it is of the same device and target.

    Raises:
        InputError: a name is unknown.
        TableError: the file is neither a table nor a cost model.
    """
    path = table_path(table)
    model = load_latencies(path)
    resolved = [each if isinstance(each, Network) else resolve(each) for each in networks]
    error = _error_bar(model, path, resolved)
    advice = ""
    if error is None or error.source != "validation":
        run = path.parent if (path.parent / "run.json").is_file() else None
        advice = f"`moga validate {run}` measures the error on networks that nothing was fitted on" if run else ""
    return PredictionReport(
        model=model.described,
        path=path,
        target="unknown" if model.target is None else str(model.target),
        device=model.identity.device_name,
        scope=scope_note(model.identity),
        error=error,
        advice=advice,
        networks=tuple(_predicted(model, path, network, error) for network in resolved),
    )


def _error_bar(model: LatencyTable | CostModel, path: Path, networks: Sequence[Network]) -> ErrorBar | None:
    """Return the error of a validation of this very table or model, else what a transfer or leave-one-out expects."""
    validated = _validated(model, RunFolder(path.parent).validation)
    if validated is not None:
        metric, num = validated
        if metric.value is not None:
            return ErrorBar(
                mape_percent=metric.value,
                low_percent=metric.low,
                high_percent=metric.high,
                num_networks=num,
                source="validation",
            )
    if isinstance(model, LatencyTable) and model.transferred is not None:
        spreads = [spread for one in networks if (spread := _spread(model, one)) is not None]
        if spreads:
            mean_percent = 100 * MEAN_OF_NORMAL * sum(spreads) / len(spreads)
            return ErrorBar(mape_percent=mean_percent, num_networks=len(spreads), source="transfer")
    fitted = model.calibration if isinstance(model, LatencyTable) else model
    num_fitted = fitted.num_pairs if isinstance(fitted, CostModel) else fitted.num_networks
    if fitted.loo_mape_percent is None or not num_fitted:
        return None
    return ErrorBar(mape_percent=fitted.loo_mape_percent, num_networks=num_fitted, source="leave-one-out")


def _spread(table: LatencyTable, network: Network) -> float | None:
    """Return a transferred table's relative standard deviation of a network; None where it does not predict it."""
    return None if table.unpredictable(network) else table.relative_error(network)


def _validated(model: LatencyTable | CostModel, path: Path) -> tuple[Metric, int] | None:
    """Return the error over the whole space and its number of networks, from a validation of the same measurements."""
    if not path.is_file():
        return None
    found = records.load(Validation, path)
    if found.identity != model.identity or found.target != str(model.target) or not found.strata:
        return None
    whole = found.strata[0]
    if isinstance(model, LatencyTable):
        return (whole.calibrated.mape_percent, whole.calibrated.num) if found.table == Path(model.name).name else None
    report = whole.models.get(model.name)
    return None if report is None else (report.mape_percent, report.num)


def _predicted(
    model: LatencyTable | CostModel, path: Path, network: Network, error: ErrorBar | None
) -> PredictedNetwork:
    problem = model.unpredictable(network)
    if problem is not None:
        return _unpredicted(model, path, network, problem)
    found = model.predict(network)
    low, high = _interval(model, network, error)
    return PredictedNetwork(
        network=network.name,
        latency_ms=found.latency_ms,
        low_ms=None if low is None else found.latency_ms * low,
        high_ms=None if high is None else found.latency_ms * high,
        overhead_ms=found.overhead_ms,
        calibration_ms=found.latency_ms - found.raw_ms,
        parts=tuple(
            PredictedPart(key=part.key, latency_ms=part.latency_ms, status=part.status) for part in found.parts
        ),
        doubtful=found.doubtful,
    )


def _interval(
    model: LatencyTable | CostModel, network: Network, error: ErrorBar | None
) -> tuple[float | None, float | None]:
    """Return the ends of a prediction's error bar, as factors."""
    if error is None:
        return None, None
    if error.source == "transfer" and isinstance(model, LatencyTable):
        spread = model.relative_error(network) or 0.0
        return math.exp(-Z95 * spread), math.exp(Z95 * spread)
    return 1 - error.mape_percent / 100, 1 + error.mape_percent / 100


def _unpredicted(model: LatencyTable | CostModel, path: Path, network: Network, problem: str) -> PredictedNetwork:
    if isinstance(model, CostModel):
        return PredictedNetwork(
            network=network.name, latency_ms=None, overhead_ms=model.intercept_ms, parts=(), problem=problem
        )
    keys = [network.name] if model.of_networks else [block.key for block in network.blocks]
    foreign = not model.space and not set(keys) & set(model.rows)
    if foreign:
        problem = f"the table ({model.origin.made_by}) names its rows in another way: none is the key of a block"
    command = _remedy(model, path, network.name, model.unusable(keys))
    return PredictedNetwork(
        network=network.name,
        latency_ms=None,
        overhead_ms=model.overhead_ms,
        parts=tuple(_part(model, key, command) for key in keys),
        problem=problem,
        command=command,
    )


def _remedy(table: LatencyTable, path: Path, network: str, keys: Sequence[str]) -> str:
    """Return the command that measures rows: the table's profile where they are of its space, else the network's own.

    A block of another space has no row in any table of this one: only the network itself can be timed.
    """
    run = RunFolder(path.parent)
    device = run.read_settings().device if run.settings_path.is_file() else None
    if device is None:
        device = "SERIAL" if SHELL_FLAG in table.identity.flags else HOST
    if (
        table.space
        and not table.of_networks
        and set(keys) <= {block.key for block in _blocks_of(table.space)} | set(table.rows)
    ):
        return profile_command(table.space, device, table.target)
    where = "" if device == HOST else f" --device {device}"
    return f"moga bench {network}{where} --target {'TARGET' if table.target is None else table.target}"


def _blocks_of(space: str) -> tuple[Block, ...]:
    found = get_space(space)
    return (*found.fixed_blocks, *found.choice_blocks)


def _part(table: LatencyTable, key: str, command: str) -> PredictedPart:
    row = table.rows.get(key)
    if row is None:
        return PredictedPart(key=key, latency_ms=None, status=None, problem="no row")
    if table.counts(row):
        return PredictedPart(key=key, latency_ms=row.latency_ms, status=row.status)
    why = row.error or row.reason or row.delegation or "no number"
    return PredictedPart(key=key, latency_ms=None, status=row.status, problem=f"{why}; {remedy(row.status, command)}")
