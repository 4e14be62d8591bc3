"""Rewards with the numbers of the papers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.search.rewards import Reward, RewardKind, absolute, mnasnet, one_sided


def test_doubling_latency_costs_about_five_percent_with_the_soft_exponent():
    # MnasNet section 3: accuracy 0.5 at 2T should be worth about 5 % less than at T.
    assert mnasnet(0.5, 160, 80) / mnasnet(0.5, 80, 80) == pytest.approx(0.9526, abs=1e-4)


def test_the_hard_constraint_costs_nothing_up_to_the_target_and_falls_beyond():
    assert mnasnet(0.5, 60, 80, alpha=0, beta=-1) == 0.5
    assert mnasnet(0.5, 100, 80, alpha=0, beta=-1) == pytest.approx(0.40)


def test_absolute_reward_of_multi_avg():
    # Multi-hardware paper, eq. 7 with beta -0.07: top-1 75.8 %, f_avg 1.06.
    assert absolute(0.758, 1.06, 1.0) == pytest.approx(0.7538, abs=5e-5)


def test_only_the_absolute_reward_penalises_being_faster():
    assert absolute(0.7, 40, 80) == pytest.approx(0.7 - 0.07 / 2)
    assert one_sided(0.7, 40, 80) == 0.7
    assert one_sided(0.7, 120, 80) == absolute(0.7, 120, 80)


@given(st.floats(0.01, 1), st.floats(1, 1000), st.floats(1, 1000), st.sampled_from(RewardKind))
def test_more_accuracy_is_always_better(accuracy, latency, target, kind):
    reward = Reward(kind, target)
    assert reward(accuracy + 0.01, latency) > reward(accuracy, latency)


def test_a_record_calls_the_formula_that_it_names():
    assert Reward(RewardKind.MNASNET, 80, alpha=0, beta=-1)(0.5, 100) == mnasnet(0.5, 100, 80, 0, -1)
    assert Reward(RewardKind.ONE_SIDED, 80)(0.5, 100) == one_sided(0.5, 100, 80)
    assert Reward(RewardKind.ABSOLUTE, 80)(0.5, 40) == absolute(0.5, 40, 80)


def test_a_latency_of_zero_is_rejected():
    with pytest.raises(InputError, match="above zero"):
        mnasnet(0.5, 0, 80)
