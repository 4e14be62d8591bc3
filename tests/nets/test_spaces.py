"""Spaces hold the published networks, and chromosomes and networks agree in both directions."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import InputError, KeySyntaxError
from mogakit.nets import zoo
from mogakit.nets.block import Activation, Op
from mogakit.nets.network import count_madds, count_params
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SlotSpace, format_chromosome, get_space, parse_chromosome, space_names

DATA = Path(__file__).parent / "data"
MOGA = {  # MoGA Table 2 and the authors' code
    "moga-a": (8, 10, 6, 7, 1, 7, 6, 10, 5, 10, 6, 6, 9, 9),
    "moga-b": (0, 0, 10, 0, 8, 7, 9, 0, 11, 10, 2, 11, 11, 7),
    "moga-c": (2, 0, 2, 0, 2, 2, 9, 2, 2, 6, 7, 7, 7, 7),
}


@pytest.mark.parametrize(("name", "chromosome"), MOGA.items())
def test_the_published_chromosomes_are_the_published_networks(name: str, chromosome: tuple[int, ...]) -> None:
    network = zoo.get(name).network
    space = get_space("moga")
    assert space.decode(chromosome).blocks == network.blocks
    assert space.decode(chromosome).dropout == network.dropout
    assert space.encode(network) == chromosome


def test_the_moga_space_has_its_published_size() -> None:
    space = get_space("moga")
    assert isinstance(space, SlotSpace)
    assert space.size == 12**14
    assert sum(len(choices) for choices in space.slots) == 168
    assert len(space.choice_blocks) == 120
    assert len(space.fixed_blocks) == 3
    assert sum(map(count_params, space.fixed_blocks)) == 2_666_248
    assert sum(map(count_madds, space.fixed_blocks)) == 20_471_808


def test_every_moga_choice_has_its_recounted_params_and_madds() -> None:
    space = get_space("moga")
    assert isinstance(space, SlotSpace)
    rows = json.loads((DATA / "moga_choices.json").read_text())["choices"]
    assert len(rows) == 168
    for layer, choice, params, madds in rows:
        block = space.slots[layer - 1][choice]
        assert (count_params(block), count_madds(block)) == (params, madds)


def test_moga_choices_are_indexed_by_expansion_then_kernel_then_se() -> None:
    space = get_space("moga")
    assert isinstance(space, SlotSpace)
    for choices in space.slots:
        for index, block in enumerate(choices):
            assert block.expanded_channels is not None
            wide = block.expanded_channels == 6 * block.in_channels
            assert index == 6 * wide + {3: 0, 5: 2, 7: 4}[block.kernel] + (block.se is not None)


def test_the_relu_variant_of_moga_has_no_hswish() -> None:
    space = get_space("moga-relu")
    assert isinstance(space, SlotSpace)
    blocks = space.choice_blocks + space.fixed_blocks
    assert len(space.choice_blocks) == 120
    assert all(block.activation is Activation.RELU for block in blocks)
    assert all(block.se is None or block.se.inner is Activation.RELU for block in blocks)


@pytest.mark.parametrize("name", ["fairnas-a", "fairnas-b", "fairnas-c"])
def test_the_fairnas_networks_lie_in_their_space(name: str) -> None:
    network = zoo.get(name).network
    space = get_space("fairnas")
    assert space.size == 6**19
    assert space.decode(space.encode(network)).blocks == network.blocks


@pytest.mark.parametrize("name", ["multi-avg", "multi-max"])
def test_the_multi_hardware_networks_lie_in_their_space(name: str) -> None:
    network = zoo.get(name).network
    space = get_space("multi-hardware")
    assert space.decode(space.encode(network)).blocks == network.blocks
    assert space.decode(space.encode(network)).dropout == network.dropout


def test_proxyless_mobile_lies_in_the_space_of_tunas_but_for_its_activation() -> None:
    network = zoo.get("proxyless-mobile").network
    with_relu = replace(network, blocks=tuple(replace(b, activation=Activation.RELU) for b in network.blocks))
    # PROXYLESSNAS_MOBILE_OPERATIONS of the TuNAS archive
    operations = (0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1, 4, 1, 1, 1, 5, 5, 2, 2, 5)
    assert get_space("tunas-proxyless").encode(with_relu) == operations
    with pytest.raises(InputError, match="does not lie"):
        get_space("tunas-proxyless").encode(network)


def test_the_tunas_space_has_22_operations_and_its_size() -> None:
    space = get_space("tunas-proxyless")
    assert space.num_choices == (3, *((6, 7, 7, 7) * 5), 6)
    assert space.size == 3 * (6 * 7**3) ** 5 * 6


def test_the_mnasnet_space_varies_around_mobilenet_v2() -> None:
    space = get_space("mnasnet")
    assert max(space.num_choices) == 48  # 4 convolutions x 2 kernels x 2 SE x 3 skips
    rng = np.random.default_rng(0)
    for _ in range(20):
        *body, head = space.decode(space.sample(rng)).blocks
        assert head.features == 1280
        assert 7 <= len(body) - 1 <= 24  # the first and third stage have no fewer than one layer


@pytest.mark.parametrize("name", space_names())
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_chromosomes_survive_decode_and_encode(name: str, seed: int) -> None:
    space = get_space(name)
    chromosome = space.sample(np.random.default_rng(seed))
    network = space.decode(chromosome)
    canonical = space.encode(network)
    assert space.decode(canonical).blocks == network.blocks
    assert space.encode(space.decode(canonical)) == canonical
    if isinstance(space, SlotSpace):
        assert canonical == chromosome


@pytest.mark.parametrize("name", space_names())
def test_every_block_of_a_network_is_a_row_of_its_space(name: str) -> None:
    space = get_space(name)
    rows = set(space.choice_blocks + space.fixed_blocks)
    rng = np.random.default_rng(1)
    for _ in range(25):
        assert set(space.decode(space.sample(rng)).blocks) <= rows


@pytest.mark.parametrize("name", space_names())
def test_a_seed_gives_the_same_chromosomes(name: str) -> None:
    space = get_space(name)
    first, second = (np.random.default_rng(3) for _ in range(2))
    drawn = [space.sample(first) for _ in range(5)]
    assert drawn == [space.sample(second) for _ in range(5)]
    assert len(set(drawn)) > 1


@pytest.mark.parametrize("name", space_names())
def test_sampling_reaches_every_choice(name: str) -> None:
    space = get_space(name)
    rng = np.random.default_rng(0)
    drawn = np.array([space.sample(rng) for _ in range(600)])
    assert [len(set(column)) for column in drawn.T] == list(space.num_choices)


@pytest.mark.parametrize("name", space_names())
def test_input_size_and_classes_are_parameters(name: str) -> None:
    space = get_space(name, input_size=64, num_classes=7)
    network = space.decode(space.sample(np.random.default_rng(0)))
    assert network.input_size == 64
    assert network.num_classes == 7


def test_a_network_of_elsewhere_is_rejected_with_the_block_that_differs() -> None:
    network = zoo.get("moga-a").network
    first = replace(network.blocks[1], residual=True)
    changed = replace(network, blocks=(network.blocks[0], first, *network.blocks[2:]))
    with pytest.raises(InputError, match=r"block 1 is sep_i16o16_h112_k3s1_relu_res; supported: sep_i16o16"):
        get_space("moga").encode(changed)
    with pytest.raises(InputError, match="19 blocks"):
        get_space("moga").encode(zoo.get("mobilenet-v2").network)


@pytest.mark.parametrize(
    ("chromosome", "message"),
    [((0,) * 13, "has 14 genes, this one 13"), ((0,) * 13 + (12,), "gene 13 .* is 12; supported: 0 to 11")],
)
def test_chromosomes_that_do_not_fit_are_rejected(chromosome: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_space("moga").decode(chromosome)


@given(st.lists(st.integers(0, 99), min_size=1).map(tuple))
def test_chromosomes_are_read_as_written(chromosome: tuple[int, ...]) -> None:
    assert parse_chromosome(format_chromosome(chromosome)) == chromosome
    assert parse_chromosome(" ".join(map(str, chromosome))) == chromosome


@pytest.mark.parametrize("text", ["", "-", "8-x-6", "8-1.5", "²"])
def test_what_is_no_chromosome_is_rejected(text: str) -> None:
    with pytest.raises(KeySyntaxError, match="not a chromosome"):
        parse_chromosome(text)


def test_an_unknown_space_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown search space 'darts'; supported: moga, "):
        get_space("darts")


def test_names_resolve_to_networks() -> None:
    assert resolve("moga-a") == zoo.get("moga-a").network
    text = "moga/" + format_chromosome(MOGA["moga-b"])
    assert resolve(text).blocks == zoo.get("moga-b").network.blocks
    assert resolve(text).name == text
    assert resolve(text, input_size=96).input_size == 96
    with pytest.raises(InputError, match="unknown network 'moga-d'; did you mean moga-a, moga-b, moga-c"):
        resolve("moga-d")
    with pytest.raises(InputError, match="width"):
        resolve(text, width=0.5)


def test_fixed_parts_and_choices_of_staged_spaces_do_not_overlap_in_kind() -> None:
    for name in ("multi-hardware", "mnasnet", "tunas-proxyless"):
        space = get_space(name)
        assert {block.op for block in space.fixed_blocks} == {Op.CONV, Op.HEAD}
        assert not set(space.fixed_blocks) & set(space.choice_blocks)
