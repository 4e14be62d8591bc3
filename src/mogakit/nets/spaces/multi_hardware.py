"""The space of the multi-hardware paper (Chu et al., arXiv 2008.08178, section 6.1).

From the paper: MobileNetV3-Large without squeeze-and-excitation and h-swish, so ReLU throughout; filters in multiples
of 32 by the ratios 0.5 to 2; one to four blocks a stage; kernels 3 and 5; expansions 1 to 6; regular and fused
inverted bottlenecks; strides of 2 where stages 1, 2, 3, 4 and 6 begin; a head of 960 and 1280 channels, not searched.

Left open by the paper and chosen here (ours): the base filters 32, 32, 64, 128, 128, 192, of which the ratios give the
choices below; that block type, kernel and expansion are chosen layer by layer; a 3x3 stem without a separable
convolution behind it, as in both published networks; an expansion convolution also at expansion 1, as in TuNAS.
Both published networks, Multi-AVG and Multi-MAX, lie in this space.
"""

from itertools import product

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage, StagedSpace

# Gene of a layer = 12 * fused + 6 * (kernel == 5) + expansion - 1
CHOICES: tuple[LayerChoice, ...] = tuple(
    LayerChoice(op=op, kernel=kernel, expansion=expansion)
    for op, kernel, expansion in product((Op.MB, Op.FUSED), (3, 5), range(1, 7))
)
_RELU = Activation.RELU
_DEPTHS = (1, 2, 3, 4)


def multi_hardware_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return the space; genes of a stage are filters, depth, and one for each of four layers."""
    stages = (
        Stage(
            filters=(32, 64), stride=2, choices=(LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE),)
        ),  # 224x224 in
        Stage(filters=(32, 64), stride=2, choices=CHOICES, depths=_DEPTHS),  # 112x112 in
        Stage(filters=(32, 64, 96, 128), stride=2, choices=CHOICES, depths=_DEPTHS),  # 56x56 in
        Stage(filters=(64, 96, 128, 160, 192, 256), stride=2, choices=CHOICES, depths=_DEPTHS),  # 28x28 in
        Stage(filters=(64, 96, 128, 160, 192, 256), stride=1, choices=CHOICES, depths=_DEPTHS),  # 14x14 in
        Stage(filters=(96, 128, 160, 192, 256, 288, 384), stride=2, choices=CHOICES, depths=_DEPTHS),
    )
    size = input_size
    for stage in stages:
        size = (size - 1) // stage.stride + 1
    head = Block(
        Op.HEAD,
        96,
        num_classes,
        size,
        activation=_RELU,
        norm_eps=1e-3,
        features=960,
        hidden=1280,
        hidden_bias=True,
    )
    return StagedSpace(
        name="multi-hardware",
        stages=stages,
        head=head,
        input_size=input_size,
        activation=_RELU,
        norm_eps=1e-3,
        dropout=0.25,
    )
