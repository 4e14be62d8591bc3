"""Searching and comparing."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mogakit.bench.target import parse_target
from mogakit.errors import InputError
from mogakit.export.support.entry import Hardware
from mogakit.flows.measure.devices import HOST, open_runner
from mogakit.flows.search.compare import CompareRequest, compare
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import LatencyInput, Method, NetworkLatency, SearchPlan, device_input, latency_input
from mogakit.flows.search.settings import plan_settings
from mogakit.library.given import NetworkLike, SpaceLike, TableLike, choice, name_of, network_of, space_name, table_file
from mogakit.library.progress import progress_for
from mogakit.library.run import Run
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable
from mogakit.progress import Progress
from mogakit.search.comparison import Comparison
from mogakit.search.front import SearchResult
from mogakit.search.problem import Constraint, parse_constraint
from mogakit.search.sources import PROXY, AccuracyFunction


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to search, as a person types it.

    Attributes:
        space: name of a space, `package.module:name`, or a space of your own.
        tables: one a hardware: latency tables or cost models, their files, runs, or an object of your own with
            `latency_ms(network)`.
        targets: to measure each candidate on, in the loop.
        device: on which these are measured.
        accuracy: `proxy` (a capacity, no accuracy), `table:FILE.csv`, `fitted:FILE.json`, `supernet:CKPT`, or a
            function of a `Network` that returns a number, or None where it has none.
        objectives: texts `metric[:max|min][:weight]`; empty for accuracy, latency and parameters as MoGA.
        limits: such as `latency<=12` or `params>=4M`.
        forbid: patterns of block keys that may not be chosen, such as `*_se*`.
        runs_on: hardware that must run every operator, such as `edgetpu`.
        worst: with several tables, minimise the worst normalised latency (`f_max`) instead of the mean (`f_avg`).
        reference: network whose latency normalises each table.
        factors_ms: these latencies in milliseconds.
        weights: importance of each table in `f_avg` and `f_max`.
        engine: `nsga2`, `sms-emoa`, `random`, `exact`, `fit-front`, `best`, `ppo` or `reinforce`.
        settings: the engine's own, by name, as `--set` takes them: `{"population": 70, "generations": 120}`; a
            controller's `target_ms` is the latency that its reward aims at.
        seed: of everything random.
        num_picks: networks taken from the front at equal distance.
        num_jobs: evaluations of an expensive accuracy at once.

    Source: MoGA section 4.3 for the objectives and weights, eq. 5 for the crowding; docs/search.md for the rest.

    Examples:
        >>> plan = mk.Plan(space="digits", tables=["run"], limits=["params<=200k"], engine="exact")
        >>> plan.opened().limits
        (Constraint(metric='params', low=None, high=200000.0),)
        >>> mk.Plan(engine="exact", settings={"population": 70}).opened()
        Traceback (most recent call last):
            ...
        mogakit.errors.InputError: engine exact has no setting population; it has none
    """

    space: SpaceLike = "moga"
    tables: Sequence[TableLike | NetworkLatency] = ()
    targets: Sequence[str] = ()
    device: str = HOST
    accuracy: str | AccuracyFunction = PROXY
    objectives: Sequence[str] = ()
    limits: Sequence[str | Constraint] = ()
    forbid: Sequence[str] = ()
    runs_on: Sequence[str] = ()
    worst: bool = False
    reference: NetworkLike | None = None
    factors_ms: Sequence[float] = ()
    weights: Sequence[float] | None = None
    engine: str = Method.NSGA2
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    num_picks: int = 3
    num_jobs: int = 1

    def opened(self) -> SearchPlan:
        """Read every text and open every table; devices are opened by `run_search`.

        Raises:
            InputError: a text does not parse, or names nothing. TableError: a table cannot be read.
        """
        method = choice(Method, self.engine)
        return SearchPlan(
            space=space_name(self.space),
            accuracy=self.accuracy,
            latencies=tuple(_latency(each) for each in self.tables),
            objectives=tuple(self.objectives),
            limits=tuple(parse_constraint(each) if isinstance(each, str) else each for each in self.limits),
            forbid=tuple(self.forbid),
            runs_on=tuple(choice(Hardware, each) for each in self.runs_on),
            worst=self.worst,
            reference=None if self.reference is None else network_of(self.reference),
            factors_ms=tuple(self.factors_ms),
            hardware_weights=None if self.weights is None else tuple(self.weights),
            method=method,
            **plan_settings(method, self.settings),
            seed=self.seed,
            num_picks=self.num_picks,
            num_jobs=self.num_jobs,
        )


def _latency(given: TableLike | NetworkLatency) -> LatencyInput:
    return latency_input(table_file(given) if isinstance(given, Run) else given)


def run_search(
    plan: Plan, folder: str | Path, *, resume: bool = False, progress: Progress | None = None
) -> SearchResult:
    """Search a space for networks that are accurate and fast.

    Args:
        plan: what to search.
        folder: for the result, everything evaluated, and the checkpoint of a search that is stopped.
        resume: continue with the search in `folder`; the result is that of a search that was never stopped.
        progress: called with (done, total, note); None for a bar in a notebook and nothing elsewhere.

    Returns:
        The front (latencies in milliseconds), the picks, and, where all objectives add up over blocks, how much of the
        exact front's hypervolume was found, in percent.

    Raises:
        InputError: the plan does not fit the space or itself, or `folder` holds a search and `resume` is not set.
        TableError: a table lacks a row that the space needs.
        DeviceError, MeasurementError: from measuring in the loop.

    Source: MoGA Algorithm 1; docs/search.md for the other engines.

    Examples:
        >>> def small(network):
        ...     return -mk.count_params(network) / 1e6
        >>> plan = mk.Plan(space="digits", tables=["run"], accuracy=small, settings={"population": 8, "generations": 4})
        >>> result = mk.run_search(plan, "searched")
        >>> result.front.to_pandas().columns.to_list()
        ['network', 'accuracy', 'latency_ms', 'params', 'madds']
    """
    opened = plan.opened()
    with open_runner(plan.device) if plan.targets else nullcontext() as runner:
        if runner is not None:
            measured = tuple(device_input(runner, parse_target(text)) for text in plan.targets)
            opened = replace(opened, latencies=opened.latencies + measured)
        elif plan.device != HOST:
            raise InputError(f"device {plan.device!r} measures nothing without targets; name one, or leave it out")
        return search(opened, Path(folder), resume, progress_for("search", progress))


def compare_networks(
    networks: Sequence[NetworkLike],
    *,
    tables: Sequence[TableLike] = (),
    targets: Sequence[str] = (),
    device: str = HOST,
    published: Sequence[str] = (),
    accuracies: str | Path | None = None,
    reference: str = "mobilenet-v1",
    factors_ms: Sequence[float] = (),
    weights: Sequence[float] | None = None,
    quick: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Compare networks over several hardware, with the multi-hardware metrics over all of them.

    Args:
        networks: one a row.
        tables: to predict from.
        targets: to measure on.
        device: to measure on, as in `measure_files`.
        published: words of devices whose published latencies are shown, such as `Pixel 4`.
        accuracies: CSV file of accuracies of your own in percent, columns network and accuracy.
        reference: network whose latency normalises each column.
        factors_ms: these latencies in milliseconds.
        weights: importance of each column.
        quick: measure one round only.
        progress: as in `measure_files`.

    Returns:
        One row a network: latencies in milliseconds, `f_avg` and `f_max`; None where there is no number, with why.

    Raises:
        InputError: a network or table does not exist, or nothing is to be compared.
        DeviceError, MeasurementError, ExportError: from measuring.

    Source: Multi-Hardware Models (arXiv 2008.08178) eq. 4 and 5, and its Table 1.

    Examples:
        >>> found = mk.compare_networks(["digits/0-0-0-0-0-0", "digits/5-5-5-5-5-5"], tables=["run"],
        ...                             reference="digits/0-0-0-0-0-0")
        >>> round(found.networks[0].f_avg, 6)
        1.0
        >>> found.networks[1].f_avg > 1
        True
    """
    request = CompareRequest(
        models=tuple(name_of(each) for each in networks),
        tables=tuple(each if isinstance(each, LatencyTable | CostModel) else table_file(each) for each in tables),
        targets=tuple(parse_target(text) for text in targets),
        published=tuple(published),
        reference=reference,
        accuracies=None if accuracies is None else Path(accuracies),
        factors_ms=tuple(factors_ms),
        weights=None if weights is None else tuple(weights),
        quick=quick,
    )
    with open_runner(device) if targets else nullcontext() as runner:
        return compare(request, runner, progress_for("compare", progress))
