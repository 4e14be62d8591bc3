"""Read a table or model of others, map it to a space of the kit, and write it in the kit's own format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mogakit.bench.target import Target
from mogakit.errors import InputError, TableError
from mogakit.luts.check import Finding, check_table
from mogakit.luts.check_model import check_model
from mogakit.luts.foreign import mapping
from mogakit.luts.foreign.compose import Composition, OperatorTimes, compose
from mogakit.luts.foreign.hw_nas_bench import fbnet_names, import_hw_nas_bench, is_identity
from mogakit.luts.foreign.mapping import Coverage, Names
from mogakit.luts.foreign.nn_meter import import_nn_meter, nn_meter_names, read_kernels
from mogakit.luts.foreign.nni import import_nni, nni_names
from mogakit.luts.foreign.ofa import import_ofa
from mogakit.luts.foreign.operators import OperatorStudy, column_names, import_operators, operator_times, study
from mogakit.luts.foreign.reading import Given
from mogakit.luts.foreign.tunas import import_tunas
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.linear import CostModel, save_model
from mogakit.luts.table import UNKNOWN, LatencyTable, save
from mogakit.nets.spaces import get_space


class ForeignFormat(StrEnum):
    """What `moga lut import` reads."""

    OFA = "ofa"  # Once-for-All or ProxylessNAS YAML
    TUNAS = "tunas"  # base64 of a linear model's coefficients, and of its bias
    OPERATORS = "operators"  # CSV of operator times, and of whole networks
    NNI = "nni"  # lut.txt of NNI's FBNet search
    NN_METER = "nn-meter"  # JSON of nn-Meter's builder
    HW_NAS_BENCH = "hw-nas-bench"  # JSON of HW-NAS-Bench's tables


_NUM_FILES = {ForeignFormat.TUNAS: (2,), ForeignFormat.OPERATORS: (1, 2)}
_STATED_UNITS = {
    ForeignFormat.OFA: "the projects' papers give milliseconds",
    ForeignFormat.NNI: "NNI measures in microseconds itself",
    ForeignFormat.NN_METER: "nn-Meter's documents speak of milliseconds",
    ForeignFormat.HW_NAS_BENCH: "its README prints milliseconds",
}
"""Formats whose files state no unit, and what their projects say elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What else a person says about the files.

    Attributes:
        unit: of their times; needed where the format has none.
        column: which of several latencies: of `operators` the device, of `hw-nas-bench` the metric, of `nni` the data
            type.
        space: whose blocks are looked up; None for the likeliest, and for keys as they are where none is.
        infer: whether blocks that the files lack get a number from those that they have.
        device_name, target: what the user knows about the table.
    """

    unit: TimeUnit | None = None
    column: str | None = None
    space: str | None = None
    infer: bool = False
    device_name: str = UNKNOWN
    target: Target | None = None


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import wrote.

    Attributes:
        path: of the file.
        table, model: whichever it holds.
        findings: of `moga lut check`.
        study: of operator times, how well their sums predict whole networks.
        coverage: of the space that it was mapped to; None where its keys stayed their own.
        omitted: operators that blocks have and the file does not know, by kind; sums lack them.
        incomplete: of blocks that could not be composed, the operators whose shape the file lacks.
        notes: what else must be known.
    """

    path: Path
    table: LatencyTable | None
    model: CostModel | None
    findings: tuple[Finding, ...] = ()
    study: OperatorStudy | None = None
    coverage: Coverage | None = None
    omitted: dict[str, int] = field(default_factory=dict)
    incomplete: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def import_foreign(kind: ForeignFormat, sources: Sequence[Path], output: Path, asked: Asked | None = None) -> Imported:
    """Read a table or model of others and write it in the kit's own format.

    Args:
        kind: format of the source.
        sources: `tunas`: file of coefficients, file of the bias; `operators`: file of operator times and, if whole
            networks are to be compared, a file of those; otherwise one file.
        output: JSON file to write.
        asked: what the files do not say; None where there is nothing to add.

    Raises:
        InputError: another number of files than the format has, no unit where the files have none, a latency that must
            be chosen among several, or a space that is not known.
        TableError: a file is absent or malformed, or has no entry for the space.
    """
    asked = asked or Asked()
    expected = _NUM_FILES.get(kind, (1,))
    if len(sources) not in expected:
        raise InputError(f"format {kind} takes {' or '.join(map(str, expected))} file(s), given {len(sources)}")
    if kind is ForeignFormat.TUNAS:
        model = import_tunas(sources[0], sources[1])
        save_model(model, output)
        return Imported(path=output, table=None, model=model, findings=tuple(check_model(model)))
    if kind is ForeignFormat.OPERATORS:
        return _operators(sources, output, asked)
    if asked.unit is None:
        raise InputError(
            f"{sources[0]} states no unit of its times, and none is guessed: say --unit ms, us or s "
            f"({_STATED_UNITS[kind]})"
        )
    given = Given(unit=asked.unit, device_name=asked.device_name, target=asked.target)
    path = sources[0]
    if kind is ForeignFormat.HW_NAS_BENCH:
        table = import_hw_nas_bench(path, given, asked.column)
        notes = _identities(table)
        if table.of_networks:
            return _whole_networks(table, output, asked)
        return _mapped(table, output, asked, mapping.FBNET_SPACES, fbnet_names, notes)
    if kind is ForeignFormat.NN_METER:
        return _nn_meter(path, given, output, asked)
    if kind is ForeignFormat.NNI:
        return _mapped(import_nni(path, given, asked.column), output, asked, {}, nni_names)
    return _mapped(import_ofa(path, given), output, asked, mapping.OFA_SPACES, mapping.any_ofa_names)


def _mapped(
    table: LatencyTable,
    output: Path,
    asked: Asked,
    candidates: Mapping[str, Names],
    default: Names,
    notes: tuple[str, ...] = (),
) -> Imported:
    """Map a table to the space asked for, or to the likeliest of some; where there is none, its keys stay its own."""
    if asked.space is not None:
        space, names = get_space(asked.space), mapping.names_for(asked.space, candidates, default)
    else:
        found = mapping.likeliest_space(table, candidates)
        if found is None:
            if asked.infer:
                raise InputError(f"to infer blocks, name the space that {table.name} is of with --space")
            note = "its keys stay its own; --space NAME looks up the blocks of a space"
            return _saved(table, output, notes=(*notes, note))
        space, names = found
    mapped, coverage = mapping.map_to_space(table, space, names)
    if asked.infer:
        mapped, coverage = mapping.infer_missing(mapped, space, coverage)
    return _saved(mapped, output, coverage=coverage, notes=notes)


def _saved(
    table: LatencyTable,
    output: Path,
    *,
    coverage: Coverage | None = None,
    study: OperatorStudy | None = None,
    composition: Composition | None = None,
    notes: tuple[str, ...] = (),
) -> Imported:
    save(table, output)
    blocks = set() if coverage is None else set(coverage.missing)
    incomplete = {} if composition is None else composition.incomplete
    return Imported(
        path=output,
        table=table,
        model=None,
        findings=tuple(check_table(table)),
        study=study,
        coverage=coverage,
        omitted={} if composition is None else composition.omitted,
        incomplete={key: lacking for key, lacking in incomplete.items() if key in blocks},
        notes=notes,
    )


def _identities(table: LatencyTable) -> tuple[str, ...]:
    """Return what the file says of skips that keep their shape, which are absent layers here."""
    times = [row.latency_ms or 0.0 for key, row in table.rows.items() if is_identity(key)]
    if not any(times):
        return ()
    return (
        f"{len(times)} skips that keep their shape cost up to {max(times):.4g} ms in the file and nothing here, where "
        "such a layer is absent: networks with skips are predicted that much lower than by HW-NAS-Bench's own sum",
    )


def _whole_networks(table: LatencyTable, output: Path, asked: Asked) -> Imported:
    """Keep a table of whole networks, which has no blocks to look up or infer."""
    if asked.space not in (None, table.space):
        raise InputError(f"{table.name} holds whole networks of {table.space}, not of {asked.space}")
    if asked.infer:
        raise InputError(f"{table.name} holds whole networks, which have no blocks to infer")
    return _saved(
        table, output, notes=(f"{len(table.rows)} whole networks of {table.space}: nothing adds up over genes",)
    )


def _operators(sources: Sequence[Path], output: Path, asked: Asked) -> Imported:
    """Keep operators as they are, or compose the blocks of a space from them."""
    column = _chosen_column(sources[0], asked.column)
    networks = sources[1] if len(sources) > 1 else None
    table = import_operators(sources[0], column)
    compared = None if networks is None else study(sources[0], networks, column)
    if compared is not None:
        table = table.with_calibration(compared.calibration)
    if asked.space is None:
        if asked.infer:
            raise InputError("to infer blocks, name the space whose blocks are composed with --space")
        return _saved(table, output, study=compared)
    notes = () if networks is not None else (_bias_unknown(),)
    return _composed(table, operator_times(sources[0], column), output, asked, compared, notes)


def _composed(
    table: LatencyTable,
    times: OperatorTimes,
    output: Path,
    asked: Asked,
    compared: OperatorStudy | None = None,
    notes: tuple[str, ...] = (),
) -> Imported:
    assert asked.space is not None  # whoever calls this has looked
    space = get_space(asked.space)
    composition = compose(list(mapping.blocks_of(space)), times)
    if not composition.rows:
        key, lacking = next(iter(composition.incomplete.items()))
        raise TableError(f"{table.name} has the operators of no block of {space.name!r}: {key} lacks {lacking[0]}")
    mapped, coverage = mapping.composed_to_space(table, space, composition.rows)
    if asked.infer:
        mapped, coverage = mapping.infer_missing(mapped, space, coverage)
    return _saved(mapped, output, coverage=coverage, study=compared, composition=composition, notes=notes)


def _nn_meter(path: Path, given: Given, output: Path, asked: Asked) -> Imported:
    """Read whole blocks where the file has them under their keys, and else compose blocks from its kernels."""
    table = import_nn_meter(path, given)
    if asked.space is None:
        return _mapped(table, output, asked, {}, nn_meter_names)
    blocks = mapping.blocks_of(get_space(asked.space))
    times = read_kernels(path, given)
    if times.times_ms and not any(name in table.rows for block in blocks for name in nn_meter_names(block)[0]):
        return _composed(table, times, output, asked, notes=(_bias_unknown(),))
    return _mapped(table, output, asked, {}, nn_meter_names)


def _bias_unknown() -> str:
    return (
        "blocks are sums of operators, which are biased low by an amount that only whole networks tell; on two phones "
        "of qed-usc/mobile-ml-benchmark such sums are a median of 0.83 and 0.90 of what was measured"
    )


def _chosen_column(path: Path, column: str | None) -> str:
    names = column_names(path)
    if column is None and len(names) == 1:
        return names[0]
    if column not in names:
        raise InputError(f"name the device with --column; {path} has {', '.join(names)}")
    return column
