"""Searches repeat, resume and stay inside what is allowed."""

from dataclasses import replace

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.search import checkpoint
from mogakit.search.evolution import Engine, Evolution, Settings
from mogakit.search.problem import Constraint, allowed_choices
from mogakit.search.variation import CrossoverKind, MutationKind

SMALL = Settings(population=20, generations=12)


def run(problem, settings, seed=0):
    evolution = Evolution(problem, settings, seed)
    while not evolution.finished:
        evolution.step()
    return evolution


@pytest.mark.parametrize("engine", Engine)
def test_the_same_seed_gives_the_same_search_and_another_seed_another(problem, engine):
    settings = SMALL.with_engine(engine)
    one, two, other = run(problem, settings, 3), run(problem, settings, 3), run(problem, settings, 4)
    assert np.array_equal(one.archive.genes, two.archive.genes)
    assert np.array_equal(one.population()[0], two.population()[0])
    assert not np.array_equal(one.archive.genes, other.archive.genes)


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize("second_initial", [True, False])
def test_the_budget_is_population_times_generations(problem, engine, second_initial):
    found = run(problem, replace(SMALL, engine=engine, second_initial=second_initial))
    assert found.archive.num_evaluations == 240
    assert found.generation == 12


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize("stop_at", [2, 7, 11])
def test_a_search_goes_on_from_a_checkpoint_bit_for_bit(problem, engine, stop_at, tmp_path):
    settings = SMALL.with_engine(engine)
    whole = run(problem, settings)
    identity = checkpoint.fingerprint(problem, settings, 0)
    first = Evolution(problem, settings, 0)
    while first.generation < stop_at:
        first.step()
    checkpoint.save(tmp_path / "c.npz", first, identity)
    second = Evolution(problem, settings, 0)
    checkpoint.load(tmp_path / "c.npz", second, identity)
    while not second.finished:
        second.step()
    assert np.array_equal(whole.archive.genes, second.archive.genes)
    assert np.array_equal(whole.archive.values, second.archive.values)
    assert np.array_equal(whole.archive.generations, second.archive.generations)
    assert np.array_equal(whole.population()[0], second.population()[0])
    assert whole.archive.num_evaluations == second.archive.num_evaluations


@pytest.mark.parametrize("change", ["seed", "settings", "limit", "latency"])
def test_a_checkpoint_of_another_search_is_rejected(problem, change, tmp_path, latency_costs):
    evolution = Evolution(problem, SMALL, 0)
    evolution.step()
    checkpoint.save(tmp_path / "c.npz", evolution, checkpoint.fingerprint(problem, SMALL, 0))
    slower = replace(problem.metrics[1], costs=latency_costs.scaled(1.001))
    others = {
        "seed": (problem, SMALL, 1),
        "settings": (problem, replace(SMALL, mutation_rate=0.5), 0),
        "limit": (replace(problem, constraints=(Constraint("latency", high=3.0),)), SMALL, 0),
        "latency": (replace(problem, metrics=(problem.metrics[0], slower, problem.metrics[2])), SMALL, 0),
    }
    other, settings, seed = others[change]
    with pytest.raises(InputError, match="belongs to another search"):
        checkpoint.load(
            tmp_path / "c.npz", Evolution(other, settings, seed), checkpoint.fingerprint(other, settings, seed)
        )


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + b"\0" * 18])
def test_a_broken_checkpoint_says_what_to_do(problem, content, tmp_path):
    (tmp_path / "c.npz").write_bytes(content)
    with pytest.raises(InputError, match="remove it to start from scratch"):
        checkpoint.load(tmp_path / "c.npz", Evolution(problem, SMALL, 0), "")


@pytest.mark.parametrize("engine", Engine)
def test_only_allowed_choices_are_ever_evaluated(problem, space, engine):
    allowed = allowed_choices(space, ["*_se*", "mb_*_k7s*"])
    found = run(replace(problem, allowed=allowed), SMALL.with_engine(engine))
    assert all(set(column) <= set(choices) for column, choices in zip(found.archive.genes.T, allowed, strict=True))


@pytest.mark.parametrize("engine", [Engine.NSGA2, Engine.SMS_EMOA])
def test_the_last_population_meets_a_limit_that_few_random_networks_meet(problem, latency_costs, engine):
    low, high = latency_costs.extremes()
    limit = Constraint("latency", high=low + 0.15 * (high - low))
    found = run(replace(problem, constraints=(limit,)), replace(SMALL, generations=40, engine=engine))
    assert (found.population()[1][:, 1] <= limit.high).all()
    assert not (found.archive.values[:20, 1] <= limit.high).all()


def test_a_space_smaller_than_the_budget_is_no_obstacle(problem):
    few = replace(problem, allowed=tuple((0, 1) if slot < 4 else (3,) for slot in range(14)))
    found = run(few, SMALL)
    assert found.finished
    assert len(found.archive) == 16


def test_options_of_the_paper_change_the_search(problem):
    plain = run(problem, SMALL).archive.genes
    for change in (
        {"crossover": CrossoverKind.ONE_GENE},
        {"mutation": MutationKind.RANDOM},
        {"random_share": 0.9},
    ):
        assert not np.array_equal(run(problem, replace(SMALL, **change)).archive.genes, plain)


@pytest.mark.parametrize("bad", [{"population": 2}, {"generations": 1}, {"mutation_rate": 1.5}, {"random_share": -0.1}])
def test_settings_out_of_range_are_rejected(bad):
    with pytest.raises(InputError, match=r"supported|at least"):
        Settings(**bad)


def test_the_search_leaves_the_global_random_state_alone(problem):
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    run(problem, SMALL)
    assert np.random.get_state()[1].tolist() == before
