"""How long a file takes on a unit of a phone: an additive truth, and what a measurement shows of it.

truth = overhead of the unit + sum over operators of (dispatch + MACs / rate + bytes / rate) x a seeded factor of the
operator's shape. What a process shows is the truth x noise of the process x drift x heat, and noise per run.
"""

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from phone_simulator.graphs import Operator
from phone_simulator.profiles import Profile, Unit

_EFFICIENCY = {"CONV": 1.0, "DWCONV": 0.35, "FC": 0.5}
_HALF_SPEEDUP = 1.7
_LONGEST_S = 1e5
_THREAD_SHARE = 0.78
"""Part of an operator that n threads divide among them."""


@dataclass(frozen=True)
class Request:
    """What a tool was asked to compute with.

    Attributes:
        unit: name in `Profile.units`.
        half: whether floats are computed in 16 bits (GPU).
        cpus: bits of the cores that the process may use; only CPU units care.
    """

    unit: str
    half: bool = False
    threads: int = 1
    cpus: int | None = None


@dataclass(frozen=True)
class Variation:
    """How far measurements stray: standard deviations as fractions of the truth; `drift` is an amplitude."""

    process: float = 0.01
    sample: float = 0.01
    drift: float = 0.005
    drift_period_s: float = 900.0


QUIET = Variation(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Plan:
    """How a graph is divided: which operators the unit takes, and in how many runs of consecutive ones."""

    taken: tuple[bool, ...]

    @property
    def num_taken(self) -> int:
        """Return the number of delegated operators."""
        return sum(self.taken)

    @property
    def num_partitions(self) -> int:
        """Return the number of runs of consecutive delegated operators."""
        return sum(1 for i, now in enumerate(self.taken) if now and (i == 0 or not self.taken[i - 1]))


def divide(operators: Sequence[Operator], unit: Unit, max_partitions: int = 0) -> Plan:
    """Say which operators `unit` takes; with `max_partitions`, only that many of the longest runs."""
    taken = [unit.takes(operator.kind, operator.dtype) for operator in operators]
    if max_partitions:
        runs: list[list[int]] = []
        for index, now in enumerate(taken):
            if now and (index == 0 or not taken[index - 1]):
                runs.append([])
            if now:
                runs[-1].append(index)
        kept = {i for run in sorted(runs, key=len, reverse=True)[:max_partitions] for i in run}
        taken = [index in kept for index in range(len(taken))]
    return Plan(tuple(taken))


def _unit_interval(*parts: object) -> float:
    """Return a number in [0, 1) that depends on `parts` alone."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


class Truth:
    """The exact latencies of one phone."""

    def __init__(self, profile: Profile, seed: int = 0) -> None:
        self.profile = profile
        self.seed = seed

    def operator_ms(self, operator: Operator, request: Request) -> float:
        """Return what one operator costs, without the overhead per run."""
        unit = self.profile.units[request.unit]
        rate = unit.giga_macs_per_s * _EFFICIENCY.get(operator.kind, 1.0)
        if operator.dtype in ("int8", "uint8"):
            rate *= 2.0
        if operator.kind == "DWCONV" and request.unit == "cpu-xnnpack" and 7 in operator.kernel:
            rate *= 0.25  # XNNPACK has no 7x7 depthwise kernel and takes the general one
        micros = operator.macs / rate / 1e3 + operator.num_bytes / unit.gigabytes_per_s / 1e3
        if request.half and operator.dtype.startswith("float"):
            micros /= _HALF_SPEEDUP
        micros *= 0.75 + 0.6 * _unit_interval(self.seed, self.profile.name, request.unit, operator.signature)
        if request.unit.startswith("cpu"):
            micros /= self._cpu_speed(request)
        return (micros + unit.dispatch_us) / 1e3

    def _cpu_speed(self, request: Request) -> float:
        clusters = self.profile.clusters
        mask = self.profile.big.mask if request.cpus is None else request.cpus
        used = [(cluster, bin(cluster.mask & mask).count("1")) for cluster in clusters if cluster.mask & mask]
        cores = sum(count for _, count in used)
        if not cores:
            raise ValueError(f"mask {mask:x} names no core of {self.profile.name}")
        speed = sum(cluster.speed * count for cluster, count in used) / cores
        threads = min(request.threads, cores)
        return speed / (1 - _THREAD_SHARE + _THREAD_SHARE / threads)

    def file_ms(self, operators: Sequence[Operator], request: Request, plan: Plan | None = None) -> float:
        """Return what one run costs; operators that `plan` leaves out run on the CPU, with a hand-over each way."""
        unit = self.profile.units[request.unit]
        plan = plan or Plan((True,) * len(operators))
        rest = Request("cpu-xnnpack", threads=request.threads, cpus=request.cpus)
        total = unit.overhead_ms if plan.num_taken else 0.0
        for operator, taken in zip(operators, plan.taken, strict=True):
            total += self.operator_ms(operator, request if taken else rest)
        return total + 0.3 * max(0, plan.num_partitions - 1) * (not request.unit.startswith("cpu"))


@dataclass(frozen=True)
class Samples:
    """What one process of a tool measured, in milliseconds."""

    init: float
    first: float
    warmup: tuple[float, ...]
    runs: tuple[float, ...]

    @property
    def busy_s(self) -> float:
        """Return how long the process computed."""
        return (self.init + sum(self.warmup) + sum(self.runs)) / 1e3


@dataclass(frozen=True)
class Repetitions:
    """A tool's rule for stopping: (count < num_runs or time < min_s) and time <= max_s; the same for the warm-up."""

    num_runs: int = 50
    min_s: float = 1.0
    max_s: float = 150.0
    warmup_runs: int = 1
    warmup_min_s: float = 0.5


def _series(
    mean_ms: float, noise: float, rng: random.Random, num: int, min_s: float, max_s: float
) -> tuple[float, ...]:
    wanted = max(num, math.ceil(min_s * 1e3 / mean_ms)) if mean_ms > 0 else num
    wanted = max(1, min(wanted, math.ceil(min(max_s, _LONGEST_S) * 1e3 / mean_ms)))
    return tuple(max(mean_ms * 0.2, rng.gauss(mean_ms, noise * mean_ms)) for _ in range(wanted))


def play(
    truth_ms: float, variation: Variation, slowdown: float, at_s: float, seed: str, repeat: Repetitions, num_bytes: int
) -> Samples:
    """Draw what a process shows of `truth_ms` when it starts at `at_s` of the phone's clock.

    Args:
        slowdown: factor of the phone's heat, 1.0 when cool.
        seed: what makes this process differ from others: file, request and how often it ran before.
    """
    rng = random.Random(seed)
    drift = 1.0 + variation.drift * math.sin(2 * math.pi * at_s / variation.drift_period_s)
    mean = truth_ms * max(0.5, rng.gauss(1.0, variation.process)) * drift * slowdown
    init = 0.8 + num_bytes / 1e6 * rng.uniform(0.9, 1.1)
    warmup = _series(mean * 1.02, variation.sample, rng, repeat.warmup_runs, repeat.warmup_min_s, repeat.max_s)
    warmup = (warmup[0] * 1.35, *warmup[1:])
    runs = _series(mean, variation.sample, rng, repeat.num_runs, repeat.min_s, repeat.max_s)
    return Samples(init, warmup[0], warmup, runs)
