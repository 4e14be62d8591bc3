"""The page and the figures of a run."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mogakit.flows.report import ReportRequest, ReportResult, gather, report
from mogakit.library.given import RunLike, run_folder, table_file
from mogakit.library.progress import progress_for
from mogakit.library.run import Run
from mogakit.progress import Progress
from mogakit.reports.gallery import all_figures


def write_report(
    run: RunLike,
    *,
    output: str | Path | None = None,
    searches: Sequence[str | Path] = (),
    against: Sequence[str | Path | Run] = (),
    figures: str | Path | None = None,
    progress: Progress | None = None,
) -> ReportResult:
    """Write a run's page, self-contained, and its numbers as JSON beside it.

    Args:
        run: a run or its folder.
        output: the page; None for `report.html` in the run's folder.
        searches: folders of searches; empty for every search directly below the run's folder.
        against: runs or tables of the same space on other targets.
        figures: folder for every figure as SVG and PNG; None for none.
        progress: as in `measure_files`.

    Returns:
        Where page and numbers lie, and which parts the page has.

    Raises:
        TableError: the run has no table. InputError: a file is malformed, or a search is not where it is said to be.

    Source: docs/figures.md says which figure of which paper each one is.

    Examples:
        >>> written = mk.write_report("run")
        >>> written.page.name, written.record.name, "table" in written.parts
        ('report.html', 'report.json', True)
    """
    request = ReportRequest(
        folder=run_folder(run),
        searches=tuple(Path(each) for each in searches),
        against=tuple(table_file(each) for each in against),
        output=None if output is None else Path(output),
        figures=None if figures is None else Path(figures),
    )
    return report(request, progress_for("report", progress))


def draw_figures(
    run: RunLike, *, searches: Sequence[str | Path] = (), against: Sequence[str | Path | Run] = ()
) -> dict[str, Figure]:
    """Draw every figure that a run's results allow.

    Args:
        run: a run or its folder.
        searches: folders of searches; empty for every search directly below the run's folder.
        against: runs or tables of the same space on other targets.

    Returns:
        matplotlib figures by name, in the order of the page; they belong to no window and no pyplot state.

    Raises:
        TableError, InputError: as in `write_report`.

    Source: docs/figures.md says which figure of which paper each one is.

    Examples:
        >>> figures = mk.draw_figures("run")
        >>> figures["table"]
        <Figure size ...>
    """
    request = ReportRequest(
        folder=run_folder(run),
        searches=tuple(Path(each) for each in searches),
        against=tuple(table_file(each) for each in against),
    )
    return {each.name: each.figure for each in all_figures(gather(request))}
