"""The block kind `shuffled`: an inverted bottleneck with groups in its 1x1 convolutions, and channels shuffled.

FBNet's blocks with two groups (Wu et al., arXiv 1812.03443, figure 3); read from github.com/GATECH-EIC/HW-NAS-Bench
`hw_nas_bench_api/fbnet_models/model_infer.py`. The setting `groups` says how many there are.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mogakit.errors import InputError
from mogakit.nets.block import Block
from mogakit.nets.layer import Layer

if TYPE_CHECKING:  # counting layers must not load torch
    from torch import nn


class Shuffled:
    """1x1 in groups, norm, activation, shuffle, depthwise, norm, activation, 1x1 in groups, norm [, shortcut]."""

    def layers(self, block: Block) -> Iterator[Layer]:
        """Yield the three convolutions.

        Raises:
            InputError: the groups do not divide the channels, or a field is set that such a block has not.
        """
        groups, middle = _groups(block), _middle(block)
        norm, after = block.norm_eps is not None, block.output_size
        yield Layer(
            role="expand",
            in_channels=block.in_channels,
            out_channels=middle,
            output_size=block.input_size,
            groups=groups,
            norm=norm,
        )
        yield Layer(
            role="depthwise",
            in_channels=middle,
            out_channels=middle,
            output_size=after,
            kernel=block.kernel,
            groups=middle,
            norm=norm,
        )
        yield Layer(
            role="project",
            in_channels=middle,
            out_channels=block.out_channels,
            output_size=after,
            groups=groups,
            norm=norm,
        )

    def module(self, block: Block) -> "nn.Module":
        """Return the module; see `layers` for what it raises."""
        from mogakit.nets.shuffled_module import ShuffledModule

        return ShuffledModule(block, _groups(block), _middle(block))


def _groups(block: Block) -> int:
    groups = dict(block.settings).get("groups", 0)
    widths = (block.in_channels, _middle(block), block.out_channels)
    if [name for name, _ in block.settings] != ["groups"] or groups < 1 or any(width % groups for width in widths):
        raise InputError(
            f"{block.key}: a shuffled block has one setting, groups, which divides its channels {widths}; "
            f"given {dict(block.settings)}"
        )
    if block.se is not None or block.bias or block.pool_skip:
        raise InputError(f"{block.key}: a shuffled block has no squeeze-and-excitation, bias or pooled shortcut")
    return groups


def _middle(block: Block) -> int:
    return block.expanded_channels or block.in_channels
