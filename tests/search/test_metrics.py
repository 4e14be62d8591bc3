"""Metrics that must be asked network by network: parallel, cached, and asked once."""

import math
from pathlib import Path

import numpy as np
import pytest

from mogakit.nets.network import Network, count_params
from mogakit.search.cache import EvaluationCache
from mogakit.search.metrics import NetworkMetric, SumMetric, hardware_metric
from mogakit.search.multi_hardware import f_avg, f_max
from mogakit.search.sources import accuracy_metric


def ask_params(chromosome: tuple[int, ...], network: Network) -> float | None:
    return None if chromosome[0] == 11 else float(count_params(network))


class Counting:
    """Counts its calls in a file, so that calls of worker processes count as well."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, chromosome: tuple[int, ...], network: Network) -> float:
        with self.path.open("a") as file:
            file.write("x")
        return float(sum(chromosome))

    @property
    def calls(self) -> int:
        return len(self.path.read_text()) if self.path.exists() else 0


@pytest.fixture
def genes():
    return np.random.default_rng(0).integers(11, size=(12, 14))


def test_values_come_in_order_and_none_is_nan(space, genes):
    genes[3, 0] = 11
    values = NetworkMetric(name="n", unit="", source="test", identity="test", space=space, ask=ask_params).evaluate(
        genes
    )
    assert math.isnan(values[3])
    assert values[0] == count_params(space.decode(tuple(map(int, genes[0]))))


def test_a_network_is_asked_for_once_in_a_search_and_never_again_with_a_cache(space, genes, tmp_path):
    ask = Counting(tmp_path / "calls")
    with EvaluationCache(tmp_path / "c.sqlite") as cache:
        metric = NetworkMetric(name="n", unit="", source="test", identity="id", space=space, ask=ask, cache=cache)
        assert metric.evaluate(np.concatenate([genes, genes])).tolist() == [*genes.sum(axis=1)] * 2
        metric.evaluate(genes)
        assert ask.calls == 12
    with EvaluationCache(tmp_path / "c.sqlite") as cache:
        again = NetworkMetric(name="n", unit="", source="test", identity="id", space=space, ask=ask, cache=cache)
        assert again.evaluate(genes).tolist() == genes.sum(axis=1).tolist()
        assert ask.calls == 12
        NetworkMetric(
            name="n", unit="", source="test", identity="another identity", space=space, ask=ask, cache=cache
        ).evaluate(genes[:2])
        assert ask.calls == 14


def test_each_value_is_kept_before_the_next_is_asked_for(space, genes, tmp_path):
    class Dies(Counting):
        def __call__(self, chromosome, network):
            if self.calls == 5:
                raise KeyboardInterrupt
            return super().__call__(chromosome, network)

    ask = Dies(tmp_path / "calls")
    with EvaluationCache(tmp_path / "c.sqlite") as cache, pytest.raises(KeyboardInterrupt):
        NetworkMetric(name="n", unit="", source="test", identity="id", space=space, ask=ask, cache=cache).evaluate(
            genes
        )
    with EvaluationCache(tmp_path / "c.sqlite") as cache:
        NetworkMetric(
            name="n", unit="", source="test", identity="id", space=space, ask=Counting(tmp_path / "calls"), cache=cache
        ).evaluate(genes)
    assert ask.calls == 12


def test_workers_give_the_same_values(space, genes):
    # a function of the kit, since worker processes cannot import a test
    source = "mogakit.search.sources:capacity"
    alone = accuracy_metric(source, space).evaluate(genes)
    assert np.array_equal(alone, accuracy_metric(source, space, num_jobs=2).evaluate(genes))


@pytest.mark.parametrize("worst", [False, True])
@pytest.mark.parametrize("additive", [False, True])
def test_hardware_metrics_are_the_formulas_of_the_paper(space, random_costs, worst, additive):
    rng = np.random.default_rng(0)
    sums = [SumMetric(f"l{i}", "ms", "", random_costs(rng, 14, 12).scaled(1.0)) for i in range(3)]
    sums = [SumMetric(each.name, "ms", "", shifted(each.costs)) for each in sums]
    asked = [
        NetworkMetric(name=each.name, unit="ms", source="", identity=each.name, space=space, ask=AskSum(each))
        for each in sums
    ]
    factors, weights = (3.0, 5.0, 7.0), (1.0, 0.0, 2.0)
    metric = hardware_metric(worst, sums if additive else asked, factors, weights)
    genes = rng.integers(12, size=(10, 14))
    formula = f_max if worst else f_avg
    expected = [formula(row, factors, weights) for row in zip(*(each.evaluate(genes) for each in sums), strict=True)]
    assert metric.evaluate(genes) == pytest.approx(expected, abs=1e-6)
    assert (metric.parts is None) is not additive


class AskSum:
    def __init__(self, metric: SumMetric) -> None:
        self.metric = metric

    def __call__(self, chromosome: tuple[int, ...], network: Network) -> float:
        return float(self.metric.evaluate(np.array([chromosome]))[0])


def shifted(costs):
    """Return the same terms with a constant that keeps every sum above zero."""
    return type(costs)(10.0, costs.per_slot)


def test_a_hardware_without_a_value_leaves_none(space, random_costs):
    costs = random_costs(np.random.default_rng(0), 14, 12)
    holes = [column.copy() for column in costs.per_slot]
    holes[0][3] = math.nan
    one = SumMetric("a", "ms", "", shifted(costs))
    two = SumMetric("b", "ms", "", type(costs)(10.0, tuple(holes)))
    genes = np.zeros((2, 14), dtype=np.int64)
    genes[1, 0] = 3
    values = hardware_metric(True, [one, two], (1.0, 1.0)).evaluate(genes)
    assert not math.isnan(values[0])
    assert math.isnan(values[1])
