"""The spaces of Once-for-All, ProxylessNAS, FBNet and NAS-Bench-201 are what their authors' code says they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.block import Activation, Block, Op, SqueezeExcite
from mogakit.nets.cells import EDGES, OPERATIONS
from mogakit.nets.kind_laws import broken_block_laws
from mogakit.nets.kinds import register_block_kind
from mogakit.nets.modules import build_block
from mogakit.nets.network import count_madds, count_params
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import StagedSpace, cell_space_names, get_space, space_names
from mogakit.nets.spaces.laws import broken_laws
from mogakit.nets.spaces.nas_bench_201 import CellSpace

NB201 = get_space("nas-bench-201")
assert isinstance(NB201, CellSpace)


def test_once_for_all_has_the_number_of_networks_that_its_paper_gives() -> None:
    space = get_space("ofa-mobilenetv3")
    assert isinstance(space, StagedSpace)
    networks = sum(9**depth for depth in (2, 3, 4)) ** 5
    assert 2e19 < networks < 2.2e19  # "over 2 x 10^19", the abstract says 10^19
    assert space.num_choices == (3, 9, 9, 9, 9) * 5


@pytest.mark.parametrize(
    ("name", "filters", "head"),
    [
        ("ofa-mobilenetv3", (16, 16, 24, 40, 80, 112, 160), (960, 1280)),
        ("ofa-mobilenetv3-w1.2", (24, 24, 32, 48, 96, 136, 192), (1152, 1536)),
        ("ofa-proxylessnas", (40, 24, 32, 56, 104, 128, 248, 416), (1664, None)),
        ("proxylessnas", (32, 16, 24, 40, 80, 96, 192, 320), (1280, None)),
    ],
)
def test_filters_are_those_of_the_authors(name: str, filters: tuple[int, ...], head: tuple[int, int | None]) -> None:
    space = get_space(name)
    assert isinstance(space, StagedSpace)
    assert tuple(stage.filters[0] for stage in space.stages) == filters
    assert (space.head.features, space.head.hidden) == head


def test_blocks_of_once_for_all_have_its_activations_gates_and_shortcuts() -> None:
    space = get_space("ofa-mobilenetv3")
    largest = space.decode((2, *(8,) * 4) * 5)
    stem, first, *body, head = largest.blocks
    assert (stem.activation, first.activation, first.residual) == (Activation.HSWISH, Activation.RELU, True)
    assert [block.activation for block in body] == [Activation.RELU] * 8 + [Activation.HSWISH] * 12
    assert [block.se is not None for block in body] == [False] * 4 + [True] * 4 + [False] * 4 + [True] * 8
    assert body[4].se == SqueezeExcite(40, Activation.RELU)  # 24 x 6 = 144, a quarter is 36, and 40 the next of eight
    assert [block.residual for block in body] == [False, True, True, True] * 5
    assert {block.kernel for block in body} == {7}
    assert head.output_size == 1


def test_a_network_that_once_for_all_published_lies_in_its_space() -> None:
    network = zoo.get("ofa-cpu-15ms").network
    space = get_space("ofa-proxylessnas")
    assert space.decode(space.encode(network)).blocks == network.blocks


def test_the_genes_of_fbnet_are_the_places_in_the_list_of_hw_nas_bench() -> None:
    space = get_space("fbnet")
    assert space.num_choices == (9,) * 22
    assert space.size == 9**22
    every = [space.decode((gene,) * 22).blocks for gene in range(9)]
    k5_e1_g2, skips = every[5], every[8]
    assert {block.kind for block in k5_e1_g2[1:-1]} == {"shuffled"}
    assert {block.kernel for block in k5_e1_g2[1:-1]} == {5}
    assert [block.key for block in skips[1:-1]][:2] == ["conv_i16o24_h112_k1s2_relu", "conv_i24o32_h56_k1s2_relu"]
    assert len(skips) == 2 + 6  # identities are absent layers, and the six that change the shape are convolutions
    assert [block.expanded_channels for block in every[3][1:4]] == [96, 96, 144]
    assert every[0][1].residual  # the first layer keeps the stem's shape


def test_the_largest_network_of_nas_bench_201_has_its_published_size() -> None:
    network = NB201.decode((3,) * 6)  # all 3x3 convolutions
    assert (count_params(network), count_madds(network)) == (1_531_546, 220_119_680)
    assert len(network.blocks) == 1 + 15 + 2 + 1 + 1


@given(genes=st.lists(st.integers(0, 4), min_size=6, max_size=6).map(tuple))
def test_architectures_of_nas_bench_201_read_back(genes: tuple[int, ...]) -> None:
    assert NB201.read_architecture(NB201.format_architecture(genes)) == genes


def test_architectures_are_written_as_the_benchmark_writes_them() -> None:
    text = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert NB201.read_architecture(text) == (4, 2, 1, 2, 1, 1)
    for wrong in (text[:-1], text.replace("~2", "~1"), text.replace("avg_pool_3x3", "max_pool"), ""):
        with pytest.raises(InputError, match="is not an architecture of nas-bench-201"):
            NB201.read_architecture(wrong)


def test_a_cell_sums_its_edges() -> None:
    cell = NB201.decode((1, 4, 0, 1, 1, 1)).blocks[1]  # 0-1 skip, 0-2 pool, 1-2 none, 0-3, 1-3 and 2-3 skip
    images = torch.rand(1, 16, 32, 32)
    pooled = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    assert torch.allclose(build_block(cell)(images), 2 * images + pooled, atol=1e-6)
    nothing = NB201.decode((0,) * 6).blocks[1]
    assert not build_block(nothing)(images).any()
    assert (len(EDGES), len(OPERATIONS)) == (6, 5)


@pytest.mark.parametrize("name", cell_space_names())
def test_spaces_of_whole_networks_keep_the_laws_of_all_spaces(name: str) -> None:
    assert name not in space_names()
    assert broken_laws(get_space(name), num_samples=4) == ()


@pytest.mark.parametrize(
    "key",
    [
        "own-shuffled_i16e16o16_h16_k3s1_relu_res_set-groups2",
        "own-shuffled_i24e72o32_h16_k5s2_relu_set-groups2",
        "own-nbcell_i16o16_h8_k3s1_relu_set-a3-b2-c4-d1-e0-f3",
        "own-nbreduce_i16o32_h8_k3s2_relu",
        "own-normact_i16o16_h8_k1s1_relu",
    ],
)
def test_the_kits_own_kinds_keep_the_laws_of_blocks(key: str) -> None:
    from mogakit.nets.block import parse_key

    assert broken_block_laws(parse_key(key)) == ()


SHUFFLED = Block(
    Op.OWN, 16, 16, 8, kernel=3, activation="relu", expanded_channels=16, kind="shuffled", settings=(("groups", 2),)
)
CELL = NB201.decode((0,) * 6).blocks[1]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (replace(SHUFFLED, settings=(("groups", 3),)), "groups, which divides its channels"),
        (replace(SHUFFLED, settings=()), "groups, which divides its channels"),
        (replace(SHUFFLED, bias=True), "no squeeze-and-excitation, bias"),
        (replace(CELL, settings=(*CELL.settings[:5], ("f", 5))), "each of 0 to 4"),
        (replace(CELL, out_channels=32), "keeps its channels"),
        (replace(CELL, bias=True), "no expansion, squeeze-and-excitation, bias"),
        (Block(Op.OWN, 16, 32, 7, kernel=3, stride=2, activation="relu", kind="nbreduce"), "an even side"),
        (Block(Op.OWN, 16, 32, 7, activation="relu", kind="normact"), "keep the shape"),
    ],
)
def test_fields_that_such_a_block_has_not_are_rejected(block: Block, message: str) -> None:
    with pytest.raises(InputError, match=message):
        count_params(block)


def test_the_kits_kinds_are_not_replaced() -> None:
    with pytest.raises(InputError, match="one of the kit's own block kinds"):
        register_block_kind("nbcell", object())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["moga", "ofa-mobilenetv3", "fbnet", "nas-bench-201"])
def test_a_space_has_the_resolution_that_its_name_states(name: str) -> None:
    space = get_space(f"{name}@160px")
    network = space.decode(space.sample(np.random.default_rng(0)))
    assert network.input_size == 160
    assert resolve(network.name) == network
    assert space.name == f"{name}@160px"
    assert space.encode(network) == space.encode(resolve(network.name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("moga@0px", "out of range"),
        ("moga@9999px", "out of range"),
        ("darts@32px", "only the kit's own spaces take a size"),
        ("nas-bench-201@30px", "not a multiple of 4"),
        ("moga@x", "unknown search space"),
    ],
)
def test_a_size_that_no_space_has_is_rejected(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_space(name)
    with pytest.raises(InputError, match="for 96 px, not for 64"):
        get_space("moga@96px", input_size=64)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["fbnet", "proxylessnas"]))
def test_what_a_layer_is_does_not_depend_on_which_absent_layers_come_before_it(seed: int, name: str) -> None:
    space = get_space(name)
    chromosome = space.sample(np.random.default_rng(seed))
    network = space.decode(chromosome)
    assert space.decode(space.encode(network)).blocks == network.blocks
