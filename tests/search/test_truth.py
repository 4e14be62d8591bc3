"""The exact front of a problem with constraints, several hardware, and restricted choices, against brute force."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from mogakit.nets.spaces import SlotSpace
from mogakit.search.front_quality import hypervolume, nondominated
from mogakit.search.metrics import SumMetric, hardware_metric
from mogakit.search.problem import Constraint, Objective, Problem
from mogakit.search.truth import find_truth


@pytest.fixture
def small(random_costs, space):
    """Four slots of four choices, as a problem of accuracy, latency, params; and MAdds that is not an objective."""
    rng = np.random.default_rng(5)
    names = ("accuracy", "latency", "params", "madds")
    metrics = tuple(SumMetric(name, "", "made up", random_costs(rng, 4, 4)) for name in names)
    slots = SlotSpace("small", space.before, tuple(choices[:4] for choices in space.slots[:4]), space.after)
    objectives = (Objective("accuracy", True), Objective("latency", False), Objective("params", True))
    return Problem(space=slots, metrics=metrics, objectives=objectives)


def brute(problem):
    genes = np.array(list(product(*problem.allowed)))
    values = problem.evaluate(genes)
    objectives = problem.objective_values(values[problem.feasible(values)])
    return sorted(map(tuple, objectives[nondominated(objectives, problem.maximise)].tolist()))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"allowed": ((0, 2), (1, 3), (0, 1, 2, 3), (2,))},
        {"constraints": (Constraint("latency", high=5.0),)},
        {"constraints": (Constraint("madds", high=4.0), Constraint("params", low=4.0))},
        {"constraints": (Constraint("params", high=4.0),)},
    ],
)
def test_it_is_what_brute_force_finds(small, change):
    changed = replace(small, **change)
    truth = find_truth(changed)
    assert sorted(map(tuple, truth.objectives.tolist())) == brute(changed)
    assert np.array_equal(changed.evaluate(truth.genes), truth.values)
    assert truth.percentage(truth.objectives) == pytest.approx(100)


@pytest.mark.parametrize("worst", [False, True])
def test_several_hardware_enter_exactly(small, worst):
    accuracy, one, two, _ = small.metrics
    combined = hardware_metric(worst, (one, two), (3.0, 5.0))
    problem = replace(
        small,
        metrics=(accuracy, combined),
        objectives=(Objective("accuracy", True), Objective(combined.name, False)),
    )
    truth = find_truth(problem)
    assert sorted(map(tuple, truth.objectives.tolist())) == brute(problem)


def test_the_box_spans_the_space_and_its_worst_corner_is_the_reference(small):
    truth = find_truth(small)
    values = small.objective_values(small.evaluate(np.array(list(product(*small.allowed)))))
    assert truth.box.best == pytest.approx((values[:, 0].max(), values[:, 1].min(), values[:, 2].max()))
    assert truth.box.worst == pytest.approx((values[:, 0].min(), values[:, 1].max(), values[:, 2].min()))
    assert 0 < hypervolume(truth.objectives, truth.box) <= 1
    assert hypervolume(np.array([truth.box.worst]), truth.box) == 0
    assert hypervolume(np.array([truth.box.best]), truth.box) == pytest.approx(1)
    assert hypervolume(np.empty((0, 3)), truth.box) == 0


def test_a_limit_against_its_own_objective_is_said_at_once_and_not_tried(problem):
    assert "points against its objective" in find_truth(replace(problem, constraints=(Constraint("params", high=5e6),)))


def test_why_there_is_none_is_said_in_words(small):
    assert find_truth(replace(small, constraints=(Constraint("latency", high=-50.0),))) == (
        "no network meets the constraints"
    )
