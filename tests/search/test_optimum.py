"""The proven best under constraints, against looking at every network."""

from itertools import product

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.search.additive import SlotCosts, on_grid
from mogakit.search.optimum import Limit, best, best_absolute_reward, least_worst
from mogakit.search.rewards import absolute

EVERY = np.array(list(product(range(4), repeat=5)))


@pytest.fixture
def three(random_costs):
    rng = np.random.default_rng(3)
    return [random_costs(rng, 5, 4) for _ in range(3)]


def test_best_under_a_limit_is_the_best_of_all_networks_within_it(three):
    goal, latency, params = three
    for bound in np.quantile(latency.evaluate(EVERY), [0.02, 0.3, 0.8]):
        low = np.median(params.evaluate(EVERY))
        inside = (latency.evaluate(EVERY) <= bound) & (params.evaluate(EVERY) >= low)
        found = best(goal, True, [Limit(latency, high=bound), Limit(params, low=low)])
        assert found is not None
        assert found.value == pytest.approx(goal.evaluate(EVERY[inside]).max())
        assert goal.evaluate(np.array([found.genes]))[0] == pytest.approx(found.value)


def test_f_max_over_several_tables_is_minimised(three):
    found = least_worst(three)
    worst = np.max([cost.evaluate(EVERY) for cost in three], axis=0)
    assert found is not None
    assert found.value == pytest.approx(worst.min())


def test_f_max_as_a_limit_is_one_limit_a_hardware(three):
    goal, one, two = three
    worst = np.maximum(one.evaluate(EVERY), two.evaluate(EVERY))
    bound = float(np.quantile(worst, 0.2))
    found = best(goal, True, [Limit(one, high=bound), Limit(two, high=bound)])
    assert found is not None
    assert found.value == pytest.approx(goal.evaluate(EVERY[worst <= bound]).max())


def test_no_network_within_the_limits_is_none(three):
    assert best(three[0], True, [Limit(three[1], high=-100.0)]) is None


def test_a_choice_that_a_hardware_cannot_run_is_never_chosen(three):
    goal, latency, _ = three
    values = [column.copy() for column in latency.per_slot]
    forbidden = [int(np.argmax(column)) for column in goal.per_slot]
    for column, choice in zip(values, forbidden, strict=True):
        column[choice] = np.nan
    found = best(goal, True, [Limit(SlotCosts(latency.constant, tuple(values)), high=1e9)])
    assert found is not None
    assert all(gene != choice for gene, choice in zip(found.genes, forbidden, strict=True))


@pytest.mark.parametrize("beta", [-0.07, -2.0, 0.0])
def test_the_absolute_reward_is_maximised_from_both_sides(three, beta):
    accuracy, latency, _ = three
    positive = on_grid(10.0, latency.per_slot)
    target = float(np.median(positive.evaluate(EVERY)))
    rewards = [
        absolute(q, t, target, beta) for q, t in zip(accuracy.evaluate(EVERY), positive.evaluate(EVERY), strict=True)
    ]
    assert best_absolute_reward(accuracy, positive, target, beta).value == pytest.approx(max(rewards))


def test_a_reward_for_slowness_is_rejected(three):
    with pytest.raises(InputError, match="at most zero"):
        best_absolute_reward(three[0], three[1], 1.0, 0.1)
