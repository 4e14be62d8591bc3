"""What crossover and mutation may do to a chromosome, and what not."""

from dataclasses import fields, replace

import numpy as np
import pytest

from mogakit.search.problem import allowed_choices
from mogakit.search.variation import (
    CrossoverKind,
    HierarchicalMutation,
    RandomMutation,
    SinglePointCrossover,
    UniformSampling,
    alternatives_of,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_tail_crossover_cuts_once_and_loses_nothing(rng):
    parents = np.stack([np.zeros((200, 14), dtype=int), np.ones((200, 14), dtype=int)])
    children = SinglePointCrossover(CrossoverKind.TAIL, 1.0)._do(None, parents, random_state=rng)
    assert (children[0] + children[1] == 1).all()
    assert (np.abs(np.diff(children[0], axis=1)).sum(axis=1) == 1).all()


def test_one_gene_crossover_swaps_exactly_one(rng):
    parents = np.stack([np.zeros((200, 14), dtype=int), np.ones((200, 14), dtype=int)])
    children = SinglePointCrossover(CrossoverKind.ONE_GENE, 1.0)._do(None, parents, random_state=rng)
    assert (children[0].sum(axis=1) == 1).all()
    assert (children[1].sum(axis=1) == 13).all()


def mutated(problem, rng, rate, random_share, count=2000):
    genes = rng.integers(problem.num_indices, size=(count, len(problem.num_indices)))
    mutation = HierarchicalMutation(problem.num_indices, alternatives_of(problem), rate, random_share)
    return genes, mutation._do(None, genes, random_state=rng)


def test_hierarchical_mutation_changes_one_factor_of_one_block(problem, rng):
    before, after = mutated(problem, rng, rate=1.0, random_share=0.0)
    assert ((before != after).sum(axis=1) == 1).all()
    for old, new in zip(before[:200], after[:200], strict=True):
        slot = int(np.flatnonzero(old != new)[0])
        blocks = (problem.space.slots[slot][old[slot]], problem.space.slots[slot][new[slot]])
        different = {f.name for f in fields(blocks[0]) if getattr(blocks[0], f.name) != getattr(blocks[1], f.name)}
        # SE follows the expansion in width; otherwise one field alone
        assert different in ({"kernel"}, {"se"}, {"expanded_channels"}, {"expanded_channels", "se"})


def test_every_factor_and_value_is_reached(problem, rng):
    _, after = mutated(problem, rng, rate=1.0, random_share=0.0, count=5000)
    assert set(after.ravel().tolist()) == set(range(12))
    alternatives = alternatives_of(problem)
    assert (alternatives.num_factors == 3).all()  # expansion, kernel, SE
    assert sorted(alternatives.num_values[0, 0].tolist()) == [1, 1, 2]


def test_the_rate_is_the_share_of_children_that_change(problem, rng):
    before, after = mutated(problem, rng, rate=0.3, random_share=0.0)
    assert (before != after).any(axis=1).mean() == pytest.approx(0.3, abs=0.03)


def test_a_choice_without_neighbours_is_redrawn(problem, rng):
    forbidden = allowed_choices(problem.space, ["*_k3s*", "*_k5s*", "*_se*"])  # leaves kernel 7, expansions 3 and 6
    only = replace(problem, allowed=tuple(choices[:1] for choices in forbidden))
    before, after = mutated(only, rng, rate=1.0, random_share=0.0)
    assert np.array_equal(before, after)


def test_random_mutation_changes_one_gene_on_average(rng):
    genes = np.zeros((5000, 14), dtype=int)
    after = RandomMutation((1000,) * 14)._do(None, genes, random_state=rng)
    assert (after != 0).sum(axis=1).mean() == pytest.approx(1.0, abs=0.06)


def test_sampling_is_uniform_over_every_gene(rng):
    drawn = UniformSampling((2, 5), 2)._do(None, 1000, random_state=rng)
    assert drawn.shape == (2000, 2)
    assert np.bincount(drawn[:, 1]).tolist() == pytest.approx([400] * 5, rel=0.2)
