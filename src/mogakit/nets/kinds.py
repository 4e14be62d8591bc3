"""`BlockKind`: a kind of block beyond the kit's own operations, added by a user or, for a few spaces, by the kit.

Its blocks are `Block(op=Op.OWN, kind="ghost", ...)` with the fields that every block has, and their keys begin with
`own-ghost_`. The kind says which torch module such a block is, and which layers it counts. Export, measurement, tables
and searches need no more: they read the module through its graph, and the block by its key.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

from mogakit.errors import InputError
from mogakit.nets.block import Block, Op
from mogakit.plugins import Group, find, load, register
from mogakit.plugins import names as plugin_names

if TYPE_CHECKING:  # counting layers must not load torch
    from torch import nn

    from mogakit.nets.layer import Layer


_KITS_OWN: dict[str, str] = {
    "shuffled": "mogakit.nets.shuffled:Shuffled",
    "nbcell": "mogakit.nets.cell_kinds:Cell",
    "nbreduce": "mogakit.nets.cell_kinds:Reduction",
    "normact": "mogakit.nets.cell_kinds:NormActivation",
}
"""The kit's own kinds, for the spaces `fbnet` and `nas-bench-201`, loaded when a block of them is used."""


class BlockKind(Protocol):
    """What a kind of block computes. Both methods raise `InputError` for fields or settings that make no sense."""

    def module(self, block: Block) -> "nn.Module":
        """Return the untrained module, (N, in, H, W) to (N, out, H', W') with `H' = block.output_size`.

        Its children are registered in the order in which they run, and it uses operators that the export knows.
        """

    def layers(self, block: Block) -> "Iterable[Layer]":
        """Return its convolutions and linear layers in the order in which they run: parameters and MAdds are theirs."""


def register_block_kind(name: str, kind: BlockKind) -> None:
    """Make a kind known under `name` until this process ends.

    Raises:
        InputError: the name cannot stand in a key or is that of a kind of the kit, or `kind` lacks a method.

    Source: docs/how-to/your-own.md has a worked example.

    Examples:
        >>> from mogakit.nets.layer import Layer
        >>> class Shuffle:
        ...     def module(self, block):
        ...         import torch
        ...         return torch.nn.Conv2d(block.in_channels, block.out_channels, 1, bias=False)
        ...     def layers(self, block):
        ...         shape = {"in_channels": block.in_channels, "out_channels": block.out_channels}
        ...         yield Layer(role="mix", output_size=block.output_size, **shape)
        >>> mk.register_block_kind("shuffle", Shuffle())
        >>> mk.count_params(mk.Block("own", 8, 16, 14, kind="shuffle"))
        128
    """
    Block(Op.OWN, 1, 1, 1, kind=name)  # raises where the name does not fit
    if name in _KITS_OWN:
        raise InputError(f"{name!r} is the name of one of the kit's own block kinds; give yours another")
    register(Group.BLOCKS, name, _checked(kind, name))


def get_kind(name: str) -> BlockKind:
    """Return a kind by name: registered, or installed as an entry point of `mogakit.blocks`.

    Raises:
        InputError: no kind is called so, or what is lacks a method.
    """
    if name in _KITS_OWN:
        return _kits_own(name)
    found = find(Group.BLOCKS, name)
    if found is None:
        known = ", ".join(plugin_names(Group.BLOCKS)) or "none"
        raise InputError(
            f"no block kind is called {name!r} (known: {known}); import the module that registers it "
            "(register_block_kind), or install the package that has it under the entry points mogakit.blocks"
        )
    return _checked(found, name)


@cache
def _kits_own(name: str) -> BlockKind:
    return _checked(load(_KITS_OWN[name]), name)


def _checked(kind: object, name: str) -> BlockKind:
    lacking = [method for method in ("module", "layers") if not callable(getattr(kind, method, None))]
    if lacking:
        raise InputError(f"block kind {name!r} has no {' and no '.join(lacking)}; see mogakit.nets.kinds.BlockKind")
    return cast(BlockKind, kind() if isinstance(kind, type) else kind)
