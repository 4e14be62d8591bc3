"""Per-operator times, from separate profiled runs. They rank operators; their sum is not a latency.

`benchmark_model --enable_op_profiling` prints tab-separated tables whose columns changed (`[start]` went,
`[avg ms]` stayed) and whose operator types hold spaces, commas and slashes. `mace_run --benchmark` prints tables
between bars.
"""

from mogakit.android_runner.parsers.common import bare_lines, number, parse_error
from mogakit.android_runner.parsers.mace_run import messages
from mogakit.bench.runner import OperatorTime

_REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs"
_RUN_ORDER = "Run Order"


def parse_benchmark_model(text: str) -> tuple[OperatorTime, ...]:
    """Read the run-order table of the timed runs (old and new columns).

    Raises:
        ParseError: the table is missing, has no such columns, or is empty.
    """
    lines = bare_lines(text)
    starts = [index for index, line in enumerate(lines) if _REGULAR in line]
    # builds before 2020 print one report without that heading
    begin = starts[-1] if starts else 0
    order = [index for index in range(begin, len(lines)) if _RUN_ORDER in lines[index]]
    if not order:
        raise parse_error("benchmark_model", "there is no profile table 'Run Order'", text)
    rows: list[OperatorTime] = []
    header: list[str] | None = None
    first = 0  # fields may begin with a tab, so the first one is empty
    for line in lines[order[0] + 1 :]:
        cells = [cell.strip() for cell in line.split("\t")]
        if header is None:
            named = [cell.strip("[]") for cell in cells]
            if "node type" in named:
                first = named.index("node type")
                header = named[first:]
            continue
        values = cells[first:]
        if len(values) < len(header) or line.lstrip().startswith("="):
            break
        last = len(header) - 1  # the name; what stands behind further tabs belongs to it
        row = dict(zip(header, [*values[:last], " ".join(values[last:])], strict=True))
        name = row.get("Name", "").partition("]:")[0].strip("[]")
        rows.append(OperatorTime(row["node type"], name, _number(row, text)))
    if not rows:
        raise parse_error("benchmark_model", "the profile table 'Run Order' is empty", text)
    return tuple(rows)


def parse_mace_run(text: str) -> tuple[OperatorTime, ...]:
    """Read the table `Sort by Run Order`.

    Raises:
        ParseError: the table is missing or empty.
    """
    lines = messages(text)
    starts = [index for index, line in enumerate(lines) if line.strip() == "Sort by Run Order"]
    rows: list[OperatorTime] = []
    header: list[str] | None = None
    for line in lines[starts[-1] + 1 :] if starts else []:
        if not line.startswith("|"):
            if rows:
                break
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells
        elif len(cells) == len(header):
            row = dict(zip(header, cells, strict=True))
            rows.append(OperatorTime(row["Op Type"], row["name"], number(row["Avg(ms)"])))
    if not rows:
        raise parse_error("mace_run", "there is no profile table 'Sort by Run Order'", text)
    return tuple(rows)


def _number(row: dict[str, str], text: str) -> float:
    """Return a row's mean time; its column is `avg ms` in every version."""
    cell = row.get("avg ms", row.get("avg_ms"))
    if cell is None:
        raise parse_error("benchmark_model", f"the profile table has no column 'avg ms' but {', '.join(row)}", text)
    try:
        return number(cell)
    except ValueError as error:
        raise parse_error("benchmark_model", f"{cell!r} in the profile table is not a time", text) from error
