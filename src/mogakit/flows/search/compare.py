"""Compare networks over several hardware: predicted from tables, measured, or published; with `f_avg` and `f_max`.

Rows are networks and columns hardware, as MoGA Table 3 and Table 1 of the multi-hardware paper. A cell without a number
says why.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mogakit import records
from mogakit.bench.measurement import Identity
from mogakit.bench.runner import Runner
from mogakit.bench.target import Target
from mogakit.errors import InputError
from mogakit.luts.latencies import load_latencies, scope_note
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable
from mogakit.nets import zoo
from mogakit.nets.network import Network, count_madds, count_params
from mogakit.nets.published import PAPER_TABLES, Holds, PaperTable, get_paper_table
from mogakit.nets.resolve import published_of, resolve
from mogakit.nets.variant import DEFAULT_SIZE, parse_variant
from mogakit.progress import Progress, silent
from mogakit.search.comparison import Column, ComparedNetwork, Comparison, Origin
from mogakit.search.multi_hardware import f_avg, f_max

_ACCURACIES = "table of accuracies (CSV with columns network and accuracy, in percent)"


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """What a person asks for.

    Attributes:
        models: names of the zoo (`mobilenet-v2@1.25x`), `space/chromosome`, or model files (measured columns only).
        tables: latency tables or cost models to predict from.
        targets: to measure on.
        published: words of devices whose published latencies are shown, e.g. `Pixel 4`; or a paper's table, e.g.
            `multi-hardware/1`.
        accuracies: CSV file with columns network and accuracy (percent), which overrules published accuracies.
        reference: network whose latency normalises each column; where a paper's table has no row for it, and metrics of
            its own, the table's factors stand in. factors_ms: the factors themselves, which win; infinity leaves a
            column out.
        weights: importance of each column in `f_avg` and `f_max`.
        quick: measure one round only. folder: where measured files and the journal stay; None for a temporary one.
    """

    models: tuple[str, ...]
    tables: tuple[Path | LatencyTable | CostModel, ...] = ()
    targets: tuple[Target, ...] = ()
    published: tuple[str, ...] = ()
    reference: str = "mobilenet-v1"
    accuracies: Path | None = None
    factors_ms: tuple[float, ...] = ()
    weights: tuple[float, ...] | None = None
    quick: bool = False
    folder: Path | None = None
    resume: bool = False


Cell = tuple[float | None, str]  # latency in ms, or None and why


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A column before its factor is known: `ask` returns the cell of a model."""

    name: str
    origin: Origin
    source: str
    ask: Callable[[str], Cell]
    factor_ms: float | None = None


def compare(request: CompareRequest, runner: Runner | None = None, progress: Progress = silent) -> Comparison:
    """Fill the table.

    Args:
        runner: the device of the measured columns; needed where the request names targets.

    Raises:
        InputError: a model or table does not exist, nothing is to be compared, or the factors are too few or many.
        DeviceError, MeasurementError, ExportError: from measuring.
    """
    networks = {model: _network(model) for model in (*request.models, request.reference)}
    sources = [_predicted(path, networks) for path in request.tables]
    sources += _measured(request, runner, progress)
    sources += [column for words in request.published for column in _published(words)]
    if not request.models or not sources:
        raise InputError("name at least one network, and --table, --target or --published to compare them by")
    factors = _factors(request, sources)
    columns = [_column(source, factor) for source, factor in zip(sources, factors, strict=True)]
    rows = [_row(model, networks[model], sources, factors, request.weights) for model in request.models]
    shown = _with_own_accuracy(_with_paper_accuracy(rows, request.published), request.accuracies)
    return Comparison(tuple(columns), shown, _normalised_by(request, sources, factors))


def _normalised_by(request: CompareRequest, sources: Sequence[_Source], factors: Sequence[float | None]) -> str:
    """Return what stands behind the factors, and which of them the paper does not print."""
    if request.factors_ms:
        return "given factors"
    of_tables = [s for s, factor in zip(sources, factors, strict=True) if factor is not None and factor == s.factor_ms]
    return f"{request.reference}, inferred from {of_tables[0].source}" if of_tables else request.reference


def _column(source: _Source, factor: float | None) -> Column:
    """Return a column's description; JSON has no infinity, so that an infinite factor is a word of its own."""
    left_out = factor is not None and math.isinf(factor)
    return Column(
        name=source.name,
        origin=source.origin,
        source=source.source,
        factor_ms=None if left_out else factor,
        left_out=left_out,
    )


def _with_paper_accuracy(rows: Sequence[ComparedNetwork], published: Sequence[str]) -> tuple[ComparedNetwork, ...]:
    """Take accuracies from the one paper's table that is shown, where one is: they are those of its own rows."""
    tables = [PAPER_TABLES[words] for words in published if words in PAPER_TABLES]
    if len(tables) != 1 or not tables[0].index_of(Holds.TOP1):
        return tuple(rows)
    (table,) = tables
    (place,) = table.index_of(Holds.TOP1)
    printed = {row.network: row.cells[place].value for row in table.rows}
    return tuple(replace(each, top1=printed.get(each.name), top1_source=table.source) for each in rows)


def _with_own_accuracy(rows: Sequence[ComparedNetwork], path: Path | None) -> tuple[ComparedNetwork, ...]:
    """Return the rows with the accuracies of a user's table where it has them.

    Raises:
        InputError: the table cannot be read, or names none of the networks.
    """
    if path is None:
        return tuple(rows)
    own: dict[str, float] = {}
    for line, row in records.read_csv(path, ("network", "accuracy"), _ACCURACIES):
        try:
            own[row["network"]] = float(row["accuracy"])
        except ValueError as error:
            raise InputError(f"{path} line {line}: {row['accuracy']!r} is not a number") from error
        if not 0 <= own[row["network"]] <= 100:
            raise InputError(f"{path} line {line}: accuracy is {row['accuracy']}; supported: percent from 0 to 100")
    if not any(each.name in own for each in rows):
        raise InputError(
            f"{path} names none of the networks compared ({', '.join(each.name for each in rows)}); it names "
            f"{', '.join(list(own)[:5]) or 'none'}"
        )
    return tuple(
        replace(each, top1=own[each.name], top1_source=f"table {path.name}") if each.name in own else each
        for each in rows
    )


def _row(
    model: str,
    network: Network | None,
    sources: Sequence[_Source],
    factors: Sequence[float | None],
    weights: Sequence[float] | None,
) -> ComparedNetwork:
    cells = [source.ask(model) for source in sources]
    latencies = tuple(latency for latency, _ in cells)
    reasons = {source.name: why for source, (latency, why) in zip(sources, cells, strict=True) if latency is None}
    known = [factor for factor in factors if factor is not None]
    complete = len(known) == len(factors)
    published, _ = published_of(model)
    return ComparedNetwork(
        name=model,
        params=None if network is None else count_params(network),
        madds=None if network is None else count_madds(network),
        top1=published.top1 if published else None,
        top1_source=published.source if published else "",
        latencies_ms=latencies,
        reasons=reasons,
        f_avg=f_avg(latencies, known, weights) if complete else None,
        f_max=f_max(latencies, known, weights) if complete else None,
    )


def _factors(request: CompareRequest, sources: Sequence[_Source]) -> list[float | None]:
    if request.factors_ms:
        if len(request.factors_ms) != len(sources):
            names = ", ".join(source.name for source in sources)
            raise InputError(f"{len(request.factors_ms)} factors for {len(sources)} columns ({names}); give one each")
        return list(request.factors_ms)
    return [_factor(source, request.reference) for source in sources]


def _factor(source: _Source, reference: str) -> float | None:
    """Return the reference's latency; of a paper's table that lacks its row, what the table's own metrics divide by."""
    latency = source.ask(reference)[0]
    return source.factor_ms if latency is None and reference == CompareRequest.reference else latency


def _network(model: str) -> Network | None:
    """Resolve a name; None for a model file.

    Raises:
        InputError: it is neither.
    """
    return None if _is_file(model) else resolve(model)


def _is_file(model: str) -> bool:
    return Path(model).suffix.lower() in (".tflite", ".onnx", ".ort", ".pb", ".yml", ".dlc") or Path(model).is_file()


def _predicted(given: Path | LatencyTable | CostModel, networks: dict[str, Network | None]) -> _Source:
    """Return the column of a latency table or cost model.

    Raises:
        TableError: the file is neither.
    """
    found = load_latencies(given) if isinstance(given, Path) else given

    def ask(model: str) -> Cell:
        network = networks[model]
        if network is None:
            return None, "a model file cannot be predicted; measure it with --target"
        why_not = found.unpredictable(network)
        return (found.latency_ms(network), "") if why_not is None else (None, why_not)

    unnamed = str(given) if isinstance(given, Path) else given.name
    name = unnamed if found.target is None else str(found.target)
    origin = f"{found.name} ({_device(found.identity)})"
    return _Source(name=name, origin=Origin.PREDICTED, source=origin, ask=ask)


def _device(identity: Identity) -> str:
    """Return the device's name, with what must stand beside its times."""
    note = scope_note(identity)
    return identity.device_name + ("" if note is None else f", {note}")


def _measured(request: CompareRequest, runner: Runner | None, progress: Progress) -> list[_Source]:
    """Measure every model, and the reference where no factors are given, on every target, interleaved."""
    if not request.targets:
        return []
    if runner is None:
        raise InputError("measuring needs a device; name one with --device")
    # loaded here, so that a table of predictions does not load torch
    from mogakit.flows.measure.bench import BenchRequest, bench

    models = dict.fromkeys(request.models if request.factors_ms else (*request.models, request.reference))
    asked = BenchRequest(
        models=tuple(models), targets=request.targets, folder=request.folder, quick=request.quick, resume=request.resume
    )
    timings = bench(asked, runner, progress).timings
    found: list[_Source] = []
    for target in request.targets:
        cells = {each.model: (each.row.latency_ms, each.row.error or "") for each in timings if each.target == target}
        device = _device(runner.identity(target))

        def ask(model: str, cells: dict[str, Cell] = cells, target: Target = target) -> Cell:
            return cells.get(model, (None, f"its file does not run on {target}"))

        found.append(_Source(name=str(target), origin=Origin.MEASURED, source=device, ask=ask))
    return found


def _published(words: str) -> list[_Source]:
    """Return one column for each device and framework whose name holds `words`, or those of a paper's table.

    Raises:
        InputError: nothing was published for such a device, or there is no such table.
    """
    if "/" in words:
        return _of_table(get_paper_table(words))
    every = {(each.device, each.framework, each.source) for name in zoo.names() for each in zoo.get(name).latencies}
    chosen = [key for key in _in_order_of_publication(every) if words.casefold() in key[0].casefold()]
    if not chosen:
        devices = ", ".join(sorted({device for device, _, _ in every}))
        raise InputError(
            f"nothing is published for a device like {words!r}; there are {devices}, and the papers' tables "
            f"{', '.join(PAPER_TABLES)}"
        )
    return [_published_column(*key) for key in chosen]


def _in_order_of_publication(keys: set[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    order = [(each.device, each.framework, each.source) for name in zoo.names() for each in zoo.get(name).latencies]
    return sorted(keys, key=order.index)


def _of_table(table: PaperTable) -> list[_Source]:
    """Return the latencies of a paper's table, one column each.

    Raises:
        InputError: it has none.
    """
    columns = [table.columns[place] for place in table.index_of(Holds.LATENCY)]
    if not columns:
        raise InputError(
            f"{table.name} holds no latencies to compare networks by; show it alone: moga compare --published "
            f"{table.name}"
        )
    return [_published_column(column.device, column.runtime, table.source) for column in columns]


def _published_column(device: str, framework: str, source: str) -> _Source:
    def ask(model: str) -> Cell:
        if model.partition("@")[0] not in zoo.names():
            return None, "nothing is published for it"
        variant = parse_variant(model)
        if variant.input_size != DEFAULT_SIZE:
            return None, f"latencies are published for {DEFAULT_SIZE} px only"
        for each in zoo.get(variant.base).latencies:
            if (each.device, each.framework, each.source, each.width) == (device, framework, source, variant.width):
                return each.latency_ms, ""
        return None, f"{source} gives no latency at width {variant.width:g}"

    return _Source(
        name=f"{device}, {framework}",
        origin=Origin.PUBLISHED,
        source=source,
        ask=ask,
        factor_ms=_factor_of_table(device, framework, source),
    )


def _factor_of_table(device: str, framework: str, source: str) -> float | None:
    """Return what a table's own metrics divide a column by; None where it has no metrics."""
    return next(
        (
            column.factor_ms
            for table in PAPER_TABLES.values()
            for column in table.columns
            if (column.device, column.runtime, table.source) == (device, framework, source)
        ),
        None,
    )
