"""What ran when: a journal as a trace in Chrome's JSON format, which ui.perfetto.dev and chrome://tracing open.

A target is a process of the trace with two threads: its windows, and the visits of files in them (on a phone one slice
for each process of the tool). What lies between windows is waiting. Temperature, clock and load are counters.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from mogakit.bench.measurement import Conditions, Measurement

_WINDOWS, _FILES = 1, 2
_COUNTERS = (
    ("temperature (C)", "temperature_c"),
    ("CPU clock (MHz)", "cpu_frequency_mhz"),
    ("load, 1 min", "load_1min"),
)


def schedule_trace(measurements: Iterable[Measurement]) -> dict[str, Any]:
    """Return the trace of a run's measurements; times are microseconds since the first window started."""
    taken = list(measurements)
    start_us = min((_microseconds(one.before) for one in taken), default=0.0)
    targets = dict.fromkeys(str(one.target) for one in taken)
    numbers = {name: place for place, name in enumerate(targets, start=1)}
    events: list[dict[str, object]] = []
    for name, number in numbers.items():
        events.append({"ph": "M", "name": "process_name", "pid": number, "args": {"name": name}})
        for thread, title in ((_WINDOWS, "windows"), (_FILES, "files")):
            events.append({"ph": "M", "name": "thread_name", "pid": number, "tid": thread, "args": {"name": title}})
    seen: set[tuple[str, int, int]] = set()
    for one in sorted(taken, key=lambda each: (each.round, each.window)):
        number = numbers[str(one.target)]
        window = (str(one.target), one.round, one.window)
        if one.visited_at_ms and window not in seen:
            seen.add(window)
            events.append(
                {
                    **_slice(f"round {one.round}, window {one.window}", one, start_us),
                    "pid": number,
                    "tid": _WINDOWS,
                    "args": {"warnings": [str(warning) for warning in one.after.warnings]},
                }
            )
        if one.visited_at_ms:
            events += _visits(one, number, start_us)
        else:
            events.append(
                {**_slice(one.artifact_name, one, start_us), "pid": number, "tid": _FILES, "args": _notes(one)}
            )
        events += _counters(one.before, number, start_us)
        events += _counters(one.after, number, start_us)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _slice(name: str, one: Measurement, start_us: float) -> dict[str, object]:
    begin, end = _microseconds(one.before), _microseconds(one.after)
    return {"ph": "X", "name": name, "ts": begin - start_us, "dur": max(end - begin, 0.0)}


def _visits(one: Measurement, number: int, start_us: float) -> Iterator[dict[str, object]]:
    """Yield a slice for each visit of a file: its first call and the calls right behind it."""
    begin = _microseconds(one.before) - start_us
    each = len(one.samples_ms) // len(one.visited_at_ms)
    for place, (at_ms, cold_ms) in enumerate(zip(one.visited_at_ms, one.cold_ms, strict=False)):
        warm_ms = one.samples_ms[place * each : (place + 1) * each]
        yield {
            "ph": "X",
            "name": one.artifact_name,
            "ts": begin + 1000 * at_ms,
            "dur": 1000 * (cold_ms + sum(warm_ms)),
            "pid": number,
            "tid": _FILES,
            "args": {**_notes(one), "cold_ms": cold_ms, "warm_ms": list(warm_ms)},
        }


def _notes(one: Measurement) -> dict[str, object]:
    notes: dict[str, object] = {"status": str(one.status), "role": str(one.role), "clock": str(one.clock)}
    return notes if one.error is None else {**notes, "error": one.error}


def _counters(conditions: Conditions, number: int, start_us: float) -> Iterator[dict[str, object]]:
    for name, field in _COUNTERS:
        value = getattr(conditions, field)
        if value is not None:
            at = _microseconds(conditions) - start_us
            yield {"ph": "C", "name": name, "pid": number, "ts": at, "args": {name: value}}


def _microseconds(conditions: Conditions) -> float:
    return datetime.fromisoformat(conditions.at).timestamp() * 1e6
