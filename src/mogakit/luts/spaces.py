"""Which search space, at which input size, a table covers."""

from mogakit.errors import InputError, KeySyntaxError
from mogakit.luts.table import LatencyTable
from mogakit.nets.block import parse_key
from mogakit.nets.spaces import SearchSpace, SlotSpace, get_space

IMAGE_CHANNELS = 3


def table_input_size(table: LatencyTable) -> int | None:
    """Return the input size in pixels that the table's stem takes, or None where no row is a stem."""
    sizes = []
    for key in table.rows:
        try:
            block = parse_key(key)
        except KeySyntaxError:  # a foreign name
            continue
        if block.in_channels == IMAGE_CHANNELS:
            sizes.append(block.input_size)
    return max(sizes, default=None)


def space_of(table: LatencyTable) -> SearchSpace | None:
    """Return the space at the table's input size, or None where the table names none that the kit knows."""
    try:
        return get_space(table.space, table_input_size(table))
    except InputError:
        return None


def slot_space_of(table: LatencyTable) -> SlotSpace | None:
    """Return the space where its genes are independent slots, which exact search and slot pictures need."""
    space = space_of(table)
    return None if space is None else space.slotted
