"""Sampling, crossover and mutation of chromosomes, as pymoo operators.

MoGA names a single-point crossover and FairNAS's hierarchical mutation, and leaves their rates and the hierarchy open.
What is chosen here is said beside each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.crossover import Crossover
from pymoo.core.mutation import Mutation
from pymoo.core.sampling import Sampling

from mogakit.nets.block import Block
from mogakit.search.problem import Problem

Indices = NDArray[np.int64]


class CrossoverKind(StrEnum):
    """What a single-point crossover exchanges."""

    TAIL = "tail"  # everything from a random point on: what the name means
    ONE_GENE = "one-gene"  # the one gene at a random point: what MoGA's formula says literally


class MutationKind(StrEnum):
    """How a child is changed."""

    HIERARCHICAL = "hierarchical"  # a gene, then one factor of its block, then the factor's value
    RANDOM = "random"  # every gene with probability 1 / num_genes: the ablation of MoGA Fig. 7


class UniformSampling(Sampling):  # type: ignore[misc]
    """Draw every gene uniformly; `factor` times as many as pymoo asks for."""

    def __init__(self, sizes: Sequence[int], factor: int) -> None:
        """Take the number of values of each gene."""
        super().__init__()
        self._sizes = np.asarray(sizes)
        self._factor = factor

    def _do(self, problem: Any, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any) -> Indices:
        return np.asarray(random_state.integers(self._sizes, size=(n_samples * self._factor, len(self._sizes))))


class SinglePointCrossover(Crossover):  # type: ignore[misc]
    """Exchange the tail of two parents, or one gene, and give both children."""

    def __init__(self, kind: CrossoverKind, rate: float) -> None:
        """Cross each pair with probability `rate`; other pairs are copied."""
        super().__init__(n_parents=2, n_offsprings=2, prob=rate)
        self._kind = kind

    def _do(self, problem: Any, X: Indices, *args: Any, random_state: Any = None, **kwargs: Any) -> Indices:  # noqa: N803
        _, num_pairs, num_genes = X.shape  # Shape: (parents, pairs, genes)
        genes = np.arange(num_genes)
        if self._kind is CrossoverKind.ONE_GENE:
            swapped = genes == random_state.integers(num_genes, size=(num_pairs, 1))
        else:
            swapped = genes >= random_state.integers(1, max(num_genes, 2), size=(num_pairs, 1))
        return np.where(swapped, X[::-1], X)


class RandomMutation(Mutation):  # type: ignore[misc]
    """Redraw every gene with probability 1 / num_genes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Take the number of values of each gene."""
        super().__init__()
        self._sizes = np.asarray(sizes)

    def _do(self, problem: Any, X: Indices, *args: Any, random_state: Any = None, **kwargs: Any) -> Indices:  # noqa: N803
        chosen = random_state.random(X.shape) < 1 / X.shape[1]
        return np.where(chosen, random_state.integers(self._sizes, size=X.shape), X)


@dataclass(frozen=True)
class Alternatives:
    """What each choice of each gene can be changed into by one factor, padded to arrays.

    Attributes:
        num_factors: shape (genes, choices): factors that can change alone; 0 where none can.
        num_values: shape (genes, choices, factors).
        values: shape (genes, choices, factors, values): the choices reached.
    """

    num_factors: Indices
    num_values: Indices
    values: Indices


class HierarchicalMutation(Mutation):  # type: ignore[misc]
    """Change one gene: either redraw it, or change one factor of its block (expansion, kernel, SE, ...) alone.

    Three levels: which gene, which factor, which value, each uniform. The papers (MoGA, FairNAS, MoreMNAS) neither
    define the levels nor publish the rates; this hierarchy, a rate of 0.8 and a share of 0.2 redrawn are our choice.
    """

    def __init__(self, sizes: Sequence[int], alternatives: Alternatives, rate: float, random_share: float) -> None:
        """Mutate a child with probability `rate`; of these, `random_share` have their gene redrawn."""
        super().__init__()
        self._sizes = np.asarray(sizes)
        self._alternatives = alternatives
        self._rate = rate
        self._random_share = random_share

    def _do(self, problem: Any, X: Indices, *args: Any, random_state: Any = None, **kwargs: Any) -> Indices:  # noqa: N803
        count, num_genes = X.shape
        draws = random_state.random((6, count))
        gene = (draws[0] * num_genes).astype(np.int64)
        rows = np.arange(count)
        choice = X[rows, gene]
        table = self._alternatives
        factor = (draws[1] * table.num_factors[gene, choice]).astype(np.int64)
        value = (draws[2] * table.num_values[gene, choice, factor]).astype(np.int64)
        by_factor = table.values[gene, choice, factor, value]
        redrawn = (draws[3] * self._sizes[gene]).astype(np.int64)
        redraw = (draws[4] < self._random_share) | (table.num_factors[gene, choice] == 0)
        mutated = X.copy()
        mutated[rows, gene] = np.where(redraw, redrawn, by_factor)
        return np.where((draws[5] < self._rate)[:, None], mutated, X)


def alternatives_of(problem: Problem) -> Alternatives:
    """Find what each allowed choice can be changed into by one factor.

    In a space of slots the factors are the fields of `Block`: two choices are neighbours if they differ in exactly one
    of expansion, kernel, presence of SE, and so on. Elsewhere a gene is one factor.
    """
    per_gene = [_neighbours(factors) for factors in _factor_tuples(problem)]
    num_genes, num_choices = len(per_gene), max(problem.num_indices)
    most_factors = max(1, max((len(each) for gene in per_gene for each in gene), default=1))
    most_values = max(1, max((len(v) for gene in per_gene for each in gene for v in each), default=1))
    num_factors = np.zeros((num_genes, num_choices), dtype=np.int64)
    num_values = np.zeros((num_genes, num_choices, most_factors), dtype=np.int64)
    values = np.zeros((num_genes, num_choices, most_factors, most_values), dtype=np.int64)
    for gene, choices in enumerate(per_gene):
        for choice, by_factor in enumerate(choices):
            num_factors[gene, choice] = len(by_factor)
            for factor, reached in enumerate(by_factor):
                num_values[gene, choice, factor] = len(reached)
                values[gene, choice, factor, : len(reached)] = reached
    return Alternatives(num_factors, num_values, values)


def _factor_tuples(problem: Problem) -> list[list[tuple[object, ...]]]:
    """Return one tuple of factors for every allowed choice of every gene."""
    slotted = problem.space.slotted
    if slotted is not None:
        slots = zip(slotted.slots, problem.allowed, strict=True)
        return [[_factors(choices[index]) for index in allowed] for choices, allowed in slots]
    return [[(index,) for index in allowed] for allowed in problem.allowed]


def _factors(block: Block) -> tuple[object, ...]:
    """Return a block's fields, with SE as present or absent: its width follows from the expansion."""
    return tuple(block.se is not None if f.name == "se" else getattr(block, f.name) for f in fields(block))


def _neighbours(factors: Sequence[tuple[object, ...]]) -> list[list[list[int]]]:
    """For every choice and every factor that can change alone: the choices so reached."""
    found: list[list[list[int]]] = []
    for own in factors:
        by_factor: dict[int, list[int]] = {}
        for other, its in enumerate(factors):
            changed = [position for position, (a, b) in enumerate(zip(own, its, strict=True)) if a != b]
            if len(changed) == 1:
                by_factor.setdefault(changed[0], []).append(other)
        found.append([by_factor[position] for position in sorted(by_factor)])
    return found
