"""Gather what a run's folder holds, and build its page, its record and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit import files, records
from mogakit.errors import InputError
from mogakit.flows.lut import load_table
from mogakit.flows.measure.fit import FitFolder
from mogakit.flows.measure.operator_profiles import FILE_NAME as OPERATORS
from mogakit.flows.measure.operator_profiles import read_profiles
from mogakit.flows.measure.runs import RunFolder
from mogakit.flows.search.find import EXACT, RESULT, SAMPLES
from mogakit.luts.check import check_table
from mogakit.luts.fit_record import FitRecord
from mogakit.luts.latencies import table_path
from mogakit.luts.spaces import table_input_size
from mogakit.luts.validation import load_validation
from mogakit.nets.resolve import resolve
from mogakit.neutral import cell
from mogakit.progress import Progress, silent
from mogakit.reports import gallery, style
from mogakit.reports.page.build import build_page
from mogakit.reports.paper_figures import chosen_figures
from mogakit.reports.record import make_record, save_record
from mogakit.reports.run import NamedSearch, Note, RunContent, Samples
from mogakit.search.comparison import Comparison
from mogakit.search.front import load_front, load_result
from mogakit.workers.pool import LocalWorkers, Workers

PAGE, FIGURES = "report.html", "figures"


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """What a person asks for.

    Attributes:
        folder: of the run; must hold a latency table.
        searches: folders of searches; where empty, every search below the run's folder.
        against: tables (or runs) of the same space on other targets.
        comparison: file with what `moga compare --json` printed.
        output: where the page goes; `RUN/report.html` where None. The record lies beside it, ending in `.json`.
        figures: folder for every figure as SVG and PNG; None for none.
        numbers: figures by the papers' numbers, `multi-hardware/2`: only these are written; empty for all.
        networks: names of networks that figures of networks show, at the table's input size.
        notes: tables that a flow adds to the page.
    """

    folder: Path
    searches: tuple[Path, ...] = ()
    against: tuple[Path, ...] = ()
    comparison: Path | None = None
    output: Path | None = None
    figures: Path | None = None
    notes: tuple[Note, ...] = ()
    numbers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportResult:
    """Where page and record lie, the page's size, which parts it has, the figures written, and what each shows."""

    page: Path
    record: Path
    num_bytes: int
    parts: tuple[str, ...]
    figures: tuple[Path, ...]
    captions: tuple[str, ...] = ()


def report(request: ReportRequest, progress: Progress = silent, workers: Workers | None = None) -> ReportResult:
    """Build page and record and write them, and the figures if they are asked for.

    Args:
        workers: who turns the figures into files' bytes; None for this process.

    Raises:
        TableError: the folder holds no table.
        InputError: a file is malformed, a search or comparison is not where it is said to be, or the page would lie
            where its record does.
    """
    page = request.output or request.folder / PAGE
    record = page.with_suffix(".json")
    if page == record:
        raise InputError(f"{page} is where the numbers go; name the page itself, such as {page.with_suffix('.html')}")
    content = gather(request)
    text = build_page(content)
    drawn = gallery.all_figures(content)
    chosen = chosen_figures(drawn, request.numbers)
    files.write_text(page, text)
    save_record(make_record(content, drawn), record)
    written: dict[int, tuple[Path, Path]] = {}
    target = request.figures or (request.folder / FIGURES if request.numbers else None)
    if target is not None:
        calls = [(one.figure,) for one in chosen]
        for index, drawing in (workers or LocalWorkers()).run(style.rendered, calls):
            written[index] = style.write(drawing, target, chosen[index].name)
            progress(len(written), len(chosen), chosen[index].name)
    return ReportResult(
        page=page,
        record=record,
        num_bytes=len(text.encode("utf-8")),
        parts=_parts(content),
        figures=tuple(path for index in sorted(written) for path in written[index]),
        captions=tuple(one.caption for one in chosen) if request.numbers else (),
    )


def gather(request: ReportRequest) -> RunContent:
    """Read what the run holds; what is absent is left out.

    Raises:
        TableError, InputError: as in `report`.
    """
    run = RunFolder(request.folder)
    table = load_table(request.folder)
    others = tuple(load_table(path) for path in request.against)
    sources = [table_path(request.folder), *(table_path(path) for path in request.against)]
    validation = None
    if run.validation.exists():
        validation = load_validation(run.validation)
        sources.append(run.validation)
    fitted = FitFolder(run).result
    sources += [path for one in request.against if (path := FitFolder(RunFolder(one)).result).exists()]
    searches = []
    for folder in request.searches or find_searches(request.folder):
        searches.append(_search(folder, request.folder))
        sources += [path for name in (RESULT, EXACT, SAMPLES) if (path := folder / name).exists()]
    if fitted.exists():
        sources.append(fitted)
    profiled = [one for one in (request.folder, *request.against) if (one / OPERATORS).is_file()]
    sources += [one / OPERATORS for one in profiled]
    if request.comparison is not None:
        sources.append(request.comparison)
    return RunContent(
        name=request.folder.resolve().name,
        table=table,
        findings=tuple(check_table(table, others)),
        validation=validation,
        fit=_fit_of(request.folder),
        searches=tuple(searches),
        others=others,
        other_fits=tuple(_fit_of(path) for path in request.against),
        comparison=None if request.comparison is None else records.load(Comparison, request.comparison),
        notes=request.notes,
        networks=tuple(resolve(name, input_size=table_input_size(table)) for name in request.networks),
        operators=tuple(
            (one.network, one.target, one.by_type_ms()) for path in profiled for one in read_profiles(path)
        ),
        sources={_relative(path, request.folder): files.sha256_of(path) for path in sources},
    )


def find_searches(folder: Path) -> list[Path]:
    """Return the folders of searches directly below a run's folder, by name; `search` itself first."""
    found = sorted(path.parent for path in folder.glob(f"*/{RESULT}"))
    return sorted(found, key=lambda path: (path.name != "search", path.name))


def _search(folder: Path, run: Path) -> NamedSearch:
    exact = folder / EXACT
    return NamedSearch(
        name=_relative(folder, run),
        result=load_result(folder / RESULT),
        exact=load_front(exact) if exact.exists() else None,
        samples=_samples(folder),
    )


def _samples(folder: Path) -> Samples | None:
    """Read what a controller drew; None where the search had none."""
    path = folder / SAMPLES
    if not path.exists():
        return None
    accuracy, latency = (str(cell(one.metric)) for one in load_result(folder / RESULT).front.objectives[:2])
    rows = [row for _, row in records.read_csv(path, ("step", accuracy, latency, "reward"), "table of samples")]
    try:
        return Samples(
            steps=tuple(int(row["step"]) for row in rows),
            latency=tuple(float(row[latency]) if row[latency] else None for row in rows),
            accuracy=tuple(float(row[accuracy]) if row[accuracy] else None for row in rows),
            rewards=tuple(float(row["reward"]) for row in rows),
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _fit_of(run: Path) -> FitRecord | None:
    path = FitFolder(RunFolder(run)).result
    return records.load(FitRecord, path) if path.exists() else None


def _relative(path: Path, folder: Path) -> str:
    """Return a path below the run as relative to it, any other as its last two parts: no page names a home folder."""
    absolute, base = path.resolve(), folder.resolve()
    if absolute.is_relative_to(base):
        return str(absolute.relative_to(base))
    return "/".join(absolute.parts[-2:])


def _parts(content: RunContent) -> tuple[str, ...]:
    present: Sequence[tuple[str, object]] = (
        ("table", content.table),
        ("front", content.searches),
        ("validation", content.validation),
        ("cost models", content.fit),
        ("other targets", content.others or content.comparison),
    )
    return tuple(name for name, value in present if value)
