"""The block kinds of NAS-Bench-201: its cell, its reduction, and norm with activation.

Read from github.com/D-X-Y/AutoDL-Projects `xautodl/models/`; `nets.cells` has the cell's edges and operations.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mogakit.errors import InputError
from mogakit.nets.block import Block
from mogakit.nets.cells import KERNELS, NAMES, check_plain, operations_of
from mogakit.nets.layer import Layer

if TYPE_CHECKING:  # counting layers must not load torch
    from torch import nn


class Cell:
    """Four nodes; convolutions are ReLU, convolution, norm."""

    def layers(self, block: Block) -> Iterator[Layer]:
        """Yield the convolutions of the edges, also of those that lead nowhere, as the benchmark counts them.

        Raises:
            InputError: see `operations_of`.
        """
        for name, operation in zip(NAMES, operations_of(block), strict=True):
            if operation in KERNELS:
                yield Layer(
                    role=f"edges.{name}.conv",
                    in_channels=block.in_channels,
                    out_channels=block.out_channels,
                    output_size=block.output_size,
                    kernel=KERNELS[operation],
                    norm=block.norm_eps is not None,
                )

    def module(self, block: Block) -> "nn.Module":
        """Return the module.

        Raises:
            InputError: see `operations_of`.
        """
        from mogakit.nets.cells_module import CellModule

        return CellModule(block, operations_of(block))


class Reduction:
    """The residual block that halves the resolution: two 3x3 convolutions beside a pooled 1x1 convolution."""

    def layers(self, block: Block) -> Iterator[Layer]:
        """Yield its three convolutions.

        Raises:
            InputError: its stride or kernel is another, or the input's side is odd.
        """
        _check_reduction(block)
        widths = (block.in_channels, block.out_channels)
        norm, after = block.norm_eps is not None, block.output_size
        for role, width in zip(("first", "second"), widths, strict=True):
            yield Layer(
                role=role,
                in_channels=width,
                out_channels=block.out_channels,
                output_size=after,
                kernel=block.kernel,
                norm=norm,
            )
        yield Layer(role="shortcut", in_channels=block.in_channels, out_channels=block.out_channels, output_size=after)

    def module(self, block: Block) -> "nn.Module":
        """Return the module; see `layers` for what it raises."""
        from mogakit.nets.cells_module import ReductionModule

        _check_reduction(block)
        return ReductionModule(block)


class NormActivation:
    """Batch norm and activation behind the last cell. It counts as a convolution of no weight."""

    def layers(self, block: Block) -> Iterator[Layer]:
        """Yield the norm, as a layer without inputs.

        Raises:
            InputError: the block changes its shape, or has no norm.
        """
        _check_norm(block)
        yield Layer(
            role="norm", in_channels=0, out_channels=block.out_channels, output_size=block.output_size, norm=True
        )

    def module(self, block: Block) -> "nn.Module":
        """Return the module; see `layers` for what it raises."""
        from mogakit.nets.cells_module import NormActivationModule

        _check_norm(block)
        return NormActivationModule(block)


def _check_reduction(block: Block) -> None:
    if block.stride != 2 or block.settings or block.input_size % 2:
        raise InputError(f"{block.key}: a reduction has stride 2, no settings, and an input of an even side")
    check_plain(block)


def _check_norm(block: Block) -> None:
    if block.stride != 1 or block.in_channels != block.out_channels or block.norm_eps is None or block.settings:
        raise InputError(f"{block.key}: norm and activation keep the shape, have a norm_eps, and no settings")
    check_plain(block)
