"""Blocks out of the times of single operators: what a per-operator table says about a block, and what it cannot.

A block's time is the sum of its operators' where each is in the table. A sum is biased low: it lacks whatever is not
an operator (dispatch, copies), and operators that the table does not know at all, which are counted and named. On the
102 networks of qed-usc/mobile-ml-benchmark sums are a median of 0.83 (Pixel 4) and 0.90 (Mi 8 SE) of what was measured;
a calibration on whole networks takes that out, and a table without one says so.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mogakit.luts.table import Row, RowSource
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.layer import Layer
from mogakit.nets.network import block_layers


class OperatorKind(StrEnum):
    """What an operator computes."""

    CONV = "conv"
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    MEAN = "mean"  # global average pool
    ADD = "add"
    SCALE = "scale"  # of squeeze-and-excitation, channel by channel
    HSWISH = "hswish"  # where it is not part of a convolution
    SQUEEZE = "squeeze-and-excitation"  # a whole one, where a table has it in one piece


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator with its shape.

    Attributes:
        size: height and width of its output; of a mean, of its input.
        groups: of a convolution that is not depthwise.
    """

    kind: OperatorKind
    in_channels: int
    out_channels: int
    size: int = 1
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    def __str__(self) -> str:
        shape = f"{self.in_channels}-{self.out_channels} {self.size}x{self.size}"
        return f"{self.kind} {shape} k{self.kernel} s{self.stride}" + (f" g{self.groups}" if self.groups > 1 else "")


@dataclass(frozen=True)
class OperatorTimes:
    """Milliseconds by operator: `times_ms`, the median where one occurs several times; `spreads_ms`, half of the range
    between its 10th and 90th percentile there."""

    times_ms: Mapping[Operator, float]
    spreads_ms: Mapping[Operator, float]

    @staticmethod
    def of(times: Mapping[Operator, Sequence[float]]) -> "OperatorTimes":
        """Return the median and spread of several times each."""
        spreads = {}
        for operator, values in times.items():
            low, high = np.percentile(values, [10, 90])
            spreads[operator] = float(high - low) / 2
        return OperatorTimes({operator: float(np.median(values)) for operator, values in times.items()}, spreads)

    @property
    def kinds(self) -> frozenset[OperatorKind]:
        """The kinds of operators that occur at all."""
        return frozenset(operator.kind for operator in self.times_ms)


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What blocks were composed of.

    Attributes:
        rows: by block key, of the blocks whose operators are all known.
        incomplete: of each other block the operators whose shape the table lacks.
        omitted: how many operators of the composed blocks are of a kind that the table lacks altogether, by kind: they
            count as nothing, which makes sums too small.
    """

    rows: dict[str, Row]
    incomplete: dict[str, tuple[str, ...]]
    omitted: dict[str, int]


def compose(blocks: Sequence[Block], times: OperatorTimes) -> Composition:
    """Sum the operators of each block."""
    rows: dict[str, Row] = {}
    incomplete: dict[str, tuple[str, ...]] = {}
    omitted: Counter[str] = Counter()
    for block in dict.fromkeys(blocks):
        parts = list(_parts(block, times.kinds))
        known = [part for part in parts if part.kind in times.kinds]
        missing = [part for part in known if part not in times.times_ms]
        if missing or not known:
            incomplete[block.key] = tuple(map(str, dict.fromkeys(missing))) or ("every operator",)
            continue
        omitted.update(part.kind.value for part in parts if part.kind not in times.kinds)
        spread = float(np.sqrt(sum(times.spreads_ms[part] ** 2 for part in known)))
        rows[block.key] = Row(
            key=block.key,
            role=None,
            latency_ms=float(sum(times.times_ms[part] for part in known)),
            std_ms=spread or None,
            source=RowSource.COMPOSED,
        )
    return Composition(rows=rows, incomplete=incomplete, omitted=dict(sorted(omitted.items())))


def operators_of(block: Block) -> tuple[Operator, ...]:
    """Return the operators of a block, squeeze-and-excitation taken apart; ReLU is part of the layer before it."""
    return tuple(_parts(block, frozenset(OperatorKind) - {OperatorKind.SQUEEZE}))


def _parts(block: Block, kinds: frozenset[OperatorKind]) -> Iterator[Operator]:
    middle = block.expanded_channels or (block.out_channels if block.op is Op.CONV else block.in_channels)
    whole = block.se is not None and OperatorKind.SQUEEZE in kinds
    spatial = {"conv", "depthwise"} if block.op is not Op.FUSED else {"expand"}
    if block.op is Op.HEAD:
        pooled = block.features or block.in_channels
        yield Operator(kind=OperatorKind.MEAN, in_channels=pooled, out_channels=pooled, size=block.input_size)
    for layer in block_layers(block):
        if layer.role.startswith("se."):
            if not whole:
                yield _dense_or_conv(layer, kinds)
            continue
        yield _of_layer(layer, block, layer.role in spatial, kinds)
        if block.activation is Activation.HSWISH and layer.role not in ("project", "classifier"):
            yield _plain(OperatorKind.HSWISH, layer.out_channels, layer.output_size)
    if block.se is not None:
        if whole:
            yield _plain(OperatorKind.SQUEEZE, middle, block.output_size)
        else:
            yield _plain(OperatorKind.MEAN, middle, block.output_size)
            yield _plain(OperatorKind.SCALE, middle, block.output_size)
    if block.residual:
        yield _plain(OperatorKind.ADD, block.out_channels, block.output_size)


def _plain(kind: OperatorKind, channels: int, size: int) -> Operator:
    return Operator(kind=kind, in_channels=channels, out_channels=channels, size=size)


def _of_layer(layer: Layer, block: Block, spatial: bool, kinds: frozenset[OperatorKind]) -> Operator:
    if layer.role in ("classifier", "hidden"):
        return _dense_or_conv(layer, kinds, prefer_dense=layer.role == "classifier")
    depthwise = layer.groups > 1 and layer.groups == layer.in_channels == layer.out_channels
    return Operator(
        kind=OperatorKind.DEPTHWISE if depthwise else OperatorKind.CONV,
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
        size=layer.output_size,
        kernel=layer.kernel,
        stride=block.stride if spatial else 1,
        groups=1 if depthwise else layer.groups,
    )


def _dense_or_conv(layer: Layer, kinds: frozenset[OperatorKind], prefer_dense: bool = False) -> Operator:
    """Return a matrix product on one pixel, which exporters write as a 1x1 convolution or as a dense layer."""
    dense = OperatorKind.DENSE in kinds and (prefer_dense or OperatorKind.CONV not in kinds)
    kind = OperatorKind.DENSE if dense else OperatorKind.CONV
    return Operator(kind=kind, in_channels=layer.in_channels, out_channels=layer.out_channels)
