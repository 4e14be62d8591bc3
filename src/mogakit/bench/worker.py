"""The worker: a fresh process that loads files once and times them, `python -m mogakit.bench.worker`.

It is started by `bench.host` and spoken to over its standard input and output (`bench.protocol`):

    {"op": "load", "files": [{"path", "target", "clock"}], "seed", "probe"}  ->  {"files": [...], "huge_pages_mb"}
    {"op": "window", "order": [index, ...], "warm_calls", "warm_up"}         ->  {"visits": [[cold, warm, ...], ...]}

A file that cannot be loaded or run is answered with {"error": ...} in its place, and the others go on. With `probe`
each is first tried in a process of its own, with a limit on its memory and time, so that a crash of the runtime, too,
is that file's answer.

Inside a window nothing is written, sent, allocated or collected but the lists of times. The worker ends when its
standard input closes or its parent dies.
"""

import ctypes
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mogakit.bench import protocol
from mogakit.bench.attempt import DEFAULT_MEMORY_BYTES, DEFAULT_SECONDS, Limits, Tried, attempt
from mogakit.bench.engines import Engine, load, prepare
from mogakit.bench.measurement import Clock
from mogakit.bench.statistics import WARM_UP_MAX_SAMPLES, WARM_UP_WINDOW, is_warm
from mogakit.bench.target import parse_target
from mogakit.errors import MeasurementError
from mogakit.export.foreign.failures import runtime_failures
from mogakit.records import to_json

_CLOCKS: dict[Clock, Callable[[], int]] = {Clock.THREAD_CPU: time.thread_time_ns, Clock.WALL: time.perf_counter_ns}
_Timed = tuple[Callable[[], object], Callable[[], int]]
"""What runs a file, and the clock that times it."""

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the parent until it closes our standard input."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches the whole group: end without a traceback
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a runtime prints must not break a frame
    timed: list[_Timed | None] = []
    while (request := protocol.receive(requests)) is not None:
        try:
            if request["op"] == "load":
                timed, answer = _load_all(request)
                gc.collect()
                gc.freeze()
            else:
                answer = _time_window(timed, request["order"], request["warm_calls"], request["warm_up"])
        except MeasurementError as error:
            answer = {"error": str(error)}
        protocol.send(answers, answer)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the parent dies; elsewhere the closed standard input ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:  # it died before we asked
            sys.exit(1)


# --- loading


def _load_all(request: dict[str, Any]) -> tuple[list[_Timed | None], dict[str, Any]]:
    seed, files = int(request["seed"]), request["files"]
    prepare({parse_target(file["target"]).runtime for file in files})
    tried = [_try(file, seed) if request["probe"] and file.get("probe", True) else Tried() for file in files]
    timed: list[_Timed | None] = []
    records: list[dict[str, Any]] = []
    for file, found in zip(files, tried, strict=True):
        if found.error is not None:
            timed.append(None)
            records.append({"error": f"{file['path']}: {found.error}"})
            continue
        try:
            engine, record = _load_timed(file, seed)
        except MeasurementError as error:
            timed.append(None)
            records.append({"error": str(error)})
            continue
        timed.append((engine.invoke, _CLOCKS[Clock(file["clock"])]))
        records.append({**record, "peak_memory_mb": found.grown_mb})
    return timed, {"files": records, "huge_pages_mb": _huge_pages_mb()}


def _try(file: dict[str, Any], seed: int) -> Tried:
    own = 8 * Path(file["path"]).stat().st_size if Path(file["path"]).is_file() else 0
    limits = Limits(
        int(file.get("memory_bytes", DEFAULT_MEMORY_BYTES)) + own, int(file.get("seconds", DEFAULT_SECONDS))
    )
    return attempt(lambda: run_once(_load(file, seed), file["path"]), limits)


def run_once(engine: Engine, path: str) -> None:
    """Run a file once.

    Raises:
        MeasurementError: it failed.
    """
    try:
        engine.invoke()
    except runtime_failures() as error:
        raise MeasurementError(f"{path} fails when it is run: {error}") from error


def _load(file: dict[str, Any], seed: int) -> Engine:
    values = [None if path is None else Path(path) for path in file.get("values", ())]
    return load(Path(file["path"]), parse_target(file["target"]), seed, values)


def _load_timed(file: dict[str, Any], seed: int) -> tuple[Engine, dict[str, Any]]:
    """Load a file, run it once, and return it with how long both took.

    Raises:
        MeasurementError: one of them failed.
    """
    started = time.perf_counter_ns()
    engine = _load(file, seed)
    loaded = time.perf_counter_ns()
    run_once(engine, file["path"])
    ran = time.perf_counter_ns()
    return engine, {
        "init_ms": (loaded - started) / 1e6,
        "first_run_ms": (ran - loaded) / 1e6,
        "delegation": to_json(engine.delegation),
    }


def _huge_pages_mb() -> float | None:
    """Return how much of this process really lies on huge pages, in 10^6 bytes."""
    rollup = Path("/proc/self/smaps_rollup")
    if not rollup.exists():
        return None
    for line in rollup.read_text().splitlines():
        if line.startswith("AnonHugePages:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


# --- timing


def _time_window(
    timed: Sequence[_Timed | None], order: Sequence[int], warm_calls: int, warm_up: bool
) -> dict[str, Any]:
    """Visit files in `order`; each visit is one call after everything else ran (cold), then `warm_calls` more.

    A file that fails is not visited again in this window: `failed` says why by its index, and its visit is empty.
    """
    visits: list[list[int]] = []
    visited_at: list[int] = []
    failed: dict[int, str] = {}
    warm_up_ns: list[int] = []
    gc.disable()
    try:
        if warm_up:
            warm_up_ns = _warmed_up(timed[order[0]], order[0], failed)
        faults_before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        calls = range(1 + warm_calls)
        began = time.perf_counter_ns()
        for index in order:
            visited_at.append(time.perf_counter_ns() - began)
            times: list[int] = []
            found = None if index in failed else timed[index]
            if found is not None:
                invoke, clock = found
                try:
                    for _ in calls:
                        started = clock()
                        invoke()
                        times.append(clock() - started)
                except runtime_failures() as error:
                    times, failed[index] = [], f"failed while it was timed: {error}"
            visits.append(times)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults_before
    finally:
        gc.enable()
    return {
        "visits": [[time_ns / 1e6 for time_ns in times] for times in visits],
        "visited_at": [time_ns / 1e6 for time_ns in visited_at],
        "warm_up": [time_ns / 1e6 for time_ns in warm_up_ns],
        "page_faults": faults,
        "failed": {str(index): reason for index, reason in failed.items()},
    }


def _warmed_up(found: _Timed | None, index: int, failed: dict[int, str]) -> list[int]:
    """Warm the first file of a window up; where it fails, `failed` holds why."""
    if found is None:
        return []
    try:
        return _warm_up(*found)
    except runtime_failures() as error:
        failed[index] = f"failed while it was warmed up: {error}"
        return []


def _warm_up(invoke: Callable[[], object], clock: Callable[[], int]) -> list[int]:
    """Call a file until two successive windows of calls are alike, or the limit is reached; return every time."""
    times: list[int] = []
    while len(times) < WARM_UP_MAX_SAMPLES:
        for _ in range(WARM_UP_WINDOW // 2):
            started = clock()
            invoke()
            times.append(clock() - started)
        if is_warm(times, window=WARM_UP_WINDOW // 2):
            break
    return times


if __name__ == "__main__":
    main()
