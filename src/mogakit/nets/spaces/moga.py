"""The MoGA space: 14 slots of 12 inverted bottlenecks around fixed parts (MoGA section 4.1, Tables 1 and 2).

What the paper leaves open is read from the authors' code (github.com/xiaomi-automl/MoGA, `models/`): the first
bottleneck has no residual, squeeze-and-excitation reduces to `hidden // 4` with the block's own activation inside, and
the last 1x1 convolution has neither batch norm nor bias.
"""

from dataclasses import dataclass
from itertools import product

from mogakit.nets.block import Activation, Block, Op, SqueezeExcite
from mogakit.nets.spaces.base import SlotSpace

# The order of choices: expansion slowest, then kernel, then squeeze-and-excitation, so that
# index = 6 * (expansion == 6) + 2 * {3: 0, 5: 1, 7: 2}[kernel] + se
CHOICES: tuple[tuple[int, int, bool], ...] = tuple(product((3, 6), (3, 5, 7), (False, True)))


@dataclass(frozen=True)
class Slot:
    """What the choices of a slot share."""

    out_channels: int
    stride: int
    activation: Activation


_RELU, _HSWISH = Activation.RELU, Activation.HSWISH
SLOTS: tuple[Slot, ...] = (
    Slot(24, 2, _RELU),  # 112x112 in
    Slot(24, 1, _RELU),  # 56x56 in
    Slot(40, 2, _RELU),
    Slot(40, 1, _RELU),  # 28x28 in
    Slot(40, 1, _RELU),
    Slot(80, 2, _HSWISH),
    Slot(80, 1, _HSWISH),  # 14x14 in
    Slot(80, 1, _HSWISH),
    Slot(80, 1, _HSWISH),
    Slot(112, 1, _HSWISH),
    Slot(112, 1, _HSWISH),
    Slot(160, 2, _HSWISH),
    Slot(160, 1, _HSWISH),  # 7x7 in
    Slot(160, 1, _HSWISH),
)


def moga_space(input_size: int = 224, num_classes: int = 1000) -> SlotSpace:
    """Return the space as published: 12^14 networks, 120 distinct choice blocks."""
    return _space("moga", Activation.HSWISH, input_size, num_classes)


def moga_relu_space(input_size: int = 224, num_classes: int = 1000) -> SlotSpace:
    """Return the space with ReLU for h-swish, for hardware that has no h-swish (Edge TPUs); this variant is ours."""
    return _space("moga-relu", Activation.RELU, input_size, num_classes)


def _space(name: str, late: Activation, input_size: int, num_classes: int) -> SlotSpace:
    """Build the space with `late` as the activation of stem, slots 6 to 14 and head."""
    stem = Block(Op.CONV, 3, 16, input_size, kernel=3, stride=2, activation=late)
    first = Block(Op.SEP, 16, 16, stem.output_size, kernel=3, activation=Activation.RELU)
    slots: list[tuple[Block, ...]] = []
    before = first
    for slot in SLOTS:
        activation = late if slot.activation is Activation.HSWISH else slot.activation
        slots.append(tuple(slot_choice(before, slot, activation, *choice) for choice in CHOICES))
        before = slots[-1][0]
    head = Block(
        Op.HEAD,
        before.out_channels,
        num_classes,
        before.output_size,
        activation=late,
        features=960,
        hidden=1280,
    )
    return SlotSpace(name, (stem, first), tuple(slots), (head,), dropout=0.2)


def slot_choice(before: Block, slot: Slot, activation: Activation, expansion: int, kernel: int, se: bool) -> Block:
    """Build one choice of a slot behind the block `before`, as in MoGA's Table 1."""
    hidden = before.out_channels * expansion
    return Block(
        Op.MB,
        before.out_channels,
        slot.out_channels,
        before.output_size,
        kernel=kernel,
        stride=slot.stride,
        activation=activation,
        expanded_channels=hidden,
        se=SqueezeExcite(hidden // 4, activation) if se else None,
        residual=slot.stride == 1 and before.out_channels == slot.out_channels,
    )
