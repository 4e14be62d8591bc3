"""Whole searches in a folder: repeated, killed, resumed, and rejected."""

import csv
import importlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mogakit.errors import InputError, TableError
from mogakit.flows.lut import ForeignFormat, import_foreign
from mogakit.flows.search.find import ARCHIVE, CHECKPOINT, EXACT, RESULT, SAMPLES, read_search, search
from mogakit.flows.search.plan import Method, SearchPlan, table_input
from mogakit.luts.linear import CostModel, ModelKind, save_model
from mogakit.luts.table import LatencyTable, load, save
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space, parse_chromosome
from mogakit.search.additive import additive_fit
from mogakit.search.evolution import Settings
from mogakit.search.front import load_front
from mogakit.search.problem import parse_constraint
from mogakit.search.rewards import Reward, RewardKind
from mogakit.search.sources import PROXY_SOURCE, FittedModel, accuracy_metric
from mogakit.search.surrogate import SurrogateSettings

DATA = Path(__file__).parents[2] / "search" / "data"
XNNPACK, PLAIN = DATA / "moga-xeon-xnnpack.json", DATA / "moga-xeon-plain.json"
SMALL = Settings(population=16, generations=10)


@pytest.fixture(scope="module")
def plan():
    return SearchPlan(space="moga", latencies=(table_input(XNNPACK),), settings=SMALL)


@pytest.mark.parametrize("method", [Method.NSGA2, Method.SMS_EMOA, Method.RANDOM, Method.EXACT, Method.BEST])
def test_the_same_seed_gives_the_same_bytes(plan, method, tmp_path):
    asked = replace(plan, method=method, limits=(parse_constraint("latency<=8"),))
    for name in "ab":
        search(asked, tmp_path / name)
    for name in (RESULT, EXACT, ARCHIVE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_result_says_what_was_found_and_how_good_it_is(plan, tmp_path):
    result = search(plan, tmp_path)
    assert read_search(tmp_path) == result
    assert result.num_evaluations == 160
    assert result.quality.num_exact == len(load_front(tmp_path / EXACT))
    assert 0 < result.quality.population_percent <= result.quality.archive_percent < 100
    assert result.history[-1].archive_percent == result.quality.archive_percent
    assert result.history[-1].num_networks == result.num_networks
    assert set(result.picks) <= set(result.front.chromosomes)
    assert [metric.name for metric in result.front.metrics] == ["proxy", "latency", "params", "madds"]
    lines = (tmp_path / ARCHIVE).read_text().splitlines()
    assert len(lines) == result.num_networks + 1


def test_the_exact_engine_is_the_truth_and_best_is_on_it(plan, tmp_path):
    limits = (parse_constraint("latency<=6"),)
    exact = search(replace(plan, method=Method.EXACT, limits=limits), tmp_path / "e")
    best = search(replace(plan, method=Method.BEST, limits=limits), tmp_path / "b")
    assert exact.quality.archive_percent == pytest.approx(100)
    assert best.settings["gap"] == 0
    assert best.front.column("proxy")[0] == max(exact.front.column("proxy"))
    assert best.front.column("latency")[0] <= 6


def test_a_folder_with_a_search_is_not_overwritten(plan, tmp_path):
    search(plan, tmp_path)
    with pytest.raises(InputError, match="--resume"):
        search(plan, tmp_path)
    before = (tmp_path / RESULT).read_bytes()
    search(plan, tmp_path, resume=True)
    assert (tmp_path / RESULT).read_bytes() == before


def test_resuming_with_another_seed_is_rejected(plan, tmp_path):
    search(plan, tmp_path)
    with pytest.raises(InputError, match="another search"):
        search(replace(plan, seed=1), tmp_path, resume=True)


@pytest.mark.parametrize("worst", [False, True])
def test_two_hardware_are_combined_and_the_metric_is_what_the_tables_say(plan, worst, tmp_path):
    two = replace(
        plan,
        latencies=(table_input(XNNPACK), table_input(PLAIN)),
        reference=resolve("moga-a"),
        worst=worst,
        method=Method.BEST,
        limits=(parse_constraint("f_max<=0.8"),),
    )
    result = search(two, tmp_path / "best")
    names = [metric.name for metric in result.front.metrics]
    assert names[1:3] == ["latency:tflite/cpu/float32", "latency:tflite/cpu/float32,xnnpack=off"]
    assert names[3:5] == ["f_avg", "f_max"]
    assert [objective.metric for objective in result.front.objectives][1] == ("f_max" if worst else "f_avg")
    values = dict(zip(names, result.front.values[0], strict=True))
    assert values["f_max"] <= 0.8 + 1e-9
    assert values["f_avg"] <= values["f_max"]


def test_several_tables_without_a_reference_are_rejected(plan, tmp_path):
    with pytest.raises(InputError, match="--reference"):
        search(replace(plan, latencies=(table_input(XNNPACK), table_input(PLAIN))), tmp_path)


def test_no_latency_at_all_is_rejected(plan, tmp_path):
    with pytest.raises(InputError, match="--table"):
        search(replace(plan, latencies=()), tmp_path)


def test_a_cost_model_takes_the_place_of_a_table(plan, tmp_path):
    table = load(XNNPACK)
    costs = table.slot_costs(get_space("moga"))
    coefficients = tuple(tuple(map(float, column)) for column in costs)
    model = CostModel(
        name="test",
        kind=ModelKind.TABLE,
        space="moga",
        target=table.target,
        identity=table.identity,
        intercept_ms=0.0,
        coefficients_ms=coefficients,
        origin=table.origin,
    )
    save_model(model, tmp_path / "cost-model.json")
    by_model = replace(plan, latencies=(table_input(tmp_path / "cost-model.json"),))
    found, expected = search(by_model, tmp_path / "m"), search(plan, tmp_path / "t")
    assert found.front.chromosomes == expected.front.chromosomes
    assert found.quality.num_exact == expected.quality.num_exact


def test_a_model_is_known_by_what_the_file_holds_and_what_came_through_adb_says_so(tmp_path):
    tunas = DATA.parents[1] / "luts" / "data" / "tunas"
    sources = [tunas / f"proxylessnas_search_{part}.b64" for part in ("kernel", "bias")]
    import_foreign(ForeignFormat.TUNAS, sources, tmp_path / "pixel1.json")
    given = table_input(tmp_path / "pixel1.json")
    assert isinstance(given.source, CostModel)
    assert given.described.startswith("cost model tunas-pixel1-cpu imported")
    plan = SearchPlan(space="tunas-proxyless", latencies=(given,), settings=SMALL, objectives=("accuracy", "latency"))
    found = search(plan, tmp_path / "out")
    expected = [given.source.predict_chromosome(parse_chromosome(each)) for each in found.front.chromosomes]
    assert found.front.column("latency") == pytest.approx(expected, abs=1e-6)
    table = load(XNNPACK)
    save(replace(table, identity=replace(table.identity, flags=("transport=adb shell",))), tmp_path / "cost-model.json")
    phone = table_input(tmp_path / "cost-model.json")
    assert isinstance(phone.source, LatencyTable)
    assert "a shell binary is scheduled differently from an app" in phone.described
    assert "shell" not in table_input(XNNPACK).described


def test_limits_that_nothing_meets_are_named(plan, tmp_path):
    with pytest.raises(InputError, match=r"latency <= 0\.1"):
        search(replace(plan, method=Method.BEST, limits=(parse_constraint("latency<=0.1"),)), tmp_path)


def test_a_table_of_another_space_names_a_missing_row(plan, tmp_path):
    with pytest.raises(TableError, match="has no row for"):
        search(replace(plan, space="moga-relu"), tmp_path)


@pytest.mark.parametrize("text", ["speed", "latency:fast", "latency:min:-1", "accuracy:max:x"])
def test_an_objective_that_does_not_parse_is_rejected(plan, text, tmp_path):
    with pytest.raises(InputError):
        search(replace(plan, objectives=(text,)), tmp_path)


def test_objectives_are_the_users(plan, tmp_path):
    result = search(replace(plan, objectives=("accuracy", "latency:min:3", "madds")), tmp_path)
    objectives = [(each.metric, each.maximise, each.weight) for each in result.front.objectives]
    assert objectives == [("proxy", True, 1.0), ("latency", False, 3.0), ("madds", False, 1.0)]


def test_the_additive_model_is_kept_for_the_next_search(plan, tmp_path):
    asked = replace(
        plan,
        accuracy="mogakit.search.sources:capacity",
        method=Method.FIT_FRONT,
        surrogate=SurrogateSettings(200, 50),
    )
    result = search(asked, tmp_path / "fit")
    assert result.num_networks <= 250
    r2 = float(result.front.how.split("R2 ")[1].split(")")[0])
    assert r2 > 0.95  # capacity adds up, which the search was not told
    again = search(replace(plan, accuracy=f"fitted:{tmp_path / 'fit' / 'model-accuracy.json'}"), tmp_path / "next")
    assert not again.front.metrics[0].is_proxy
    assert again.quality.num_exact > 0


def test_a_model_of_the_proxy_is_still_called_proxy(tmp_path):
    tunas = DATA.parents[1] / "luts" / "data" / "tunas"
    sources = [tunas / f"proxylessnas_search_{part}.b64" for part in ("kernel", "bias")]
    import_foreign(ForeignFormat.TUNAS, sources, tmp_path / "pixel1.json")
    space = get_space("tunas-proxyless")
    rng = np.random.default_rng(0)
    genes = np.array([space.sample(rng) for _ in range(60)])
    values = accuracy_metric("proxy", space).evaluate(genes)
    fitted = additive_fit(genes, values, space.num_choices)
    coefficients = tuple(tuple(map(float, row)) for row in fitted.per_slot)
    model = FittedModel(
        space=space.name,
        bias=fitted.constant,
        coefficients=coefficients,
        num_networks=60,
        r2=None,
        source=PROXY_SOURCE,
        metric="proxy",
    )
    model.save(tmp_path / "model-proxy.json")
    plan = SearchPlan(
        space=space.name,
        latencies=(table_input(tmp_path / "pixel1.json"),),
        objectives=("accuracy", "latency"),
        accuracy=f"fitted:{tmp_path / 'model-proxy.json'}",
        method=Method.EXACT,
    )
    metric = search(plan, tmp_path / "next").front.metrics[0]
    assert (metric.name, metric.is_proxy) == ("proxy", True)
    assert "no accuracy" in metric.source


SLOW = """
import time
def accuracy(network):
    time.sleep(0.004)
    return float(sum(block.out_channels * block.kernel for block in network.blocks))
"""


@pytest.mark.parametrize("engine", ["nsga2", "sms-emoa", "fit-front"])
def test_a_search_killed_at_a_random_moment_and_resumed_finds_the_same(engine, tmp_path):
    (tmp_path / "slow_source.py").write_text(SLOW)
    options = ["--accuracy", "slow_source:accuracy", "--table", str(XNNPACK), "--engine", engine]
    settings = ("num_fit=100", "num_check=40") if engine == "fit-front" else ("population=16", "generations=10")
    options += [word for setting in settings for word in ("--set", setting)]
    code = "from mogakit.cli.main import main; main()"

    def start(folder, *more):
        command = [sys.executable, "-c", code, "search", *options, "-o", str(tmp_path / folder), *more]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, env={**os.environ})

    assert start("whole").wait() == 0
    process = start("killed")
    evaluations = tmp_path / "killed" / "evaluations.sqlite"
    while not evaluations.exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(random.Random(engine).uniform(0.1, 0.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / RESULT).exists()
    assert start("killed", "--resume").wait() == 0
    for name in (RESULT, ARCHIVE):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


COUNTED = """
asked = []
def accuracy(network):
    asked.append(network.name)
    return 0.7 + 1e-6 * sum(block.out_channels * block.kernel for block in network.blocks)
"""


@pytest.mark.parametrize("method", [Method.PPO, Method.REINFORCE])
def test_a_controller_stopped_half_way_asks_only_for_what_it_lacks_and_finds_the_same(
    plan, method, tmp_path, monkeypatch
):
    """Controllers leave no checkpoint: the same seed samples the same networks, and the cache knows half of them."""
    (tmp_path / "counted_source.py").write_text(COUNTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "counted_source", raising=False)
    source = importlib.import_module("counted_source")
    reward = Reward(RewardKind.ABSOLUTE, 8.0)
    asked = replace(plan, accuracy="counted_source:accuracy", method=method, reward=reward)

    class StopError(Exception):
        pass

    def stop(done, total, note):
        if 2 * done >= total:
            raise StopError

    search(asked, tmp_path / "whole")
    whole = sorted(source.asked)
    source.asked.clear()
    with pytest.raises(StopError):
        search(asked, tmp_path / "stopped", progress=stop)
    first = sorted(source.asked)
    source.asked.clear()
    search(asked, tmp_path / "stopped", resume=True)
    assert first
    assert source.asked
    assert sorted([*first, *source.asked]) == whole
    for name in (RESULT, ARCHIVE):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_every_checkpoint_of_a_run_leads_to_the_same_result(plan, tmp_path):
    """A kill can come between any two generations: stop after each in turn."""

    class StopError(Exception):
        pass

    search(plan, tmp_path / "whole")
    for stop_at in (2, 5, 9):

        def stop(done, total, note, limit=stop_at):
            if done > limit:
                raise StopError

        folder = tmp_path / str(stop_at)
        with pytest.raises(StopError):
            search(replace(plan, checkpoint_every_s=0.0), folder, progress=stop)
        assert (folder / CHECKPOINT).exists()
        search(plan, folder, resume=True)
        assert json.loads((folder / RESULT).read_text()) == json.loads((tmp_path / "whole" / RESULT).read_text())


def accuracies_of(path, names):
    rows = "".join(f"{name},{70 + index / 10}\n" for index, name in enumerate(names))
    path.write_text(f"chromosome,accuracy\n{rows}")
    return f"table:{path}"


def few(count):
    return ["-".join(["0"] * 13 + [str(last)]) for last in range(count)]


@pytest.mark.parametrize("method", [Method.NSGA2, Method.SMS_EMOA, Method.RANDOM, Method.FIT_FRONT])
def test_a_table_of_few_networks_is_searched_for_those(plan, tmp_path, method):
    accuracy = accuracies_of(tmp_path / "few.csv", few(9))
    result = search(replace(plan, accuracy=accuracy, method=method), tmp_path / "found")
    assert result.num_networks == result.num_evaluations == 9
    assert "all 9 networks of the table few.csv" in result.front.how
    assert result.front.chromosomes
    assert set(result.picks) <= set(few(9))


def test_a_limit_holds_for_listed_networks_too(plan, tmp_path):
    asked = replace(plan, accuracy=accuracies_of(tmp_path / "few.csv", few(9)), forbid=("mb_*_k7*",))
    result = search(asked, tmp_path / "found")
    assert 0 < result.num_networks < 9


@pytest.mark.parametrize("method", [Method.PPO, Method.REINFORCE])
def test_a_controller_does_not_learn_from_a_table_of_few(plan, tmp_path, method):
    asked = replace(
        plan,
        accuracy=accuracies_of(tmp_path / "few.csv", few(9)),
        method=method,
        reward=Reward(RewardKind.ABSOLUTE, 10.0),
    )
    with pytest.raises(InputError, match="--engine nsga2"):
        search(asked, tmp_path / "found")


def test_an_infinite_factor_leaves_a_table_out_and_is_stored(plan, tmp_path):
    both = (table_input(XNNPACK), table_input(PLAIN))
    asked = replace(plan, latencies=both, worst=True, factors_ms=(10.0, math.inf), method=Method.EXACT)
    result = search(asked, tmp_path / "found")
    alone = search(replace(asked, factors_ms=(10.0, 1e12)), tmp_path / "alone")
    assert result.front.chromosomes == alone.front.chromosomes
    json.loads((tmp_path / "found" / RESULT).read_text(), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert read_search(tmp_path / "found") == result


@pytest.mark.parametrize("method", [Method.PPO, Method.REINFORCE])
def test_a_controller_keeps_every_sample_with_its_reward(plan, tmp_path, method):
    reward = Reward(RewardKind.MNASNET, 8.0, alpha=0.0, beta=-1.0)
    asked = replace(plan, method=method, reward=reward, settings=Settings(population=8, generations=5))
    result = search(asked, tmp_path)
    with (tmp_path / SAMPLES).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == result.num_evaluations == 40
    assert [int(row["step"]) for row in rows] == [step for step in range(5) for _ in range(8)]
    assert len({row["chromosome"] for row in rows}) == result.num_networks
    best = max(float(row["reward"]) for row in rows)
    assert f"{best:.5f}" in result.front.how
    offset, scale = result.settings["scale"]
    for row in rows:
        assert float(row["reward"]) == reward(offset + scale * float(row["proxy"]), float(row["latency"]))
