"""Where accuracy and latency come from."""

import math

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.nets.spaces import get_space
from mogakit.search.cache import EvaluationCache
from mogakit.search.metrics import NetworkMetric, SumMetric
from mogakit.search.sources import (
    PROXY,
    FittedModel,
    accuracy_metric,
    capacity,
    latency_metric,
    load_fitted,
    summed_latency_metric,
)

A = (8, 10, 6, 7, 1, 7, 6, 10, 5, 10, 6, 6, 9, 9)
A_TEXT = "-".join(map(str, A))


def test_the_proxy_is_never_called_accuracy(space):
    metric = accuracy_metric("proxy", space)
    assert metric.name == PROXY == "proxy"
    assert "no accuracy" in metric.source


def test_a_table_gives_what_it_names_and_nothing_else(space, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"chromosome,accuracy,note\n{A_TEXT},75.9,paper\n")
    metric = accuracy_metric(f"table:{path}", space)
    values = metric.evaluate(np.array([A, (0,) * 14]))
    assert values[0] == 75.9
    assert math.isnan(values[1])
    assert metric.name == "accuracy"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,accuracy\n", "no column chromosome.*chromosome and accuracy"),
        (f"chromosome,accuracy\n{A_TEXT},high\n", "line 2"),
        ("chromosome,accuracy\n1-2-3,70\n", "line 2.*14 genes"),
        (f"chromosome,accuracy\n{A_TEXT},70\n{A_TEXT},71\n", "line 3.*twice"),
    ],
)
def test_a_broken_table_names_the_line(space, tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        accuracy_metric(f"table:{path}", space)


def test_a_function_is_imported_by_name(space):
    metric = accuracy_metric("mogakit.search.sources:capacity", space)
    assert isinstance(metric, NetworkMetric)
    assert metric.evaluate(np.array([A]))[0] == capacity(space.decode(A))


@pytest.mark.parametrize(
    "text",
    ["nothing", "no.such.module:f", "mogakit.search.sources:absent", "mogakit.search.sources:PROXY", "proxy:depth"],
)
def test_an_unknown_source_says_what_is_legal(space, text):
    with pytest.raises(InputError, match=r"supported:|imported|not a function|there is one"):
        accuracy_metric(text, space)


def test_a_fitted_model_is_read_back_and_adds_up(space, tmp_path):
    rows = tuple(tuple(float(choice + slot) for choice in range(12)) for slot in range(14))
    FittedModel(space="moga", bias=10.0, coefficients=rows, num_networks=500, r2=0.9, source="test").save(
        tmp_path / "m.json"
    )
    metric = accuracy_metric(f"fitted:{tmp_path / 'm.json'}", space)
    assert isinstance(metric, SumMetric)
    assert metric.evaluate(np.array([A]))[0] == 10 + sum(A) + sum(range(14))


def test_a_fitted_model_is_called_what_it_was_fitted_on(space, tmp_path):
    rows = ((0.0,) * 12,) * 14
    for name in (PROXY, "latency"):
        FittedModel(
            space="moga", bias=1.0, coefficients=rows, num_networks=500, r2=0.9, source="test", metric=name
        ).save(tmp_path / f"{name}.json")
    assert accuracy_metric(f"fitted:{tmp_path / 'proxy.json'}", space).name == PROXY
    with pytest.raises(InputError, match="a model of latency"):
        accuracy_metric(f"fitted:{tmp_path / 'latency.json'}", space)


def test_a_model_of_another_space_or_no_model_is_rejected(space, tmp_path):
    FittedModel(space="other", bias=0.0, coefficients=((0.0,),), num_networks=10, r2=None, source="test").save(
        tmp_path / "m.json"
    )
    with pytest.raises(InputError, match="space 'other'"):
        load_fitted(tmp_path / "m.json", space)
    (tmp_path / "n.json").write_text("{}")
    with pytest.raises(InputError, match="valid FittedModel"):
        load_fitted(tmp_path / "n.json", space)


def test_the_proxy_works_in_a_space_without_slots():
    space = get_space("multi-hardware")
    chromosome = space.sample(np.random.default_rng(0))
    values = accuracy_metric("proxy", space).evaluate(np.array([chromosome]))
    assert values[0] == pytest.approx(capacity(space.decode(chromosome)), abs=1e-7)  # terms lie on the grid of sums


def test_latency_of_a_device_that_cannot_run_a_network_is_missing(space):
    class Picky:
        def latency_ms(self, network):
            return None if network.blocks[2].se else 3.0

    metric = latency_metric(Picky(), space, "latency", "picky")
    assert metric.evaluate(np.array([(0,) * 14]))[0] == 3.0
    assert math.isnan(metric.evaluate(np.array([(1,) * 14]))[0])


def test_slot_costs_with_holes_become_a_sum_with_holes(space):
    costs = [np.ones(12) for _ in range(14)]
    costs[0][5] = math.nan
    metric = summed_latency_metric(costs, "latency", "test")
    assert metric.evaluate(np.array([(0,) * 14]))[0] == 14
    assert math.isnan(metric.evaluate(np.array([(5, *[0] * 13)]))[0])


def test_a_network_is_trained_on_its_own_once(tmp_path):
    digits = get_space("digits")
    text = "train:digits,data=digits,epochs=0.2,seed=1"
    path = np.array([(0,) * 6])
    with EvaluationCache(tmp_path / "kept.sqlite") as cache:
        metric = accuracy_metric(text, digits, cache)
        (value,) = metric.evaluate(path)
        assert 0 < value < 100
        assert metric.unit == "%"
        assert "0.2 epochs" in metric.source
        assert cache.get(metric.identity, ["0-0-0-0-0-0"]) == {"0-0-0-0-0-0": value}
        cache.put(metric.identity, [("1-0-0-0-0-0", 12.5)])  # what a killed search left behind
        assert accuracy_metric(text, digits, cache).evaluate(np.array([(1, 0, 0, 0, 0, 0)]))[0] == 12.5
        other = accuracy_metric("train:digits,data=digits,epochs=0.3,seed=1", digits, cache)
        assert other.identity != metric.identity


@pytest.mark.parametrize(
    "text",
    ["digits", "digits,data=", "digits,data=digits,epochs=0", "digits,data=digits,epochs=x", "digits,data=digits,lr=1"],
)
def test_a_training_that_cannot_be_read_says_how_it_is_written(text):
    with pytest.raises(InputError, match="train:RECIPE,data="):
        accuracy_metric(f"train:{text}", get_space("digits"))


def test_a_training_names_what_does_not_fit():
    with pytest.raises(InputError, match="known are"):
        accuracy_metric("train:nothing,data=digits", get_space("digits"))
    with pytest.raises(InputError, match="batch of 4096"):
        accuracy_metric("train:mnasnet,data=digits", get_space("digits"))
