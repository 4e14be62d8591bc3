"""`Network`: blocks in a row; parameters and multiply-adds counted layer by layer.

Counting follows the papers: MAdds are the multiply-accumulates of convolutions and linear layers (those of
squeeze-and-excitation included; batch norm, biases, activations and pooling excluded) for one image; parameters
include batch-norm scale and offset, not its running statistics.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from mogakit.errors import InputError
from mogakit.nets.block import Block, Op
from mogakit.nets.kinds import get_kind
from mogakit.nets.layer import Layer
from mogakit.tabular import Sheet, Tabular


@dataclass(frozen=True, repr=False)
class Network(Tabular):
    """A classifier: a stem, body blocks and a head.

    Attributes:
        name: as the zoo or a space names it.
        blocks: each takes what the one before gives; the last is a head, and the only one.
        dropout: probability before the last linear layer when training; it changes no file.

    Raises:
        InputError: two neighbours disagree on channels or resolution, or the head is not the last block.

    Source: the networks of the zoo name theirs; `moga zoo` lists them.

    Examples:
        >>> stem = mk.Block("conv", 3, 8, 32, kernel=3, stride=2, activation="relu")
        >>> head = mk.Block("head", 8, 10, 16, norm_eps=None)
        >>> mk.Network("tiny", (stem, head))
        <Network: tiny, 2 blocks, 1x3x32x32 to 10 classes>
    """

    name: str
    blocks: tuple[Block, ...]
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check that the blocks fit together.

        Raises:
            InputError: two neighbours disagree on channels or resolution, or the head is not the last block.
        """
        heads = [index for index, block in enumerate(self.blocks) if block.op is Op.HEAD]
        if heads != [len(self.blocks) - 1]:
            raise InputError(f"network {self.name!r} must end in its one head block")
        for index, (before, after) in enumerate(pairwise(self.blocks)):
            gives, takes = (before.out_channels, before.output_size), (after.in_channels, after.input_size)
            if gives != takes:
                raise InputError(
                    f"network {self.name!r}: block {index} ({before.key}) gives {gives[0]} channels at {gives[1]} px, "
                    f"block {index + 1} ({after.key}) takes {takes[0]} at {takes[1]} px"
                )

    def sheet(self) -> Sheet:
        """Return one row a block: its key, the size of its output in pixels, parameters and multiply-adds."""
        shape = "x".join(map(str, self.input_shape))
        return Sheet(
            title=f"{self.name}, {len(self.blocks)} blocks, {shape} to {self.num_classes} classes",
            columns=("block", "output_px", "params", "madds"),
            rows=[(each.key, each.output_size, count_params(each), count_madds(each)) for each in self.blocks],
        )

    @property
    def input_size(self) -> int:
        """Height and width of the input image in pixels."""
        return self.blocks[0].input_size

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input for one image, NCHW."""
        return (1, self.blocks[0].in_channels, self.input_size, self.input_size)

    @property
    def num_classes(self) -> int:
        """Length of the output."""
        return self.blocks[-1].out_channels


def block_layers(block: Block) -> Iterator[Layer]:
    """Yield a block's layers in the order in which they run."""
    if block.op is Op.HEAD:
        yield from _head_layers(block)
        return
    if block.kind is not None:
        yield from get_kind(block.kind).layers(block)
        return
    size = block.output_size
    middle = block.out_channels if block.op is Op.CONV else block.expanded_channels or block.in_channels
    layer = partial(Layer, bias=block.bias, norm=block.norm_eps is not None)
    if block.op in (Op.CONV, Op.FUSED):
        role = "conv" if block.op is Op.CONV else "expand"
        yield layer(
            role=role, in_channels=block.in_channels, out_channels=middle, output_size=size, kernel=block.kernel
        )
    else:
        if block.op is Op.MB:
            yield layer(role="expand", in_channels=block.in_channels, out_channels=middle, output_size=block.input_size)
        yield layer(
            role="depthwise",
            in_channels=middle,
            out_channels=middle,
            output_size=size,
            kernel=block.kernel,
            groups=middle,
        )
    if block.se is not None:
        yield Layer(role="se.reduce", in_channels=middle, out_channels=block.se.channels, output_size=1, bias=True)
        yield Layer(role="se.expand", in_channels=block.se.channels, out_channels=middle, output_size=1, bias=True)
    if block.op is not Op.CONV:
        yield layer(role="project", in_channels=middle, out_channels=block.out_channels, output_size=size)


def _head_layers(block: Block) -> Iterator[Layer]:
    """Yield the layers of a head."""
    width = block.in_channels
    if block.features is not None:
        norm = block.norm_eps is not None
        yield Layer(
            role="features",
            in_channels=width,
            out_channels=block.features,
            output_size=block.input_size,
            bias=block.bias,
            norm=norm,
        )
        width = block.features
    if block.hidden is not None:
        yield Layer(
            role="hidden",
            in_channels=width,
            out_channels=block.hidden,
            output_size=1,
            bias=block.hidden_bias,
            norm=block.hidden_norm,
        )
        width = block.hidden
    yield Layer(role="classifier", in_channels=width, out_channels=block.out_channels, output_size=1, bias=True)


def count_params(part: Network | Block) -> int:
    """Count trainable values: weights, biases, batch-norm scales and offsets.

    Args:
        part: a network or a block.

    Returns:
        Their number.

    Raises:
        InputError: a block is of a kind that is not registered.

    Source: the papers' convention; running statistics do not count.

    Examples:
        >>> mk.count_params(mk.get_network("moga-a"))
        5159802
    """
    return sum(layer.params for block in _blocks(part) for layer in block_layers(block))


def count_params_without_norm(part: Network | Block) -> int:
    """Count trainable values without batch norm: the convention of the papers from Google."""
    layers = (layer for block in _blocks(part) for layer in block_layers(block))
    return sum(layer.params - 2 * layer.out_channels * layer.norm for layer in layers)


def count_madds(part: Network | Block) -> int:
    """Count multiply-accumulates for one image.

    Args:
        part: a network or a block.

    Returns:
        The multiply-accumulates of convolutions and linear layers; batch norm, activations and pooling do not count.

    Raises:
        InputError: a block is of a kind that is not registered.

    Source: the papers' MAdds (MobileNetV2, MoGA Table 2).

    Examples:
        >>> round(mk.count_madds(mk.get_network("moga-a")) / 1e6)
        304
    """
    return sum(layer.madds for block in _blocks(part) for layer in block_layers(block))


def _blocks(part: Network | Block) -> tuple[Block, ...]:
    return part.blocks if isinstance(part, Network) else (part,)
