"""What a user may ask for, and what comes of it."""

from dataclasses import replace

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.search.additive import on_grid
from mogakit.search.metrics import SumMetric
from mogakit.search.problem import Constraint, Objective, Problem, allowed_choices, parse_constraint


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("latency<=12.5", Constraint("latency", high=12.5)),
        ("params >= 4M", Constraint("params", low=4e6)),
        ("latency:tflite/gpu/float16,backend=cl<=7", Constraint("latency:tflite/gpu/float16,backend=cl", high=7)),
        ("madds<=3e2M", Constraint("madds", high=3e8)),
    ],
)
def test_limits_are_read(text, constraint):
    assert parse_constraint(text) == constraint


@pytest.mark.parametrize("text", ["latency<12", "<=3", "latency<=", "latency<=much", "latency=3", ""])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(InputError, match="is not a limit"):
        parse_constraint(text)


def test_forbidden_patterns_take_choices_away(space):
    without_se = allowed_choices(space, ["*_se*"])
    assert without_se == ((0, 2, 4, 6, 8, 10),) * 14
    assert allowed_choices(space, []) == (tuple(range(12)),) * 14


def test_a_pattern_that_matches_nothing_or_leaves_nothing_is_rejected(space):
    with pytest.raises(InputError, match="matches no block"):
        allowed_choices(space, ["*_k9*"])
    with pytest.raises(InputError, match="leave no choice"):
        allowed_choices(space, ["mb_i16*"])


def test_violations_are_relative_and_missing_values_infeasible(problem):
    latency = problem.metric("latency")
    holes = SumMetric("latency", "ms", "", on_grid(0.0, [[1.0] * 11 + [np.nan]] + [[0.0] * 12] * 13))
    limited = replace(
        problem,
        metrics=tuple(holes if metric is latency else metric for metric in problem.metrics),
        constraints=(Constraint("latency", high=4.0), Constraint("params", low=5e6)),
    )
    values = np.array([[1.0, 5.0, 6e6], [1.0, 3.0, 4e6], [1.0, 4.0, 5e6], [np.nan, 1.0, 6e6]])
    assert limited.violations(values).tolist() == [
        [0.25, pytest.approx(-0.2), 0.0],
        [-0.25, pytest.approx(0.2), 0.0],
        [0.0, 0.0, 0.0],
        [-0.75, pytest.approx(-0.2), 1.0],
    ]
    assert limited.feasible(values).tolist() == [False, False, True, False]


def test_where_nothing_can_be_missing_nothing_is_counted_as_missing(problem):
    assert not problem.can_miss
    assert problem.violations(np.ones((3, 3))).shape == (3, 0)
    assert problem.feasible(np.ones((3, 3))).all()


def test_names_must_exist_and_differ(problem):
    with pytest.raises(InputError, match="no metric is called speed"):
        replace(problem, objectives=(Objective("speed", True),))
    with pytest.raises(InputError, match="not all different"):
        replace(problem, metrics=(problem.metrics[0], problem.metrics[0]))
    with pytest.raises(InputError, match="none given"):
        Problem(space=problem.space, metrics=problem.metrics, objectives=())


def test_engines_see_indices_and_everyone_else_genes(problem):
    few = replace(problem, allowed=((3, 7),) * 14)
    assert few.num_indices == (2,) * 14
    assert few.to_genes(np.array([[0, 1] * 7])).tolist() == [[3, 7] * 7]
