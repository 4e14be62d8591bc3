"""How good the engines are on real numbers: a table that the kit measured, the capacity proxy, and parameters.

`data/moga-xeon-xnnpack.json` is `moga profile --quick` of a two-core Xeon (TFLite 2.3 with XNNPACK, float32).
Volume is taken in the box of the exact extremes, from its nadir corner; means over ten seeds.
"""

from pathlib import Path

import numpy as np
import pytest

from mogakit.luts.table import load
from mogakit.nets.network import count_params
from mogakit.search.additive import block_costs
from mogakit.search.evolution import Engine, Evolution, Settings
from mogakit.search.metrics import SumMetric
from mogakit.search.problem import Objective, Problem
from mogakit.search.sources import proxy_metric, summed_latency_metric
from mogakit.search.truth import find_truth

TABLE = Path(__file__).parent / "data" / "moga-xeon-xnnpack.json"
SEEDS = range(10)


@pytest.fixture(scope="module")
def measured(space):
    costs = load(TABLE).slot_costs(space)
    metrics = (
        proxy_metric(space),
        summed_latency_metric(costs, "latency", str(TABLE)),
        SumMetric("params", "", "counted", block_costs(space, count_params)),
    )
    objectives = (Objective("proxy", True, 0.4), Objective("latency", False, 0.4), Objective("params", True, 0.2))
    return Problem(space=space, metrics=metrics, objectives=objectives)


@pytest.fixture(scope="module")
def truth(measured):
    return find_truth(measured)


def percentages(measured, truth, engine):
    """Return percent of the true hypervolume of archive and last population, mean over the seeds."""
    archives, populations = [], []
    for seed in SEEDS:
        evolution = Evolution(measured, Settings(engine=engine), seed)
        while not evolution.finished:
            evolution.step()
        archives.append(truth.percentage(evolution.archive.feasible_objectives()))
        if engine is not Engine.RANDOM:
            populations.append(truth.percentage(measured.objective_values(evolution.population()[1])))
    return float(np.mean(archives)), float(np.mean(populations)) if populations else None


def test_the_predictor_and_the_sum_agree(measured, space):
    predictor = load(TABLE)
    genes = np.random.default_rng(0).integers(12, size=(20, 14))
    networks = [space.decode(tuple(map(int, row))) for row in genes]
    expected = [predictor.latency_ms(network) for network in networks]
    assert measured.evaluate(genes)[:, 1] == pytest.approx(expected, abs=1e-7)


@pytest.mark.slow
def test_nsga2_with_the_settings_of_the_paper(measured, truth):
    archive, population = percentages(measured, truth, Engine.NSGA2)
    assert population >= 90
    assert archive >= 95


@pytest.mark.slow
def test_sms_emoa_comes_closer(measured, truth):
    archive, _ = percentages(measured, truth, Engine.SMS_EMOA)
    assert archive >= 96


def test_random_search_is_far_behind(measured, truth):
    archive, _ = percentages(measured, truth, Engine.RANDOM)
    assert archive < 85
