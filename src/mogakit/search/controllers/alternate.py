"""TuNAS as published: the weights of a supernet and the controller learn in turn.

Each step draws a network from the policy and takes a step of the shared weights on a training batch; then it draws
networks again, scores them with the present weights on a validation batch, and moves the policy. The controller waits
for the first share of the steps (`ReinforceSettings.delay`). Over the same share a choice of an operation is replaced,
with a probability that falls linearly from 1 to 0, by the mean of all, and one of filters by the widest, so that all of
them learn early (`supernet.warm_up`). That needs independent slots or stages; without a warm-up any space will do.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mogakit.errors import InputError
from mogakit.nets.spaces import Chromosome
from mogakit.search.controllers.reinforce import IndependentPolicy, ReinforceSettings
from mogakit.search.controllers.task import MISSING_REWARD
from mogakit.search.metrics import Metric
from mogakit.search.rewards import Reward
from mogakit.search.supernet.model import Supernet, set_dropout
from mogakit.search.supernet.train import adopt_new_parts
from mogakit.search.supernet.warm_up import can_warm_up, warmed_logits
from mogakit.training.data import Batch
from mogakit.training.driver import StepReport
from mogakit.training.loop import autocast
from mogakit.training.optim import apply_update
from mogakit.training.world import World


@dataclass(frozen=True)
class AlternateSettings:
    """Settings beside the controller's.

    Attributes:
        controller: steps and networks a step; TuNAS's delay is 0.25, the multi-hardware paper's 0.5.
        warm_up: share of the steps over which choices are warmed up (TuNAS: 0.25); at most the controller's delay.
        bfloat16: autocast to bfloat16, in training and in scoring.
        label_smoothing: of the weights' loss.
    """

    controller: ReinforceSettings
    warm_up: float = 0.25
    bfloat16: bool = False
    label_smoothing: float = 0.0

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


class Alternation:
    """A supernet and a policy that learn in turn, step by step; a saved one goes on to the bit.

    Accuracy is that of the validation batch, with batch norm on the batch's own statistics as in TuNAS.

    Attributes:
        step: how many steps were taken.
        mean_rewards: of each step, as a fraction; NaN while the controller waited.
    """

    def __init__(
        self,
        supernet: Supernet,
        optimiser: torch.optim.Optimizer,
        latency: Metric,
        reward: Reward,
        settings: AlternateSettings,
        seed: int,
        learning_rate_at: Callable[[int], float],
    ) -> None:
        """Start with a uniform policy.

        Args:
            learning_rate_at: of the weights, by step.

        Raises:
            InputError: a warm-up is asked for, and the space has neither independent slots nor stages.
        """
        if settings.warm_up > 0 and not can_warm_up(supernet.space):
            raise InputError(
                f"the warm-up of {settings.warm_up} of the steps averages choices, and space {supernet.space.name!r} "
                "has neither independent slots nor stages to average over: give --warm-up 0"
            )
        self.supernet = supernet
        self.optimiser = optimiser
        self.step = 0
        self.mean_rewards: list[float] = []
        self._latency = latency
        self._reward = reward
        self._settings = settings
        self._seed = seed
        self._learning_rate_at = learning_rate_at
        self._policy = IndependentPolicy(supernet.space.num_choices, settings.controller, seed)

    def take(self, batch: tuple[Batch, Batch], step: int) -> StepReport:
        """Take one step with a training and a validation batch; there is no reward while the controller waits."""
        training, validation = batch
        self.step = step
        self.supernet.train()
        torch.manual_seed(self._seed * 1_000_003 + step)  # dropout, resumable
        rate = self._learning_rate_at(step)
        loss = self._train(training, rate)
        mean = self._learn(validation)
        # Also those that only scoring has taken: a checkpoint then holds the same parts and optimiser state.
        adopt_new_parts(self.supernet, self.optimiser)
        self.mean_rewards.append(mean)
        self.step = step + 1
        reward = "the controller waits" if math.isnan(mean) else f"mean reward {mean:.4f}"
        values = {"loss": loss, "learning_rate": rate, "mean_reward": mean}
        return StepReport(f"{reward}, loss {loss:.3f}", values)

    def most_likely(self) -> Chromosome:
        """Return the network that the policy thinks best."""
        return self._policy.most_likely()

    def confidence(self) -> float:
        """Return the mean over slots of the probability of the likeliest choice: 1/choices at the start, 1 if sure."""
        return self._policy.confidence()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the settings, as tensors and plain values."""
        return {
            "step": self.step,
            "mean_rewards": self.mean_rewards,
            "policy": self._policy.state_dict(),
            "parts": list(self.supernet.part_names()),
            "supernet": self.supernet.state_dict(),
            "optimizer": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.step = int(state["step"])
        self.mean_rewards = [float(value) for value in state["mean_rewards"]]
        self._policy.load_state_dict(state["policy"])
        self.supernet.restore_parts(state["parts"])
        adopt_new_parts(self.supernet, self.optimiser)
        self.supernet.load_state_dict(state["supernet"])
        self.optimiser.load_state_dict(state["optimizer"])

    def _train(self, batch: Batch, learning_rate: float) -> float:
        """Take one step of the weights along a path; return its loss."""
        path = tuple(int(gene) for gene in self._policy.sample(1)[0])
        with self._autocast(batch):
            if self._settings.warm_up:
                rng = np.random.default_rng([self._seed, self.step])
                logits = warmed_logits(self.supernet, batch.images, path, self._warm_probability(), rng)
            else:
                logits = self.supernet(batch.images, path)
            loss = cross_entropy(logits, batch.labels, label_smoothing=self._settings.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        adopt_new_parts(self.supernet, self.optimiser)
        apply_update(self.optimiser, learning_rate)
        return float(loss.detach())

    def _autocast(self, batch: Batch) -> AbstractContextManager[Any]:
        return autocast(World(0, 1, batch.images.device), self._settings.bfloat16)

    def _warm_probability(self) -> float:
        """Return the probability that a choice is warmed up: 1 falling to 0 over the warm-up."""
        warm_steps = self._settings.warm_up * self._settings.controller.steps
        return 0.0 if warm_steps == 0 else max(0.0, 1 - self.step / warm_steps)

    def _learn(self, batch: Batch) -> float:
        """Move the policy; return the mean reward, or NaN while the controller waits."""
        controller = self._settings.controller
        if controller.learning_rate_at(self.step) == 0:
            return float("nan")
        indices = self._policy.sample(controller.batch)
        paths = [tuple(int(gene) for gene in row) for row in indices]
        shares = {path: self._accuracy(batch, path) for path in dict.fromkeys(paths)}
        latencies = self._latency.evaluate(indices).tolist()
        rewards = [
            MISSING_REWARD if math.isnan(ms) else self._reward(shares[path], ms)  # NaN: a hardware cannot run it
            for path, ms in zip(paths, latencies, strict=True)
        ]
        self._policy.learn(indices, np.array(rewards), self.step)
        return float(np.mean(rewards))

    @torch.no_grad()
    def _accuracy(self, batch: Batch, path: Chromosome) -> float:
        """Return the share of the batch that a path gets right; scoring drops nothing out."""
        head = self.supernet.path(path)[-1]
        set_dropout(head, 0.0)
        with self._autocast(batch):
            logits: Tensor = self.supernet(batch.images, path)
        set_dropout(head, self.supernet.dropout)
        return float((logits.argmax(dim=1) == batch.labels).float().mean())
