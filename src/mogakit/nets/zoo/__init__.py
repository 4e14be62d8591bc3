"""The zoo: published networks as tables, with their sources and the numbers their authors published."""

from mogakit.errors import InputError, unknown_name
from mogakit.nets.limits import check_sizes
from mogakit.nets.zoo import fairnas, mnasnet, mobilenet, moga, multi_hardware, others, proxyless
from mogakit.nets.zoo.entry import Published, PublishedLatency, Record, Verdict, ZooEntry
from mogakit.nets.zoo.published import latencies_of
from mogakit.nets.zoo.table import Table, build

__all__ = ["Published", "PublishedLatency", "Verdict", "ZooEntry", "get", "names", "table_of"]

_RECORDS: dict[str, Record] = {
    **moga.RECORDS,
    **mobilenet.RECORDS,
    **proxyless.RECORDS,
    **mnasnet.RECORDS,
    **fairnas.RECORDS,
    **others.RECORDS,
    **multi_hardware.RECORDS,
}


def names() -> tuple[str, ...]:
    """Return the names of all networks."""
    return tuple(_RECORDS)


def table_of(name: str) -> Table:
    """Return the layers of a network by name, before width, input size and classes are chosen.

    Raises:
        InputError: no network has that name.
    """
    if name not in _RECORDS:
        raise InputError(unknown_name("network", name, _RECORDS))
    return _RECORDS[name].table


def get(name: str, width: float = 1.0, input_size: int | None = None, num_classes: int = 1000) -> ZooEntry:
    """Return a network by name.

    Args:
        name: one of `names()`.
        width: width multiplier, by slim's rules (see `zoo.table.build`).
        input_size: height and width of the image in pixels; 224 if None.
        num_classes: length of the output.

    Raises:
        InputError: no network has that name, or a size is out of range.
    """
    if name not in _RECORDS:
        raise InputError(unknown_name("network", name, _RECORDS))
    check_sizes(width, input_size, num_classes)
    record = _RECORDS[name]
    size = 224 if input_size is None else input_size
    variant = name + (f"@{width:g}x" if width != 1 else "") + (f"@{size}px" if size != 224 else "")
    variant += f"@{num_classes}c" if num_classes != 1000 else ""
    network = build(variant, record.table, width, size, num_classes)
    latencies = latencies_of(name)
    return ZooEntry(
        network=network,
        published=record.published,
        latencies=latencies,
        source=record.source,
        verdict=record.verdict,
        comment=record.comment,
    )
