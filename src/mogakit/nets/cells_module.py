"""The torch modules of NAS-Bench-201's blocks."""

from collections.abc import Sequence

from torch import Tensor, nn

from mogakit.nets.block import Block
from mogakit.nets.cells import EDGES, KERNELS, NAMES
from mogakit.nets.modules import activation_module


class ActConvNorm(nn.Module):
    """Activation, convolution without bias, norm."""

    def __init__(self, block: Block, in_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.act = activation_module(block.activation)
        self.conv = nn.Conv2d(in_channels, block.out_channels, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.Identity()
        if block.norm_eps is not None:
            self.norm = nn.BatchNorm2d(block.out_channels, eps=block.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        result: Tensor = self.norm(self.conv(self.act(x)))
        return result


class CellModule(nn.Module):
    """One cell; a node that no edge reaches is zero."""

    def __init__(self, block: Block, operations: Sequence[str]) -> None:
        super().__init__()
        self.operations = tuple(operations)
        self.edges = nn.ModuleDict()
        for name, operation in zip(NAMES, operations, strict=True):
            if operation in KERNELS:
                self.edges[name] = ActConvNorm(block, block.in_channels, KERNELS[operation])
            elif operation == "avg_pool_3x3":
                self.edges[name] = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
            elif operation == "skip_connect":
                self.edges[name] = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        nodes = [x]
        for node in (1, 2, 3):
            total: Tensor | None = None
            for name, (start, end) in zip(NAMES, EDGES, strict=True):
                if end == node and name in self.edges:
                    value = self.edges[name](nodes[start])
                    total = value if total is None else total + value
            nodes.append(x * 0.0 if total is None else total)
        return nodes[3]


class ReductionModule(nn.Module):
    """Half the resolution, two 3x3 convolutions, and a shortcut through a pooled 1x1 convolution."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.first = ActConvNorm(block, block.in_channels, block.kernel, stride=2)
        self.second = ActConvNorm(block, block.out_channels, block.kernel)
        self.pool = nn.AvgPool2d(2, stride=2)
        self.shortcut = nn.Conv2d(block.in_channels, block.out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / 2, W / 2)."""
        result: Tensor = self.shortcut(self.pool(x)) + self.second(self.first(x))
        return result


class NormActivationModule(nn.Module):
    """Norm and activation."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(block.out_channels, eps=block.norm_eps or 0.0)
        self.act = activation_module(block.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        result: Tensor = self.act(self.norm(x))
        return result
