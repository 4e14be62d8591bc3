"""The FairNAS space: 19 slots of 6 inverted bottlenecks (Chu et al., arXiv 1907.01845).

Layers and fixed parts are those of the released networks (github.com/xiaomi-automl/FairNAS). The order of the choices
is ours, after MoGA's: `3 * (expansion == 6) + {3: 0, 5: 1, 7: 2}[kernel]`.
"""

from itertools import product

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.base import SlotSpace

CHOICES: tuple[tuple[int, int], ...] = tuple(product((3, 6), (3, 5, 7)))  # expansion, kernel

# Output channels and stride of each slot.
_SLOTS: tuple[tuple[int, int], ...] = (
    (32, 2),  # 112x112 in
    (32, 1),  # 56x56 in
    (40, 2),
    *((40, 1),) * 3,  # 28x28 in
    (80, 2),
    *((80, 1),) * 3,  # 14x14 in
    *((96, 1),) * 4,
    (192, 2),
    *((192, 1),) * 3,  # 7x7 in
    (320, 1),
)


def fairnas_space(input_size: int = 224, num_classes: int = 1000) -> SlotSpace:
    """Return the space: 6^19 networks, ReLU6, no squeeze-and-excitation."""
    act = Activation.RELU6
    stem = Block(Op.CONV, 3, 32, input_size, kernel=3, stride=2, activation=act)
    first = Block(Op.SEP, 32, 16, stem.output_size, kernel=3, activation=act)
    slots: list[tuple[Block, ...]] = []
    channels, size = 16, first.output_size
    for filters, stride in _SLOTS:
        slots.append(
            tuple(
                Block(
                    Op.MB,
                    channels,
                    filters,
                    size,
                    kernel=kernel,
                    stride=stride,
                    activation=act,
                    expanded_channels=channels * expansion,
                    residual=stride == 1 and channels == filters,
                )
                for expansion, kernel in CHOICES
            )
        )
        channels, size = filters, slots[-1][0].output_size
    head = Block(Op.HEAD, channels, num_classes, size, activation=act, features=1280)
    return SlotSpace("fairnas", (stem, first), tuple(slots), (head,), dropout=0.2)
