"""A device measured in the loop of a search, as MnasNet did: the latency of each candidate is timed, not predicted."""

from dataclasses import dataclass

from mogakit.bench.measurement import Status
from mogakit.bench.runner import Runner
from mogakit.bench.target import Target
from mogakit.errors import MeasurementError
from mogakit.nets.network import Network
from mogakit.nets.spaces import SearchSpace


@dataclass(frozen=True)
class DeviceLatency:
    """Exports a network, times it for one round on a device, and forgets the file. A `LatencySource`.

    `budget_s` bounds the timing of one network. It takes seconds a network: give the search a cache (`moga search`
    does), few evaluations, or the `fit-front` engine.
    """

    runner: Runner
    target: Target
    seed: int = 0
    budget_s: float = 3.0

    def slot_costs(self, space: SearchSpace, unsupported_ms: float | None = None) -> None:
        """None: networks are measured whole."""
        return None

    def latency_ms(self, network: Network) -> float | None:
        """Return the measured latency in milliseconds; None where the target could not run the whole network.

        Raises:
            DeviceError, MeasurementError, ExportError: the device went away, or the network could not be exported.
        """
        # loaded here, so that a search on tables alone does not load torch
        from mogakit.flows.measure.bench import BenchRequest, bench

        request = BenchRequest(
            models=(network.name,), targets=(self.target,), seed=self.seed, quick=True, budget_s=self.budget_s
        )
        row = bench(request, self.runner).timings[0].row
        if row.latency_ms is None and row.error is None:
            raise MeasurementError(
                f"{network.name} was not measured on {self.target} within {self.budget_s:g} s; give it more time"
            )
        return row.latency_ms if row.status is Status.OK else None

    @property
    def described(self) -> str:
        """What was measured where, for results."""
        return f"measured in the loop: {self.target} on {self.runner.identity(self.target).device_name}"
