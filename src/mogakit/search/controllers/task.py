"""What a controller is paid for: a reward of accuracy and latency over the networks of a problem."""

import math
from dataclasses import dataclass

import numpy as np

from mogakit.errors import InputError
from mogakit.search.additive import Genes, SlotCosts, Values
from mogakit.search.archive import Archive
from mogakit.search.exact import exact_front
from mogakit.search.metrics import Metric
from mogakit.search.optimum import best_absolute_reward
from mogakit.search.problem import Problem
from mogakit.search.rewards import Reward, RewardKind
from mogakit.search.staged import slot_sums

MISSING_REWARD = 0.0
"""Earned by a network that a hardware cannot run or that misses a constraint: as one that is always wrong (ours)."""


@dataclass(frozen=True)
class Task:
    """A problem with a reward.

    Attributes:
        problem: gives the metrics; its first objective is the accuracy, its second the latency.
        reward: of accuracy and latency.
        offset, scale: the accuracy that the reward sees is `offset + scale * metric`, so that percent or a proxy come
            onto the scale of a fraction, on which the papers' beta is given.
    """

    problem: Problem
    reward: Reward
    offset: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the objectives.

        Raises:
            InputError: there is no accuracy to raise, no latency to lower, or the scale turns accuracy around.
        """
        objectives = self.problem.objectives
        if len(objectives) < 2 or not objectives[0].maximise or objectives[1].maximise or not self.scale > 0:
            raise InputError(
                "a reward needs an accuracy to maximise as the first objective, a latency to minimise as the second, "
                "and a scale above zero"
            )

    @property
    def accuracy(self) -> Metric:
        """The metric of the first objective."""
        return self.problem.metric(self.problem.objectives[0].metric)

    @property
    def latency(self) -> Metric:
        """The metric of the second objective."""
        return self.problem.metric(self.problem.objectives[1].metric)

    def rewards(self, values: Values) -> Values:
        """Return the reward of networks with these metrics, shape (n, num_metrics) to (n,)."""
        objectives = self.problem.objective_values(values)
        feasible = self.problem.feasible(values)
        return np.array(
            [
                self.reward(self.offset + self.scale * accuracy, latency) if fine else MISSING_REWARD
                for (accuracy, latency), fine in zip(objectives[:, :2].tolist(), feasible, strict=True)
            ]
        )

    def evaluate(self, indices: Genes, archive: Archive, generation: int) -> Values:
        """Evaluate networks, keep them in `archive`, and return their rewards."""
        genes = self.problem.to_genes(indices)
        values = self.problem.evaluate(genes)
        archive.add(genes, values, generation)
        return self.rewards(values)

    def best_reward(self) -> float:
        """Return the highest reward of the whole space, proven.

        The absolute reward is not monotone in latency and is solved as an integer programme; the others never fall
        with accuracy nor rise with latency, so that their best network is on the exact front of the two.

        Raises:
            InputError: accuracy or latency does not add up over slots, or there are constraints.
        """
        accuracy, latency = self._sum(self.accuracy), self._sum(self.latency)
        if self.problem.constraints:
            raise InputError("the best reward is known without constraints only; put the limit into the reward")
        if self.reward.kind is RewardKind.ABSOLUTE:
            scaled = SlotCosts(
                self.offset + self.scale * accuracy.constant,
                tuple(self.scale * column for column in accuracy.per_slot),
            )
            return best_absolute_reward(scaled, latency, self.reward.target_ms, self.reward.beta).value
        _, front = exact_front([accuracy, latency], [True, False])
        return max(self.reward(self.offset + self.scale * q, t) for q, t in front.tolist())

    def _sum(self, metric: Metric) -> SlotCosts:
        if metric.parts is None or len(metric.parts) != 1:
            raise InputError(f"{metric.name} ({metric.source}) does not add up over blocks, so the best is not known")
        return slot_sums([metric.parts[0].restricted(self.problem.allowed)])[0]


def fraction_scale(metric: Metric, problem: Problem, low: float = 0.68, high: float = 0.76) -> tuple[float, float]:
    """Return the offset and scale that put an additive metric's extremes at `low` and `high`.

    For a proxy, so that it trades against latency as accuracy on ImageNet does between small and large networks. It
    stays a proxy.

    Raises:
        InputError: the metric does not add up over slots, or never changes.
    """
    if metric.parts is None or len(metric.parts) != 1:
        raise InputError(f"the extremes of {metric.name} are not known; it does not add up over blocks")
    least, most = metric.parts[0].restricted(problem.allowed).extremes()
    if math.isclose(least, most):
        raise InputError(f"{metric.name} is the same for every network")
    scale = (high - low) / (most - least)
    return low - scale * least, scale
