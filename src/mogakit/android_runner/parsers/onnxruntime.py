"""Output of ONNX Runtime's `onnxruntime_perf_test`, which mixes seconds and milliseconds.

Average inference time cost total: 98.961997 ms        (older: `Average inference time cost: 58.8 ms`)
Runs:5
Min Latency: 0.0958204 s                                (older: `Min Latency is 0.0587108sec`)
iteration:1,time_cost:0.0958204                         (with -v: every run, seconds)
"""

import re
import statistics

from mogakit.android_runner.parsers.common import NUMBER, Timing, bare_lines, check_order, number, parse_error
from mogakit.bench.measurement import Summary

_UNITS_MS = {"s": 1000.0, "sec": 1000.0, "ms": 1.0, "us": 0.001}
_MEAN = re.compile(rf"^Average (?:inference )?time cost(?: total)?: ?({NUMBER}) ?(ms|s)\b")
_LATENCY = re.compile(rf"^(Min|Max|P50|P95) Latency(?::| is) ?({NUMBER}) ?(s|sec|ms|us)\s*$")
_RUNS = re.compile(r"^(?:Runs:|Total (?:inference requests|iterations): ?) ?(\d+)\s*$")
_FIRST = re.compile(rf"^First inference time cost: ?({NUMBER}) ?(ms|s)\b")
_CREATION = re.compile(rf"^Session creation time cost: ?({NUMBER}) ?(ms|s)\b")
_PEAK = re.compile(r"^Peak working set size: (\d+) bytes")
_ITERATION = re.compile(rf"^iteration:\d+,\s*time_cost:({NUMBER})\s*$")
_AGREEMENT = 0.05  # the two means hold different overheads; more apart than this and one was misread


def parse(text: str) -> Timing:
    """Read the tool's output.

    Raises:
        ParseError: the mean or the number of runs is missing, or mean or percentiles lie outside the runs' range.
    """
    lines = [line.strip() for line in bare_lines(text)]
    mean_ms = _time(_MEAN, lines)
    runs = [int(match.group(1)) for line in lines if (match := _RUNS.match(line))]
    if mean_ms is None or mean_ms <= 0.0 or not runs or runs[-1] < 1:
        raise parse_error(
            "onnxruntime_perf_test", "there is no 'Average inference time cost' with a number of runs", text
        )
    latencies = {
        match.group(1): number(match.group(2)) * _UNITS_MS[match.group(3)]
        for line in lines
        if (match := _LATENCY.match(line))
    }
    samples_ms = tuple(1000.0 * number(match.group(1)) for line in lines if (match := _ITERATION.match(line)))
    low, high = latencies.get("Min"), latencies.get("Max")
    if low is not None and high is not None and not low * (1 - _AGREEMENT) <= mean_ms <= high * (1 + _AGREEMENT):
        problem = f"the mean of {mean_ms:g} ms lies outside {low:g} to {high:g} ms"
        raise parse_error("onnxruntime_perf_test", problem, text)
    std_ms = statistics.stdev(samples_ms) if len(samples_ms) > 1 else None
    peak = [int(match.group(1)) for line in lines if (match := _PEAK.match(line))]
    summary = Summary(
        count=runs[-1],
        mean_ms=mean_ms,
        std_ms=std_ms,
        min_ms=low,
        max_ms=high,
        median_ms=latencies.get("P50"),
        p5_ms=None,
        p95_ms=latencies.get("P95"),
    )
    check_order("onnxruntime_perf_test", summary, text)
    return Timing(
        summary=summary,
        samples_ms=samples_ms,
        init_ms=_time(_CREATION, lines),
        first_run_ms=_time(_FIRST, lines),
        peak_memory_mb=peak[-1] / 1e6 if peak else None,
    )


def _time(pattern: re.Pattern[str], lines: list[str]) -> float | None:
    """Return the last time that a pattern finds, in milliseconds."""
    found = [number(match.group(1)) * _UNITS_MS[match.group(2)] for line in lines if (match := pattern.match(line))]
    return found[-1] if found else None
