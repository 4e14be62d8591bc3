"""Counts are those of torch, layer by layer, and those that the papers print."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.block import Block, Op
from mogakit.nets.modules import NetworkModule
from mogakit.nets.network import Network, block_layers, count_madds, count_params, count_params_without_norm

DATA = Path(__file__).parent / "data"
GOLDEN = json.loads((DATA / "counts.json").read_text())["networks"]


def torch_counts(network: Network) -> list[dict[str, tuple[int, int]]]:
    """For each block, parameters and multiply-accumulates of each layer as torch runs it."""
    with torch.device("meta"):
        module = NetworkModule(network).eval()
        image = torch.empty(network.input_shape)
    madds: dict[nn.Module, int] = {}

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        madds[layer] = weight.numel() * output.shape[2:].numel()

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    module(image)
    counts = []
    for block in module.blocks:
        params: dict[str, int] = defaultdict(int)
        work: dict[str, int] = defaultdict(int)
        for name, layer in block.named_modules():
            role = name.removesuffix(".conv").removesuffix(".norm")
            params[role] += sum(value.numel() for value in layer.parameters(recurse=False))
            work[role] += madds.get(layer, 0)
        counts.append({role: (params[role], work[role]) for role in params if params[role]})
    return counts


def kit_counts(network: Network) -> list[dict[str, tuple[int, int]]]:
    """For each block, parameters and multiply-accumulates of each layer as the kit counts them."""
    return [
        {layer.role.replace("conv", ""): (layer.params, layer.madds) for layer in block_layers(block)}
        if block.op is Op.CONV
        else {layer.role: (layer.params, layer.madds) for layer in block_layers(block)}
        for block in network.blocks
    ]


def without_conv_name(counts: list[dict[str, tuple[int, int]]]) -> list[dict[str, tuple[int, int]]]:
    """Call the only layer of a `conv` block the same on both sides."""
    return [{role.replace("conv", ""): count for role, count in block.items()} for block in counts]


@pytest.mark.parametrize("name", zoo.names())
@pytest.mark.parametrize(("width", "input_size", "classes"), [(1.0, 224, 1000), (0.5, 160, 10), (1.25, 193, 100)])
def test_counts_are_those_of_torch_layer_by_layer(name: str, width: float, input_size: int, classes: int) -> None:
    network = zoo.get(name, width, input_size, classes).network
    assert without_conv_name(kit_counts(network)) == without_conv_name(torch_counts(network))


@pytest.mark.parametrize("name", zoo.names())
def test_counts_are_those_of_an_independent_recount(name: str) -> None:
    network = zoo.get(name).network
    assert count_params(network) == GOLDEN[name]["params"]
    assert count_params_without_norm(network) == GOLDEN[name]["params_without_bn_scale_offset"]
    assert count_madds(network) == GOLDEN[name]["madds"]


def test_the_recount_covers_the_zoo() -> None:
    assert set(GOLDEN) == set(zoo.names())


@pytest.mark.parametrize(
    ("name", "width", "input_size", "madds_m", "params_m"),
    [
        # slim/nets/mobilenet/README.md and mobilenet_v1.md; params without batch norm
        ("mobilenet-v2", 1.4, 224, 582, 6.06),
        ("mobilenet-v2", 0.75, 224, 209, 2.61),
        ("mobilenet-v2", 0.5, 224, 97, 1.95),
        ("mobilenet-v2", 0.35, 224, 59, 1.66),
        ("mobilenet-v3-large", 0.75, 224, 155, 4.0),
        ("mobilenet-v1", 0.75, 224, 325, 2.6),
        # multi-hardware paper Table 1
        ("mobilenet-v2", 1.25, 224, 487, 5.0),
        ("mobilenet-v3-large-minimalistic", 1.25, 224, 346, 5.7),
        # once-for-all README, at an input size that is inferred
        ("ofa-cpu-15ms", 1.0, 188, 301, 4.8),
    ],
)
def test_scaled_networks_have_their_published_counts(
    name: str, width: float, input_size: int, madds_m: float, params_m: float
) -> None:
    network = zoo.get(name, width, input_size).network
    assert round(count_madds(network) / 1e6) == madds_m
    digits = 2 if params_m * 100 % 10 else 1
    assert round(count_params_without_norm(network) / 1e6, digits) == params_m


def test_neighbours_that_do_not_fit_are_named() -> None:
    stem = Block(Op.CONV, 3, 16, 224, kernel=3, stride=2)
    head = Block(Op.HEAD, 24, 10, 112, norm_eps=None)
    with pytest.raises(InputError, match=r"block 0 .* gives 16 channels at 112 px, block 1 .* takes 24"):
        Network("bad", (stem, head))


@pytest.mark.parametrize("blocks", [(), (Block(Op.CONV, 3, 16, 224),)])
def test_a_network_ends_in_its_head(blocks: tuple[Block, ...]) -> None:
    with pytest.raises(InputError, match="head"):
        Network("bad", blocks)


def test_a_head_in_the_middle_is_rejected() -> None:
    head = Block(Op.HEAD, 8, 8, 1, norm_eps=None)
    with pytest.raises(InputError, match="one head"):
        Network("bad", (head, head))
