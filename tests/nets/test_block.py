"""A key says everything that changes a block's graph, and nothing else."""

import math
import re
import string
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mogakit.errors import InputError, KeySyntaxError
from mogakit.nets import zoo
from mogakit.nets.block import Activation, Block, Op, SqueezeExcite, parse_key
from mogakit.nets.modules import block_module
from mogakit.nets.spaces import get_space, space_names

ACTIVATIONS = st.sampled_from(Activation)
WIDTHS = st.integers(1, 2000)
EPSILONS = st.one_of(st.just(1e-5), st.just(1e-3), st.none(), st.floats(1e-12, 0.5))


@st.composite
def body_blocks(draw: st.DrawFn) -> Block:
    """Any block that is not a head."""
    op = draw(st.sampled_from([Op.CONV, Op.SEP, Op.MB, Op.FUSED]))
    channels = draw(WIDTHS)
    stride = draw(st.integers(1, 3))
    residual = stride == 1 and draw(st.booleans())
    se = draw(st.none() | st.builds(SqueezeExcite, WIDTHS, ACTIVATIONS, ACTIVATIONS))
    return Block(
        op,
        channels,
        channels if residual else draw(WIDTHS),
        draw(st.integers(1, 512)),
        kernel=draw(st.sampled_from([1, 3, 5, 7, 9])),
        stride=stride,
        activation=draw(ACTIVATIONS),
        expanded_channels=draw(WIDTHS) if op in (Op.MB, Op.FUSED) else None,
        out_activation=draw(ACTIVATIONS) if op is Op.SEP else Activation.LINEAR,
        se=se,
        residual=residual,
        pool_skip=residual and draw(st.booleans()),
        norm_eps=draw(EPSILONS),
        bias=draw(st.booleans()),
    )


@st.composite
def heads(draw: st.DrawFn) -> Block:
    """Any head."""
    features, hidden = draw(st.none() | WIDTHS), draw(st.none() | WIDTHS)
    hidden_norm = hidden is not None and draw(st.booleans())
    eps = draw(EPSILONS) if features is not None or hidden_norm else None
    return Block(
        Op.HEAD,
        draw(WIDTHS),
        draw(WIDTHS),
        draw(st.integers(1, 64)),
        activation=Activation.LINEAR if features is hidden is None else draw(ACTIVATIONS),
        norm_eps=1e-5 if hidden_norm and eps is None else eps,
        bias=features is not None and draw(st.booleans()),
        features=features,
        hidden=hidden,
        hidden_bias=hidden is not None and draw(st.booleans()),
        hidden_norm=hidden_norm,
    )


BLOCKS = st.one_of(body_blocks(), heads())


@given(BLOCKS)
def test_a_key_reads_back_as_its_block(block: Block) -> None:
    assert parse_key(block.key) == block


@given(BLOCKS)
def test_a_key_is_a_file_stem(block: Block) -> None:
    assert set(block.key) <= set(string.ascii_lowercase + string.digits + "_-")
    assert len(block.key) < 150


@given(BLOCKS, BLOCKS)
def test_unequal_blocks_have_unequal_keys(left: Block, right: Block) -> None:
    assert (left == right) == (left.key == right.key)


@pytest.mark.parametrize(
    ("key", "block"),
    [
        (
            "conv_i3o16_h224_k3s2_hswish",
            Block(
                Op.CONV,
                3,
                16,
                224,
                kernel=3,
                stride=2,
                activation=Activation.HSWISH,
            ),
        ),
        (
            "mb_i40e240o40_h28_k7s1_hswish_se60_res",
            Block(
                Op.MB,
                40,
                40,
                28,
                kernel=7,
                activation=Activation.HSWISH,
                expanded_channels=240,
                se=SqueezeExcite(60, Activation.HSWISH),
                residual=True,
            ),
        ),
        (
            "sep_i32o64_h112_k3s1_relu6_out-relu6_eps1e-3",
            Block(
                Op.SEP,
                32,
                64,
                112,
                kernel=3,
                activation=Activation.RELU6,
                out_activation=Activation.RELU6,
                norm_eps=1e-3,
            ),
        ),
        (
            "head_i1024o1000_h7_linear",
            Block(Op.HEAD, 1024, 1000, 7, norm_eps=None),
        ),
    ],
)
def test_keys_read_as_documented(key: str, block: Block) -> None:
    assert block.key == key
    assert parse_key(key) == block


def test_mobilenet_v3_and_mnasnet_blocks_of_one_naive_name_have_two_keys() -> None:
    v3 = zoo.get("mobilenet-v3-large").network.blocks[5]
    a1 = zoo.get("mnasnet-a1").network.blocks[5]
    assert (v3.in_channels, v3.kernel, v3.expanded_channels, v3.activation) == (
        a1.in_channels,
        a1.kernel,
        a1.expanded_channels,
        a1.activation,
    )
    assert v3.key == "mb_i40e120o40_h28_k5s1_relu_se32_res_eps1e-3"
    assert a1.key == "mb_i40e120o40_h28_k5s1_relu_se10-relu-sigmoid_res_eps1e-3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mb",
        "mb_i40o40_h28_k5s1_relu",  # no expansion
        "mb_i40e120o41_h28_k5s1_relu_res",  # a residual between unequal channels
        "mb_i40e120o40_h28_k4s1_relu",  # an even kernel
        "mb_i40e120o40_h28_k5s1_relu_eps1e-5",  # the default, written out
        "mb_i40e120o40_h28_k5s1_relu_se30-relu-hsigmoid",  # the usual, written out
        "mb_i040e120o40_h28_k5s1_relu",  # a leading zero
        "mb_i40e120o40_h28_k5s1_relu_res_se30",  # words in another order
        "mb_i40e120o40_h28_k5s1_gelu",
        "head_i160o1000_h7_k1s1_linear",
        "MB_i40e120o40_h28_k5s1_relu",
        "mb_i40e120o40_h28_k5s1_relu\n",
        "mb_i٤e120o40_h28_k5s1_relu",
    ],
)
def test_what_is_no_key_is_rejected_with_what_was_given(text: str) -> None:
    with pytest.raises(KeySyntaxError, match=re.escape(repr(text))):
        parse_key(text)


GOOD = Block(Op.MB, 8, 8, 14, kernel=3, expanded_channels=24, residual=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 2}, "residual needs stride 1"),
        ({"in_channels": 0}, "at least 1"),
        ({"kernel": 2}, "even"),
        ({"expanded_channels": None}, "expanded_channels"),
        ({"out_activation": Activation.RELU}, "belongs to sep"),
        ({"residual": False, "pool_skip": True}, "there is none"),
        ({"norm_eps": 0.0}, "between 0 and 1"),
        ({"features": 32}, "belong to head"),
    ],
)
def test_impossible_blocks_are_rejected(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(GOOD, **changes)


@given(st.integers(1, 600), st.sampled_from([1, 3, 5, 7]), st.integers(1, 3))
def test_output_size_is_that_of_torch(size: int, kernel: int, stride: int) -> None:
    block = Block(Op.CONV, 1, 1, size, kernel=kernel, stride=stride)
    with torch.device("meta"):
        out = block_module(block).eval()(torch.empty(1, 1, size, size))
    assert out.shape[-1] == block.output_size


def signature(block: Block) -> tuple[object, ...]:
    """What torch would compute: its layers with all their settings, and what is added around them."""
    with torch.device("meta"):
        module = block_module(block)
    leaves = [layer for layer in module.modules() if not list(layer.children())]
    layers = [repr(layer) for layer in leaves if not isinstance(layer, nn.Identity | nn.Dropout)]
    return (block.input_size, getattr(module, "residual", False), *layers)


def all_blocks() -> list[Block]:
    """Every block of every network and space."""
    found: dict[Block, None] = {}
    for name in zoo.names():
        for width in (0.75, 1.0, 1.25):
            found.update(dict.fromkeys(zoo.get(name, width).network.blocks))
    for name in space_names():
        space = get_space(name)
        found.update(dict.fromkeys(space.choice_blocks + space.fixed_blocks))
    return list(found)


def test_distinct_graphs_have_distinct_keys_over_all_networks_and_spaces() -> None:
    blocks = all_blocks()
    assert len(blocks) > 5000
    assert [parse_key(block.key) for block in blocks] == blocks
    assert len({block.key for block in blocks}) == len(blocks)
    built = blocks[:600] + blocks[600::7]  # graphs of all would take a quarter of a minute
    assert len({signature(block) for block in built}) == len(built)


def test_epsilons_are_written_without_a_dot_and_without_loss() -> None:
    for eps in (0.0015, 1e-3, 0.1, math.pi / 10, 1.5e-8):
        block = replace(GOOD, norm_eps=eps)
        assert parse_key(block.key).norm_eps == eps
        assert "." not in block.key


def test_the_keys_in_the_documentation_are_keys() -> None:
    text = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
    keys = re.findall(r"\b(?:conv|sep|mb|fused|head)_i\d\S*?(?=`|\s)", text)
    assert len(keys) >= 9
    for key in keys:
        assert parse_key(key).key == key
