"""Which paths one training step takes, and how the gradients of the shared parts are scaled."""

from enum import StrEnum

import numpy as np

from mogakit.nets.spaces import Chromosome


class Strategy(StrEnum):
    """How a step chooses its paths."""

    FAIR = "fair"  # FairNAS strict fairness: every choice of every slot once a step
    UNIFORM = "uniform"  # as many paths a step, each drawn uniformly
    SINGLE = "single"  # one uniform path a step


class SharedScale(StrEnum):
    """How gradients of the parts that all paths share (stem, head) are scaled.

    The papers leave this open. MEAN is our choice: a shared part then moves as far in a step as it would under
    ordinary training on one batch, and the learning rate keeps its meaning; SUM moves it m times as far.
    """

    MEAN = "mean"
    SUM = "sum"


def draw_paths(num_choices: tuple[int, ...], strategy: Strategy, rng: np.random.Generator) -> list[Chromosome]:
    """Draw the paths of one step.

    Strict fairness (FairNAS, arXiv 1907.01845, Algorithm 1) draws one permutation of the choices per slot; path `i`
    takes the i-th entry of each. Where slots differ in their number of choices, those with fewer repeat whole
    permutations, so that counts within a slot differ by at most one (the papers have equal numbers only).
    """
    num_paths = 1 if strategy is Strategy.SINGLE else max(num_choices)
    if strategy is not Strategy.FAIR:
        return [tuple(int(gene) for gene in rng.integers(num_choices)) for _ in range(num_paths)]
    columns = []
    for count in num_choices:
        rounds = -(-num_paths // count)
        columns.append(np.concatenate([rng.permutation(count) for _ in range(rounds)])[:num_paths])
    return [tuple(int(column[path]) for column in columns) for path in range(num_paths)]
