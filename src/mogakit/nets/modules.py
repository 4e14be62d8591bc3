"""Torch modules for blocks and networks, with seeded weights that make an export check mean something.

The modules use only operators that `export.lower` knows and have no data-dependent control flow, so that tracing them
gives the graph that the table describes. Names inside a block are those of `nets.network.Layer.role`.
"""

import math
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mogakit.errors import InputError
from mogakit.nets.block import Activation, Block, Op, SqueezeExcite
from mogakit.nets.kinds import get_kind
from mogakit.nets.network import Network

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    Activation.LINEAR: nn.Identity,
    Activation.RELU: nn.ReLU,
    Activation.RELU6: nn.ReLU6,
    Activation.HSWISH: nn.Hardswish,
    Activation.HSIGMOID: nn.Hardsigmoid,
    Activation.SIGMOID: nn.Sigmoid,
    Activation.SILU: nn.SiLU,
}


def activation_module(activation: Activation) -> nn.Module:
    """Return a fresh module for an activation."""
    return _ACTIVATIONS[activation]()


class ConvNorm(nn.Module):
    """Convolution with symmetric padding `kernel // 2`, batch norm, activation; the last two may be absent."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        activation: Activation = Activation.LINEAR,
        norm_eps: float | None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.norm: nn.Module = nn.Identity() if norm_eps is None else nn.BatchNorm2d(out_channels, eps=norm_eps)
        self.act = activation_module(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        result: Tensor = self.act(self.norm(self.conv(x)))
        return result


class SqueezeExciteModule(nn.Module):
    """Scale channels by a gate computed from their means."""

    def __init__(self, channels: int, spec: SqueezeExcite) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, spec.channels, 1)
        self.act = activation_module(spec.inner)
        self.expand = nn.Conv2d(spec.channels, channels, 1)
        self.gate = activation_module(spec.gate)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        gate: Tensor = self.gate(self.expand(self.act(self.reduce(self.pool(x)))))
        return x * gate


class BodyModule(nn.Module):
    """Any block but a head: its stages in a row, and the shortcut around them."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.residual = block.residual
        eps, bias, act = block.norm_eps, block.bias, block.activation
        i, o, k, s = block.in_channels, block.out_channels, block.kernel, block.stride
        middle = block.expanded_channels or i
        self.conv: nn.Module = nn.Identity()
        self.expand: nn.Module = nn.Identity()
        self.depthwise: nn.Module = nn.Identity()
        self.se: nn.Module = nn.Identity()
        self.project: nn.Module = nn.Identity()
        if block.op is Op.CONV:
            middle = o
            self.conv = ConvNorm(i, o, k, s, activation=act, norm_eps=eps, bias=bias)
        elif block.op is Op.FUSED:
            self.expand = ConvNorm(i, middle, k, s, activation=act, norm_eps=eps, bias=bias)
        else:
            if block.op is Op.MB:
                self.expand = ConvNorm(i, middle, activation=act, norm_eps=eps, bias=bias)
            self.depthwise = ConvNorm(middle, middle, k, s, middle, activation=act, norm_eps=eps, bias=bias)
        if block.se is not None:
            self.se = SqueezeExciteModule(middle, block.se)
        if block.op is not Op.CONV:
            self.project = ConvNorm(middle, o, activation=block.out_activation, norm_eps=eps, bias=bias)
        pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.shortcut: nn.Module = pool if block.pool_skip else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        result: Tensor = self.project(self.se(self.depthwise(self.expand(self.conv(x)))))
        return self.shortcut(x) + result if self.residual else result


class HeadModule(nn.Module):
    """[1x1,] global average pool, [1x1,] dropout, linear."""

    def __init__(self, block: Block, dropout: float = 0.0) -> None:
        super().__init__()
        act, eps, width = block.activation, block.norm_eps, block.in_channels
        self.features: nn.Module = nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.hidden: nn.Module = nn.Identity()
        if block.features is not None:
            self.features = ConvNorm(width, block.features, activation=act, norm_eps=eps, bias=block.bias)
            width = block.features
        if block.hidden is not None:
            hidden_eps = eps if block.hidden_norm else None
            bias = block.hidden_bias
            self.hidden = ConvNorm(width, block.hidden, activation=act, norm_eps=hidden_eps, bias=bias)
            width = block.hidden
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, block.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to logits (N, classes)."""
        pooled: Tensor = self.hidden(self.pool(self.features(x)))
        logits: Tensor = self.classifier(self.dropout(torch.flatten(pooled, 1)))
        return logits


class NetworkModule(nn.Module):
    """The module of `network`; `blocks[i]` is the module of `network.blocks[i]`, and the last one is the head."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        body = [block_module(block) for block in network.blocks[:-1]]
        self.blocks = nn.Sequential(*body, HeadModule(network.blocks[-1], network.dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, classes)."""
        logits: Tensor = self.blocks(x)
        return logits


def block_module(block: Block) -> nn.Module:
    """Return the untrained module of a block, with torch's own initialisation."""
    if block.kind is not None:
        return get_kind(block.kind).module(block)
    return HeadModule(block) if block.op is Op.HEAD else BodyModule(block)


def build_network(network: Network, seed: int = 0) -> NetworkModule:
    """Build a network in eval mode with the deterministic weights of `fill_weights`."""
    with torch.device("meta"):
        module = NetworkModule(network)
    return _materialised(module, seed)


def build_block(block: Block, seed: int = 0) -> nn.Module:
    """Build one block in eval mode with the deterministic weights of `fill_weights`."""
    with torch.device("meta"):
        module = block_module(block)
    return _materialised(module, seed)


def build_chain(block: Block, num_copies: int, seed: int = 0) -> nn.Module:
    """Build `num_copies` of a block in a row, each with weights of its own.

    Raises:
        InputError: the block's output does not fit its input, or there is no copy.
    """
    if (block.out_channels, block.output_size) != (block.in_channels, block.input_size) or block.op is Op.HEAD:
        raise InputError(f"{block.key} cannot be chained: it needs stride 1 and as many channels out as in")
    if num_copies < 1:
        raise InputError(f"a chain has at least one copy, not {num_copies}")
    with torch.device("meta"):
        module = nn.Sequential(*(block_module(block) for _ in range(num_copies)))
    return _materialised(module, seed)


M = TypeVar("M", bound=nn.Module)


def _materialised(module: M, seed: int) -> M:
    """Move a module from the meta device (where building it costs nothing) and give it its weights."""
    module.to_empty(device="cpu")
    fill_weights(module, seed)
    return module.eval()


def fill_weights(module: nn.Module, seed: int = 0) -> None:
    """Fill every weight and batch-norm statistic from `seed`, the same bits on every machine.

    The scale follows the mean square of what each layer reads, so that activations keep their size through any depth.
    Kernels of dense convolutions sum to zero over their inputs, which keeps the common mean of rectified inputs from
    drowning what depends on the image. Values are uniform: numpy draws them as integers, and every later step is
    exact or correctly rounded.
    """
    _fill(module, np.random.default_rng(seed), 1.0)


# Mean square behind an activation of a unit normal; linear is 1.
_POWER = {nn.ReLU: 0.5, nn.ReLU6: 0.5, nn.Hardswish: 0.36, nn.SiLU: 0.36, nn.Sigmoid: 0.29, nn.Hardsigmoid: 0.28}
_UNIFORM_STD = 12**-0.5  # standard deviation of U(0, 1)


def _fill(module: nn.Module, rng: np.random.Generator, power: float) -> float:
    """Fill a module that reads inputs of mean square `power`; return the mean square of its output."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        _fill_weighted(module, rng, power)
        return 1.0
    if isinstance(module, nn.BatchNorm2d):
        _fill_norm(module, rng)
        return 1.0
    if type(module) in _POWER:
        return power * _POWER[type(module)]
    if isinstance(module, SqueezeExciteModule):
        return power * _fill_children(module, rng, power)
    result = _fill_children(module, rng, power)
    return result + power if isinstance(module, BodyModule) and module.residual else result


def _fill_children(module: nn.Module, rng: np.random.Generator, power: float) -> float:
    """Fill children in the order in which they were registered, which in this module is that in which they run."""
    for child in module.children():
        power = _fill(child, rng, power)
    return power


def _fill_weighted(layer: nn.Conv2d | nn.Linear, rng: np.random.Generator, power: float) -> None:
    """Give a convolution or linear layer weights of variance `1 / (fan_in * power)`."""
    shape = tuple(layer.weight.shape)
    drawn = rng.random(shape, dtype=np.float32)
    dense = shape[1] > 1
    # Sums of float32 draws are exact in float64 in any order, so this mean is the same on every machine.
    mean = drawn.mean(axis=tuple(range(1, len(shape))), dtype=np.float64, keepdims=True) if dense else 0.5
    std = (math.prod(shape[1:]) * power) ** -0.5
    weight = ((drawn - mean) * (std / _UNIFORM_STD)).astype(np.float32)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        if layer.bias is not None:
            layer.bias.copy_(_uniform(rng, layer.bias.shape, -0.2, 0.2))


def _fill_norm(norm: nn.BatchNorm2d, rng: np.random.Generator) -> None:
    """Give a batch norm statistics and an affine map that are far from the identity, but keep the scale."""
    shape = norm.weight.shape
    with torch.no_grad():
        norm.weight.copy_(_uniform(rng, shape, 0.8, 1.2))
        norm.bias.copy_(_uniform(rng, shape, -0.3, 0.3))
        if norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None:
            norm.running_mean.copy_(_uniform(rng, shape, -0.2, 0.2))
            norm.running_var.copy_(_uniform(rng, shape, 0.8, 1.25))
            norm.num_batches_tracked.zero_()


def _uniform(rng: np.random.Generator, shape: torch.Size, low: float, high: float) -> Tensor:
    values = rng.random(tuple(shape), dtype=np.float32)
    return torch.from_numpy((low + (high - low) * values.astype(np.float64)).astype(np.float32))
