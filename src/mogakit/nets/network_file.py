"""Network files: a network as a list of block keys, which a person reads and any command takes.

{"schema_version": 1, "name": "mine", "source": "my thesis, table 3", "dropout": 0.0,
 "blocks": ["conv_i3o16_h224_k3s2_hswish", ..., "head_i160f960m1280o1000_h7_hswish"]}
"""

from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.block import parse_key
from mogakit.nets.network import Network

NETWORK_SUFFIX = ".json"
NETWORK_SCHEMA_VERSION = 1


@records.stored(
    "network",
    version=NETWORK_SCHEMA_VERSION,
    made_by="`mogakit.save_network` or docs/how-to/your-own.md",
    title="network file",
    sealed=False,
)
@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """What a network file holds.

    Attributes:
        name: of the network.
        blocks: keys in order, the head last.
        dropout: as in `Network`.
        source: where the layers were read, for the reader of the file; may be empty.
    """

    name: str
    blocks: tuple[str, ...]
    dropout: float = 0.0
    source: str = ""
    schema_version: int = NETWORK_SCHEMA_VERSION


def save_network(network: Network, path: Path, source: str = "") -> None:
    """Write a network file, atomically; equal networks give equal bytes."""
    record = NetworkRecord(
        name=network.name,
        blocks=tuple(block.key for block in network.blocks),
        dropout=network.dropout,
        source=source,
    )
    records.save(record, path)


def load_network(path: Path) -> Network:
    """Read a network file.

    Raises:
        InputError: there is no such file, it is not a network file, or its blocks do not fit together.
    """
    record = records.load(NetworkRecord, path)
    try:
        return Network(record.name, tuple(parse_key(key) for key in record.blocks), record.dropout)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
