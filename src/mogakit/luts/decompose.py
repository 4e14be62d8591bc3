"""Where a network's predicted time goes, by kind of block, as far as a table of blocks can tell."""

from dataclasses import replace

from mogakit.luts.table import LatencyTable
from mogakit.nets.block import Block, Op
from mogakit.nets.network import Network

SQUEEZE_EXCITE = "squeeze-and-excitation"
OVERHEAD = "overhead of a run"


def time_by_kind(table: LatencyTable, network: Network) -> dict[str, float]:
    """Return milliseconds by kind: stem, head, blocks by kernel, squeeze-and-excitation, overhead; uncalibrated.

    What squeeze-and-excitation costs is the row with it less the row of the same block without it, where both are
    measured; elsewhere it stays with its block.

    Raises:
        TableError: a block has no usable row.
    """
    parts = table.predict(network).parts
    times: dict[str, float] = {}

    def add(kind: str, latency_ms: float) -> None:
        times[kind] = times.get(kind, 0.0) + latency_ms

    for index, (block, part) in enumerate(zip(network.blocks, parts, strict=True)):
        excite_ms = _excite_ms(table, block, part.latency_ms)
        add(_kind(index, block), part.latency_ms - excite_ms)
        if excite_ms:
            add(SQUEEZE_EXCITE, excite_ms)
    if table.overhead_ms:
        add(OVERHEAD, table.overhead_ms)
    return times


def _kind(index: int, block: Block) -> str:
    if block.op is Op.HEAD:
        return "head"
    return "stem" if index == 0 else f"blocks {block.kernel}x{block.kernel}"


def _excite_ms(table: LatencyTable, block: Block, latency_ms: float) -> float:
    if block.se is None:
        return 0.0
    plain = table.rows.get(replace(block, se=None).key)
    if plain is None or plain.latency_ms is None or not table.counts(plain):
        return 0.0
    return max(latency_ms - plain.latency_ms, 0.0)
