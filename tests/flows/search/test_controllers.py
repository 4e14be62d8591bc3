"""`moga controllers`, and controllers as engines of `moga search`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.cli.controllers import command
from mogakit.cli.search import command as search_command
from mogakit.errors import InputError
from mogakit.flows.search.controllers import JudgeRequest, judge_controllers
from mogakit.flows.search.find import RESULT, search
from mogakit.flows.search.plan import Method, SearchPlan, table_input
from mogakit.search.controllers.judge import Searcher
from mogakit.search.evolution import Settings
from mogakit.search.rewards import Reward, RewardKind

TABLE = Path(__file__).parents[2] / "search" / "data" / "moga-xeon-xnnpack.json"
SMALL = ["--seeds", "1", "--population", "12", "--generations", "4"]


def test_it_prints_regrets_and_draws_them(tmp_path):
    arguments = ["--table", str(TABLE), *SMALL, "--target-ms", "8", "-o", str(tmp_path)]
    output = CliRunner().invoke(command, arguments, catch_exceptions=False).output
    for searcher in ("ppo", "reinforce", "nsga2", "sms-emoa", "random"):
        assert searcher in output
    assert "proxy, no accuracy" in output
    assert "accuracy: capacity proxy, no accuracy" in (tmp_path / "regret.svg").read_text(encoding="utf-8")
    assert (tmp_path / "regret.png").stat().st_size > 1000
    document = json.loads((tmp_path / "controllers.json").read_text())
    assert document["num_evaluations"] == 48
    assert [each["reward"]["kind"] for each in document["judged"]] == ["mnasnet", "absolute"]


def test_the_target_is_the_middle_of_the_front_where_none_is_given(tmp_path):
    request = JudgeRequest(
        table=TABLE, kinds=(RewardKind.ABSOLUTE,), num_seeds=1, population=8, generations=2, searchers=()
    )
    target = judge_controllers(request, tmp_path).judged[0].reward.target_ms
    assert 4 < target < 47


@pytest.mark.slow
def test_on_a_measured_table_the_worst_run_of_a_controller_beats_the_best_of_random_search(tmp_path):
    """Three seeds and both rewards of the papers, at 8400 evaluations each."""
    searchers = (Searcher.REINFORCE, Searcher.PPO, Searcher.RANDOM)
    judged = judge_controllers(JudgeRequest(table=TABLE, num_seeds=3, searchers=searchers), tmp_path).judged
    assert [each.reward.kind for each in judged] == [RewardKind.MNASNET, RewardKind.ABSOLUTE]
    for each in judged:
        by_seed = {regrets.searcher: regrets.by_seed for regrets in each.regrets}
        for controller in (Searcher.REINFORCE, Searcher.PPO):
            assert len(by_seed[controller]) == 3
            assert max(by_seed[controller]) < 0.5 * min(by_seed[Searcher.RANDOM])


@pytest.mark.parametrize("method", [Method.PPO, Method.REINFORCE])
def test_a_controller_is_an_engine_of_the_search(method, tmp_path):
    plan = SearchPlan(
        space="moga",
        latencies=(table_input(TABLE),),
        method=method,
        reward=Reward(RewardKind.ABSOLUTE, 8.0),
        settings=Settings(population=12, generations=5),
    )
    result = search(plan, tmp_path / "a")
    assert result.num_evaluations == 60
    assert "absolute reward" in result.front.how
    assert len(result.population) == 2
    search(plan, tmp_path / "b")
    assert (tmp_path / "a" / RESULT).read_bytes() == (tmp_path / "b" / RESULT).read_bytes()
    with pytest.raises(InputError, match="target_ms"):
        search(replace(plan, reward=None), tmp_path / "c")


def test_the_command_shows_what_the_controller_likes(tmp_path):
    arguments = ["--table", str(TABLE), "--engine", "reinforce", "--set", "target_ms=8", "--set", "population=10"]
    arguments += ["--set", "generations=4", "-o", str(tmp_path)]
    assert "most likely network" in CliRunner().invoke(search_command, arguments, catch_exceptions=False).output
