"""What a user asks of a search, and the problem that it becomes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol, cast

from mogakit.bench.measurement import Identity
from mogakit.bench.runner import Runner
from mogakit.bench.target import Target
from mogakit.errors import InputError
from mogakit.export.support.entry import Hardware
from mogakit.flows.search.in_the_loop import DeviceLatency
from mogakit.luts.latencies import load_latencies, scope_note, table_path
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable
from mogakit.nets.network import Network, count_madds, count_params
from mogakit.nets.spaces import Chromosome, SearchSpace, StagedSpace, get_space
from mogakit.plugins import Group, find
from mogakit.search.cache import EvaluationCache
from mogakit.search.evolution import Settings
from mogakit.search.metrics import Metric, NetworkMetric, SumMetric, hardware_metric
from mogakit.search.problem import MOGA_WEIGHTS, Constraint, Objective, Problem, allowed_choices
from mogakit.search.rewards import Reward
from mogakit.search.sources import (
    ACCURACY,
    PROXY,
    AccuracyFunction,
    BlockSource,
    LatencySource,
    accuracy_metric,
    block_latency_metric,
    latency_metric,
    summed_latency_metric,
)
from mogakit.search.staged import costs_of
from mogakit.search.surrogate import SurrogateSettings
from mogakit.workers.pool import Workers

LATENCY, PARAMS, MADDS, F_AVG, F_MAX = "latency", "params", "madds", "f_avg", "f_max"
"""Names of metrics, besides `accuracy` or `proxy`."""


class Method(StrEnum):
    """How the space is searched."""

    NSGA2 = "nsga2"
    SMS_EMOA = "sms-emoa"
    RANDOM = "random"
    EXACT = "exact"  # the whole Pareto front, where every objective adds up
    FIT_FRONT = "fit-front"  # an additive model on few evaluations, its exact front, checked
    BEST = "best"  # the one best network in the first objective, under the limits, proven
    PPO = "ppo"  # MnasNet's recurrent controller, for a reward
    REINFORCE = "reinforce"  # TuNAS's controller, for a reward


@dataclass(frozen=True)
class LatencyInput:
    """A latency of the search.

    Attributes:
        name: of the metric where there are several.
        source: a latency table, a cost model, a device.
        described: what stands in results.
        measured: whether each answer is a measurement, which the cache then keeps.
    """

    name: str
    source: LatencySource
    described: str
    measured: bool = False


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What to search.

    Attributes:
        space: name of the space.
        accuracy: as `search.sources` reads it, or a function itself.
        latencies: one a hardware; with several, `f_avg` or `f_max` over them is a metric as well.
        objectives: texts `metric[:max|min][:weight]`; empty for accuracy, latency and params as MoGA.
        limits: constraints on metrics.
        forbid: patterns of block keys that may not be chosen.
        runs_on: hardware that must surely run every operator; choices that one does not are left out.
        worst: `f_max` instead of `f_avg` where there are several latencies.
        reference: network whose latency is the factor of each hardware, where `factors_ms` is empty.
        factors_ms: the factors themselves. hardware_weights: of `f_avg` and `f_max`.
        settings: of the evolutionary engines. surrogate: of `fit-front`.
        reward: of the controllers, which need one: accuracy is the first objective, latency the second. The proxy is
            put between 0.68 and 0.76 for it; other accuracies are multiplied by `accuracy_scale` (0.01 for percent).
        num_picks: networks taken from the front at equal distance.
        num_jobs: evaluations of an expensive accuracy at once.
        cluster: address of a Dask scheduler whose workers evaluate an expensive accuracy; None for this computer.
        checkpoint_every_s: seconds between two checkpoints; what is lost by a kill is computed again, equally.
    """

    space: str
    accuracy: str | AccuracyFunction = PROXY
    latencies: tuple[LatencyInput, ...] = ()
    objectives: tuple[str, ...] = ()
    limits: tuple[Constraint, ...] = ()
    forbid: tuple[str, ...] = ()
    runs_on: tuple[Hardware, ...] = ()
    worst: bool = False
    reference: Network | None = None
    factors_ms: tuple[float, ...] = ()
    hardware_weights: tuple[float, ...] | None = None
    method: Method = Method.NSGA2
    settings: Settings = field(default_factory=Settings)
    surrogate: SurrogateSettings = field(default_factory=SurrogateSettings)
    reward: Reward | None = None
    accuracy_scale: float = 1.0
    seed: int = 0
    num_picks: int = 3
    num_jobs: int = 1
    cluster: str | None = None
    checkpoint_every_s: float = 5.0


def table_input(path: Path) -> LatencyInput:
    """Read a latency table, or a linear cost model, whatever its file is called; it is named after its target.

    Raises:
        TableError: the file is neither.
    """
    return _model_input(load_latencies(path))


def _model_input(found: LatencyTable | CostModel) -> LatencyInput:
    target = "unknown target" if found.target is None else str(found.target)
    where = f"{target} on {found.identity.device_name}"
    where += _beside(found.identity)
    return LatencyInput(target, found, f"{found.described}, {where}")


class NetworkLatency(Protocol):
    """The least that a latency of a user's own is: asked network by network."""

    def latency_ms(self, network: Network) -> float | None:
        """Return milliseconds, None where the hardware cannot run the network."""


@dataclass(frozen=True)
class _Asked:
    """A latency that cannot be had gene by gene."""

    inner: NetworkLatency

    def latency_ms(self, network: Network) -> float | None:
        return self.inner.latency_ms(network)

    def slot_costs(self, space: SearchSpace, unsupported_ms: float | None = None) -> None:
        return None


def latency_input(given: str | Path | LatencySource | NetworkLatency) -> LatencyInput:
    """Open a latency that a person named, or that a program hands over.

    Args:
        given: a latency table or cost model: its file, a run's folder, or itself; or a latency of a user's own: an
            object with `latency_ms(network)` (and `slot_costs(space)`, where it adds up over genes: only then is there
            an exact front), a function that makes one as `package.module:name`, or a name among the entry points
            `mogakit.latencies`.

    Raises:
        TableError: the file is neither a table nor a cost model.
        InputError: what was named is not a latency.
    """
    if isinstance(given, str | Path):
        own = None if Path(given).exists() else find(Group.LATENCIES, str(given))
        if own is None:
            return table_input(table_path(given))
        source: object = own() if callable(own) else own
    else:
        source = given
    if isinstance(source, LatencyTable | CostModel):
        return _model_input(source)
    name = str(getattr(source, "name", None) or (given if isinstance(given, str) else type(source).__name__))
    if not callable(getattr(source, "latency_ms", None)):
        raise InputError(
            f"{name} is a {type(source).__name__}, which has no latency_ms(network), so it is not a latency"
        )
    asked = cast(LatencySource, source if hasattr(source, "slot_costs") else _Asked(cast(NetworkLatency, source)))
    return LatencyInput(name, asked, str(getattr(source, "described", name)))


def device_input(runner: Runner, target: Target) -> LatencyInput:
    """Measure each candidate on a device.

    Raises:
        InputError: the device cannot measure such a target; the message says what would fix it.
    """
    reason = runner.unsupported(target)
    if reason is not None:
        raise InputError(f"{target}: {reason}")
    source = DeviceLatency(runner, target)
    return LatencyInput(str(target), source, source.described + _beside(runner.identity(target)), measured=True)


def _beside(identity: Identity) -> str:
    note = scope_note(identity)
    return "" if note is None else f" ({note})"


def build_problem(plan: SearchPlan, cache: EvaluationCache, workers: Workers | None = None) -> Problem:
    """Open every source of a plan and put objectives and constraints on top.

    Args:
        workers: who evaluates an accuracy that is asked network by network; None for `num_jobs` local processes.

    Raises:
        InputError: the plan does not fit the space or itself.
        TableError: a table lacks a row that the space needs.
    """
    space = get_space(plan.space)
    allowed = _with_numbers(plan, space, _allowed(plan, space))
    accuracy = accuracy_metric(plan.accuracy, space, cache, plan.num_jobs)
    if isinstance(accuracy, NetworkMetric):
        accuracy = replace(accuracy, workers=workers)
    latencies = _latency_metrics(plan.latencies, space, cache)
    metrics = [accuracy, *latencies]
    if len(latencies) > 1:
        factors = plan.factors_ms or _factors_ms(plan)
        metrics += [hardware_metric(worst, latencies, factors, plan.hardware_weights) for worst in (False, True)]
    metrics += _counted(space)
    names = _Names(tuple(metric.name for metric in metrics), accuracy.name, plan.worst)
    objectives = tuple(names.objective(text) for text in plan.objectives) or names.moga_objectives()
    limits = tuple(Constraint(names.resolve(each.metric), each.low, each.high) for each in plan.limits)
    return Problem(space=space, metrics=tuple(metrics), objectives=objectives, constraints=limits, allowed=allowed)


def _allowed(plan: SearchPlan, space: SearchSpace) -> tuple[tuple[int, ...], ...]:
    """Return the choices that are neither forbidden nor unsupported.

    Raises:
        InputError: nothing is left.
    """
    allowed = allowed_choices(space, plan.forbid)
    if not plan.runs_on:
        return allowed
    slotted = space.slotted
    if slotted is None:
        raise InputError(f"space {space.name!r} has no independent slots to intersect with {', '.join(plan.runs_on)}")
    from mogakit.export.support.space import intersect  # loaded here, since it loads torch

    found = intersect(slotted, plan.runs_on)
    left = tuple(tuple(each for each in ours if each in its) for ours, its in zip(allowed, found.slots, strict=True))
    if found.size == 0 or not all(left):
        hint = f"; search --space {found.suggestion}" if found.suggestion else ""
        blocked = found.blocked[0].key if found.blocked else "what is not forbidden"
        raise InputError(
            f"no network of {space.name!r} surely runs on {', '.join(plan.runs_on)}: {blocked} does not{hint} "
            f"(`moga check --space {space.name} --hardware {plan.runs_on[0]}` says why)"
        )
    return left


def _with_numbers(
    plan: SearchPlan, space: SearchSpace, allowed: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], ...]:
    """Leave out the layer choices of a staged space that have no number in some table, whatever the filters are.

    No network with one has a latency, so nothing is lost; what is left may have an exact front.

    Raises:
        InputError: a layer is left without a choice.
    """
    if not isinstance(space, StagedSpace):
        return allowed
    for item in plan.latencies:
        costs = item.source.block_costs(unsupported_ms=math.nan) if isinstance(item.source, LatencyTable) else None
        if costs is None:
            continue
        lacking = {key for key, cost in costs[1].items() if math.isnan(cost)}
        columns = zip(allowed, space.blocks_by_gene, strict=True)
        left = tuple(
            tuple(one for one in kept if not values[one] or any(block.key not in lacking for block in values[one]))
            for kept, values in columns
        )
        if not all(left):
            gene = [bool(kept) for kept in left].index(False)
            example = space.blocks_by_gene[gene][0][0].key
            raise InputError(f"{item.described} has no number for any choice of gene {gene}, such as {example}")
        allowed = left
    return allowed


@dataclass(frozen=True)
class _Names:
    """Resolves what a user calls a metric: `accuracy` is the proxy where there is nothing better."""

    known: tuple[str, ...]
    accuracy: str
    worst: bool

    def resolve(self, name: str) -> str:
        if name in (ACCURACY, PROXY):
            if name == ACCURACY or name == self.accuracy:
                return self.accuracy
        elif name == LATENCY and LATENCY not in self.known:
            return self._speed()
        if name not in self.known:
            raise InputError(f"no metric is called {name!r}; there are {', '.join(self.known)}")
        return name

    def objective(self, text: str) -> Objective:
        """Read `metric[:max|min][:weight]`."""
        words = self._words(text)
        metric = self.resolve(words[0])
        maximise = metric in (ACCURACY, PROXY, PARAMS)
        weight = 1.0
        for word in words[1:]:
            if word in ("max", "min"):
                maximise = word == "max"
                continue
            try:
                weight = float(word)
            except ValueError as error:
                raise InputError(f"objective {text!r} is not of the form metric[:max|min][:weight]") from error
        if not weight >= 0:
            raise InputError(f"objective {text!r}: a weight is at least zero")
        return Objective(metric, maximise, weight)

    def moga_objectives(self) -> tuple[Objective, ...]:
        """Accuracy up, latency down, parameters up, weighted as in the paper."""
        of_accuracy, of_latency, of_params = MOGA_WEIGHTS
        return (
            Objective(self.accuracy, True, of_accuracy),
            Objective(self._speed(), False, of_latency),
            Objective(PARAMS, True, of_params),
        )

    def _words(self, text: str) -> list[str]:
        """Split at colons, but not inside the name of a metric that holds one (`latency:tflite/cpu/float32`)."""
        for name in sorted(self.known, key=len, reverse=True):
            if text == name or text.startswith(name + ":"):
                return [name, *text[len(name) :].split(":")[1:]]
        return text.split(":")

    def _speed(self) -> str:
        if LATENCY in self.known:
            return LATENCY
        if F_MAX not in self.known:
            raise InputError("no latency is given: name a table with --table, or a target to measure with --target")
        return F_MAX if self.worst else F_AVG


def _latency_metrics(inputs: Sequence[LatencyInput], space: SearchSpace, cache: EvaluationCache) -> list[Metric]:
    """Open each latency; one is called `latency`, several `latency:<name>`, with a number where names repeat."""
    found: list[Metric] = []
    for item in inputs:
        name = LATENCY if len(inputs) == 1 else f"{LATENCY}:{item.name}"
        same = sum(metric.name.split("#")[0] == name for metric in found)
        found.append(_latency_metric(item, space, name + (f"#{same + 1}" if same else ""), cache))
    return found


def _latency_metric(item: LatencyInput, space: SearchSpace, name: str, cache: EvaluationCache) -> Metric:
    costs = item.source.slot_costs(space, unsupported_ms=math.nan)
    if costs is not None:
        return summed_latency_metric(costs, name, item.described)
    if hasattr(item.source, "block_costs"):
        summed = block_latency_metric(cast(BlockSource, item.source), space, name, item.described)
        if summed is not None:
            return summed
    return latency_metric(item.source, space, name, item.described, cache if item.measured else None)


def _factors_ms(plan: SearchPlan) -> tuple[float, ...]:
    """Return the latency of the reference network on each hardware.

    Raises:
        InputError: there is no reference, or a hardware cannot run it.
        TableError: a table has no row for one of its blocks.
    """
    if plan.reference is None:
        raise InputError(
            "several latencies need factors to be comparable: name a network that every table knows with --reference "
            "(in `moga search` --set reference=NETWORK), or give a factor for each table, in their order: the latency "
            "of one network on its hardware"
        )
    factors: list[float] = []
    for item in plan.latencies:
        latency = item.source.latency_ms(plan.reference)
        if latency is None:
            raise InputError(f"{item.described} cannot run the reference {plan.reference.name}; name another network")
        factors.append(latency)
    return tuple(factors)


def _counted(space: SearchSpace) -> list[Metric]:
    """Parameters and multiply-adds."""
    source = "counted from the architecture"
    params, madds = costs_of(space, count_params), costs_of(space, count_madds)
    if params is not None and madds is not None:
        return [SumMetric(PARAMS, "", source, params), SumMetric(MADDS, "", source, madds)]
    return [
        NetworkMetric(name=PARAMS, unit="", source=source, identity=PARAMS, space=space, ask=_ask_params),
        NetworkMetric(name=MADDS, unit="", source=source, identity=MADDS, space=space, ask=_ask_madds),
    ]


def _ask_params(chromosome: Chromosome, network: Network) -> float:
    return count_params(network)


def _ask_madds(chromosome: Chromosome, network: Network) -> float:
    return count_madds(network)
