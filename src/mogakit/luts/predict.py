"""`Predictor`: what a network costs by its table: overhead once, fixed parts, blocks; then the calibration."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mogakit.bench.measurement import Status
from mogakit.errors import TableError
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.table import UNKNOWN, LatencyTable, Row
from mogakit.nets.network import Network
from mogakit.nets.spaces import SlotSpace

NUM_NEAREST = 3
_REMEDIES = {
    Status.PARTIAL: "or let what the hardware took only in part count, and say so: {command} --accept-partial",
    Status.UNKNOWN_DELEGATION: "or let it count although its log does not say what ran it: {command} --accept-unknown",
    Status.HOT: "or let the device cool and measure more rounds: {command} --rounds N",
}
"""What else can be done about a row of some status than choosing another block."""


@dataclass(frozen=True)
class Part:
    """What one block adds to a network."""

    key: str
    latency_ms: float
    status: Status


@dataclass(frozen=True)
class Prediction:
    """A prediction with its parts: `calibrated_ms` is the answer, `raw_ms` the overhead plus the parts.

    `doubtful` lists keys whose row counts with a reservation (partial delegation that was accepted, drift).
    """

    network: str
    parts: tuple[Part, ...]
    overhead_ms: float
    raw_ms: float
    calibrated_ms: float
    doubtful: tuple[str, ...]


class Predictor:
    """Predicts the latency of networks from one table. Satisfies `search.sources.LatencySource`."""

    def __init__(self, table: LatencyTable) -> None:
        """Predict from `table`; its calibration is applied by `predict`, not by `predict_raw`."""
        self.table = table

    def predict(self, network: Network) -> float:
        """Return the calibrated latency in milliseconds.

        Raises:
            TableError: a block has no row, or a row without a number for this target.
        """
        return self.table.calibration.apply(self.predict_raw(network))

    latency_ms = predict

    def predict_raw(self, network: Network) -> float:
        """Return overhead plus blocks in milliseconds, without the calibration."""
        return self.sum_keys(block.key for block in network.blocks)

    def sum_keys(self, keys: Iterable[str]) -> float:
        """Return overhead plus the rows named, uncalibrated: for tables whose keys are not the kit's own.

        Raises:
            TableError: rows are missing (all of them are named), or hold no number for this target.
        """
        listed = list(keys)
        missing = self.missing(listed)
        if missing:
            raise TableError(missing_row_message(self.table, missing))
        return self.table.overhead_ms + float(sum(self._latency(key) for key in listed))

    def explain(self, network: Network) -> Prediction:
        """Return the prediction with its parts in the network's order."""
        parts = tuple(
            Part(block.key, self._latency(block.key), self.table.rows[block.key].status) for block in network.blocks
        )
        raw_ms = self.table.overhead_ms + sum(part.latency_ms for part in parts)
        return Prediction(
            network=network.name,
            parts=parts,
            overhead_ms=self.table.overhead_ms,
            raw_ms=raw_ms,
            calibrated_ms=self.table.calibration.apply(raw_ms),
            doubtful=tuple(sorted({part.key for part in parts if part.status is not Status.OK})),
        )

    def slot_costs(self, space: SlotSpace, unsupported_ms: float | None = None) -> list[FloatArray]:
        """Return one array of milliseconds a slot, shape (choices,): the entries of a chromosome sum to `predict`.

        Overhead, fixed parts and the calibration's offset are folded into the first slot.

        Args:
            space: one whose slots are independent.
            unsupported_ms: stands for a choice whose row holds no number that counts (e.g. `math.inf`); where it is
                None, such a choice raises.

        Raises:
            TableError: a block of the space has no row.
        """
        scale, offset_ms = self.table.calibration.scale, self.table.calibration.offset_ms
        fixed = [block.key for block in (*space.before, *space.after)]
        costs = [
            scale * np.array([self._choice_latency(block.key, unsupported_ms) for block in slot])
            for slot in space.slots
        ]
        costs[0] = costs[0] + scale * self.sum_keys(fixed) + offset_ms
        return costs

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return those of `keys` that have no row, sorted, each once."""
        return sorted(set(keys) - self.table.rows.keys())

    def unusable(self, keys: Iterable[str]) -> list[str]:
        """Return those of `keys` that have no row, or one without a number that counts, sorted, each once."""
        rows = self.table.rows
        return sorted(key for key in set(keys) if key not in rows or not self.table.counts(rows[key]))

    def _choice_latency(self, key: str, unsupported_ms: float | None) -> float:
        row = self.table.rows.get(key)
        if unsupported_ms is not None and row is not None and not self.table.counts(row):
            return unsupported_ms
        return self._latency(key)

    def _latency(self, key: str) -> float:
        row = self.table.rows.get(key)
        if row is None:
            raise TableError(missing_row_message(self.table, [key]))
        if row.latency_ms is None or not self.table.counts(row):
            raise TableError(_rejection(self.table, row))
        return row.latency_ms


def missing_row_message(table: LatencyTable, keys: Sequence[str]) -> str:
    """Name what is missing, what comes nearest, and the command that measures it."""
    lines = []
    for key in keys:
        nearest = difflib.get_close_matches(key, table.rows, n=NUM_NEAREST, cutoff=0.0)
        lines.append(f"{key} (nearest: {', '.join(nearest) if nearest else 'the table is empty'})")
    return (
        f"table {table.name} for {_target_text(table)} has no row for {'; '.join(lines)}. Measure it: {_command(table)}"
    )


def _rejection(table: LatencyTable, row: Row) -> str:
    """Say which row does not count, why, and what can be done about it."""
    why = next((f": {text}" for text in (row.error, row.reason, row.delegation) if text), "")
    remedy = _REMEDIES.get(row.status, "or measure it again: {command}").format(command=_command(table))
    return (
        f"table {table.name} has no usable number for {row.key} on {_target_text(table)}: its row is marked "
        f"{row.status}{why}. Choose another block, {remedy}"
    )


def _target_text(table: LatencyTable) -> str:
    return f"target {table.target}" if table.target is not None else "an unknown target"


def _command(table: LatencyTable) -> str:
    space = table.space or "SPACE"
    target = "TARGET" if table.target is None else str(table.target)
    device = "DEVICE" if table.identity.device == UNKNOWN else (table.identity.device_name or "host")
    return f"moga profile --space {space} --device {device} --target {target} -o RUN --resume"
