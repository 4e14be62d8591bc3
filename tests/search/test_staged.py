"""Sums over the blocks of staged spaces, and their exact front, against every network looked at."""

import fnmatch
from dataclasses import replace
from itertools import product

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.network import count_madds, count_params
from mogakit.nets.spaces import StagedSpace, get_space
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage
from mogakit.search.additive import on_grid
from mogakit.search.exact_staged import exact_staged_front, finest_staged_front
from mogakit.search.problem import allowed_choices
from mogakit.search.sources import block_capacity
from mogakit.search.staged import StagedCosts, all_staged, costs_of, staged_costs

CHOICES = (
    LayerChoice(op=Op.MB, kernel=3, expansion=3),
    LayerChoice(op=Op.FUSED, kernel=3, expansion=2),
    LayerChoice(op=Op.MB, kernel=5, expansion=6),
)
STEM = Stage(filters=(8, 16), stride=2, choices=(LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE),))


def small_space(body: tuple[Stage, ...]) -> StagedSpace:
    head = Block(Op.HEAD, 16, 10, 8, activation=Activation.RELU, norm_eps=1e-3, features=32)
    return StagedSpace(
        name="small",
        stages=(STEM, *body),
        head=head,
        input_size=32,
        activation=Activation.RELU,
        norm_eps=1e-3,
    )


def stage(filters: tuple[int, ...], stride: int, depths: tuple[int, ...] = (1,), **kind: bool) -> Stage:
    return Stage(filters=filters, stride=stride, choices=CHOICES, depths=depths, **kind)


SPACES = {
    "depths": small_space((stage((8, 24), 2, (1, 2, 3)), stage((16, 32), 1))),
    "shared": small_space((stage((8, 24), 2, (1, 3), shared=True), stage((16, 32), 1, (2,)))),
    "skippable": small_space((stage((8, 24), 2, (3,), skippable=True), stage((16,), 1))),
}


def random_cost(seed: int):
    """Costs without order, one a block: nothing but the right block gives the right sum."""
    known: dict[str, float] = {}
    rng = np.random.default_rng(seed)
    return lambda block: known.setdefault(block.key, float(rng.integers(1, 1000)))


def every_network(space: StagedSpace) -> np.ndarray:
    return np.array(list(product(*(range(count) for count in space.num_choices))))


def sums_of(space: StagedSpace, cost, genes: np.ndarray) -> np.ndarray:
    return np.array([sum(cost(block) for block in space.decode(tuple(row)).blocks) for row in genes.tolist()])


@pytest.mark.parametrize("name", ["multi-hardware", "mnasnet", "tunas-proxyless"])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_sum_is_that_of_the_networks_blocks(name: str, seed: int) -> None:
    space = get_space(name)
    chromosome = space.sample(np.random.default_rng(seed))
    costs = costs_of(space, count_params)
    assert costs.evaluate(np.array([chromosome])) == count_params(space.decode(chromosome))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_extremes_are_reached_and_never_passed(space: StagedSpace) -> None:
    cost = random_cost(1)
    sums = sums_of(space, cost, every_network(space))
    assert staged_costs(space, cost, constant=7.0).extremes() == (sums.min() + 7.0, sums.max() + 7.0)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_restricted_costs_are_those_of_the_allowed_values(space: StagedSpace) -> None:
    rng = np.random.default_rng(2)
    allowed = [sorted(rng.permutation(count)[: max(1, count - 1)].tolist()) for count in space.num_choices]
    cost = random_cost(3)
    places = np.array([[rng.integers(len(values)) for values in allowed] for _ in range(50)])
    genes = np.array([[values[place] for values, place in zip(allowed, row, strict=True)] for row in places])
    restricted = staged_costs(space, cost).restricted(allowed)
    assert restricted.evaluate(places).tolist() == sums_of(space, cost, genes).tolist()


@pytest.mark.parametrize("num_objectives", [2, 3])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_front_is_that_of_all_networks(space: StagedSpace, seed: int, num_objectives: int) -> None:
    asked = [random_cost(10 * seed + place) for place in range(num_objectives)]
    senses = [place % 2 == 0 for place in range(num_objectives)]
    costs = [staged_costs(space, cost) for cost in asked]
    genes, values = exact_staged_front(costs, senses)
    everything = every_network(space)
    sums = np.stack([each.evaluate(everything) for each in costs], axis=1)
    best = sums[moocore.is_nondominated(sums, maximise=senses, keep_weakly=False)]
    assert values.tolist() == best[np.lexsort(best.T[::-1])].tolist()
    found = np.stack([sums_of(space, cost, genes) for cost in asked], axis=1)
    assert found.tolist() == values.tolist()  # the genes are of networks that have those sums


def test_a_block_without_a_number_is_an_error_that_says_what_to_do() -> None:
    space = SPACES["depths"]
    costs = staged_costs(space, lambda block: float("nan") if block.op is Op.FUSED else 1.0)
    assert costs.has_holes
    with pytest.raises(Exception, match="--forbid"):
        exact_staged_front([costs], [True])


@pytest.mark.parametrize("name", ["multi-hardware", "mnasnet", "tunas-proxyless", "ofa-mobilenetv3", "fbnet"])
def test_genes_choose_the_blocks_that_networks_have(name: str) -> None:
    space = get_space(name)
    assert isinstance(space, StagedSpace)
    columns = space.blocks_by_gene
    assert tuple(map(len, columns)) == space.num_choices
    rng = np.random.default_rng(4)
    for _ in range(5):
        chromosome = space.sample(rng)
        choosable = {block for gene, values in zip(chromosome, columns, strict=True) for block in values[gene]}
        body = set(space.decode(chromosome).blocks) - set(space.fixed_blocks)
        assert body <= choosable


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("multi-hardware", "fused_*"),
        ("mnasnet", "*_k5*"),
        ("tunas-proxyless", "*_k7*"),
        ("fbnet", "own-shuffled*"),
        ("moga", "*_se*"),
    ],
)
def test_what_is_forbidden_is_in_no_network_that_is_left(name: str, pattern: str) -> None:
    space = get_space(name)
    allowed = allowed_choices(space, [pattern])
    assert [len(kept) for kept in allowed] != list(space.num_choices)
    rng = np.random.default_rng(5)
    for _ in range(20):
        network = space.decode(tuple(int(rng.choice(kept)) for kept in allowed))
        assert not fnmatch.filter([block.key for block in network.blocks], pattern)


def test_blocks_cannot_be_forbidden_where_genes_choose_none_or_nothing_would_be_left() -> None:
    with pytest.raises(InputError, match="genes of space 'nas-bench-201' do not choose blocks"):
        allowed_choices(get_space("nas-bench-201"), ["own-nbcell*"])
    with pytest.raises(InputError, match="leave no choice in slot"):
        allowed_choices(get_space("multi-hardware"), ["mb_*", "fused_*"])
    with pytest.raises(InputError, match="matches no block"):
        allowed_choices(get_space("fbnet"), ["*_hswish*"])


def test_a_front_too_large_is_given_within_a_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    space = SPACES["depths"]
    capacity, madds = costs_of(space, block_capacity), costs_of(space, lambda block: count_madds(block) / 1e3)
    latency = staged_costs(space, random_cost(5))
    assert all(isinstance(each, StagedCosts) for each in (capacity, madds))
    _, tolerance = finest_staged_front([capacity, madds], [True, False])
    assert tolerance == 0.0
    costs, senses = [capacity, madds, latency], [True, False, False]
    genes, tolerance = finest_staged_front(costs, senses)
    assert 0.0 < tolerance < 0.05
    values = np.stack([cost.evaluate(genes) for cost in costs], axis=1)
    everything = every_network(space)
    sums = np.stack([cost.evaluate(everything) for cost in costs], axis=1)
    slack = np.array([tolerance * (high - low) for low, high in (cost.extremes() for cost in costs)])
    signs = np.where(senses, 1.0, -1.0)
    near = ((values[None] * signs + slack >= sums[:, None] * signs - 1e-9).all(axis=2)).any(axis=1)
    assert near.all()


def test_sums_over_genes_join_sums_over_blocks_where_the_number_of_layers_is_fixed() -> None:
    space = get_space("tunas-proxyless")
    rng = np.random.default_rng(7)
    genes = on_grid(3.0, [rng.random(count) for count in space.num_choices])
    blocks = costs_of(space, count_madds)
    chromosomes = np.array([space.sample(rng) for _ in range(20)])
    first, second = all_staged([genes, blocks])
    assert first.evaluate(chromosomes) == pytest.approx(genes.evaluate(chromosomes))
    assert second is blocks
    found, values = exact_staged_front([first, second.scaled(1e-9)], [True, False])
    assert genes.evaluate(found) == pytest.approx(values[:, 0])
    varied = SPACES["depths"]
    with pytest.raises(InputError, match="counts blocks"):
        all_staged([on_grid(0.0, [np.zeros(n) for n in varied.num_choices]), costs_of(varied, count_madds)])


def test_scaled_sums_add_up() -> None:
    space = SPACES["shared"]
    costs = staged_costs(space, random_cost(6), constant=2.0)
    genes = every_network(space)[:20]
    twice = StagedCosts.summed([costs, costs], 0.5)
    assert twice.evaluate(genes) == pytest.approx(costs.evaluate(genes))
    assert replace(costs, constant=0.0).scaled(3.0).evaluate(genes) == pytest.approx(3 * (costs.evaluate(genes) - 2.0))
