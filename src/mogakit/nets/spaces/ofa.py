"""The spaces of Once-for-All (Cai et al., arXiv 1908.09791) and ProxylessNAS (Cai et al., arXiv 1812.00332).

Read from the authors' code: github.com/mit-han-lab/once-for-all `ofa/imagenet_classification/elastic_nn/networks/`
(`ofa_mbv3.py`, `ofa_proxyless.py`) and github.com/mit-han-lab/proxylessnas `search/`. In Once-for-All, five units have
a depth of 2 to 4, and each layer a kernel of 3, 5 or 7 and an expansion of 3, 4 or 6; widths are multiplied once for a
whole space. In ProxylessNAS, expansions are 3 and 6, and every layer that keeps its shape may be left out.

A layer's gene is `3 * place of the expansion + place of the kernel` (ours: the authors draw both separately). The
resolution of Once-for-All's networks is chosen with the space: `ofa-mobilenetv3@160px`.
"""

from collections.abc import Sequence
from itertools import product

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Squeeze, Stage, StagedSpace
from mogakit.nets.zoo.table import make_divisible

_KERNELS = (3, 5, 7)
_DEPTHS = (2, 3, 4)
_RELU, _RELU6, _HSWISH = Activation.RELU, Activation.RELU6, Activation.HSWISH
_STEM = (LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE),)
_FIRST = (LayerChoice(op=Op.SEP, kernel=3),)

# Base filters, stride, activation and squeeze-and-excitation of the five units of MobileNetV3.
_MOBILENETV3_UNITS: tuple[tuple[int, int, Activation, bool], ...] = (
    (24, 2, _RELU, False),  # 112x112 in
    (40, 2, _RELU, True),  # 56x56 in
    (80, 2, _HSWISH, False),  # 28x28 in
    (112, 1, _HSWISH, True),  # 14x14 in
    (160, 2, _HSWISH, True),
)
# Base filters, stride and whether there is more than one layer, of ProxylessNAS's stages.
_PROXYLESS_STAGES: tuple[tuple[int, int, bool], ...] = (
    (24, 2, True),  # 112x112 in
    (40, 2, True),  # 56x56 in
    (80, 2, True),  # 28x28 in
    (96, 1, True),  # 14x14 in
    (192, 2, True),
    (320, 1, False),  # 7x7 in
)


def ofa_mobilenetv3_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return Once-for-All's MobileNetV3 space at width 1.0: about 2e19 networks."""
    return _mobilenetv3("ofa-mobilenetv3", 1.0, input_size, num_classes)


def ofa_mobilenetv3_wide_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return Once-for-All's MobileNetV3 space at width 1.2, of which the authors' phone tables are."""
    return _mobilenetv3("ofa-mobilenetv3-w1.2", 1.2, input_size, num_classes)


def ofa_proxylessnas_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return Once-for-All's ProxylessNAS space at width 1.3, the only one that the authors trained."""
    return _proxyless("ofa-proxylessnas", 1.3, (3, 4, 6), False, input_size, num_classes)


def proxylessnas_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return ProxylessNAS's space with the filters of the authors' search, of which their Pixel 1 table is.

    The published networks have other filters (32 for 24 in the first stage) and lie outside; `tunas-proxyless` has
    those of ProxylessNAS mobile.
    """
    return _proxyless("proxylessnas", 1.0, (3, 6), True, input_size, num_classes)


def _layers(expansions: Sequence[int], se: bool = False) -> tuple[LayerChoice, ...]:
    return tuple(
        LayerChoice(op=Op.MB, kernel=kernel, expansion=expansion, se=se)
        for expansion, kernel in product(expansions, _KERNELS)
    )


def _mobilenetv3(name: str, width: float, input_size: int, num_classes: int) -> StagedSpace:
    def wide(filters: int) -> tuple[int, ...]:
        return (make_divisible(filters * width),)

    stages = [
        Stage(filters=wide(16), stride=2, choices=_STEM),  # 224x224 in
        Stage(filters=wide(16), stride=1, choices=_FIRST, activation=_RELU, first_shortcut=True),  # 112x112 in
    ]
    for filters, stride, activation, se in _MOBILENETV3_UNITS:
        choices = _layers((3, 4, 6), se)
        stages.append(
            Stage(filters=wide(filters), stride=stride, choices=choices, depths=_DEPTHS, activation=activation)
        )
    (last,), (features,), (hidden,) = stages[-1].filters, wide(960), wide(1280)
    head = Block(
        Op.HEAD,
        last,
        num_classes,
        _size_behind(stages, input_size),
        activation=_HSWISH,
        features=features,
        hidden=hidden,
    )
    return StagedSpace(
        name=name,
        stages=tuple(stages),
        head=head,
        input_size=input_size,
        activation=_HSWISH,
        norm_eps=1e-5,
        squeeze=Squeeze.OF_EXPANDED,
        dropout=0.1,
    )


def _proxyless(
    name: str, width: float, expansions: Sequence[int], skippable: bool, input_size: int, num_classes: int
) -> StagedSpace:
    def wide(filters: int) -> tuple[int, ...]:
        return (make_divisible(filters * width),)

    stages = [
        Stage(filters=wide(32), stride=2, choices=_STEM),  # 224x224 in
        Stage(filters=wide(16), stride=1, choices=_FIRST),  # 112x112 in
    ]
    depths = (4,) if skippable else _DEPTHS
    for filters, stride, several in _PROXYLESS_STAGES:
        stages.append(
            Stage(
                filters=wide(filters),
                stride=stride,
                choices=_layers(expansions),
                depths=depths if several else (1,),
                skippable=skippable and several,
            )
        )
    (last,), (features,) = stages[-1].filters, wide(1280)
    head = Block(
        Op.HEAD,
        last,
        num_classes,
        _size_behind(stages, input_size),
        activation=_RELU6,
        features=features,
        norm_eps=1e-3,
    )
    return StagedSpace(
        name=name,
        stages=tuple(stages),
        head=head,
        input_size=input_size,
        activation=_RELU6,
        norm_eps=1e-3,
        dropout=0.0 if skippable else 0.1,
    )


def _size_behind(stages: Sequence[Stage], size: int) -> int:
    for stage in stages:
        size = (size - 1) // stage.stride + 1
    return size
