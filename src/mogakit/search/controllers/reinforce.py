"""TuNAS's controller: one independent softmax a decision, REINFORCE with a moving-average baseline.

Follows github.com/google-research/google-research `tunas/`: logits start at zero; the baseline is an exponential moving
average of the mean reward, zero-debiased, updated before the advantage is taken; Adam with beta1 = 0; the learning rate
is zero for a first share of the steps, in which only the weights of the supernet learn, then grows exponentially to ten
times its start.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from mogakit.errors import InputError
from mogakit.progress import Progress
from mogakit.search.additive import Genes
from mogakit.search.archive import Archive
from mogakit.search.controllers.task import Task


@dataclass(frozen=True)
class ReinforceSettings:
    """Hyper-parameters.

    Attributes:
        steps: updates of the controller. batch: networks sampled for each.
        learning_rate: at the start of learning. TuNAS: 0.0048 at 4096 images a step, over tens of thousands of steps;
            ours is larger, for the hundred steps that 8400 evaluations are.
        ramp: by what factor it has grown at the end (TuNAS: 10).
        delay: share of the steps without learning (TuNAS: 0.25; multi-hardware paper: 0.5). It serves a supernet that
            is trained at the same time; with an accuracy that does not change there is nothing to wait for: 0.
        momentum: of the baseline (TuNAS: 0.95).
        normalise: divide advantages by their spread in the batch (ours): a reward that varies by hundredths, as the
            papers' do, then learns as fast as one that varies by ones. TuNAS leaves that to Adam.
    """

    steps: int = 120
    batch: int = 70
    learning_rate: float = 0.03
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

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step: zero during the delay, then exponential (TuNAS)."""
        start = self.delay * self.steps
        if step < start:
            return 0.0
        progress = (step - start) / max(self.steps - start - 1, 1)
        return self.learning_rate * float(self.ramp ** min(progress, 1.0))


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


@dataclass(frozen=True)
class Learned:
    """What a controller leaves: everything evaluated, and its most likely network at the end, as indices."""

    archive: Archive
    most_likely: tuple[int, ...]


def search_by_reinforce(
    task: Task,
    settings: ReinforceSettings,
    seed: int,
    progress: Progress,
    between: Callable[[int, Genes], None] | None = None,
) -> Learned:
    """Learn one softmax for each decision.

    Args:
        between: called before each update with the step and genes sampled from the present policy: the socket for
            training a supernet in turn with the controller, as TuNAS does.

    The same seed gives the same samples, so that a search over a cache repeats without asking again.
    """
    sizes = task.problem.num_indices
    generator = torch.Generator().manual_seed(seed)
    logits = [torch.zeros(size, requires_grad=True) for size in sizes]
    optimiser = torch.optim.Adam(logits, lr=settings.learning_rate, betas=(0.0, 0.999), eps=1e-8)
    baseline = MovingBaseline(settings.momentum)
    archive = Archive(task.problem)
    for step in range(settings.steps):
        if between is not None:
            between(step, task.problem.to_genes(_sample(logits, settings.batch, generator)))
        indices = _sample(logits, settings.batch, generator)
        rewards = torch.from_numpy(task.evaluate(indices, archive, step)).float()
        advantage = rewards - baseline.update(float(rewards.mean()))
        if settings.normalise:
            advantage = advantage / (rewards.std() + 1e-8)
        optimiser.param_groups[0]["lr"] = settings.learning_rate_at(step)
        loss = -(advantage * _log_probability(logits, torch.from_numpy(indices))).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        progress(step + 1, settings.steps, f"mean reward {float(rewards.mean()):.4f}")
    return Learned(archive, tuple(int(each.argmax()) for each in logits))


def _sample(logits: list[torch.Tensor], count: int, generator: torch.Generator) -> Genes:
    drawn = [
        torch.multinomial(torch.softmax(each.detach(), 0), count, replacement=True, generator=generator)
        for each in logits
    ]
    return np.asarray(torch.stack(drawn, dim=1).numpy())


def _log_probability(logits: list[torch.Tensor], indices: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of each row of indices, shape (n,)."""
    columns = [torch.log_softmax(each, 0)[indices[:, gene]] for gene, each in enumerate(logits)]
    return torch.stack(columns).sum(dim=0)
