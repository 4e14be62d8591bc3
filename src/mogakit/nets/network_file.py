"""Network files: a network that a person reads and edits, and any command takes.

Its layers are written in the zoo's block language (`nets.zoo.table`), from which any width, input size and number of
classes is built, or as finished blocks by their keys (docs/keys.md):

{"schema_version": 1, "name": "mine", "source": "my thesis, table 3",
 "table": {"body": ["conv_o16_k3s2", "mb_e3o24_k3s2", "mb_e6o24_k3s1_res_x2"], "head": "head_f1280",
           "activation": "relu6"}}

{"schema_version": 1, "name": "mine", "source": "my thesis, table 3", "dropout": 0.0,
 "blocks": ["conv_i3o16_h224_k3s2_hswish", ..., "head_i160f960m1280o1000_h7_hswish"]}
"""

from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.block import parse_key
from mogakit.nets.limits import check_sizes
from mogakit.nets.network import Network
from mogakit.nets.zoo.entry import Published
from mogakit.nets.zoo.table import Table, build

NETWORK_SUFFIX = ".json"
NETWORK_SCHEMA_VERSION = 1


@records.stored(
    "network",
    version=NETWORK_SCHEMA_VERSION,
    made_by="`moga show NET --save FILE.json`, `mogakit.save_network` or docs/how-to/your-own.md",
    title="network file",
    sealed=False,
)
@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """What a network file holds: a name, and layers in one of two forms.

    Attributes:
        name: of the network.
        table: layers in the zoo's language, at width 1; None where the file lists finished blocks.
        input_size, num_classes: of a table, where a command asks for no others.
        blocks: keys in order, the head last; empty where there is a table.
        dropout: of finished blocks, as in `Network`; a table has its own.
        source: where the layers were read, for the reader of the file; may be empty.
        published: what its authors published of it, at width 1; may be absent.
    """

    name: str
    table: Table | None = None
    input_size: int = 224
    num_classes: int = 1000
    blocks: tuple[str, ...] = ()
    dropout: float = 0.0
    source: str = ""
    published: Published | None = None
    schema_version: int = NETWORK_SCHEMA_VERSION


def save_network(network: Network, path: Path, source: str = "") -> None:
    """Write a network as its finished blocks, atomically; equal networks give equal bytes."""
    record = NetworkRecord(
        name=network.name,
        blocks=tuple(block.key for block in network.blocks),
        dropout=network.dropout,
        source=source,
    )
    records.save(record, path)


def read_network_file(path: Path) -> NetworkRecord:
    """Read a network file as it stands.

    Raises:
        InputError: there is no such file, it is not a network file, or it has layers in neither form or in both.
    """
    record = records.load(NetworkRecord, path)
    if (record.table is None) == (not record.blocks):
        found = "neither" if record.table is None else "both"
        raise InputError(
            f"{path} has {found} of table and blocks: a network file has its layers either as table (body and head in "
            "the zoo's language) or as blocks (keys)"
        )
    return record


def load_network(
    path: Path, width: float = 1.0, input_size: int | None = None, num_classes: int | None = None
) -> Network:
    """Read a network file and build its network.

    Args:
        width: multiplier, by slim's rules (`nets.zoo.table.build`).
        input_size: in pixels; None for the file's own.
        num_classes: length of the output; None for the file's own.

    Raises:
        InputError: as `read_network_file`, its blocks do not fit together, or a network of finished blocks is asked
            for at another width, size or number of classes.
    """
    record = read_network_file(path)
    try:
        if record.table is None:
            network = Network(record.name, tuple(parse_key(key) for key in record.blocks), record.dropout)
            return as_asked(network, str(path), width, input_size, num_classes)
        size = record.input_size if input_size is None else input_size
        classes = record.num_classes if num_classes is None else num_classes
        check_sizes(width, size, classes)
        name = record.name + (f"@{width:g}x" if width != 1 else "")
        name += f"@{size}px" if size != record.input_size else ""
        name += f"@{classes}c" if classes != record.num_classes else ""
        return build(name, record.table, width, size, classes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def as_asked(network: Network, text: str, width: float, input_size: int | None, num_classes: int | None) -> Network:
    """Return a finished network, which has one width, size and number of classes, if that is what was asked for."""
    if width != 1:
        raise InputError(
            "a width multiplier needs a network of the zoo, or a network file with a table; "
            f"{text} has its channels already"
        )
    for asked, has, unit in ((input_size, network.input_size, "px"), (num_classes, network.num_classes, "classes")):
        if asked not in (None, has):
            raise InputError(f"{text} is a network for {has} {unit}, not for {asked}")
    return network
