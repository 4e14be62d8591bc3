"""Networks, spaces, tables and predictions."""

from pathlib import Path

from mogakit.flows.lut import load_any
from mogakit.library.given import NetworkLike, TableLike, latency_model, network_of, table_file
from mogakit.library.run import Run
from mogakit.luts.linear import CostModel
from mogakit.luts.model import Prediction
from mogakit.luts.table import LatencyTable
from mogakit.nets.network import Network
from mogakit.nets.network_file import save_network as _save
from mogakit.nets.resolve import resolve


def get_network(
    name: str, *, width: float = 1.0, input_size: int | None = None, num_classes: int | None = None
) -> Network:
    """Return a network by what names it.

    Args:
        name: of the zoo (`moga-a`, `mobilenet-v2@1.25x`), a chromosome (`moga/8-10-6-...`), a network file
            (`mine.json`), or `package.module:name`.
        width: width multiplier of a zoo network.
        input_size: height and width of the image in pixels; None for the network's own.
        num_classes: length of the output; None for the network's own.

    Returns:
        The network as data: its blocks in order, no weights.

    Raises:
        InputError: nothing is called so, or it cannot be had at that width, size or number of classes.

    Source: `moga zoo` lists the networks with the papers and tables that they were read from.

    Examples:
        >>> network = mk.get_network("moga-a")
        >>> network.input_shape, network.num_classes
        ((1, 3, 224, 224), 1000)
        >>> network.blocks[2].key
        'mb_i16e96o24_h112_k5s2_relu'
    """
    return resolve(name, width, input_size, num_classes)


def save_network(network: Network, path: str | Path, source: str = "") -> Path:
    """Write a network file, which every command and function takes as a network.

    Args:
        network: the network.
        path: of the file; it must end in `.json`.
        source: where its layers were read, for the reader of the file.

    Returns:
        The path.

    Raises:
        OSError: the folder is not writable.

    Source: docs/keys.md has the grammar of the block keys that the file lists.

    Examples:
        >>> path = mk.save_network(mk.get_network("moga-b"), "mine.json", source="MoGA Table 2")
        >>> mk.get_network("mine.json") == mk.get_network("moga-b")
        True
    """
    _save(network, Path(path), source)
    return Path(path)


def load_table(path: str | Path | Run) -> LatencyTable | CostModel:
    """Read a latency table or a cost model, whatever its file is called.

    Args:
        path: of the file, or of a run's folder.

    Returns:
        The table or cost model; latencies in milliseconds.

    Raises:
        TableError: the file is absent, or holds neither.

    Source: docs/tables.md describes every field.

    Examples:
        >>> table = mk.load_table("run")
        >>> table.space, str(table.target)
        ('digits', 'tflite/cpu/float32')
        >>> table.to_pandas().columns[:3].to_list()
        ['key', 'role', 'latency_ms']
    """
    return load_any(table_file(path))


def predict(network: NetworkLike, table: TableLike) -> Prediction:
    """Predict a network's latency without measuring it.

    Args:
        network: as `get_network` takes it, or a `Network`.
        table: a latency table or cost model, its file, or a run.

    Returns:
        The latency in milliseconds with its parts, and the table's leave-one-out error in percent.

    Raises:
        InputError: nothing is called so, or the network does not lie in the cost model's space.
        TableError: the table lacks a row, or a row does not count; the message names the command that measures it.

    Source: overhead once, plus one row a block, then the calibration; docs/measuring.md argues each step.

    Examples:
        >>> found = mk.predict("digits/0-0-0-0-0-0", "run")
        >>> found.latency_ms > 0
        True
        >>> [part.key for part in found.parts][:2]
        ['conv_i3o16_h8_k3s1_hswish', 'mb_i16e48o16_h8_k3s1_relu_res']
    """
    return latency_model(table).predict(network_of(network))
