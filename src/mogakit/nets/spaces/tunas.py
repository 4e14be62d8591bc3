"""The ProxylessNAS space as TuNAS searches it (Bender et al., arXiv 2008.06120).

Read from github.com/google-research/google-research `tunas/mobile_search_space_v3.py`, `proxylessnas_search`. Filters
are fixed. The 22 genes are the operations of the repository's model archive: the kernel of the separable convolution
(3, 5, 7), then for each of 20 bottlenecks and a last one `3 * (expansion == 6) + {3: 0, 5: 1, 7: 2}[kernel]`, or 6 for
a bottleneck that is left out. It is the space of the published linear latency model.
"""

from itertools import product

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage, StagedSpace

CHOICES: tuple[LayerChoice, ...] = tuple(
    LayerChoice(op=Op.MB, kernel=kernel, expansion=expansion) for expansion, kernel in product((3, 6), (3, 5, 7))
)
_STEM = LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE)
_SEPARABLE = tuple(LayerChoice(op=Op.SEP, kernel=kernel, shortcut=Shortcut.NONE) for kernel in (3, 5, 7))


def tunas_proxyless_space(input_size: int = 224, num_classes: int = 1000) -> StagedSpace:
    """Return the space; TuNAS uses ReLU and a batch-norm epsilon of 1e-3 throughout."""
    stages = (
        Stage(filters=(32,), stride=2, choices=(_STEM,)),  # 224x224 in
        Stage(filters=(16,), stride=1, choices=_SEPARABLE),  # 112x112 in
        Stage(filters=(32,), stride=2, choices=CHOICES, depths=(4,), skippable=True),
        Stage(filters=(40,), stride=2, choices=CHOICES, depths=(4,), skippable=True),  # 56x56 in
        Stage(filters=(80,), stride=2, choices=CHOICES, depths=(4,), skippable=True),  # 28x28 in
        Stage(filters=(96,), stride=1, choices=CHOICES, depths=(4,), skippable=True),  # 14x14 in
        Stage(filters=(192,), stride=2, choices=CHOICES, depths=(4,), skippable=True),
        Stage(filters=(320,), stride=1, choices=CHOICES),  # 7x7 in
    )
    size = input_size
    for stage in stages:
        size = (size - 1) // stage.stride + 1
    head = Block(
        Op.HEAD,
        320,
        num_classes,
        size,
        activation=Activation.RELU,
        norm_eps=1e-3,
        features=1280,
    )
    return StagedSpace(
        name="tunas-proxyless",
        stages=stages,
        head=head,
        input_size=input_size,
        activation=Activation.RELU,
        norm_eps=1e-3,
    )
