"""A space of few blocks, so that an emulated tool measures its table in a minute or two."""

from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces.base import SlotSpace
from mogakit.nets.spaces.moga import Slot, slot_choice

CHOICES = ((3, 3, False), (3, 5, False), (6, 3, True))


def make(input_size: int = 16, num_classes: int = 10) -> SlotSpace:
    """Return two slots of three choices each, between a stem and a head."""
    stem = Block(Op.CONV, 3, 16, input_size, kernel=3, activation=Activation.RELU)
    slots, before = [], stem
    for slot in (Slot(16, 1, Activation.RELU), Slot(24, 2, Activation.RELU)):
        slots.append(tuple(slot_choice(before, slot, slot.activation, *choice) for choice in CHOICES))
        before = slots[-1][0]
    head = Block(
        Op.HEAD,
        before.out_channels,
        num_classes,
        before.output_size,
        activation=Activation.RELU,
        features=48,
        hidden=64,
    )
    return SlotSpace("tiny", (stem,), tuple(slots), (head,))
