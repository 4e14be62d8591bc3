"""`Layer`: one convolution or linear layer of a block, as it is counted."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One convolution or linear layer with its batch norm, as it is counted.

    Attributes:
        role: its name inside the block, as in `nets.modules` (`expand`, `depthwise`, `se.reduce`).
        output_size: height and width of its output in pixels.
        groups: 1, or `in_channels` for a depthwise convolution.
    """

    role: str
    in_channels: int
    out_channels: int
    output_size: int
    kernel: int = 1
    groups: int = 1
    bias: bool = False
    norm: bool = False

    @property
    def num_weights(self) -> int:
        """Number of weights without bias and norm."""
        return self.out_channels * (self.in_channels // self.groups) * self.kernel**2

    @property
    def params(self) -> int:
        """Number of trainable values: weights, bias, batch-norm scale and offset."""
        return self.num_weights + self.out_channels * (int(self.bias) + 2 * int(self.norm))

    @property
    def madds(self) -> int:
        """Multiply-accumulates for one image."""
        return self.num_weights * self.output_size**2
