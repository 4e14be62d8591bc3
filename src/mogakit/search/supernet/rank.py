"""Does the supernet order networks as training them alone would? With the two yardsticks of an honest answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from mogakit.nets.network import Network, count_params
from mogakit.nets.spaces import Chromosome, SearchSpace
from mogakit.progress import Progress, silent
from mogakit.training.loop import Score

NUM_CANDIDATES = 2000
"""Random chromosomes from which the ranked ones are taken, equally spaced in parameters."""


@dataclass(frozen=True)
class RankedNetwork:
    """One network: its score inside the supernet, and alone with two seeds."""

    chromosome: Chromosome
    params: int
    supernet: Score
    alone: tuple[Score, ...]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Kendall tau over `networks`, by mean negative log-likelihood and by top-1.

    Attributes:
        tau: of the supernet's order with the order of networks trained alone (mean of their seeds).
        ceiling: of one seed of those trained alone with another: no predictor can be expected to do better.
        params_only: of ordering by parameters alone: a supernet that does no better has shown nothing.
        p_value: that `tau` is chance.
    """

    networks: tuple[RankedNetwork, ...]
    figure: str
    tau: float
    p_value: float
    ceiling: float
    params_only: float


def choose_networks(space: SearchSpace, number: int, seed: int) -> list[Chromosome]:
    """Draw networks equally spaced in parameters, from the smallest to the largest of a random sample."""
    rng = np.random.default_rng(seed)
    drawn = [space.sample(rng) for _ in range(NUM_CANDIDATES)]
    drawn.sort(key=lambda chromosome: count_params(space.decode(chromosome)))
    positions = np.linspace(0, len(drawn) - 1, number).round().astype(int)
    return [drawn[position] for position in positions]


def rank(
    space: SearchSpace,
    chromosomes: Sequence[Chromosome],
    score_in_supernet: Callable[[Chromosome], Score],
    train_alone: Callable[[Network, int], Score],
    seeds: tuple[int, int] = (0, 1),
    progress: Progress = silent,
) -> tuple[Ranking, Ranking]:
    """Train every network alone with two seeds and compare orders; returns (by likelihood, by top-1)."""
    networks: list[RankedNetwork] = []
    total = len(chromosomes) * (1 + len(seeds))
    for index, chromosome in enumerate(chromosomes):
        network = space.decode(chromosome)
        done = index * (1 + len(seeds))
        inside = score_in_supernet(chromosome)
        alone = []
        for number, seed in enumerate(seeds):
            progress(done + 1 + number, total, f"{network.name} alone, seed {seed}")
            alone.append(train_alone(network, seed))
        networks.append(RankedNetwork(chromosome, count_params(network), inside, tuple(alone)))
    progress(total, total, "")
    by_likelihood = _compare(networks, "likelihood", lambda score: -score.nll)
    return by_likelihood, _compare(networks, "top1", lambda score: score.top1_percent)


def _compare(networks: Sequence[RankedNetwork], figure: str, value: Callable[[Score], float]) -> Ranking:
    alone = np.array([[value(score) for score in each.alone] for each in networks])
    inside = [value(each.supernet) for each in networks]
    tau = kendalltau(inside, alone.mean(axis=1))
    return Ranking(
        networks=tuple(networks),
        figure=figure,
        tau=float(tau.statistic),
        p_value=float(tau.pvalue),
        ceiling=float(kendalltau(alone[:, 0], alone[:, 1]).statistic),
        params_only=float(kendalltau([each.params for each in networks], alone.mean(axis=1)).statistic),
    )
