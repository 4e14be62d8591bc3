"""MnasNet's controller: a recurrent network that emits a network token by token, trained by PPO.

The paper gives the method (sample, evaluate, update by proximal policy optimisation with the reward of eq. 2) and none
of its hyper-parameters; all of them here are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mogakit.errors import InputError
from mogakit.progress import Progress
from mogakit.search.additive import Genes
from mogakit.search.archive import Archive
from mogakit.search.controllers.reinforce import Learned, MovingBaseline
from mogakit.search.controllers.task import Task


@dataclass(frozen=True, kw_only=True)
class PpoSettings:
    """Hyper-parameters; the paper publishes none.

    Attributes:
        steps: batches of networks. batch: networks in each (the paper samples 8000 in all).
        hidden: units of the LSTM. embedding: width of a token's embedding.
        learning_rate: of Adam.
        epochs: passes over a batch. clip: how far the probability ratio may move in a batch (Schulman et al. 2017).
        entropy: weight of the entropy bonus, which falls linearly to zero.
        momentum: of the reward's moving-average baseline.
    """

    steps: int = 120
    batch: int = 70
    hidden: int = 64
    embedding: int = 32
    learning_rate: float = 0.001
    epochs: int = 4
    clip: float = 0.2
    entropy: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            InputError: a number is out of range.
        """
        if min(self.steps, self.epochs, self.hidden, self.embedding) < 1 or self.batch < 2 or not 0 < self.clip < 1:
            raise InputError(
                f"steps {self.steps}, epochs {self.epochs}, hidden {self.hidden} and embedding {self.embedding} must "
                f"be at least 1, batch {self.batch} at least 2, clip {self.clip} between 0 and 1"
            )


class RecurrentController(nn.Module):
    """An LSTM over the decisions of a space: each token is drawn from a softmax, then fed back.

    Every decision has its own embeddings and output layer, padded to the largest number of choices.
    """

    def __init__(self, sizes: tuple[int, ...], hidden: int, embedding: int) -> None:
        """Build the layers; the policy is uniform to begin with, as TuNAS's logits of zero."""
        super().__init__()
        most = max(sizes)
        self.num_decisions = len(sizes)
        self.start = nn.Parameter(torch.zeros(embedding))
        self.embeddings = nn.Parameter(torch.randn(len(sizes), most, embedding))
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.weights = nn.Parameter(torch.zeros(len(sizes), hidden, most))
        self.biases = nn.Parameter(torch.zeros(len(sizes), most))
        self.absent: torch.Tensor
        self.register_buffer(
            "absent", torch.arange(most) >= torch.tensor(sizes)[:, None]
        )  # Shape: (decisions, choices)

    def sample(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw networks; return tokens, shape (count, decisions), and their log-probability, shape (count,)."""
        tokens = self._unroll(count, lambda scores: torch.multinomial(scores.exp(), 1, generator=generator)[:, 0])
        with torch.no_grad():
            log_probability, _ = self(tokens)
        return tokens, log_probability

    def most_likely(self) -> tuple[int, ...]:
        """Return the network of the likeliest token at each decision, given those before it."""
        return tuple(self._unroll(1, lambda scores: scores.argmax(dim=1))[0].tolist())

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the log-probability of each row of tokens, shape (count,), and the mean entropy of a decision."""
        positions = torch.arange(self.num_decisions)
        embedded = self.embeddings[positions, tokens]  # Shape: (count, decisions, embedding)
        first = self.start.expand(len(tokens), 1, -1)
        states, _ = self.lstm(torch.cat([first, embedded[:, :-1]], dim=1))
        scores = torch.einsum("ndh,dhc->ndc", states, self.weights) + self.biases
        scores = torch.log_softmax(scores.masked_fill(self.absent, -1e9), dim=2)
        entropy = -(scores.exp() * scores).sum(dim=2).mean()
        return scores.gather(2, tokens[:, :, None])[:, :, 0].sum(dim=1), entropy

    @torch.no_grad()
    def _unroll(self, count: int, choose: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Emit one token after another; `choose` picks from log-probabilities, shape (count, choices)."""
        inputs = self.start.expand(count, 1, -1)
        state: tuple[torch.Tensor, torch.Tensor] | None = None
        chosen: list[torch.Tensor] = []
        for position in range(self.num_decisions):
            output, state = self.lstm(inputs, state)
            scores = output[:, 0] @ self.weights[position] + self.biases[position]
            token = choose(torch.log_softmax(scores.masked_fill(self.absent[position], -1e9), dim=1))
            chosen.append(token)
            inputs = self.embeddings[position, token][:, None]
        return torch.stack(chosen, dim=1)


def search_by_ppo(task: Task, settings: PpoSettings, seed: int, progress: Progress) -> Learned:
    """Learn a recurrent policy; the same seed gives the same samples."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        controller = RecurrentController(task.problem.num_indices, settings.hidden, settings.embedding)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(controller.parameters(), lr=settings.learning_rate)
    baseline = MovingBaseline(settings.momentum)
    archive = Archive(task.problem)
    for step in range(settings.steps):
        tokens, before = controller.sample(settings.batch, generator)
        indices: Genes = np.asarray(tokens.numpy())
        rewards = torch.from_numpy(task.evaluate(indices, archive, step)).float()
        advantage = (rewards - baseline.update(float(rewards.mean()))) / (rewards.std() + 1e-8)
        bonus = settings.entropy * (1 - step / settings.steps)
        for _ in range(settings.epochs):
            now, entropy = controller(tokens)
            ratio = (now - before).exp()
            clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
            gain = torch.minimum(ratio * advantage, clipped * advantage).mean()
            optimiser.zero_grad()
            (-gain - bonus * entropy).backward()
            optimiser.step()
        progress(step + 1, settings.steps, f"mean reward {float(rewards.mean()):.4f}")
    return Learned(archive, controller.most_likely())
