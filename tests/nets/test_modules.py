"""Modules compute what their tables say, with weights that are the same everywhere and mean something."""

import hashlib

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.block import Block, parse_key
from mogakit.nets.modules import build_block, build_chain, build_network
from mogakit.nets.spaces import get_space


def image(size: int, num: int = 2, channels: int = 3) -> Tensor:
    """Seeded normal input."""
    return torch.randn(num, channels, size, size, generator=torch.Generator().manual_seed(1))


def digest(module: nn.Module) -> str:
    """A hash over all weights and statistics."""
    state = hashlib.sha256()
    for key, value in module.state_dict().items():
        state.update(key.encode() + value.numpy().tobytes())
    return state.hexdigest()


def test_a_moga_block_computes_the_published_function() -> None:
    block = parse_key("mb_i16e48o16_h9_k5s1_hswish_se12_res")
    module = build_block(block, seed=3)
    weights = module.state_dict()

    def norm(x: Tensor, name: str) -> Tensor:
        stats = [weights[f"{name}.norm.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *stats, training=False, eps=1e-5)

    def hswish(x: Tensor) -> Tensor:
        return x * F.relu6(x + 3) / 6

    x = image(9, channels=16)
    y = hswish(norm(F.conv2d(x, weights["expand.conv.weight"]), "expand"))
    y = hswish(norm(F.conv2d(y, weights["depthwise.conv.weight"], padding=2, groups=48), "depthwise"))
    gate = hswish(F.conv2d(y.mean((2, 3), keepdim=True), weights["se.reduce.weight"], weights["se.reduce.bias"]))
    gate = F.conv2d(gate, weights["se.expand.weight"], weights["se.expand.bias"])
    y = y * F.relu6(gate + 3) / 6
    y = norm(F.conv2d(y, weights["project.conv.weight"]), "project") + x
    with torch.no_grad():
        torch.testing.assert_close(module(x), y, rtol=1e-5, atol=1e-5)


def test_the_head_computes_pool_then_convolution_then_linear() -> None:
    module = build_block(parse_key("head_i8f24m16o5_h7_relu_mbias"))
    weights = module.state_dict()
    x = image(7, channels=8)
    stats = [weights[f"features.norm.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")]
    y = F.relu(F.batch_norm(F.conv2d(x, weights["features.conv.weight"]), *stats, training=False, eps=1e-5))
    y = y.mean((2, 3), keepdim=True)
    y = F.relu(F.conv2d(y, weights["hidden.conv.weight"], weights["hidden.conv.bias"])).flatten(1)
    y = F.linear(y, weights["classifier.weight"], weights["classifier.bias"])
    with torch.no_grad():
        torch.testing.assert_close(module(x), y, rtol=1e-5, atol=1e-5)


def test_a_pooled_skip_averages_what_is_there() -> None:
    plain = build_block(parse_key("conv_i4o4_h6_k3s1_relu_res"), seed=1)
    pooled = build_block(parse_key("conv_i4o4_h6_k3s1_relu_respool"), seed=1)
    x = torch.ones(1, 4, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), pooled(x))  # the mean of ones is one, at the border too
        assert not torch.allclose(plain(image(6, channels=4)), pooled(image(6, channels=4)))


@pytest.mark.parametrize("name", zoo.names())
def test_signals_neither_vanish_nor_explode_and_depend_on_the_image(name: str) -> None:
    network = zoo.get(name, input_size=96).network
    module = build_network(network)
    x = image(96)
    with torch.no_grad():
        for block in module.blocks:
            x = block(x)
            assert 0.2 < float(x.std()) < 3
            assert float(x.abs().max()) < 20
    assert x.shape == (2, 1000)
    assert float((x[0] - x[1]).abs().max()) > 0.02


def test_batch_norm_is_far_from_the_identity() -> None:
    for norm in build_network(zoo.get("moga-c", input_size=32).network).modules():
        if isinstance(norm, nn.BatchNorm2d):
            for value, identity in ((norm.weight, 1), (norm.bias, 0), (norm.running_mean, 0), (norm.running_var, 1)):
                assert float((value.detach() - identity).abs().max()) > 0.05


def test_weights_follow_the_seed_and_nothing_else() -> None:
    block = parse_key("mb_i16e48o24_h28_k5s2_relu_se12")
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first = digest(build_block(block, seed=5))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(12)
    assert digest(build_block(block, seed=5)) == first
    assert digest(build_block(block, seed=6)) != first


def test_weights_are_the_same_bits_on_every_machine() -> None:
    module = build_block(parse_key("mb_i16e48o24_h28_k5s2_relu_se12"))
    assert digest(module) == "475f89fc8510621bb101b776a874bdf93c9722e287c3436b64b045e9e051cb71"


def test_modules_are_built_in_eval_mode() -> None:
    assert not any(layer.training for layer in build_network(zoo.get("moga-a", input_size=32).network).modules())


def test_a_chain_is_copies_with_weights_of_their_own() -> None:
    block = parse_key("mb_i24e72o24_h8_k3s1_relu_res")
    chain = build_chain(block, 3)
    x = image(8, channels=24)
    with torch.no_grad():
        y = x
        for copy in chain.children():
            y = copy(y)
        torch.testing.assert_close(chain(x), y)
    assert len({digest(copy) for copy in chain.children()}) == 3


@pytest.mark.parametrize("key", ["mb_i24e72o40_h8_k3s1_relu", "conv_i8o8_h8_k3s2_relu", "head_i8o8_h1_linear"])
def test_blocks_that_do_not_fit_themselves_are_not_chained(key: str) -> None:
    with pytest.raises(InputError, match="cannot be chained"):
        build_chain(parse_key(key), 2)


def test_a_chain_has_a_copy() -> None:
    with pytest.raises(InputError, match="at least one"):
        build_chain(parse_key("mb_i24e72o24_h8_k3s1_relu_res"), 0)


def test_every_choice_of_moga_runs_and_has_the_promised_shape() -> None:
    blocks: list[Block] = list(get_space("moga").choice_blocks)
    for block in blocks:
        with torch.no_grad():
            y = build_block(block)(image(block.input_size, num=1, channels=block.in_channels))
        assert y.shape == (1, block.out_channels, block.output_size, block.output_size)
