"""MnasNet's controller: a recurrent network that emits a network token by token, trained by PPO.

The paper gives the method (sample, evaluate, update by proximal policy optimisation with the reward of eq. 2) and none
of its hyper-parameters; all of them here are ours.
"""

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


@dataclass(frozen=True)
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
    """An LSTM over the decisions of a space: each token is drawn from a softmax, then fed back."""

    def __init__(self, sizes: tuple[int, ...], hidden: int, embedding: int) -> None:
        """Build one embedding and one output layer a decision around a shared cell."""
        super().__init__()
        self.start = nn.Parameter(torch.zeros(embedding))
        self.cell = nn.LSTMCell(embedding, hidden)
        self.embeddings = nn.ModuleList(nn.Embedding(size, embedding) for size in sizes)
        outputs = [nn.Linear(hidden, size) for size in sizes]
        for output in outputs:  # a uniform policy to begin with, as TuNAS's logits of zero
            nn.init.zeros_(output.weight)
            nn.init.zeros_(output.bias)
        self.outputs = nn.ModuleList(outputs)

    def forward(
        self, count: int, tokens: torch.Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw `count` networks, or follow the `tokens` given, shape (count, decisions).

        Returns:
            Tokens, shape (count, decisions); their log-probability, shape (count,); the mean entropy of a decision.
        """
        inputs = self.start.expand(count, -1)
        state: tuple[torch.Tensor, torch.Tensor] | None = None
        chosen, log_probabilities, entropies = [], [], []
        for position, (output, embedding) in enumerate(zip(self.outputs, self.embeddings, strict=True)):
            state = self.cell(inputs, state)
            log_softmax = torch.log_softmax(output(state[0]), dim=1)
            if tokens is None:
                token = torch.multinomial(log_softmax.detach().exp(), 1, generator=generator)[:, 0]
            else:
                token = tokens[:, position]
            chosen.append(token)
            log_probabilities.append(log_softmax.gather(1, token[:, None])[:, 0])
            entropies.append(-(log_softmax.exp() * log_softmax).sum(dim=1).mean())
            inputs = embedding(token)
        total = torch.stack(log_probabilities).sum(dim=0)
        return torch.stack(chosen, dim=1), total, torch.stack(entropies).mean()

    def most_likely(self) -> tuple[int, ...]:
        """Return the network of the likeliest token at each decision, given those before it."""
        inputs = self.start.expand(1, -1)
        state: tuple[torch.Tensor, torch.Tensor] | None = None
        chosen: list[int] = []
        with torch.no_grad():
            for output, embedding in zip(self.outputs, self.embeddings, strict=True):
                state = self.cell(inputs, state)
                token = output(state[0]).argmax(dim=1)
                chosen.append(int(token))
                inputs = embedding(token)
        return tuple(chosen)


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
        with torch.no_grad():
            tokens, before, _ = controller(settings.batch, generator=generator)
        indices: Genes = np.asarray(tokens.numpy())
        rewards = torch.from_numpy(task.evaluate(indices, archive, step)).float()
        advantage = (rewards - baseline.update(float(rewards.mean()))) / (rewards.std() + 1e-8)
        bonus = settings.entropy * (1 - step / settings.steps)
        for _ in range(settings.epochs):
            _, now, entropy = controller(settings.batch, tokens)
            ratio = (now - before).exp()
            clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
            gain = torch.minimum(ratio * advantage, clipped * advantage).mean()
            optimiser.zero_grad()
            (-gain - bonus * entropy).backward()
            optimiser.step()
        progress(step + 1, settings.steps, f"mean reward {float(rewards.mean()):.4f}")
    return Learned(archive, controller.most_likely())
