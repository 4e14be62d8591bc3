"""What `moga zoo` and `moga show` say: networks with their counts, sources and layers."""

from dataclasses import dataclass, replace
from pathlib import Path

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.block import Block
from mogakit.nets.network import Network, count_madds, count_params, count_params_without_norm
from mogakit.nets.network_file import NETWORK_SUFFIX, NetworkRecord, save_network
from mogakit.nets.resolve import published_of, resolve


@dataclass(frozen=True)
class BlockRow:
    """A block as a line of `moga show`.

    Attributes:
        input_size: height and width of its input in pixels.
        params: trainable values, batch norm included.
        madds: multiply-accumulates for one image.
    """

    key: str
    input_size: int
    params: int
    madds: int


@dataclass(frozen=True, kw_only=True)
class NetworkSummary:
    """A network with its counts, and what is known of it.

    Attributes:
        params: trainable values, batch norm included.
        params_without_norm: the same without batch norm, as Google's papers count.
        madds: multiply-accumulates for one image.
        published, source, verdict, comment, latencies: as in `nets.zoo.ZooEntry`; None or empty for a chromosome, and
            of width 1, 224 pixels and 1000 classes whatever was asked for.
        blocks: in the order in which they run.
    """

    name: str
    input_size: int
    num_classes: int
    params: int
    params_without_norm: int
    madds: int
    blocks: tuple[BlockRow, ...]
    published: zoo.Published | None = None
    latencies: tuple[zoo.PublishedLatency, ...] = ()
    source: str | None = None
    verdict: zoo.Verdict | None = None
    comment: str | None = None


def list_zoo() -> list[NetworkSummary]:
    """Summarise every network of the zoo at its own size."""
    return [summarise(name) for name in zoo.names()]


def summarise(
    text: str, width: float = 1.0, input_size: int | None = None, num_classes: int | None = None
) -> NetworkSummary:
    """Summarise a network by its name or as `space/chromosome`; arguments are those of `nets.resolve.resolve`.

    Raises:
        InputError: nothing is called so, or an argument does not fit.
    """
    network = resolve(text, width, input_size, num_classes)
    if text in zoo.names():
        return _summary(network, zoo.get(text))
    published, source = published_of(text)
    return replace(_summary(network), published=published, source=source or None)


def save_summarised(text: str, width: float, input_size: int | None, num_classes: int | None, path: Path) -> None:
    """Write a network as a network file with the source of its layers; arguments are those of `summarise`.

    Raises:
        InputError: as `summarise`, or the file's name does not end in .json, by which commands know a network file.
    """
    if path.suffix != NETWORK_SUFFIX:
        raise InputError(f"{path}: a network file is called NAME{NETWORK_SUFFIX}")
    published, source = published_of(text)
    table = zoo.table_of(text) if text in zoo.names() and width == 1 else None
    if table is None:
        save_network(resolve(text, width, input_size, num_classes), path, source or text)
        return
    network = resolve(text, width, input_size, num_classes)
    record = NetworkRecord(
        name=text,
        table=table,
        input_size=network.input_size,
        num_classes=network.num_classes,
        source=source,
        published=published,
    )
    records.save(record, path)


def _summary(network: Network, entry: zoo.ZooEntry | None = None) -> NetworkSummary:
    """Count a network, and add what the zoo knows of it."""
    return NetworkSummary(
        name=network.name,
        input_size=network.input_size,
        num_classes=network.num_classes,
        params=count_params(network),
        params_without_norm=count_params_without_norm(network),
        madds=count_madds(network),
        blocks=tuple(map(_row, network.blocks)),
        published=entry.published if entry else None,
        latencies=entry.latencies if entry else (),
        source=entry.source if entry else None,
        verdict=entry.verdict if entry else None,
        comment=entry.comment if entry else None,
    )


def _row(block: Block) -> BlockRow:
    return BlockRow(block.key, block.input_size, count_params(block), count_madds(block))
