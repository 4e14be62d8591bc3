"""Weights and batch-norm statistics as they are in trained networks, for every test that exports something.

With a mean of 0, a variance of 1 and no scale or shift, rounding errors are ten times smaller than in a real
checkpoint, and a wrong fold of a batch norm can go unseen. Here the statistics are estimated from seeded data, as
training estimates them, and scales and shifts are off 1 and 0.
"""

from typing import TypeVar

import torch
from torch import nn

from mogakit.nets.block import Block, parse_key
from mogakit.nets.modules import build_block, build_network
from mogakit.nets.network import Network

M = TypeVar("M", bound=nn.Module)
NUM_IMAGES = 8


def ordinary(module: M, input_shape: tuple[int, ...] | None = None, seed: int = 0) -> M:
    """Fill `module` from `seed` and return it in eval mode.

    Args:
        input_shape: of its input, of which a batch of eight is drawn; None to draw the statistics themselves.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = [child for child in module.modules() if isinstance(child, nn.modules.batchnorm._BatchNorm)]
    module.eval()
    with torch.no_grad():
        for child in module.modules():
            _fill(child, generator)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over what follows
            norm.train(input_shape is not None)
        if input_shape is not None:
            module(torch.randn((NUM_IMAGES, *input_shape[1:]), generator=generator))
        else:
            for norm in norms:
                _draw_statistics(norm, generator)
    return module.eval()


def ordinary_block(block: Block | str, seed: int = 0) -> tuple[nn.Module, tuple[int, ...]]:
    """Return a block, given as itself or by its key, with ordinary weights and statistics, and the shape it reads."""
    found = parse_key(block) if isinstance(block, str) else block
    shape = (1, found.in_channels, found.input_size, found.input_size)
    return ordinary(build_block(found, seed), shape, seed), shape


def ordinary_network(network: Network, seed: int = 0) -> tuple[nn.Module, tuple[int, ...]]:
    """Return a network with ordinary weights and statistics, and the shape of its input."""
    return ordinary(build_network(network, seed), network.input_shape, seed), network.input_shape


def _fill(module: nn.Module, generator: torch.Generator) -> None:
    """Fill the parameters that a module itself holds."""
    norm = isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm | nn.LayerNorm | nn.InstanceNorm2d)
    for name, value in module.named_parameters(recurse=False):
        if name == "bias":
            value.normal_(0, 0.3 if norm else 0.1, generator=generator)
        elif norm or value.dim() < 2:
            value.uniform_(0.5, 1.5, generator=generator)
        else:
            value.normal_(0, (2 / value[0].numel()) ** 0.5, generator=generator)


def _draw_statistics(norm: nn.modules.batchnorm._BatchNorm, generator: torch.Generator) -> None:
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.normal_(0, 0.5, generator=generator)
        norm.running_var.uniform_(0.2, 3.0, generator=generator)
