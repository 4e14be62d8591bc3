"""`Comparison`: networks over several hardware, as `moga compare` prints them."""

from dataclasses import dataclass
from enum import StrEnum

from mogakit import records
from mogakit.tabular import Sheet, Tabular


class Origin(StrEnum):
    """How a column's latencies were come by."""

    PREDICTED = "predicted"
    MEASURED = "measured"
    PUBLISHED = "published"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One hardware.

    Attributes:
        name: target of a table or measurement, device and framework of a publication.
        origin: how its latencies were come by. source: the table, device or paper.
        factor_ms: latency of the reference network, by which the metrics normalise; None where it is not known, or
            infinite. left_out: it is infinite: the column adds nothing to the metrics.
    """

    name: str
    origin: Origin
    source: str
    factor_ms: float | None
    left_out: bool = False


@dataclass(frozen=True, kw_only=True)
class ComparedNetwork:
    """One row.

    Attributes:
        name: as asked for.
        params, madds: counts; None for a model file. top1: published accuracy in percent, None where there is none.
        top1_source: where it was published.
        latencies_ms: one a column; None where there is no number. reasons: why, by column name.
        f_avg, f_max: over all columns; None where one has no number, or a factor is not known.
    """

    name: str
    params: int | None
    madds: int | None
    top1: float | None
    latencies_ms: tuple[float | None, ...]
    reasons: dict[str, str]
    f_avg: float | None
    f_max: float | None
    top1_source: str = ""


@records.stored("comparison", version=1, implied_version=1, made_by="moga compare NET... --json > FILE")
@dataclass(frozen=True, repr=False)
class Comparison(Tabular):
    """The whole table; `reference` is the network or the words behind the factors."""

    columns: tuple[Column, ...]
    networks: tuple[ComparedNetwork, ...]
    reference: str

    def sheet(self) -> Sheet:
        """Return one row a network: counts, published accuracy, one latency a column, and the metrics over them."""
        return Sheet(
            title=f"{len(self.networks)} networks on {len(self.columns)} hardware, normalised by {self.reference}",
            columns=(
                "network",
                "params",
                "madds",
                "top1_percent",
                *(f"{column.name}_ms" for column in self.columns),
                "f_avg",
                "f_max",
            ),
            rows=[
                (each.name, each.params, each.madds, each.top1, *each.latencies_ms, each.f_avg, each.f_max)
                for each in self.networks
            ],
            note="; ".join(f"{column.name}: {column.origin}, {column.source}" for column in self.columns),
        )
