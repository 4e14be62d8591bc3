"""A space for 8 x 8 images: MoGA's twelve choices in six slots, small enough to train on a CPU in minutes (ours).

It serves the demonstration on scikit-learn's digits. Fourteen slots at this size do not converge in minutes on a CPU,
and a ranking from such a supernet is noise; six slots do.
"""

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.base import SlotSpace
from mogakit.nets.spaces.moga import CHOICES, Slot, slot_choice

_RELU, _HSWISH = Activation.RELU, Activation.HSWISH
_SLOTS: tuple[Slot, ...] = (
    Slot(16, 1, _RELU),  # 8x8 in
    Slot(24, 2, _RELU),
    Slot(24, 1, _RELU),  # 4x4 in
    Slot(40, 2, _HSWISH),
    Slot(40, 1, _HSWISH),  # 2x2 in
    Slot(40, 1, _HSWISH),
)


def digits_space(input_size: int = 8, num_classes: int = 10) -> SlotSpace:
    """Return the space: 12^6 networks, a stem of stride 1, a head of 96 and 128 channels."""
    stem = Block(Op.CONV, 3, 16, input_size, kernel=3, activation=_HSWISH)
    before = stem
    slots: list[tuple[Block, ...]] = []
    for slot in _SLOTS:
        slots.append(tuple(slot_choice(before, slot, slot.activation, *choice) for choice in CHOICES))
        before = slots[-1][0]
    head = Block(
        Op.HEAD,
        before.out_channels,
        num_classes,
        before.output_size,
        activation=_HSWISH,
        features=96,
        hidden=128,
    )
    return SlotSpace("digits", (stem,), tuple(slots), (head,))
