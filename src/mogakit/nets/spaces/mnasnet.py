"""MnasNet's factorized hierarchical space (Tan et al., arXiv 1807.11626, section 4.1).

From the paper: a network is a row of blocks, each a number of identical layers; a block chooses its convolution
(regular, depthwise, inverted bottleneck), kernel 3 or 5, squeeze-and-excitation 0 or 0.25, skip (pooling, identity,
none), filters of 0.75, 1 or 1.25 times MobileNetV2's and layers of MobileNetV2's number or one more or less.

Left open by the paper and chosen here (ours): expansions 3 and 6; filters rounded to multiples of 8; never fewer than
one layer; the depthwise choice is a depthwise convolution with a linear 1x1 behind it; squeeze-and-excitation has a
quarter of the layer's input channels; the pooling skip is a 3x3 average pool of stride 1; a layer that changes the
shape has no skip. MnasNet-A1 and -B1 lie outside: their 112 and 192 filters are no rounded multiple of 96 and 160.
"""

from itertools import product

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage, StagedSpace
from mogakit.nets.zoo.table import make_divisible

_CONV_OPS: tuple[tuple[Op, int | None], ...] = ((Op.CONV, None), (Op.SEP, None), (Op.MB, 3), (Op.MB, 6))

# Gene of a block = 12 * convolution + 6 * (kernel == 5) + 3 * SE + {none: 0, identity: 1, pool: 2}
CHOICES: tuple[LayerChoice, ...] = tuple(
    LayerChoice(op=op, kernel=kernel, expansion=expansion, se=se, shortcut=shortcut)
    for (op, expansion), kernel, se, shortcut in product(_CONV_OPS, (3, 5), (False, True), Shortcut)
)

# MobileNetV2's filters, layers and stride of each block.
_BLOCKS: tuple[tuple[int, int, int], ...] = (
    (16, 1, 1),  # 112x112 in
    (24, 2, 2),
    (32, 3, 2),  # 56x56 in
    (64, 4, 2),  # 28x28 in
    (96, 3, 1),  # 14x14 in
    (160, 3, 2),
    (320, 1, 1),  # 7x7 in
)


def mnasnet_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return the space; genes of a block are filters, layers, and what its layers are."""
    stages = [
        Stage(filters=(32,), stride=2, choices=(LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE),))
    ]  # 224x224 in
    for filters, layers, stride in _BLOCKS:
        widths = dict.fromkeys(make_divisible(filters * ratio) for ratio in (0.75, 1.0, 1.25))
        depths = tuple(depth for depth in (layers - 1, layers, layers + 1) if depth > 0)
        stages.append(Stage(filters=tuple(widths), stride=stride, choices=CHOICES, depths=depths, shared=True))
    size = input_size
    for stage in stages:
        size = (size - 1) // stage.stride + 1
    relu = Activation.RELU
    head = Block(
        Op.HEAD,
        320,
        num_classes,
        size,
        activation=relu,
        norm_eps=1e-3,
        features=1280,
    )
    return StagedSpace(
        name="mnasnet",
        stages=tuple(stages),
        head=head,
        input_size=input_size,
        activation=relu,
        norm_eps=1e-3,
        dropout=0.2,
    )
