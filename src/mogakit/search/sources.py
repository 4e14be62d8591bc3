"""Where accuracy and latency come from.

Accuracy, as `--accuracy` writes it:

    proxy                   capacity: not an accuracy, and called *proxy* in every output
    table:FILE[,column=NAME]
                            measured: CSV or JSON (`search.accuracy_table`); a search looks at the networks it lists
    train:RECIPE,data=DIR,epochs=5
                            each network trained on its own, for a few epochs, as MnasNet does
    supernet:CKPT           inherited weights of a supernet
    fitted:FILE.json        an additive model fitted earlier (`FittedModel`)
    package.module:function a Python callable: a `Network` in, a number out (`AccuracyFunction`)
    name                    one of an installed package's, by its entry point of `mogakit.accuracies`

A program hands the function over itself (`accuracy_metric` takes either).

`ACCURACY_KINDS` is the socket for further kinds. Latency comes through `LatencySource`: a table, a cost model, or a
device measured in the loop, as MnasNet did.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Protocol

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.block import Block
from mogakit.nets.network import Network, count_madds, count_params
from mogakit.nets.spaces import Chromosome, SearchSpace, StagedSpace
from mogakit.plugins import Group, find
from mogakit.search.accuracy_table import ACCURACY, AccuracyTable, load_accuracy_table
from mogakit.search.additive import SlotCosts, Values, on_grid
from mogakit.search.cache import EvaluationCache
from mogakit.search.metrics import Metric, NetworkMetric, SumMetric
from mogakit.search.staged import costs_of, staged_costs

__all__ = [
    "ACCURACY",
    "ACCURACY_KINDS",
    "PROXY",
    "PROXY_SOURCE",
    "AccuracyFunction",
    "AccuracyTable",
    "BlockSource",
    "FittedModel",
    "LatencySource",
    "accuracy_metric",
    "block_capacity",
    "block_latency_metric",
    "capacity",
    "function_identity",
    "function_name",
    "latency_metric",
    "load_accuracy_table",
    "load_fitted",
    "proxy_metric",
    "summed_latency_metric",
]
PROXY = "proxy"
PROXY_SOURCE = "capacity proxy, no accuracy: half the base-2 logarithm of params x MAdds, summed over blocks"


class LatencySource(Protocol):
    """Where a search gets latencies from: a latency table, a cost model, a device that measures each candidate."""

    def latency_ms(self, network: Network) -> float | None:
        """Return the latency in milliseconds, None where the hardware cannot run the network."""

    def slot_costs(self, space: SearchSpace, unsupported_ms: float | None = None) -> Sequence[Values] | None:
        """Return milliseconds a gene, each of shape (choices,), which sum to `latency_ms`; None where none add up.

        `unsupported_ms` stands for choices that the hardware cannot run.
        """


class BlockSource(Protocol):
    """A latency that adds up over blocks, whatever the genes are: a latency table, a cost model that counts blocks."""

    def block_costs(self, unsupported_ms: float) -> tuple[float, dict[str, float]] | None:
        """Return what a network pays once, and milliseconds by block key; None where the latency does not add up.

        `unsupported_ms` stands for blocks that the hardware cannot run.
        """


def block_capacity(block: Block) -> float:
    """Return `log2((1 + params) (1 + MAdds)) / 2`: doubling a block counts the same wherever it stands (ours)."""
    return 0.5 * math.log2((1 + count_params(block)) * (1 + count_madds(block)))


def capacity(network: Network) -> float:
    """Return the capacity proxy of a network: the sum of `block_capacity`. It is not an accuracy."""
    return sum(block_capacity(block) for block in network.blocks)


@records.stored(
    "fitted-accuracy",
    version=1,
    implied_version=1,
    made_by="moga search --engine fit-front -o FOLDER",
    title="fitted accuracy model",
)
@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """An additive accuracy model on disk: plain coefficients, readable by anything.

    Attributes:
        space: name of the search space.
        bias: constant.
        coefficients: one row a gene, one number a choice.
        num_networks: how many evaluations it was fitted on.
        r2: on networks held out, None where none were.
        source: where those evaluations came from.
        metric: what it predicts: a model of the proxy is a proxy, and called so.
    """

    space: str
    bias: float
    coefficients: tuple[tuple[float, ...], ...]
    num_networks: int
    r2: float | None
    source: str
    metric: str = ACCURACY

    def costs(self) -> SlotCosts:
        """Return the model as a sum over slots."""
        return on_grid(self.bias, self.coefficients)

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        records.save(self, path)


def load_fitted(path: Path, space: SearchSpace) -> FittedModel:
    """Read a model.

    Raises:
        InputError: the file is not a model, or one of another space.
    """
    model = records.load(FittedModel, path)
    sizes = tuple(len(row) for row in model.coefficients)
    if model.space != space.name or sizes != space.num_choices:
        raise InputError(f"{path} is a model of space {model.space!r}, and {space.name!r} is searched")
    return model


@dataclass(frozen=True)
class _AskNetwork:
    """Adapts `function(network)`; it holds the function by reference, so that worker processes can import it."""

    function: Callable[[Network], float | None]

    def __call__(self, chromosome: Chromosome, network: Network) -> float | None:
        return self.function(network)


def proxy_metric(space: SearchSpace) -> Metric:
    """Return the capacity proxy, a sum over slots where the space has slots."""
    costs = costs_of(space, block_capacity)
    if costs is not None:
        return SumMetric(PROXY, "", PROXY_SOURCE, costs)
    return NetworkMetric(
        name=PROXY, unit="", source=PROXY_SOURCE, identity=PROXY_SOURCE, space=space, ask=_AskNetwork(capacity)
    )


def _open_proxy(argument: str, space: SearchSpace, cache: EvaluationCache | None, num_jobs: int) -> Metric:
    if argument not in ("", "capacity"):
        raise InputError(f"no proxy is called {argument!r}; there is one: capacity")
    return proxy_metric(space)


def _open_table(argument: str, space: SearchSpace, cache: EvaluationCache | None, num_jobs: int) -> Metric:
    path, found, column = argument.rpartition(",column=")
    return load_accuracy_table(Path(path if found else argument), space, column if found else None)


def _open_fitted(argument: str, space: SearchSpace, cache: EvaluationCache | None, num_jobs: int) -> Metric:
    model = load_fitted(Path(argument), space)
    if model.metric not in (ACCURACY, PROXY):
        raise InputError(f"{argument} is a model of {model.metric}; an accuracy is a model of {ACCURACY} or {PROXY}")
    source = f"additive model fitted on {model.num_networks} networks ({model.source})"
    return SumMetric(model.metric, "", source, model.costs())


def _open_trained(argument: str, space: SearchSpace, cache: EvaluationCache | None, num_jobs: int) -> Metric:
    from mogakit.search.trained import open_trained_accuracy  # imports torch, which the others do without

    return open_trained_accuracy(argument, space, cache, num_jobs)


def _open_supernet(argument: str, space: SearchSpace, cache: EvaluationCache | None, num_jobs: int) -> Metric:
    from mogakit.search.supernet.evaluate import open_supernet_accuracy  # imports torch, which the others do without

    return open_supernet_accuracy(argument, space, cache, num_jobs)


Opener = Callable[[str, SearchSpace, EvaluationCache | None, int], Metric]

ACCURACY_KINDS: dict[str, Opener] = {
    "proxy": _open_proxy,
    "table": _open_table,
    "fitted": _open_fitted,
    "supernet": _open_supernet,
    "train": _open_trained,
}
"""Kinds of accuracy by the word before the colon; each opens (argument, space, cache, num_jobs) as a metric."""


class AccuracyFunction(Protocol):
    """What a user knows of a network: an accuracy, a score, anything that is better where it is larger."""

    def __call__(self, network: Network, /) -> float | None:
        """Return the value of a network, None where it has none; such a network counts as infeasible."""


def accuracy_metric(
    given: str | AccuracyFunction, space: SearchSpace, cache: EvaluationCache | None = None, num_jobs: int = 1
) -> Metric:
    """Open an accuracy source.

    Args:
        given: a text as at the head of this module, or the function itself. A function differs from another by its
            name and code, so that a search that goes on after a kill asks only for what is not known. What it reads
            besides (weights, global variables) does not count; where that changes, search into a new folder.
        cache: where a callable's values are kept, so that a killed search does not ask for them again.
        num_jobs: how many networks a callable evaluates at once.

    Raises:
        InputError: nothing is called so, or the source cannot be opened.
    """
    if not isinstance(given, str):
        text, function, identity = function_name(given), given, f"{ACCURACY} {function_identity(given)}"
    else:
        kind, _, argument = given.partition(":")
        if kind in ACCURACY_KINDS:
            return ACCURACY_KINDS[kind](argument, space, cache, num_jobs)
        text, function, identity = given, _import_function(given), f"{ACCURACY} {given}"
    return NetworkMetric(
        name=ACCURACY,
        unit="",
        source=text,
        identity=identity,
        space=space,
        ask=_AskNetwork(function),
        cache=cache,
        num_jobs=num_jobs,
    )


def function_name(function: object) -> str:
    """Return what a function, or an object that can be called, is shown as: `module.name`."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', 'function')}"


def function_identity(function: object) -> str:
    """Return a function's name with a hash of its code and default arguments: two functions of a notebook may share
    a name, and a cell that is run again gives an equal function."""
    called = function if hasattr(function, "__code__") else vars(type(function)).get("__call__")
    code = getattr(called, "__code__", None)
    described = [_code_parts(code), repr(getattr(function, "__defaults__", None))]
    return f"{function_name(function)} {hashlib.sha256(repr(described).encode()).hexdigest()[:16]}"


def _code_parts(code: CodeType | None) -> list[Any]:
    """Return what a function computes, without its file and line numbers."""
    if code is None:
        return []
    return [code.co_code, code.co_names, [_constant(each) for each in code.co_consts]]


def _constant(value: object) -> Any:
    """Return a constant of a function in a form whose `repr` is the same in every process."""
    if isinstance(value, CodeType):
        return _code_parts(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


def _import_function(text: str) -> Callable[[Network], float | None]:
    """Return the function `package.module:function`, or one that a user registered or installed.

    Raises:
        InputError: there is no such function.
    """
    function = find(Group.ACCURACIES, text)
    if function is None:
        supported = ", ".join(f"{kind}:..." if kind != "proxy" else kind for kind in ACCURACY_KINDS)
        raise InputError(f"accuracy source {text!r} is unknown; supported: {supported} and package.module:function")
    if not callable(function):
        raise InputError(f"accuracy source {text!r} is not a function of a network")
    checked: Callable[[Network], float | None] = function
    return checked


@dataclass(frozen=True)
class _AskLatency:
    source: LatencySource

    def __call__(self, chromosome: Chromosome, network: Network) -> float | None:
        return self.source.latency_ms(network)


def latency_metric(
    source: LatencySource, space: SearchSpace, name: str, described: str, cache: EvaluationCache | None = None
) -> Metric:
    """Return the latency of a source that must be asked network by network, such as a device in the loop."""
    return NetworkMetric(
        name=name,
        unit="ms",
        source=described,
        identity=f"{name} {described}",
        space=space,
        ask=_AskLatency(source),
        cache=cache,
    )


def block_latency_metric(source: BlockSource, space: SearchSpace, name: str, described: str) -> SumMetric | None:
    """Return a latency that is a sum over blocks of a space; None where it is not, or the space cannot be taken apart.

    Raises:
        InputError: a block of the space has no number at all.
    """
    found = source.block_costs(unsupported_ms=math.nan)
    if found is None or not isinstance(space, StagedSpace):
        return None
    constant_ms, blocks_ms = found

    def cost(block: Block) -> float:
        if block.key not in blocks_ms:
            raise InputError(f"{described} has no row for {block.key}, a block of space {space.name!r}")
        return blocks_ms[block.key]

    return SumMetric(name, "ms", described, staged_costs(space, cost, constant_ms))


def summed_latency_metric(per_slot: Sequence[Values], name: str, described: str) -> SumMetric:
    """Return a latency that is a sum over slots, from `slot_costs(space)` of a table or cost model.

    NaN in `per_slot` stands for choices that the hardware cannot run.
    """
    return SumMetric(name, "ms", described, on_grid(0.0, per_slot))
