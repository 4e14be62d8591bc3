"""TuNAS as published: the weights of a supernet and the controller learn in turn.

Each step draws a network from the policy and takes a step of the shared weights on a training batch; then it draws
networks again, scores them with the present weights on a validation batch, and moves the policy. The controller waits
for the first share of the steps (`ReinforceSettings.delay`). Over the same share a choice is replaced, with a
probability that falls linearly from 1 to 0, by the mean of all choices, so that all of them learn early (TuNAS's
warm-up of operations).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mogakit.errors import InputError
from mogakit.nets.spaces import Chromosome, SlotSpace
from mogakit.progress import Progress
from mogakit.search.controllers.reinforce import IndependentPolicy, ReinforceSettings
from mogakit.search.metrics import Metric
from mogakit.search.rewards import Reward
from mogakit.search.supernet.model import Supernet

Batches = Callable[[int], tuple[Tensor, Tensor]]
"""Gives the images (N, 3, H, W) and labels (N,) of a step."""


@dataclass(frozen=True)
class AlternateSettings:
    """Settings beside the controller's.

    Attributes:
        controller: steps and networks a step; TuNAS's delay is 0.25, the multi-hardware paper's 0.5.
        warm_up: share of the steps over which choices are averaged (TuNAS: 0.25); at most the controller's delay.
    """

    controller: ReinforceSettings
    warm_up: float = 0.25

    def __post_init__(self) -> None:
        """Check that the warm-up does not outlast the delay, as TuNAS demands.

        Raises:
            InputError: it does.
        """
        if not 0 <= self.warm_up <= self.controller.delay:
            raise InputError(
                f"the warm-up of {self.warm_up} of the steps must lie within the controller's delay of "
                f"{self.controller.delay}, since it would be rewarded for averages"
            )


@dataclass(frozen=True)
class Alternated:
    """The policy's most likely network, and how the mean reward went; NaN while the controller waited."""

    most_likely: Chromosome
    mean_rewards: tuple[float, ...]


def alternate(
    supernet: Supernet,
    optimiser: torch.optim.Optimizer,
    training: Batches,
    validation: Batches,
    latency: Metric,
    reward: Reward,
    settings: AlternateSettings,
    seed: int,
    progress: Progress,
) -> Alternated:
    """Train `supernet` and a controller in turn.

    Accuracy is that of the validation batch, with batch norm on the batch's own statistics as in TuNAS.

    Raises:
        InputError: the space has no independent slots.
    """
    space = supernet.space
    if not isinstance(space, SlotSpace):
        raise InputError(f"space {space.name!r} has no independent slots to average over")
    controller = settings.controller
    policy = IndependentPolicy(space.num_choices, controller, seed)
    rng = np.random.default_rng(seed)
    supernet.train()
    means: list[float] = []
    for step in range(controller.steps):
        path = tuple(int(gene) for gene in policy.sample(1)[0])
        averaged = rng.random(len(path)) < _average_probability(step, controller.steps, settings.warm_up)
        _train(supernet, space, optimiser, training(step), path, averaged)
        mean = float("nan")
        if controller.learning_rate_at(step) > 0:
            indices = policy.sample(controller.batch)
            accuracies = _accuracies(supernet, validation(step), indices)
            rewards = [reward(q, t) for q, t in zip(accuracies, latency.evaluate(indices).tolist(), strict=True)]
            policy.learn(indices, np.array(rewards), step)
            mean = float(np.mean(rewards))
        means.append(mean)
        progress(step + 1, controller.steps, "waiting" if np.isnan(mean) else f"mean reward {mean:.4f}")
    return Alternated(policy.most_likely(), tuple(means))


def _average_probability(step: int, steps: int, warm_up: float) -> float:
    """Return the probability that a choice is replaced by the mean of all: 1 falling to 0 over the warm-up."""
    return 0.0 if warm_up == 0 else max(0.0, 1 - step / (warm_up * steps))


def _train(
    supernet: Supernet,
    space: SlotSpace,
    optimiser: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    path: Chromosome,
    averaged: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
) -> None:
    """Take one step of the weights along a path, some of whose choices are the mean of all."""
    images, labels = batch
    value = images
    for position, block in enumerate(space.decode(path).blocks):
        slot = position - len(space.before)
        if 0 <= slot < len(space.slots) and averaged[slot]:
            choices = [supernet.part(position, choice)(value) for choice in space.slots[slot]]
            value = torch.stack(choices).mean(dim=0)
        else:
            value = supernet.part(position, block)(value)
    optimiser.zero_grad()
    cross_entropy(value, labels).backward()  # type: ignore[no-untyped-call]
    optimiser.step()


@torch.no_grad()
def _accuracies(
    supernet: Supernet, batch: tuple[Tensor, Tensor], indices: "np.ndarray[tuple[int, int], np.dtype[np.int64]]"
) -> list[float]:
    """Return the share of the batch that each path gets right."""
    images, labels = batch
    paths = [tuple(int(gene) for gene in row) for row in indices]
    scores = {path: float((supernet(images, path).argmax(dim=1) == labels).float().mean()) for path in set(paths)}
    return [scores[path] for path in paths]
