"""What every parser shares: the result, prefix stripping, numbers, and the error with the tail of the output."""

import math
import re
from dataclasses import dataclass

from mogakit.bench.measurement import Summary
from mogakit.errors import ParseError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
TAIL_LINES = 12

_DIGITS = 1e-5  # a C++ stream prints six digits, and not every version prints every field of a line alike
_PREFIX = re.compile(r"^(?:INFO|WARN|WARNING|ERROR|VERBOSE|FATAL): ?(?:\[[^\]\s]+:\d+\] ?)?")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one run of a tool measured; milliseconds and megabytes, None where the tool does not print it."""

    summary: Summary
    samples_ms: tuple[float, ...] = ()
    init_ms: float | None = None
    first_run_ms: float | None = None
    warmup_ms: float | None = None  # mean of the warm-up runs
    peak_memory_mb: float | None = None


def bare_lines(text: str) -> list[str]:
    """Split output into lines without the `INFO: [file:12] ` that some builds print and others do not."""
    return [_PREFIX.sub("", line.rstrip("\r")) for line in text.split("\n")]


def number(text: str) -> float:
    """Read a finite decimal number, in scientific notation or not.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value


def tail(text: str, num_lines: int = TAIL_LINES) -> str:
    """Return the last lines of an output, indented, for an error message."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    shown = lines[-num_lines:] or ["(nothing was printed)"]
    return "\n".join("    " + line[:300] for line in shown)


def parse_error(tool: str, problem: str, text: str) -> ParseError:
    """Return the error for an output that does not hold what it must; it carries the output's end."""
    return ParseError(f"{tool}: {problem}; no time is taken from it. The output ended with:\n{tail(text)}")


def check_order(tool: str, summary: Summary, text: str, rounding_ms: float = 0.0) -> None:
    """Reject percentiles that no runs can have: a number that was cut, or is another's, must not become a time.

    Args:
        summary: what was read from `text`; the tool prints its percentiles with the range in which they lie.
        rounding_ms: how far a percentile and the ends of the range may be apart because one of them was cut to whole
            units.

    Raises:
        ParseError: minimum or maximum is missing beside a percentile, or they do not rise from the one to the other.
    """
    low, high = summary.min_ms, summary.max_ms
    inner = [value for value in (summary.p5_ms, summary.median_ms, summary.p95_ms) if value is not None]
    if not inner:
        return
    if low is None or high is None:
        raise parse_error(tool, "there is a percentile without the least and the greatest time", text)
    slack_ms = rounding_ms + _DIGITS * high
    if inner != sorted(inner) or inner[0] < low - slack_ms or inner[-1] > high + slack_ms:
        shown = ", ".join(f"{value:g}" for value in (low, *inner, high))
        raise parse_error(tool, f"the percentiles do not rise from the least time to the greatest: {shown} ms", text)
