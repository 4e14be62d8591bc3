"""The best network under constraints, proven: mixed-integer linear programming over the choices (HiGHS in scipy).

One binary variable a choice, one of them set in each slot; a continuous variable where the worst of several sums is
minimised (`f_max`) or a distance from a target is (the absolute reward).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from mogakit.errors import InputError, MogaKitError
from mogakit.search.additive import SlotCosts

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Limit:
    """A constraint `low <= costs <= high` on one sum over slots."""

    costs: SlotCosts
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Optimum:
    """A network that no other one beats.

    Attributes:
        genes: choices in order.
        value: of the goal.
        gap: relative gap that the solver left between this and its bound; 0 is a proof.
    """

    genes: tuple[int, ...]
    value: float
    gap: float


def best(goal: SlotCosts, maximise: bool, limits: Sequence[Limit] = ()) -> Optimum | None:
    """Return the network with the best `goal` within `limits`, or None where no network is within them.

    A limit on `f_max` over several hardware is one limit a hardware: `L_i <= bound * C_i`.
    """
    model = _Model(goal.per_slot, num_extra=0)
    for limit in limits:
        model.limit(limit.costs, limit.low, limit.high)
    sign = -1.0 if maximise else 1.0
    return model.solve(sign * model.row(goal), sign, goal.constant)


def least_worst(goals: Sequence[SlotCosts], limits: Sequence[Limit] = ()) -> Optimum | None:
    """Return the network whose largest sum among `goals` is least: `f_max` with goals `L_i / C_i` (eq. 5)."""
    model = _Model(goals[0].per_slot, num_extra=1)
    for limit in limits:
        model.limit(limit.costs, limit.low, limit.high)
    for goal in goals:
        model.limit(goal, -np.inf, 0.0, extra=-1.0)  # goal - t <= 0
    return model.solve(model.extra_row(1.0), 1.0, 0.0)


def best_absolute_reward(accuracy: SlotCosts, latency: SlotCosts, target_ms: float, beta: float) -> Optimum:
    """Return the network that maximises `Q + beta * |T / T0 - 1|` (multi-hardware paper eq. 6), for beta <= 0.

    Raises:
        InputError: `beta` is above zero, or the target is not.
    """
    if beta > 0 or not target_ms > 0:
        raise InputError(f"beta {beta} must be at most zero and the target {target_ms} ms above zero")
    model = _Model(accuracy.per_slot, num_extra=1)
    relative = SlotCosts(latency.constant / target_ms - 1, tuple(values / target_ms for values in latency.per_slot))
    model.limit(relative, -np.inf, 0.0, extra=-1.0)  # d >= T / T0 - 1
    model.limit(relative, 0.0, np.inf, extra=1.0)  # d >= 1 - T / T0
    found = model.solve(-model.row(accuracy) - model.extra_row(beta), -1.0, accuracy.constant)
    if found is None:
        raise MogaKitError("the solver found no network in an unconstrained space")
    return found


class _Model:
    """Variables and rows of one programme: a binary a choice, then `num_extra` continuous ones of at least zero."""

    def __init__(self, slots: Sequence[Vector], num_extra: int) -> None:
        self._edges = np.cumsum([0, *(len(values) for values in slots)])
        self._num_binary = int(self._edges[-1])
        self._num_extra = num_extra
        self._usable = np.ones(self._num_binary, dtype=bool)
        self._rows: list[Vector] = []
        self._low: list[float] = []
        self._high: list[float] = []

    def row(self, costs: SlotCosts) -> Vector:
        """Return the coefficients of a sum; choices without a value become unusable."""
        flat = np.concatenate(costs.per_slot)
        self._usable &= ~np.isnan(flat)
        return np.concatenate([np.nan_to_num(flat), np.zeros(self._num_extra)])

    def extra_row(self, coefficient: float) -> Vector:
        """Return the coefficients of the continuous variable alone."""
        row = np.zeros(self._num_binary + self._num_extra)
        row[self._num_binary :] = coefficient
        return row

    def limit(self, costs: SlotCosts, low: float, high: float, extra: float = 0.0) -> None:
        """Add `low <= costs + extra * t <= high`."""
        row = self.row(costs)
        row[self._num_binary :] = extra
        self._rows.append(row)
        self._low.append(low - costs.constant)
        self._high.append(high - costs.constant)

    def solve(self, objective: Vector, sign: float, constant: float) -> Optimum | None:
        """Minimise `objective`; `sign * minimum + constant` is the value reported."""
        num_slots = len(self._edges) - 1
        slot_of = np.repeat(np.arange(num_slots), np.diff(self._edges))
        one_each = csr_array(
            (np.ones(self._num_binary), (slot_of, np.arange(self._num_binary))),
            shape=(num_slots, self._num_binary + self._num_extra),
        )
        matrix = one_each if not self._rows else vstack([one_each, csr_array(np.array(self._rows))])
        ones = np.ones(num_slots)
        upper = np.concatenate([self._usable.astype(float), np.full(self._num_extra, np.inf)])
        result = milp(
            objective,
            integrality=np.concatenate([np.ones(self._num_binary), np.zeros(self._num_extra)]),
            bounds=Bounds(0.0, upper),
            constraints=LinearConstraint(matrix, np.concatenate([ones, self._low]), np.concatenate([ones, self._high])),
            options={"mip_rel_gap": 0.0},
        )
        if result.status == 2:  # infeasible
            return None
        if result.status != 0:
            raise MogaKitError(f"the linear programme was not solved: {result.message}")
        chosen = np.asarray(result.x[: self._num_binary])
        genes = tuple(
            int(np.argmax(chosen[start:stop])) for start, stop in zip(self._edges[:-1], self._edges[1:], strict=True)
        )
        return Optimum(genes, sign * float(result.fun) + constant, float(result.mip_gap))
