"""The torch module of a `shuffled` block."""

import torch
from torch import Tensor, nn

from mogakit.nets.block import Block
from mogakit.nets.modules import ConvNorm


class ChannelShuffle(nn.Module):
    """Interleave the channels of the groups, so that the next convolution reads from all of them."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, groups x C, H, W) to the same shape."""
        count, channels, height, width = x.shape
        parts = x.reshape(count, self.groups, channels // self.groups, height, width)
        return torch.transpose(parts, 1, 2).reshape(count, channels, height, width)


class ShuffledModule(nn.Module):
    """An inverted bottleneck with `groups` groups in its 1x1 convolutions."""

    def __init__(self, block: Block, groups: int, middle: int) -> None:
        super().__init__()
        act, eps, k, s = block.activation, block.norm_eps, block.kernel, block.stride
        self.residual = block.residual
        self.expand = ConvNorm(block.in_channels, middle, groups=groups, activation=act, norm_eps=eps)
        self.shuffle = ChannelShuffle(groups)
        self.depthwise = ConvNorm(middle, middle, k, s, middle, activation=act, norm_eps=eps)
        self.project = ConvNorm(middle, block.out_channels, groups=groups, norm_eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        result: Tensor = self.project(self.depthwise(self.shuffle(self.expand(x))))
        return x + result if self.residual else result
