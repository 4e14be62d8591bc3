"""Controllers learn; what is best is known; regret is measured at equal evaluations."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from mogakit.errors import InputError
from mogakit.nets.spaces import SlotSpace
from mogakit.progress import silent
from mogakit.search.additive import on_grid
from mogakit.search.archive import Archive
from mogakit.search.controllers.judge import Searcher, judge
from mogakit.search.controllers.ppo import PpoSettings, RecurrentController, search_by_ppo
from mogakit.search.controllers.reinforce import MovingBaseline, ReinforceSettings, search_by_reinforce
from mogakit.search.controllers.task import MISSING_REWARD, Task, fraction_scale
from mogakit.search.metrics import SumMetric
from mogakit.search.problem import Constraint, Objective, Problem
from mogakit.search.rewards import Reward, RewardKind


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def task(problem, latency_costs):
    low, high = latency_costs.extremes()
    target = low + 0.3 * (high - low)
    return Task(problem, Reward(RewardKind.ABSOLUTE, target), *fraction_scale(problem.metrics[0], problem))


@pytest.fixture
def small(random_costs, space):
    rng = np.random.default_rng(5)
    accuracy = SumMetric("accuracy", "", "made up", random_costs(rng, 4, 4).scaled(0.01))
    latency = SumMetric("latency", "ms", "made up", replace(random_costs(rng, 4, 4), constant=1.0))
    slots = SlotSpace("small", space.before, tuple(choices[:4] for choices in space.slots[:4]), space.after)
    return Problem(
        space=slots, metrics=(accuracy, latency), objectives=(Objective("accuracy", True), Objective("latency", False))
    )


@pytest.mark.parametrize("kind", RewardKind)
@pytest.mark.parametrize("beta", [-0.07, -1.0])
def test_the_best_reward_is_that_of_looking_at_every_network(small, kind, beta):
    genes = np.array(list(product(range(4), repeat=4)))
    values = small.evaluate(genes)
    for target in np.quantile(values[:, 1], [0.1, 0.5]):
        task = Task(small, Reward(kind, float(target), -0.07, beta), offset=0.7)
        assert task.best_reward() == pytest.approx(task.rewards(values).max(), abs=1e-9)


def test_a_proxy_is_put_on_the_scale_of_a_fraction(problem):
    offset, scale = fraction_scale(problem.metrics[0], problem)
    low, high = problem.metrics[0].costs.extremes()
    assert offset + scale * low == pytest.approx(0.68)
    assert offset + scale * high == pytest.approx(0.76)


def test_what_cannot_run_or_breaks_a_limit_earns_nothing(small):
    task = Task(replace(small, constraints=(Constraint("latency", high=4.0),)), Reward(RewardKind.MNASNET, 4.0), 0.7)
    rewards = task.rewards(np.array([[0.1, 3.0], [0.1, 5.0]]))
    assert rewards[0] > 0.7
    assert rewards[1] == MISSING_REWARD
    holes = SumMetric("latency", "ms", "", on_grid(0.0, [[1.0, 1.0, 1.0, np.nan]] * 4))
    task = Task(replace(small, metrics=(small.metrics[0], holes)), Reward(RewardKind.MNASNET, 4.0), 0.7)
    assert task.rewards(task.problem.evaluate(np.array([[3, 0, 0, 0]]))).tolist() == [MISSING_REWARD]


def test_a_task_needs_accuracy_and_latency(problem):
    turned = replace(problem, objectives=(Objective("latency", False), Objective("proxy", True)))
    with pytest.raises(InputError, match="an accuracy to maximise"):
        Task(turned, Reward(RewardKind.MNASNET, 4.0))


SMALL_PPO, SMALL_REINFORCE = PpoSettings(steps=15, batch=40, learning_rate=0.003), ReinforceSettings(steps=40, batch=40)


@pytest.mark.parametrize(
    ("search", "settings"),
    [(search_by_ppo, SMALL_PPO), (search_by_reinforce, SMALL_REINFORCE)],
    ids=["ppo", "reinforce"],
)
def test_a_controller_learns_and_repeats(task, search, settings):
    learned = search(task, settings, 0, silent)
    rewards = task.rewards(learned.archive.values)
    generations = learned.archive.generations
    early, late = rewards[generations < 5].mean(), rewards[generations >= settings.steps - 5].mean()
    assert late > early + 2 * rewards[generations < 5].std() / np.sqrt(200)
    again = search(task, settings, 0, silent)
    assert np.array_equal(learned.archive.genes, again.archive.genes)
    assert learned.most_likely == again.most_likely
    other = search(task, settings, 1, silent)
    assert not np.array_equal(learned.archive.genes[:40], other.archive.genes[:40])


@pytest.mark.parametrize(
    ("search", "settings"),
    [(search_by_ppo, SMALL_PPO), (search_by_reinforce, SMALL_REINFORCE)],
    ids=["ppo", "reinforce"],
)
def test_the_global_random_state_is_left_alone(task, search, settings):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    search(task, replace(settings, steps=2), 0, silent)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_controller_begins_uniform():
    controller = RecurrentController((4, 6), 8, 4)
    tokens, log_probability = controller.sample(200, torch.Generator().manual_seed(0))
    assert tokens.shape == (200, 2)
    assert [set(column) for column in tokens.T.tolist()] == [set(range(4)), set(range(6))]
    assert log_probability.tolist() == pytest.approx([-np.log(24)] * 200)
    _, entropy = controller(tokens)
    assert float(entropy.detach()) == pytest.approx((np.log(4) + np.log(6)) / 2)


def test_probabilities_of_all_networks_sum_to_one_and_what_is_sampled_follows_them():
    torch.manual_seed(3)
    controller = RecurrentController((2, 3), 8, 4)
    for parameter in (controller.weights, controller.biases):
        torch.nn.init.normal_(parameter)
    every = torch.tensor([[i, j] for i in range(2) for j in range(3)])
    probability = controller(every)[0].detach().exp()
    assert float(probability.sum()) == pytest.approx(1, abs=1e-5)
    tokens, _ = controller.sample(20_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(tokens[:, 0] * 3 + tokens[:, 1], minlength=6) / 20_000
    assert torch.allclose(counts, probability, atol=0.015)


def test_the_baseline_is_debiased_and_holds_the_present_reward():
    baseline = MovingBaseline(0.95)
    assert baseline.update(0.7) == pytest.approx(0.7)
    assert baseline.update(0.8) == pytest.approx((0.95 * 0.05 * 0.7 + 0.05 * 0.8) / (0.95 * 0.05 + 0.05))


def test_the_learning_rate_waits_and_then_grows_tenfold():
    settings = ReinforceSettings(steps=100, learning_rate=0.01, delay=0.25)
    rates = [settings.learning_rate_at(step) for step in range(100)]
    assert rates[:25] == [0.0] * 25
    assert rates[25] == 0.01
    assert rates[-1] == pytest.approx(0.1)
    assert rates == sorted(rates)


def test_during_the_delay_the_policy_stays_uniform(task):
    learned = search_by_reinforce(task, ReinforceSettings(steps=4, batch=10, delay=0.9), 0, silent)
    assert learned.most_likely == (0,) * 14


@pytest.mark.parametrize("bad", [{"steps": 0}, {"batch": 1}, {"delay": 1.0}])
def test_settings_out_of_range_are_rejected(bad):
    with pytest.raises(InputError, match="needed"):
        ReinforceSettings(**bad)


@pytest.mark.slow
def test_controllers_beat_random_search_clearly(task):
    best, regrets = judge(task, [0], searchers=[Searcher.REINFORCE, Searcher.PPO, Searcher.RANDOM])
    by_name = {each.searcher: each.mean for each in regrets}
    assert best > 0.7
    assert by_name[Searcher.REINFORCE] < 0.5 * by_name[Searcher.RANDOM]
    assert by_name[Searcher.PPO] < 0.5 * by_name[Searcher.RANDOM]


def test_regret_falls_to_that_of_the_whole_archive(task):
    best, (nsga2, random) = judge(task, [0, 1], 20, 15, [Searcher.NSGA2, Searcher.RANDOM])
    for each in (nsga2, random):
        assert list(each.curve) == sorted(each.curve, reverse=True)
        assert each.curve[-1] == pytest.approx(each.mean)
        assert each.evaluations[-1] == 300
        assert min(each.by_seed) > 0
    rng = np.random.default_rng(0)
    archive = Archive(task.problem)
    assert task.evaluate(rng.integers(12, size=(50, 14)), archive, 0).max() < best
