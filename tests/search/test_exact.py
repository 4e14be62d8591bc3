"""The dynamic programme against brute force, against linear programming, and against the clock."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.search import exact
from mogakit.search.additive import on_grid
from mogakit.search.exact import brute_force_front, exact_front
from mogakit.search.front_quality import nondominated
from mogakit.search.optimum import Limit, best


@pytest.mark.parametrize("num_objectives", [2, 3])
def test_all_networks_of_12_to_the_5_give_the_same_front(problem, num_objectives):
    costs = [metric.costs for metric in problem.metrics[:num_objectives]]
    five = [on_grid(cost.constant, cost.per_slot[3:8]) for cost in costs]
    senses = problem.maximise[:num_objectives]
    genes, values = exact_front(five, senses)
    brute_genes, brute_values = brute_force_front(five, senses)
    assert np.array_equal(values, brute_values)
    assert np.array_equal(np.stack([cost.evaluate(genes) for cost in five], axis=1), values)
    assert len({tuple(row) for row in brute_genes.tolist()}) == len(brute_genes)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_small_spaces_give_the_same_front_as_brute_force(num_objectives, sizes, seed, senses):
    rng = np.random.default_rng(seed)
    # few distinct values, so that ties and equal networks are common
    costs = [on_grid(0.0, [rng.integers(0, 4, size) / 4 for size in sizes]) for _ in range(num_objectives)]
    genes, values = exact_front(costs, senses[:num_objectives])
    _, expected = brute_force_front(costs, senses[:num_objectives])
    assert np.array_equal(values, expected)
    assert np.array_equal(np.stack([cost.evaluate(genes) for cost in costs], axis=1), values)


def test_the_whole_space_with_three_objectives_takes_less_than_a_fifth_of_a_second(problem):
    costs = [metric.costs for metric in problem.metrics]
    exact_front(costs, problem.maximise)  # imports and caches
    start = time.process_time()
    genes, _ = exact_front(costs, problem.maximise)
    assert time.process_time() - start < 0.2
    assert len(genes) > 1000
    assert problem.space.size == 12**14


def test_linear_programming_agrees_with_the_front(problem):
    """The best proxy under a latency and a params bound, for bounds all over the front, is on the front."""
    proxy, latency, params = (metric.costs for metric in problem.metrics)
    _, front = exact_front([proxy, latency, params], problem.maximise)
    rng = np.random.default_rng(0)
    for bound in front[rng.integers(len(front), size=20)]:
        found = best(proxy, True, [Limit(latency, high=bound[1]), Limit(params, low=bound[2])])
        inside = (front[:, 1] <= bound[1]) & (front[:, 2] >= bound[2])
        assert found is not None
        assert found.gap <= 1e-9
        assert found.value == pytest.approx(front[inside, 0].max(), abs=1e-6)


def test_no_random_network_escapes_the_front(problem):
    rng = np.random.default_rng(0)
    genes = rng.integers(problem.num_indices, size=(100_000, 14))
    _, front = exact_front([metric.costs for metric in problem.metrics], problem.maximise)
    both = np.concatenate([front, problem.evaluate(genes)])
    assert nondominated(both, problem.maximise).max() < len(front)


def test_a_monotone_transform_of_an_objective_keeps_the_front(problem):
    genes, values = exact_front([metric.costs for metric in problem.metrics], problem.maximise)
    saturated = values.copy()
    saturated[:, 0] = 100 * (1 - np.exp(-values[:, 0] / 100))
    assert len(nondominated(saturated, problem.maximise)) == len(genes)


def test_a_choice_without_a_value_is_named():
    with pytest.raises(InputError, match=r"choice\(s\) \[1\] of slot 1"):
        exact_front([on_grid(0.0, [[1.0], [1.0, float("nan")]])], [True])


def test_a_front_that_grows_too_large_is_rejected(monkeypatch, problem):
    monkeypatch.setattr(exact, "LARGEST_FRONT", 50)
    with pytest.raises(InputError, match="exceeds 50 points"):
        exact_front([metric.costs for metric in problem.metrics], problem.maximise)
