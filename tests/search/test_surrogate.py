"""An additive model on few evaluations and its exact front, against an accuracy that does not add up."""

from dataclasses import replace

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.nets.spaces import Chromosome
from mogakit.progress import silent
from mogakit.search.evolution import Evolution, Settings
from mogakit.search.front_quality import hypervolume
from mogakit.search.surrogate import SurrogateSettings, search_by_fit, spread
from mogakit.search.truth import find_truth


class Interacting:
    """A proxy with interactions between neighbouring slots, saturating: a stand-in for a supernet's accuracy."""

    name, unit, source, parts = "proxy", "", "made up", None

    def __init__(self, proxy) -> None:
        self.proxy = proxy
        self.pairs = np.random.default_rng(0).normal(0, 0.35, (13, 12, 12))
        self.num_asked = 0

    def evaluate(self, genes):
        self.num_asked += len(genes)
        pairs = sum(self.pairs[slot][genes[:, slot], genes[:, slot + 1]] for slot in range(13))
        return 76 - 8 * np.exp(-(self.proxy.evaluate(genes) + pairs - 315) / 10)


@pytest.fixture
def interacting(problem):
    return replace(problem, metrics=(Interacting(problem.metrics[0]), *problem.metrics[1:]))


def test_a_thousand_evaluations_cover_more_than_8400_of_nsga2(problem, interacting):
    box = find_truth(problem).box
    box = replace(box, best=(76.0, *box.best[1:]), worst=(66.0, *box.worst[1:]))
    found = search_by_fit(interacting, SurrogateSettings(500, 500), 0, silent)
    assert interacting.metrics[0].num_asked <= 1000
    assert 0.5 < found.models["proxy"].r2 < 1
    evolution = Evolution(interacting, Settings(), 0)
    while not evolution.finished:
        evolution.step()
    by_fit = hypervolume(found.archive.feasible_objectives(), box)
    by_evolution = hypervolume(evolution.archive.feasible_objectives(), box)
    assert by_fit >= by_evolution


def test_it_repeats(interacting):
    one, two = (search_by_fit(interacting, SurrogateSettings(50, 20), 7, silent).archive for _ in range(2))
    assert np.array_equal(one.genes, two.genes)


def test_where_everything_adds_up_the_exact_front_is_named(problem):
    with pytest.raises(InputError, match="--engine exact"):
        search_by_fit(problem, SurrogateSettings(), 0, silent)


def test_spread_points_are_far_apart():
    points = np.column_stack([np.linspace(0, 1, 101), np.zeros(101)])
    assert sorted(spread(points, 3).tolist()) == [0, 50, 100]
    assert len(spread(points, 1000)) == 101


def test_too_few_evaluations_are_rejected():
    with pytest.raises(InputError, match="at least 10"):
        SurrogateSettings(3, 3)


def test_a_metric_of_another_kind_is_fitted_on_what_exists(interacting):
    class Partly(Interacting):
        def evaluate(self, genes):
            values = super().evaluate(genes)
            values[genes[:, 0] == 11] = np.nan
            return values

    problem = replace(interacting, metrics=(Partly(interacting.metrics[0].proxy), *interacting.metrics[1:]))
    found = search_by_fit(problem, SurrogateSettings(100, 20), 0, silent)
    known: list[Chromosome] = [row for row in found.archive.genes[:100].tolist() if row[0] != 11]
    assert found.models["proxy"].num_networks == len(known)
