"""Times of single operators on phones, and of the networks they come from: CSV as in qed-usc/mobile-ml-benchmark.

Each line of the operator file is one kernel of one network: model, operation, a dict of its shape, and for each device
a time in microseconds (column `pixel4|gpu|float`). The network file has, for each device, mean and std of whole
networks (`pixel4|gpu|float|mean`). Operators that the file does not list (elementwise, softmax) are missing from sums.
"""

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from mogakit import files, records
from mogakit.bench import statistics
from mogakit.errors import InputError, TableError
from mogakit.luts.calibrate import Calibration, CalibrationKind, fit
from mogakit.luts.error_metrics import ErrorReport, FloatArray, mape_percent, score
from mogakit.luts.foreign.compose import Operator, OperatorKind, OperatorTimes
from mogakit.luts.statistic import Centre, Statistic
from mogakit.luts.table import UNKNOWN_IDENTITY, LatencyTable, Origin, Row

_EXPECTED = "file of operators or networks in CSV"
_US_PER_MS = 1000.0
_DERIVED = ("FLOPS",)
_KINDS = {
    "CONV_2D": OperatorKind.CONV,
    "CONV_2D_GROUP": OperatorKind.CONV,
    "DEPTHWISE_CONV_2D": OperatorKind.DEPTHWISE,
    "FULLY_CONNECTED": OperatorKind.DENSE,
    "MEAN": OperatorKind.MEAN,
    "ADD": OperatorKind.ADD,
}
_UNKNOWN = ("build of the device", "runtime version", "number of runs of each operator", "date and conditions")
NUM_SPLITS = 200
TRAIN_SHARE = 70 / 102
"""Of 102 networks, 70 calibrate and 32 are predicted; other numbers of networks are split alike."""


@dataclass(frozen=True)
class ModelOperator:
    """One operator of one network; `key` is its operation and shape."""

    model: str
    key: str
    latency_ms: float


@dataclass(frozen=True)
class HeldOut:
    """Error on held-out networks over random splits: mean, 5th and 95th percentile of the splits' MAPE."""

    kind: CalibrationKind
    mape_percent: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class OperatorStudy:
    """How well sums of operator times predict whole networks.

    Attributes:
        median_ratio: of sum over measured, over networks. ratio_low, ratio_high: its 5th and 95th percentile.
        raw: the sum as it is. held_out: scale and affine calibration on networks they have not seen.
        calibration: affine, on all networks.
        num_networks: compared; left_out: networks without a time for the device in one of the two files.
    """

    column: str
    num_networks: int
    left_out: tuple[str, ...]
    median_ratio: float
    ratio_low: float
    ratio_high: float
    raw: ErrorReport
    held_out: tuple[HeldOut, ...]
    calibration: Calibration


def read_operators(path: Path, column: str) -> tuple[list[ModelOperator], set[str]]:
    """Return the operators with a time in `column`, and the models that have some without one.

    Raises:
        TableError: the file or the column is absent, or a cell is not a number; the supported columns are listed.
    """
    times, incomplete = [], set()
    for line, record in _records(path, ("model", "operation", "feature"), column):
        value = _cell(record[column], path, line, column)
        if value is None:
            incomplete.add(record["model"])
            continue
        key = operator_key(record["operation"], record["feature"], f"{path} line {line}")
        times.append(ModelOperator(record["model"], key, value / _US_PER_MS))
    return times, incomplete


def read_networks(path: Path, column: str) -> dict[str, float]:
    """Return whole networks' mean latency in ms by name, of column `<column>|mean` or `<column>`.

    Raises:
        TableError: the file or the column is absent, or a cell is not a number.
    """
    known = _columns(path)
    name = f"{column}|mean" if f"{column}|mean" in known else column
    networks = {}
    for line, record in _records(path, ("model",), name):
        value = _cell(record[name], path, line, name)
        if value is not None:
            networks[record["model"]] = value / _US_PER_MS
    return networks


def operator_key(operation: str, feature: str, where: str) -> str:
    """Return one name for one operation and shape: features sorted, what follows from them left out.

    Raises:
        TableError: `feature` is not a dict of plain values.
    """
    shape = _shape(feature)
    if shape is None:
        raise TableError(f"{where}: feature {feature!r} is not a dict of plain values")
    return f"{operation} {shape}"


@cache
def _shape(feature: str) -> str | None:
    try:
        shape = ast.literal_eval(feature)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(shape, dict):
        return None
    return " ".join(f"{name}={shape[name]}" for name in sorted(shape, key=str) if name not in _DERIVED)


def import_operators(path: Path, column: str, networks: Path | None = None) -> LatencyTable:
    """Read operator times as a table: one row for each operation and shape, the median over where it occurs.

    Args:
        path: of the operator file.
        column: device, hardware and precision, as the file names them.
        networks: file with whole networks; where given, the table carries an affine calibration on them.

    Raises:
        TableError: see `read_operators`.
    """
    times, _ = read_operators(path, column)
    by_key: dict[str, list[float]] = {}
    for one in times:
        by_key.setdefault(one.key, []).append(one.latency_ms)
    table = LatencyTable(
        name=f"{path.name} {column}",
        space="",
        target=None,
        identity=replace(UNKNOWN_IDENTITY, device_name=column.split("|")[0], flags=(f"column={column}",)),
        statistic=Statistic(within_run=Centre.UNKNOWN, trim=0.0, across_runs=Centre.MEDIAN),
        rows={key: _row(key, np.array(values)) for key, values in by_key.items()},
        origin=Origin(
            made_by="import of operator times", source=path.name, source_sha256=files.sha256_of(path), unknown=_UNKNOWN
        ),
    )
    return table if networks is None else table.with_calibration(study(path, networks, column).calibration)


def operator_times(path: Path, column: str) -> OperatorTimes:
    """Return the times of the operators that blocks are made of, in milliseconds, by operator.

    An explicit padding before a convolution changes what the file calls its input, not what is computed, so a
    convolution is known by its output.

    Raises:
        TableError: see `read_operators`.
    """
    times: dict[Operator, list[float]] = {}
    for one in read_operators(path, column)[0]:
        operation, _, shape = one.key.partition(" ")
        operator = _operator(operation, dict(word.partition("=")[::2] for word in shape.split(" ")))
        if operator is not None:
            times.setdefault(operator, []).append(one.latency_ms)
    return OperatorTimes.of(times)


def _operator(operation: str, shape: dict[str, str]) -> Operator | None:
    """Return what a line computes; None for an operation of which no block is made."""
    kind = _KINDS.get(operation)
    if kind is None:
        return None

    def whole(name: str, default: int = 1) -> int:
        text = shape.get(name, "-")
        return int(text) if text.isdecimal() and text.isascii() else default

    before = whole("Input_channel")
    own_width = kind in (OperatorKind.CONV, OperatorKind.DENSE)
    spatial = kind in (OperatorKind.CONV, OperatorKind.DEPTHWISE)
    return Operator(
        kind=kind,
        in_channels=before,
        out_channels=whole("Filter") if own_width else before,
        size=1 if kind is OperatorKind.DENSE else whole("Output_shape" if spatial else "Input_shape"),
        kernel=whole("Kernel") if spatial else 1,
        stride=whole("Stride") if spatial else 1,
        groups=whole("Group") if kind is OperatorKind.CONV else 1,
    )


def study(path: Path, networks: Path, column: str, num_splits: int = NUM_SPLITS, seed: int = 0) -> OperatorStudy:
    """Compare each network's sum of operator times with its measured latency, raw and calibrated.

    Args:
        num_splits: random splits into networks that calibrate and networks that are predicted.
        seed: of the splits and of the intervals.

    Raises:
        TableError: see `read_operators`; or fewer than ten networks stand in both files.
    """
    times, incomplete = read_operators(path, column)
    measured = read_networks(networks, column)
    sums: dict[str, float] = {}
    for one in times:
        sums[one.model] = sums.get(one.model, 0.0) + one.latency_ms
    names = sorted(sums.keys() & measured.keys() - incomplete)
    if len(names) < 10:
        raise TableError(f"{path} and {networks} have {len(names)} networks in common for {column}; ten are needed")
    predicted, truth = np.array([sums[name] for name in names]), np.array([measured[name] for name in names])
    ratio = predicted / truth
    low, high = np.quantile(ratio, [0.05, 0.95])
    kinds = (CalibrationKind.SCALE, CalibrationKind.AFFINE)
    return OperatorStudy(
        column=column,
        num_networks=len(names),
        left_out=tuple(sorted((sums.keys() | measured.keys()) - set(names))),
        median_ratio=float(np.median(ratio)),
        ratio_low=float(low),
        ratio_high=float(high),
        raw=score(predicted, truth, seed),
        held_out=tuple(_held_out(kind, predicted, truth, num_splits, seed) for kind in kinds),
        calibration=fit(CalibrationKind.AFFINE, predicted, truth, names),
    )


def _held_out(kind: CalibrationKind, predicted: FloatArray, truth: FloatArray, num_splits: int, seed: int) -> HeldOut:
    rng = np.random.default_rng(seed)
    num_train = round(TRAIN_SHARE * len(truth))
    mapes = []
    for _ in range(num_splits):
        order = rng.permutation(len(truth))
        train, test = order[:num_train], order[num_train:]
        found = fit(kind, predicted[train], truth[train])
        mapes.append(mape_percent(found.scale * predicted[test] + found.offset_ms, truth[test]))
    low, high = np.quantile(mapes, [0.05, 0.95])
    return HeldOut(kind, float(np.mean(mapes)), float(low), float(high))


def _row(key: str, values: FloatArray) -> Row:
    several = len(values) > 1
    return Row(
        key=key,
        role=None,
        latency_ms=float(np.median(values)),
        mad_ms=statistics.mad(values) if several else None,
        p10_ms=statistics.percentile(values, 10) if several else None,
        p90_ms=statistics.percentile(values, 90) if several else None,
    )


def _columns(path: Path) -> Sequence[str]:
    try:
        return records.read_columns(path, _EXPECTED)
    except InputError as error:
        raise TableError(str(error)) from error


def _records(path: Path, needed: Sequence[str], column: str) -> list[tuple[int, dict[str, str]]]:
    known = _columns(path)
    absent = [name for name in (*needed, column) if name not in known]
    if absent:
        devices = [name for name in known if "|" in name]
        raise TableError(f"{path} has no column {', '.join(absent)}; its device columns are {', '.join(devices)}")
    try:
        return records.read_csv(path, (*needed, column), _EXPECTED)
    except InputError as error:
        raise TableError(str(error)) from error


def _cell(text: str, path: Path, line: int, column: str) -> float | None:
    """Return a cell's number; None where it is empty or not above zero (not measured on this device)."""
    if text is None or not text.strip() or text.strip().lower() in ("nan", "none"):
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise TableError(f"{path} line {line}: {column} is {text!r}, which is not a number") from error
    if not math.isfinite(value):
        raise TableError(f"{path} line {line}: {column} is {text!r}, which is not a finite number")
    return value if value > 0 else None


def column_names(path: Path) -> list[str]:
    """Return the device columns of a file, for a message or a menu.

    Raises:
        InputError: the file has none.
    """
    names = [name.removesuffix("|mean") for name in _columns(path) if "|" in name and not name.endswith("|std")]
    if not names:
        raise InputError(f"{path} has no device column such as pixel4|gpu|float")
    return [name for name in names if not name.endswith("|kernel")]
