"""Output of TFLite's `benchmark_model`, both the classic one and the LiteRT (CompiledModel) one of the same name.

The classic tool prints a statistics line after the warm-up and one after the timed runs (microseconds), in shapes that
changed over the years, and sums up at the end::

    count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948
    count=1 curr=12345
    count=7 curr=12(all same)
    INFO: count=50 first=4 curr=4 min=3 max=5 avg=1.19375e+06 std=1 p5=3 median=4 p95=5
    Inference timings in us: Init: 870557, First inference: 130565, Warmup (avg): 122373, Inference (avg): 119375

Both must be there and agree, and the percentiles must be all there and in order: a line cut in the middle of a number
would otherwise be a wrong one.
"""

import re

from mogakit.android_runner.parsers.common import NUMBER, Timing, bare_lines, check_order, number, parse_error
from mogakit.bench.measurement import Summary

_STAT = re.compile(rf"^count=(\d+)((?:\s+\w+={NUMBER}(?:\(all same\))?)*)\s*$")
_FIELD = re.compile(rf"(\w+)=({NUMBER})(\(all same\))?")
_TIMINGS = re.compile(r"^(?:Average )?[Ii]nference timings in us: (.*)$")
_TIMING_FIELD = re.compile(rf"(Init|First inference|Warmup|Inference)(?: \(avg\))?: ({NUMBER})(?=,|\s|$)")
_MEMORY = (
    re.compile(rf"^Overall peak memory footprint \(MB\) via periodic monitoring: ({NUMBER})\s*$"),
    re.compile(
        rf"^(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): .*overall=({NUMBER})"
    ),
)
_AGREEMENT = 1e-4  # both print the same mean, to six digits
_WHOLE_US = 0.5  # where all runs took the same, the statistics line has whole microseconds, the summary may have more
_ROUNDING_MS = 0.001  # percentiles are whole microseconds; so are minimum and maximum, in some versions

_LITERT_TIME = re.compile(
    r"^(Model initialization|Warmup \(first\)|Warmup \(avg\)|Inference \(\w+\)):"
    rf"\s+({NUMBER})(?: ms)?(?:\s+\((\d+) runs?\))?\s*$"
)
_LITERT_MEMORY = re.compile(rf"^Overall footprint:\s+({NUMBER}) MB\s*$")
_LITERT_ROUNDING_MS = 0.0051  # the summary prints two decimals


def parse_classic(text: str) -> Timing:
    """Read the classic tool's output (standard output and error together).

    Raises:
        ParseError: a statistics line or the summary is missing, cut short, or the two disagree; or the percentiles are
            not those of any runs.
    """
    lines = bare_lines(text)
    summaries = [found for line in lines if (found := _statistics(line)) is not None]
    if not summaries:
        raise parse_error("benchmark_model", "there is no statistics line (count=...)", text)
    timings = [match.group(1) for line in lines if (match := _TIMINGS.match(line))]
    fields = dict(_TIMING_FIELD.findall(timings[-1])) if timings else {}
    if "Inference" not in fields:
        raise parse_error("benchmark_model", "there is no complete line 'Inference timings in us'", text)
    measured = summaries[-1]
    mean_us = number(fields["Inference"])
    all_same = measured.min_ms == measured.max_ms  # printed in whole microseconds
    allowed_us = max(_AGREEMENT * mean_us, _WHOLE_US if all_same else 0.0)
    if abs(mean_us - measured.mean_ms * 1000.0) > allowed_us or mean_us <= 0.0:
        problem = f"the statistics line says {measured.mean_ms * 1000.0:g} us and the summary {mean_us:g} us"
        raise parse_error("benchmark_model", problem, text)
    _check_percentiles("benchmark_model", measured, text)
    return Timing(
        summary=measured,
        init_ms=_ms(fields.get("Init")),
        first_run_ms=_ms(fields.get("First inference")),
        warmup_ms=_ms(fields.get("Warmup")),
        peak_memory_mb=_memory(lines),
    )


def parse_litert(text: str) -> Timing:
    """Read the LiteRT tool's output (its summary goes to standard error).

    Raises:
        ParseError: the summary is missing or incomplete, there are several, or a statistics line disagrees with it or
            with itself.
    """
    lines = bare_lines(text)
    found = [match.groups() for line in lines if (match := _LITERT_TIME.match(line.strip()))]
    means = [(value, runs) for name, value, runs in found if name == "Inference (avg)"]
    if len(means) != 1 or means[0][1] is None:
        problem = "there is no summary line 'Inference (avg)'" if not means else f"{len(means)} signatures were timed"
        raise parse_error("benchmark_model (LiteRT)", problem, text)
    fields = {name: number(value) for name, value, _ in found}
    missing = [f"Inference ({part})" for part in ("min", "max", "std") if f"Inference ({part})" not in fields]
    if missing:
        raise parse_error("benchmark_model (LiteRT)", f"the summary lacks {', '.join(missing)}", text)
    mean_ms = fields["Inference (avg)"]
    summary = Summary(
        count=int(means[0][1]),
        mean_ms=mean_ms,
        std_ms=fields["Inference (std)"],
        min_ms=fields["Inference (min)"],
        max_ms=fields["Inference (max)"],
    )
    statistics = [line for line in map(_statistics, lines) if line is not None]
    if statistics:  # the same numbers with more digits
        if abs(statistics[-1].mean_ms - mean_ms) > _LITERT_ROUNDING_MS + _AGREEMENT * mean_ms:
            problem = f"the statistics line says {statistics[-1].mean_ms:g} ms and the summary {mean_ms:g} ms"
            raise parse_error("benchmark_model (LiteRT)", problem, text)
        summary = statistics[-1]
        _check_percentiles("benchmark_model (LiteRT)", summary, text)
    if summary.count < 1 or summary.mean_ms <= 0.0:
        raise parse_error("benchmark_model (LiteRT)", "the mean is zero", text)
    memory = [number(match.group(1)) for line in lines if (match := _LITERT_MEMORY.match(line.strip()))]
    return Timing(
        summary=summary,
        init_ms=fields.get("Model initialization"),
        first_run_ms=fields.get("Warmup (first)"),
        warmup_ms=fields.get("Warmup (avg)"),
        peak_memory_mb=memory[-1] if memory else None,
    )


def _statistics(line: str) -> Summary | None:
    """Read one statistics line, microseconds to milliseconds; None where the line is none or counts nothing."""
    match = _STAT.match(line)
    if match is None or int(match.group(1)) == 0:
        return None
    count = int(match.group(1))
    fields: dict[str, float] = {}
    all_same = False
    for name, value, same in _FIELD.findall(match.group(2)):
        fields[name] = number(value) / 1000.0
        all_same |= bool(same)
    percentiles = {f"{name}_ms": fields.get(name) for name in ("median", "p5", "p95")}
    if "curr" in fields and (count == 1 or all_same):
        value_ms = fields["curr"]
        return Summary(count=count, mean_ms=value_ms, std_ms=0.0, min_ms=value_ms, max_ms=value_ms, **percentiles)
    if not {"avg", "std", "min", "max"} <= set(fields):
        return None
    return Summary(
        count=count,
        mean_ms=fields["avg"],
        std_ms=fields["std"],
        min_ms=fields["min"],
        max_ms=fields["max"],
        **percentiles,
    )


def _check_percentiles(tool: str, summary: Summary, text: str) -> None:
    """Reject a statistics line that was cut within its last three numbers, the median of which is a run's value."""
    present = {"p5": summary.p5_ms, "median": summary.median_ms, "p95": summary.p95_ms}
    missing = [name for name, value in present.items() if value is None]
    if 0 < len(missing) < len(present):
        raise parse_error(tool, f"the statistics line lacks {' and '.join(missing)}", text)
    check_order(tool, summary, text, _ROUNDING_MS)


def _ms(microseconds: str | None) -> float | None:
    return None if microseconds is None else number(microseconds) / 1000.0


def _memory(lines: list[str]) -> float | None:
    """Return the peak footprint in MB: by periodic monitoring where it was on, else the high-water mark's."""
    for pattern in _MEMORY:
        found = [number(match.group(1)) for line in lines if (match := pattern.match(line))]
        if found:
            return found[-1]
    return None
