"""The per-operator tables of benchmark_model, tab-separated as the tool prints them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

_SUMMARY_TAIL = ("    [avg %]", "    [cdf %]", "  [mem KB]", "[times called]")


@dataclass(frozen=True)
class Row:
    """One executed node."""

    kind: str
    name: str
    ms: float


def report(rows: Sequence[Row], with_start: bool) -> str:
    """Return the tables of one profiling report; old tools had a [start] column and a narrower first one."""
    total = sum(row.ms for row in rows) or 1.0
    width = 24 if with_start else 40
    head = [f"{'[node type]':>{width}}", *([f"{'[start]':>9}"] if with_start else [])]
    head += [f"{'[first]':>9}", f"{'[avg ms]':>9}", f"{'[%]':>8}", f"{'[cdf%]':>9}", f"{'[mem KB]':>10}"]
    title = "\t" + "\t".join([*head, "[times called]", "[Name]"])

    def body(chosen: Sequence[Row]) -> list[str]:
        lines, seen, start = [], 0.0, 0.0
        for row in chosen:
            seen += row.ms
            cells = [f"{row.kind:>{width}}", *([f"{start:9.3f}"] if with_start else [])]
            cells += [f"{row.ms * 1.04:9.3f}", f"{row.ms:9.3f}", f"{100 * row.ms / total:7.3f}%"]
            cells += [f"{100 * seen / total:8.3f}%", f"{0.0:10.3f}", f"{1:9}", row.name]
            lines.append("\t" + "\t".join(cells))
            start += row.ms
        return lines

    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    summary, seen = [], 0.0
    for kind, members in sorted(by_kind.items(), key=lambda item: -sum(row.ms for row in item[1])):
        ms = sum(row.ms for row in members)
        seen += ms
        cells = [f"{kind:>{width}}", f"{len(members):9}", f"{ms:10.3f}", f"{100 * ms / total:10.3f}%"]
        cells += [f"{100 * seen / total:10.3f}%", f"{0.0:10.3f}", f"{len(members):9}"]
        summary.append("\t" + "\t".join(cells))
    summary_head = "\t" + "\t".join(
        [
            f"{'[Node type]':>{width}}",
            "  [count]",
            "  [avg ms]",
            "    [avg %]",
            "    [cdf %]",
            "  [mem KB]",
            "[times called]",
        ]
    )
    bar = "=" * 30
    return "\n".join(
        [
            f"{bar} Run Order {bar}",
            title,
            *body(rows),
            "",
            f"{bar} Top by Computation Time {bar}",
            title,
            *body(sorted(rows, key=lambda row: -row.ms)[:10]),
            "",
            f"Number of nodes executed: {len(rows)}",
            f"{bar} Summary by node type {bar}",
            summary_head,
            *summary,
            "",
            f"Timings (microseconds): count=50 first={total * 1040:.0f} curr={total * 1000:.0f} min={total * 980:.0f} "
            f"max={total * 1040:.0f} avg={total * 1000:.6g} std={total * 11:.0f}",
            "Memory (bytes): count=0",
            f"{len(rows)} nodes observed",
            "",
        ]
    )


def csv(rows: Sequence[Row]) -> str:
    """Return the CSV mode: the type is not quoted and may hold commas; commas in a name become tabs."""
    total, seen = sum(row.ms for row in rows) or 1.0, 0.0
    lines = ["node type, first, avg_ms, %, cdf%, mem KB, times called, name"]
    for row in rows:
        seen += row.ms
        numbers = f"{row.ms * 1.04:.3f}, {row.ms:.3f}, {100 * row.ms / total:.3f}%, {100 * seen / total:.3f}%, 0, 1"
        lines.append(f"{row.kind}, {numbers}, {row.name.replace(',', chr(9))}")
    return "\n".join(lines) + "\n"
