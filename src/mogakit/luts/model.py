"""`LatencyModel`: whatever predicts the latency of a network, and `Prediction`, what it answers."""

from dataclasses import dataclass
from typing import Protocol

from mogakit.bench.measurement import Identity, Status
from mogakit.bench.target import Target
from mogakit.luts.error_metrics import FloatArray
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace
from mogakit.tabular import Sheet, Tabular


@dataclass(frozen=True)
class Part:
    """What one block of a network, or one gene of its chromosome, adds.

    Attributes:
        key: the block's key, or `gene 3 = 2` where a cost model counts a gene that is not a block.
        latency_ms: milliseconds before the calibration; negative where a cost model subtracts.
        status: of the table's row; a cost model's coefficients are `ok`.
    """

    key: str
    latency_ms: float
    status: Status = Status.OK


@dataclass(frozen=True, kw_only=True, repr=False)
class Prediction(Tabular):
    """A predicted latency with its parts.

    Attributes:
        network: its name.
        latency_ms: the answer in milliseconds, calibrated.
        raw_ms: `overhead_ms` plus the parts, before the calibration.
        overhead_ms: what the network pays once; a cost model's intercept.
        parts: in the network's order.
        doubtful: keys whose row counts with a reservation (partial delegation that was accepted, drift), sorted.
        loo_mape_percent: mean error of the model on each network it was fitted on when fitted on all others; None
            where it was fitted on none.
    """

    network: str
    latency_ms: float
    raw_ms: float
    overhead_ms: float
    parts: tuple[Part, ...]
    doubtful: tuple[str, ...] = ()
    loo_mape_percent: float | None = None

    def sheet(self) -> Sheet:
        """Return one row a part, in the network's order, with the answer as the title."""
        error = "" if self.loo_mape_percent is None else f" ± {self.loo_mape_percent:.2g} % (leave-one-out)"
        return Sheet(
            title=f"{self.network}: {self.latency_ms:.4g} ms{error}",
            columns=("part", "latency_ms", "status"),
            rows=[(part.key, part.latency_ms, part.status) for part in self.parts],
            note=f"once {self.overhead_ms:.4g} ms; {self.raw_ms:.4g} ms before the calibration",
        )


class LatencyModel(Protocol):
    """Predicts the latency of networks on one target without measuring them: a latency table, a cost model.

    Every latency model is also a `search.sources.LatencySource`.
    """

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def space(self) -> str:
        """Name of the search space whose networks it predicts, or empty."""

    @property
    def target(self) -> Target | None:
        """What it predicts the latency on; None where an import does not state it."""

    @property
    def identity(self) -> Identity:
        """The device and software that its numbers were measured on."""

    @property
    def described(self) -> str:
        """What it is and what it was fitted on, in a few words: `table RUN/lut.json`."""

    def predict(self, network: Network) -> Prediction:
        """Predict a network with its parts.

        Raises:
            TableError: a block has no row, or a row without a number that counts.
            InputError: the network does not lie in the model's space.
        """

    def latency_ms(self, network: Network) -> float:
        """Return `predict(network).latency_ms`."""

    def unpredictable(self, network: Network) -> str | None:
        """Return in a few words why the model has no number for a network, or None where it has one."""

    def slot_costs(self, space: SearchSpace, unsupported_ms: float | None = None) -> list[FloatArray] | None:
        """Return one array of milliseconds a gene, shape (choices,), whose entries sum to `latency_ms`.

        What a network pays once is folded into the first gene.

        Args:
            space: whose genes are asked about.
            unsupported_ms: stands for a choice without a number that counts (e.g. `math.nan`); None: such a choice
                raises.

        Returns:
            None where the latency does not add up over the genes of the space.

        Raises:
            TableError: a block of the space has no row.
            InputError: the space is not the one that the model was fitted on.
        """
