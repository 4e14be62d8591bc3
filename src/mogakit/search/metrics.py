"""What a search can see of a network: named quantities, each evaluated for many chromosomes at once."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from mogakit.nets.network import Network
from mogakit.nets.spaces import Chromosome, SearchSpace, format_chromosome
from mogakit.search.additive import Genes, Values
from mogakit.search.cache import EvaluationCache
from mogakit.search.multi_hardware import f_avg
from mogakit.search.staged import Costs, sum_of
from mogakit.workers.pool import LocalWorkers, Workers


class Metric(Protocol):
    """A quantity of a network."""

    @property
    def name(self) -> str:
        """Its name in objectives, constraints and every output."""

    @property
    def unit(self) -> str:
        """Its unit, empty for a pure number."""

    @property
    def source(self) -> str:
        """Where its values come from, for the reader of a result."""

    @property
    def parts(self) -> tuple[Costs, ...] | None:
        """The sums over blocks that it grows with: itself where it is one, several for a maximum, None if unknown."""

    def evaluate(self, genes: Genes) -> Values:
        """Return one value a row of `genes`; NaN where the quantity does not exist."""


@dataclass(frozen=True)
class SumMetric:
    """A quantity that adds up over blocks."""

    name: str
    unit: str
    source: str
    costs: Costs

    @property
    def parts(self) -> tuple[Costs, ...]:
        """Itself."""
        return (self.costs,)

    def evaluate(self, genes: Genes) -> Values:
        """Look the terms up and add them."""
        return self.costs.evaluate(genes)


@dataclass(frozen=True)
class HardwareMetric:
    """`f_avg` or `f_max` over latencies on several hardware (multi-hardware paper eq. 4-5); see `hardware_metric`.

    Attributes:
        worst: whether it is `f_max`.
        latencies: one metric a hardware, in milliseconds.
        factors_ms: latency of the reference network on each.
        weights: importance of each, above zero.
    """

    worst: bool
    latencies: tuple[Metric, ...]
    factors_ms: tuple[float, ...]
    weights: tuple[float, ...]

    @property
    def name(self) -> str:
        """`f_max` or `f_avg`."""
        return "f_max" if self.worst else "f_avg"

    @property
    def unit(self) -> str:
        """A pure number: 1 is the reference network."""
        return ""

    @property
    def source(self) -> str:
        """The latencies and their factors."""
        named = zip(self.latencies, self.factors_ms, self.weights, strict=True)
        return "; ".join(f"{metric.source} / {factor:g} ms, weight {weight:g}" for metric, factor, weight in named)

    @cached_property
    def parts(self) -> tuple[Costs, ...] | None:
        """The weighted ratios `w_i L_i / C_i` where all latencies are sums; the metric grows with each."""
        ratios: list[Costs] = []
        for metric, factor, weight in zip(self.latencies, self.factors_ms, self.weights, strict=True):
            if metric.parts is None or len(metric.parts) != 1:
                return None
            ratios.append(metric.parts[0].scaled(weight / factor))
        return tuple(ratios)

    def evaluate(self, genes: Genes) -> Values:
        """Evaluate every hardware, then combine; one NaN makes the result NaN."""
        if self.parts is not None:
            return self._combined(np.stack([part.evaluate(genes) for part in self.parts], axis=1))
        scales = np.array(self.weights) / np.array(self.factors_ms)
        return self._combined(np.stack([metric.evaluate(genes) for metric in self.latencies], axis=1) * scales)

    def _combined(self, parts: Values) -> Values:
        """Return the metric of weighted ratios."""
        return np.asarray(parts.max(axis=1) if self.worst else parts.sum(axis=1) / sum(self.weights))


def hardware_metric(
    worst: bool, latencies: Sequence[Metric], factors_ms: Sequence[float], weights: Sequence[float] | None = None
) -> Metric:
    """Return `f_max` (`worst`) or `f_avg` as a metric; `f_avg` of sums is itself a sum.

    Raises:
        InputError: the lengths differ, or a factor or weight is not what `multi_hardware.f_avg` takes.
    """
    importance = [1.0] * len(latencies) if weights is None else list(weights)
    f_avg([1.0] * len(latencies), factors_ms, importance)  # checks the arguments
    used = [item for item in zip(latencies, factors_ms, importance, strict=True) if item[2] > 0]
    metric = HardwareMetric(
        worst, tuple(m for m, _, _ in used), tuple(f for _, f, _ in used), tuple(w for *_, w in used)
    )
    if worst or metric.parts is None:
        return metric
    return SumMetric(metric.name, metric.unit, metric.source, sum_of(metric.parts, 1 / sum(metric.weights)))


@dataclass(frozen=True, kw_only=True)
class NetworkMetric:
    """A quantity that must be asked for network by network: a supernet, a phone, a user's function.

    Attributes:
        identity: what cached values belong to: a source with another identity shares none of them.
        ask: returns the value of one network, None where there is none. It must be picklable where other processes ask.
        cache: where values are kept, or None.
        num_jobs: how many networks are asked for at once where there are no `workers`.
        workers: who asks; None for `num_jobs` processes of this computer.
    """

    name: str
    unit: str
    source: str
    identity: str
    space: SearchSpace
    ask: Callable[[Chromosome, Network], float | None]
    cache: EvaluationCache | None = None
    num_jobs: int = 1
    workers: Workers | None = None
    _memory: dict[str, float] = field(default_factory=dict, repr=False, compare=False)

    @property
    def parts(self) -> None:
        """Unknown."""
        return None

    def evaluate(self, genes: Genes) -> Values:
        """Ask for what is not cached, in parallel, and keep each value as it arrives."""
        chromosomes = [tuple(int(gene) for gene in row) for row in genes]
        names = [format_chromosome(chromosome) for chromosome in chromosomes]
        unknown = {
            name: chromosome for name, chromosome in zip(names, chromosomes, strict=True) if name not in self._memory
        }
        if self.cache is not None and unknown:
            self._memory.update(self.cache.get(self.identity, list(unknown)))
        missing = [(name, chromosome) for name, chromosome in unknown.items() if name not in self._memory]
        for name, value in self._ask_all(missing):
            self._memory[name] = value
            if self.cache is not None:
                self.cache.put(self.identity, [(name, value)])
        return np.array([self._memory[name] for name in names])

    def _ask_all(self, missing: Sequence[tuple[str, Chromosome]]) -> Iterator[tuple[str, float]]:
        workers = self.workers or LocalWorkers(self.num_jobs)
        for _, answer in workers.run(_asked, [(self.ask, self.space, *each) for each in missing]):
            yield answer


def _asked(
    ask: Callable[[Chromosome, Network], float | None], space: SearchSpace, name: str, chromosome: Chromosome
) -> tuple[str, float]:
    """Return a chromosome's name and value, NaN where it has none."""
    value = ask(chromosome, space.decode(chromosome))
    return name, math.nan if value is None else float(value)
