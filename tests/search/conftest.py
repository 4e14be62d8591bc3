"""A small world for the search: the MoGA space with costs that are made up, but add up like real ones."""

import numpy as np
import pytest

from mogakit.nets.block import Block
from mogakit.nets.network import count_madds, count_params
from mogakit.nets.spaces import SlotSpace, get_space
from mogakit.search.additive import SlotCosts, block_costs, on_grid
from mogakit.search.metrics import SumMetric
from mogakit.search.problem import Objective, Problem
from mogakit.search.sources import proxy_metric


@pytest.fixture(scope="session")
def space() -> SlotSpace:
    moga = get_space("moga")
    assert isinstance(moga, SlotSpace)
    return moga


@pytest.fixture(scope="session")
def latency_costs(space: SlotSpace) -> SlotCosts:
    return synthetic_latency(space, seed=1)


@pytest.fixture(scope="session")
def problem(space: SlotSpace, latency_costs: SlotCosts) -> Problem:
    return additive_problem(space, latency_costs)


def additive_problem(space: SlotSpace, latency: SlotCosts) -> Problem:
    """Capacity proxy, latency and params, as MoGA weights them."""
    return Problem(
        space=space,
        metrics=(
            proxy_metric(space),
            SumMetric("latency", "ms", "made up", latency),
            SumMetric("params", "", "counted", block_costs(space, count_params)),
        ),
        objectives=(Objective("proxy", True, 0.4), Objective("latency", False, 0.4), Objective("params", True, 0.2)),
    )


def synthetic_latency(space: SlotSpace, seed: int) -> SlotCosts:
    """Compute time with noise a block, in milliseconds."""
    rng = np.random.default_rng(seed)
    noise: dict[Block, float] = {}

    def cost(block: Block) -> float:
        factor = noise.setdefault(block, float(np.exp(rng.normal(0, 0.1))))
        return factor * (0.02 + count_madds(block) / 5e7 + (0.02 if block.se else 0.0))

    return block_costs(space, cost)


@pytest.fixture
def random_costs():
    """Return a maker of random sums: (rng, num_slots, num_choices) -> SlotCosts."""

    def make(rng: np.random.Generator, num_slots: int, num_choices: int) -> SlotCosts:
        return on_grid(float(rng.normal()), rng.lognormal(0.0, 1.0, (num_slots, num_choices)))

    return make
