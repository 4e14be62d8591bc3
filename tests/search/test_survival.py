"""Weighted crowding: MoGA eq. 5 by hand, and pymoo's own NSGA-II where the weights are equal."""

import numpy as np
import pytest
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

from mogakit.search.survival import CrowdingRange, WeightedRankAndCrowding, weighted_crowding

THIRDS = np.full(3, 1 / 3)


def test_eq_5_by_hand():
    front = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    weights, span = np.array([0.75, 0.25]), np.array([4.0, 4.0])
    crowding = weighted_crowding(front, weights, span)
    assert np.isinf(crowding[[0, 3]]).all()
    assert crowding[1] == 0.75 * (3 - 0) / 4 + 0.25 * (4 - 1) / 4
    assert crowding[2] == 0.75 * (4 - 1) / 4 + 0.25 * (2 - 0) / 4


@pytest.mark.parametrize("count", [3, 10, 70, 140])
def test_equal_weights_are_pymoo_bit_for_bit(count):
    rng = np.random.default_rng(count)
    front = rng.random((count, 3)).round(2)  # with ties
    assert np.array_equal(weighted_crowding(front, THIRDS, np.ptp(front, axis=0)), calc_crowding_distance(front))


@pytest.mark.parametrize("seed", range(20))
def test_survivors_with_a_third_each_are_pymoos(seed):
    values = np.random.default_rng(seed).random((140, 3)).round(2)
    problem = PymooProblem(n_var=1, n_obj=3)

    def survivors(survival):
        population = Population.new(X=np.arange(140)[:, None], F=values)
        kept = survival.do(problem, population, n_survive=70, random_state=np.random.default_rng(seed))
        return kept.get("X").ravel().tolist()

    ours = WeightedRankAndCrowding(tuple(THIRDS), CrowdingRange.FRONT)
    assert survivors(ours) == survivors(RankAndCrowding())


def test_an_objective_of_weight_zero_or_without_spread_counts_for_nothing():
    front = np.random.default_rng(0).random((20, 2))
    alone = weighted_crowding(front[:, :1], np.ones(1), np.ptp(front[:, :1], axis=0))
    both = weighted_crowding(front, np.array([1.0, 0.0]), np.ptp(front, axis=0))
    assert np.allclose(alone, both)
    flat = np.column_stack([front[:, 0], np.ones(20)])
    assert np.allclose(weighted_crowding(flat, np.array([1.0, 1.0]), np.ptp(flat, axis=0)), alone)


def test_the_range_of_the_population_is_the_default_reading_of_the_paper():
    values = np.random.default_rng(0).random((30, 3))
    problem = PymooProblem(n_var=1, n_obj=3)
    kept = {}
    for crowding_range in CrowdingRange:
        population = Population.new(X=np.arange(30)[:, None], F=values)
        survival = WeightedRankAndCrowding((0.4, 0.4, 0.2), crowding_range)
        kept[crowding_range] = survival.do(problem, population, n_survive=15, random_state=np.random.default_rng(0))
    crowding = [kept[each].get("crowding") for each in CrowdingRange]
    assert not np.array_equal(*crowding)
