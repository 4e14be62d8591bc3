"""Sums over slots: equal to the whole network's count, exact in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.nets.network import count_madds, count_params
from mogakit.search.additive import GRID, additive_fit, block_costs, on_grid, one_hot, weighted_sum
from mogakit.search.sources import block_capacity, capacity, proxy_metric


def test_params_and_madds_are_those_of_the_decoded_network(space):
    rng = np.random.default_rng(0)
    genes = rng.integers(space.num_choices, size=(20, len(space.num_choices)))
    networks = [space.decode(tuple(map(int, row))) for row in genes]
    assert block_costs(space, count_params).evaluate(genes).tolist() == [count_params(each) for each in networks]
    assert block_costs(space, count_madds).evaluate(genes).tolist() == [count_madds(each) for each in networks]


def test_the_proxy_is_the_sum_of_block_capacities(space):
    network = space.decode((0,) * 14)
    total = proxy_metric(space).evaluate(np.zeros((1, 14), dtype=np.int64))[0]
    assert total == pytest.approx(capacity(network), abs=1e-7)
    assert capacity(network) == sum(block_capacity(block) for block in network.blocks)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.randoms())
def test_sums_on_the_grid_do_not_depend_on_the_order(terms, shuffler):
    costs = on_grid(0.0, [[term] for term in terms])
    values = [float(column[0]) for column in costs.per_slot]
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert sum(values) == sum(shuffled)
    assert all(abs(value - term) <= GRID / 2 for value, term in zip(values, terms, strict=True))


def test_extremes_and_restriction():
    costs = on_grid(1.0, [[0.0, 5.0, 2.0], [1.0, 4.0]])
    assert costs.extremes() == (2.0, 10.0)
    assert costs.restricted([(2,), (0, 1)]).extremes() == (4.0, 7.0)


def test_weighted_sum_is_the_sum_of_the_parts():
    one, two = on_grid(1.0, [[1.0, 2.0]]), on_grid(3.0, [[5.0, 7.0]])
    assert weighted_sum([one, two], 0.5).evaluate(np.array([[0], [1]])).tolist() == [5.0, 6.5]


def test_terms_too_large_for_exact_sums_are_rejected():
    with pytest.raises(InputError, match="too large"):
        on_grid(0.5, [[1e9 + 0.25]])


def test_the_fit_recovers_a_function_that_is_additive():
    rng = np.random.default_rng(0)
    sizes = (3, 4, 5)
    true = on_grid(2.0, [rng.normal(size=size) for size in sizes])
    genes = rng.integers(sizes, size=(400, 3))
    fitted = additive_fit(genes, true.evaluate(genes), sizes, ridge=1e-6)
    unseen = rng.integers(sizes, size=(50, 3))
    assert fitted.evaluate(unseen) == pytest.approx(true.evaluate(unseen), abs=1e-5)
    assert one_hot(genes, sizes).sum(axis=1).tolist() == [3.0] * 400


def test_a_fit_on_nothing_is_rejected():
    with pytest.raises(InputError, match="at least one"):
        additive_fit(np.zeros((0, 2), dtype=np.int64), np.zeros(0), (2, 2))
