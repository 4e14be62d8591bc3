"""What is searched for: objectives and constraints over named metrics, on the allowed part of a space."""

import fnmatch
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mogakit.errors import InputError
from mogakit.nets.block import Block
from mogakit.nets.spaces import SearchSpace, StagedSpace
from mogakit.search.additive import Genes, Values
from mogakit.search.metrics import Metric

MOGA_WEIGHTS = (0.4, 0.4, 0.2)
"""Crowding weights of accuracy, latency and parameters (MoGA section 4.3)."""


@dataclass(frozen=True)
class Objective:
    """A metric to be made large or small.

    Attributes:
        metric: its name.
        maximise: whether more is better. Parameters are maximised, as in MoGA: they are no cost on a phone's GPU and
            stand for capacity.
        weight: of the objective in the crowding distance (MoGA eq. 5). It rewards spread along the objective; it is
            no preference for its good end, which belongs in a constraint or a reward.
    """

    metric: str
    maximise: bool
    weight: float = 1.0


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric: `low <= metric <= high`; None where there is no bound."""

    metric: str
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g} <= {self.metric} <= {self.high:g}"
        return f"{self.metric} <= {self.high:g}" if self.high is not None else f"{self.metric} >= {self.low:g}"


def parse_constraint(text: str) -> Constraint:
    """Read `metric<=number` or `metric>=number`; the number may have a suffix k, M or G.

    Raises:
        InputError: `text` is not of that form.
    """
    match = re.fullmatch(r"\s*([^<>\s]+)\s*(<=|>=)\s*([-+0-9.eE]+)\s*([kMG]?)\s*", text)
    try:
        if match is None:
            raise ValueError
        bound = float(match[3]) * {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}[match[4]]
        if not math.isfinite(bound):
            raise ValueError
    except ValueError as error:
        raise InputError(f"{text!r} is not a limit; write e.g. 'latency<=12.5', 'params>=4M' or 'f_max<=1'") from error
    return Constraint(match[1], high=bound) if match[2] == "<=" else Constraint(match[1], low=bound)


def allowed_choices(space: SearchSpace, forbidden: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the choices of each gene whose block key matches none of the patterns (`*_se*`, `mb_*_k7*`).

    In a staged space a layer's choice is several blocks, one for each number of filters; it is left out where any of
    them matches.

    Raises:
        InputError: patterns are given for a space whose genes are no blocks, a pattern matches nothing, or a gene is
            left without a choice.
    """
    everything = tuple(tuple(range(count)) for count in space.num_choices)
    if not forbidden:
        return everything
    columns = blocks_by_gene(space)
    if columns is None:
        raise InputError(f"the genes of space {space.name!r} do not choose blocks, so blocks cannot be forbidden in it")
    keys = [block.key for block in space.choice_blocks]
    for pattern in forbidden:
        if not fnmatch.filter(keys, pattern):
            raise InputError(f"{pattern!r} matches no block of {space.name!r}; its keys look like {keys[0]}")
    rejected = {key for key in keys if any(fnmatch.fnmatchcase(key, pattern) for pattern in forbidden)}
    left = tuple(
        tuple(i for i, blocks in enumerate(values) if not any(block.key in rejected for block in blocks))
        for values in columns
    )
    empty = [slot for slot, choices in enumerate(left) if not choices]
    if empty:
        raise InputError(f"{', '.join(forbidden)} leave no choice in slot(s) {empty}; forbid less")
    return left


def blocks_by_gene(space: SearchSpace) -> tuple[tuple[tuple[Block, ...], ...], ...] | None:
    """Return for each gene and each of its values the blocks that it can be; None where genes do not choose blocks."""
    if space.slotted is not None:
        return tuple(tuple((block,) for block in choices) for choices in space.slotted.slots)
    return space.blocks_by_gene if isinstance(space, StagedSpace) else None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Objectives and constraints on the allowed part of a space.

    Engines work on indices into `allowed`, so that no operator can produce a choice that is not allowed; everything
    else sees the space's own genes. A network for which some metric does not exist counts as infeasible.

    Attributes:
        space: where chromosomes live.
        metrics: everything that is evaluated, in the order of result columns.
        objectives: at least one.
        constraints: all of which must hold.
        allowed: the usable values of every gene; empty for all of them.
    """

    space: SearchSpace
    metrics: tuple[Metric, ...]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    allowed: tuple[tuple[int, ...], ...] = field(default=())

    def __post_init__(self) -> None:
        """Check the names and fill `allowed`.

        Raises:
            InputError: an objective or constraint names no metric, or a metric is named twice.
        """
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise InputError(f"metrics {names} are not all different; name each latency differently")
        wanted = [objective.metric for objective in self.objectives] + [limit.metric for limit in self.constraints]
        unknown = sorted(set(wanted) - set(names))
        if unknown or not self.objectives:
            raise InputError(
                f"no metric is called {', '.join(unknown) or '(none given)'}; there are {', '.join(names)}"
            )
        if not self.allowed:
            object.__setattr__(self, "allowed", tuple(tuple(range(n)) for n in self.space.num_choices))

    @cached_property
    def num_indices(self) -> tuple[int, ...]:
        """How many allowed values each gene has."""
        return tuple(len(values) for values in self.allowed)

    @property
    def maximise(self) -> tuple[bool, ...]:
        """Sense of each objective."""
        return tuple(objective.maximise for objective in self.objectives)

    def column(self, name: str) -> int:
        """Return the column of a metric in `evaluate`."""
        return [metric.name for metric in self.metrics].index(name)

    def metric(self, name: str) -> Metric:
        """Return a metric by name."""
        return self.metrics[self.column(name)]

    def to_genes(self, indices: Genes) -> Genes:
        """Turn indices into `allowed` into genes of the space."""
        columns = [np.asarray(values)[indices[:, gene]] for gene, values in enumerate(self.allowed)]
        return np.stack(columns, axis=1)

    def evaluate(self, genes: Genes) -> Values:
        """Return all metrics, shape (n, num_metrics); NaN where one does not exist."""
        return np.stack([metric.evaluate(genes) for metric in self.metrics], axis=1)

    def objective_values(self, values: Values) -> Values:
        """Pick the objectives out of all metrics, shape (n, num_objectives)."""
        return values[:, [self.column(objective.metric) for objective in self.objectives]]

    def feasible(self, values: Values) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Return which rows meet every constraint and have every metric."""
        return np.asarray((self.violations(values) <= 0).all(axis=1))

    @cached_property
    def can_miss(self) -> bool:
        """Whether a network could lack a metric: one that is asked for, or a sum with holes."""
        for metric in self.metrics:
            if metric.parts is None:
                return True
            for part in metric.parts:
                if part.restricted(self.allowed).has_holes:
                    return True
        return False

    @cached_property
    def num_violations(self) -> int:
        """Columns of `violations`."""
        return sum((limit.low is not None) + (limit.high is not None) for limit in self.constraints) + self.can_miss

    def violations(self, values: Values) -> Values:
        """Return by how much each bound is missed, at most 0 where it holds, and whether a metric is missing.

        Each is relative to the bound, so that milliseconds and parameters weigh alike (our choice). Shape
        (n, num_violations).
        """
        columns: list[Values] = []
        for limit in self.constraints:
            value: Values = values[:, self.column(limit.metric)]
            for bound, sign in ((limit.high, 1.0), (limit.low, -1.0)):
                if bound is not None:
                    missed = sign * (value - bound) / max(abs(bound), 1e-12)
                    columns.append(np.where(np.isnan(missed), 0.0, missed))
        if self.can_miss:
            columns.append(np.asarray(np.isnan(values).any(axis=1), dtype=np.float64))
        return np.stack(columns, axis=1) if columns else np.zeros((len(values), 0))
