"""TuNAS's controller: one independent softmax a decision, REINFORCE with a moving-average baseline.

Follows github.com/google-research/google-research `tunas/`: logits start at zero; the baseline is an exponential moving
average of the mean reward, zero-debiased, updated before the advantage is taken; Adam with beta1 = 0; the learning rate
is zero for a first share of the steps, in which only the weights of the supernet learn, then grows exponentially to ten
times its start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mogakit.errors import InputError
from mogakit.progress import Progress
from mogakit.search.additive import Genes, Values
from mogakit.search.archive import Archive
from mogakit.search.controllers.task import Task

TUNAS_RATE = 0.0048
"""Learning rate of TuNAS's controller, for tens of thousands of steps."""
SHORT_RATE, SHORT_STEPS = 0.03, 120
"""Ours, and the number of steps that it was found good for."""


@dataclass(frozen=True, kw_only=True)
class ReinforceSettings:
    """Hyper-parameters.

    Attributes:
        steps: updates of the controller. batch: networks sampled for each.
        learning_rate: at the start of learning; None fits it to the steps, see `fitted_rate`. TuNAS: 0.0048.
        ramp: by what factor it has grown at the end (TuNAS: 10).
        delay: share of the steps without learning (TuNAS: 0.25; multi-hardware paper: 0.5). It serves a supernet that
            is trained at the same time; with an accuracy that does not change there is nothing to wait for: 0.
        momentum: of the baseline (TuNAS: 0.95).
        normalise: divide advantages by their spread in the batch (ours): a reward that varies by hundredths, as the
            papers' do, then learns as fast as one that varies by ones. TuNAS leaves that to Adam.
    """

    steps: int = 120
    batch: int = 70
    learning_rate: float | None = None
    ramp: float = 10.0
    delay: float = 0.0
    momentum: float = 0.95
    normalise: bool = True

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            InputError: a number is out of range.
        """
        if self.steps < 1 or self.batch < 2 or not 0 <= self.delay < 1 or not 0 <= self.momentum < 1:
            raise InputError(
                f"steps {self.steps} >= 1, batch {self.batch} >= 2, delay {self.delay} and momentum {self.momentum} in "
                "0 to 1 are needed"
            )

    @property
    def first_rate(self) -> float:
        """The learning rate at the start of learning."""
        return fitted_rate(round((1 - self.delay) * self.steps)) if self.learning_rate is None else self.learning_rate

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step: zero during the delay, then exponential (TuNAS)."""
        start = self.delay * self.steps
        if step < start:
            return 0.0
        progress = (step - start) / max(self.steps - start - 1, 1)
        return self.first_rate * float(self.ramp ** min(progress, 1.0))


def fitted_rate(steps: int) -> float:
    """Return the learning rate at the start of a search of so many learning steps.

    Adam moves a logit by about the rate a step, so that rate times steps decides how sure the controller can become.
    Our 0.03 was found good for the 120 steps that MoGA's 8400 evaluations are; longer searches get as much less, down
    to TuNAS's rate, from 750 steps on: 0.03 made a long search 95 % sure after 4 % of its steps, 0.0048 after 29 %.
    """
    return min(SHORT_RATE, max(TUNAS_RATE, SHORT_RATE * (SHORT_STEPS / max(steps, 1))))


class MovingBaseline:
    """Exponential moving average of rewards, zero-debiased: numerator over denominator, as in TuNAS's code."""

    def __init__(self, momentum: float) -> None:
        """Start without a value."""
        self._momentum = momentum
        self._numerator = 0.0
        self._denominator = 0.0

    def update(self, reward: float) -> float:
        """Take in a mean reward and return the baseline, which it is already part of."""
        self._numerator = self._momentum * self._numerator + (1 - self._momentum) * reward
        self._denominator = self._momentum * self._denominator + (1 - self._momentum)
        return self._numerator / self._denominator

    def state(self) -> tuple[float, float]:
        """Return the two sums."""
        return self._numerator, self._denominator

    def restore(self, state: Sequence[float]) -> None:
        """Go on from what `state` returned."""
        self._numerator, self._denominator = state


class IndependentPolicy:
    """One softmax a decision, independent of each other, with the optimiser that moves them."""

    def __init__(self, sizes: Sequence[int], settings: ReinforceSettings, seed: int) -> None:
        """Begin uniform; the same seed gives the same samples."""
        self._settings = settings
        self._generator = torch.Generator().manual_seed(seed)
        self._logits = [torch.zeros(size, requires_grad=True) for size in sizes]
        self._optimiser = torch.optim.Adam(self._logits, lr=settings.first_rate, betas=(0.0, 0.999), eps=1e-8)
        self._baseline = MovingBaseline(settings.momentum)

    def sample(self, count: int) -> Genes:
        """Draw networks as indices, shape (count, decisions)."""
        drawn = [
            torch.multinomial(torch.softmax(each.detach(), 0), count, replacement=True, generator=self._generator)
            for each in self._logits
        ]
        return np.asarray(torch.stack(drawn, dim=1).numpy())

    def learn(self, indices: Genes, rewards: Values, step: int) -> None:
        """Move towards what was rewarded above the baseline."""
        earned = torch.from_numpy(np.asarray(rewards)).float()
        advantage = earned - self._baseline.update(float(earned.mean()))
        if self._settings.normalise and len(earned) > 1:
            advantage = advantage / (earned.std() + 1e-8)
        self._optimiser.param_groups[0]["lr"] = self._settings.learning_rate_at(step)
        loss = -(advantage * self.log_probability(torch.from_numpy(indices))).mean()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def log_probability(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the log-probability of each row of indices, shape (n,)."""
        columns = [torch.log_softmax(each, 0)[indices[:, gene]] for gene, each in enumerate(self._logits)]
        return torch.stack(columns).sum(dim=0)

    def most_likely(self) -> tuple[int, ...]:
        """Return the likeliest index of every decision."""
        return tuple(int(each.argmax()) for each in self._logits)

    def confidence(self) -> float:
        """Return the mean over decisions of the probability of the likeliest index."""
        return float(np.mean([float(torch.softmax(each.detach(), 0).max()) for each in self._logits]))

    def state_dict(self) -> dict[str, Any]:
        """Return what it learnt and its place in the random stream, as tensors and plain values."""
        return {
            "logits": [each.detach().clone() for each in self._logits],
            "optimizer": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "baseline": self._baseline.state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        with torch.no_grad():
            for mine, saved in zip(self._logits, state["logits"], strict=True):
                mine.copy_(saved)
        self._optimiser.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self._baseline.restore(state["baseline"])


@dataclass(frozen=True)
class Learned:
    """What a controller leaves: everything evaluated, and its most likely network at the end, as indices."""

    archive: Archive
    most_likely: tuple[int, ...]


def search_by_reinforce(task: Task, settings: ReinforceSettings, seed: int, progress: Progress) -> Learned:
    """Learn from an accuracy that does not change while it is searched (`alternate` is for one that does).

    The same seed gives the same samples, so that a search over a cache repeats without asking again.
    """
    policy = IndependentPolicy(task.problem.num_indices, settings, seed)
    archive = Archive(task.problem)
    for step in range(settings.steps):
        indices = policy.sample(settings.batch)
        rewards = task.evaluate(indices, archive, step)
        policy.learn(indices, rewards, step)
        progress(step + 1, settings.steps, f"mean reward {float(rewards.mean()):.4f}")
    return Learned(archive, policy.most_likely())
