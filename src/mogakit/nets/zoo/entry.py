"""What the zoo says of a network beside its layers: where the table is from, and what its authors published."""

from dataclasses import dataclass
from enum import StrEnum

from mogakit.nets.network import Network
from mogakit.nets.zoo.table import Table


class Verdict(StrEnum):
    """Whether the published counts are those of the table."""

    MATCH = "match"
    MATCH_REPOSITORY = "match, but not the paper's row"
    MISMATCH = "mismatch"
    MATCH_AT_188_PX = "match at 188 px"


@dataclass(frozen=True, kw_only=True)
class PublishedLatency:
    """A latency from a paper; `width` is the width multiplier of the network measured."""

    latency_ms: float
    device: str
    framework: str
    source: str
    width: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Published:
    """Numbers from a paper, for width 1 and 1000 classes, with the rounding and counting rules of its authors.

    Attributes:
        params_m: millions of parameters.
        madds_m: millions of multiply-adds.
        top1: ImageNet top-1 accuracy in percent.
        top5: top-5 accuracy in percent; None where not stated.
        source: where the numbers stand.
    """

    params_m: float
    madds_m: float
    top1: float
    top5: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A line of the zoo: a table, its source and what was published of it.

    Attributes:
        source: where the layers were read.
        verdict: whether the published counts are reproduced.
        comment: how the counts compare.
    """

    table: Table
    source: str
    published: Published
    verdict: Verdict
    comment: str


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A network of the zoo at a width, input size and number of classes; see `Record` and `Published`."""

    network: Network
    published: Published
    latencies: tuple[PublishedLatency, ...]
    source: str
    verdict: Verdict
    comment: str
