"""The cell of NAS-Bench-201 (Dong and Yang, arXiv 2001.00326): its edges and their operations.

Read from github.com/D-X-Y/AutoDL-Projects `xautodl/models/`. A cell has four nodes; node 0 is its input, each later
node the sum of one operation on every node before it, and node 3 its output. The settings `a` to `f` name the
operations of the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3 by their place in `OPERATIONS`.
"""

from mogakit.errors import InputError
from mogakit.nets.block import Block

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""From node, to node; in the order in which the benchmark writes them."""
NAMES = "abcdef"
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def operations_of(block: Block) -> tuple[str, ...]:
    """Return the operation of each edge of a cell.

    Raises:
        InputError: the settings are not those of a cell, or the block changes its shape.
    """
    names, values = "".join(name for name, _ in block.settings), [value for _, value in block.settings]
    if names != NAMES or max(values) >= len(OPERATIONS):
        raise InputError(
            f"{block.key}: a cell has the settings {', '.join(NAMES)}, each of 0 to {len(OPERATIONS) - 1} "
            f"({', '.join(OPERATIONS)}); given {dict(block.settings)}"
        )
    if block.stride != 1 or block.in_channels != block.out_channels:
        raise InputError(f"{block.key}: a cell keeps its channels and resolution")
    check_plain(block)
    return tuple(OPERATIONS[value] for value in values)


def check_plain(block: Block) -> None:
    """Check that a block has none of the fields that blocks of these kinds have no use for.

    Raises:
        InputError: it has one.
    """
    if block.se is not None or block.bias or block.residual or block.expanded_channels is not None:
        raise InputError(
            f"{block.key}: blocks of this kind have no expansion, squeeze-and-excitation, bias or residual"
        )
