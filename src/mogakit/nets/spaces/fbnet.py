"""The space of FBNet (Wu et al., arXiv 1812.03443) as HW-NAS-Bench measured it (Li et al., ICLR 2021): 9^22 genes.

Layers, filters, strides and blocks are read from github.com/GATECH-EIC/HW-NAS-Bench `hw_nas_bench_api/`, whose tables
are of these blocks: every bottleneck has an expansion convolution, also at expansion 1; those with two groups shuffle
channels behind it (`own-shuffled`); a skip is the identity where a layer keeps its shape, so that the layer is absent,
and a strided 1x1 convolution where it does not. `fbnet-b` of the zoo is from another repository, without expansion
convolutions at expansion 1, and lies outside.

A layer's gene is its place in HW-NAS-Bench's list: k3_e1, k3_e1_g2, k3_e3, k3_e6, k5_e1, k5_e1_g2, k5_e3, k5_e6, skip.
"""

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage, StagedSpace

_FILTERS = (16, 24, 32, 64, 112, 184, 352)
_LAYERS = (1, 4, 4, 4, 4, 4, 1)
_GROUPS = (("groups", 2),)
_BOTTLENECKS: tuple[LayerChoice, ...] = tuple(
    choice
    for kernel in (3, 5)
    for choice in (
        LayerChoice(op=Op.MB, kernel=kernel, expansion=1),
        LayerChoice(op=Op.OWN, kernel=kernel, expansion=1, kind="shuffled", settings=_GROUPS),
        LayerChoice(op=Op.MB, kernel=kernel, expansion=3),
        LayerChoice(op=Op.MB, kernel=kernel, expansion=6),
    )
)
_STEM = LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE)
_STRIDED_SKIP = LayerChoice(op=Op.CONV, kernel=1, shortcut=Shortcut.NONE)


def fbnet_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return the space for ImageNet."""
    return _space("fbnet", (2, 1, 2, 2, 2, 1, 2, 1), 1984, input_size, num_classes)


def fbnet_cifar_space(input_size: int = 32, num_classes: int = 100) -> StagedSpace:
    """Return the space for 32 x 32 images, with strides and head of HW-NAS-Bench (unofficial, as it says)."""
    return _space("fbnet-cifar", (1, 1, 1, 2, 2, 1, 2, 1), 1504, input_size, num_classes)


def _space(name: str, strides: tuple[int, ...], features: int, input_size: int, num_classes: int) -> StagedSpace:
    """Build the space; the stem and the first layer, which keeps the stem's shape, are one stage."""
    stages = [
        Stage(
            filters=(_FILTERS[0],),
            stride=strides[0],
            first_choices=(_STEM,),
            choices=_BOTTLENECKS,
            depths=(1 + _LAYERS[0],),
            skippable=True,
        )
    ]
    for filters, layers, stride in zip(_FILTERS[1:], _LAYERS[1:], strides[2:], strict=True):
        stages.append(
            Stage(
                filters=(filters,),
                stride=stride,
                first_choices=(*_BOTTLENECKS, _STRIDED_SKIP),
                choices=_BOTTLENECKS,
                depths=(layers,),
                skippable=True,
            )
        )
    size = input_size
    for stage in stages:
        size = (size - 1) // stage.stride + 1
    head = Block(Op.HEAD, _FILTERS[-1], num_classes, size, activation=Activation.RELU, features=features)
    return StagedSpace(
        name=name,
        stages=tuple(stages),
        head=head,
        input_size=input_size,
        activation=Activation.RELU,
        norm_eps=1e-5,
    )
