"""The worker: a fresh process that loads files once and times them, `python -m mogakit.bench.worker`.

It is started by `bench.host` and spoken to over its standard input and output (`bench.protocol`):

    {"op": "load", "files": [{"path", "target", "clock"}], "seed", "probe"}  ->  {"files": [...], "huge_pages_mb"}
    {"op": "window", "order": [index, ...], "warm_calls", "warm_up"}         ->  {"visits": [[cold, warm, ...], ...]}

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
from mogakit.bench.engines import Engine, load, prepare
from mogakit.bench.measurement import Clock
from mogakit.bench.statistics import WARM_UP_MAX_SAMPLES, WARM_UP_WINDOW, is_warm
from mogakit.bench.target import parse_target
from mogakit.errors import MeasurementError
from mogakit.records import to_json

_CLOCKS: dict[Clock, Callable[[], int]] = {Clock.THREAD_CPU: time.thread_time_ns, Clock.WALL: time.perf_counter_ns}
_PR_SET_PDEATHSIG, _PR_SET_THP_DISABLE = 1, 41


def main() -> None:
    """Serve the parent until it closes our standard input."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches the whole group: end without a traceback
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a runtime prints must not break a frame
    timed: list[tuple[Callable[[], object], Callable[[], int]]] = []
    while (request := protocol.receive(requests)) is not None:
        try:
            if request["op"] == "load":
                engines, answer = _load_all(request)
                clocks = [_CLOCKS[Clock(file["clock"])] for file in request["files"]]
                timed = [(engine.invoke, clock) for engine, clock in zip(engines, clocks, strict=True)]
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


def _load_all(request: dict[str, Any]) -> tuple[list[Engine], dict[str, Any]]:
    seed = int(request["seed"])
    prepare({parse_target(file["target"]).runtime for file in request["files"]})
    peaks = [_peak_memory_mb(file, seed) if request["probe"] else None for file in request["files"]]
    engines, records = [], []
    for file, peak_mb in zip(request["files"], peaks, strict=True):
        started = time.perf_counter_ns()
        engine = load(Path(file["path"]), parse_target(file["target"]), seed)
        loaded = time.perf_counter_ns()
        engine.invoke()
        ran = time.perf_counter_ns()
        engines.append(engine)
        records.append(
            {
                "init_ms": (loaded - started) / 1e6,
                "first_run_ms": (ran - loaded) / 1e6,
                "peak_memory_mb": peak_mb,
                "delegation": to_json(engine.delegation),
            }
        )
    return engines, {"files": records, "huge_pages_mb": _huge_pages_mb()}


def _peak_memory_mb(file: dict[str, Any], seed: int) -> float | None:
    """Load and run a file in a forked child and return by how much its resident memory grew at most, in 10^6 bytes.

    The child turns huge pages off, since they would round every file up to two megabytes. None where the child failed
    (the load that follows says why) or where the system does not tell.
    """
    if sys.platform != "linux" or not Path("/proc/self/clear_refs").exists():
        return None
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        grown = b""
        try:
            ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
            parse = parse_target(file["target"])
            Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the parent
            before = _status_kb("VmRSS")
            load(Path(file["path"]), parse, seed).invoke()
            grown = str(_status_kb("VmHWM") - before).encode()
        except (MeasurementError, OSError):
            grown = b""
        finally:
            os.write(writer, grown)
            os._exit(0)  # no clean-up of what belongs to the parent
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return int(text) * 1024 / 1e6 if text else None


def _status_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


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
    timed: Sequence[tuple[Callable[[], object], Callable[[], int]]],
    order: Sequence[int],
    warm_calls: int,
    warm_up: bool,
) -> dict[str, Any]:
    """Visit files in `order`; each visit is one call after everything else ran (cold), then `warm_calls` more."""
    visits: list[list[int]] = []
    visited_at: list[int] = []
    gc.disable()
    try:
        warm_up_ns = _warm_up(*timed[order[0]]) if warm_up else []
        faults_before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        calls = range(1 + warm_calls)
        began = time.perf_counter_ns()
        for index in order:
            invoke, clock = timed[index]
            visited_at.append(time.perf_counter_ns() - began)
            times = []
            for _ in calls:
                started = clock()
                invoke()
                times.append(clock() - started)
            visits.append(times)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults_before
    except (RuntimeError, ValueError) as error:
        raise MeasurementError(f"file number {order[len(visits)]} failed while it was timed: {error}") from error
    finally:
        gc.enable()
    return {
        "visits": [[time_ns / 1e6 for time_ns in times] for times in visits],
        "visited_at": [time_ns / 1e6 for time_ns in visited_at],
        "warm_up": [time_ns / 1e6 for time_ns in warm_up_ns],
        "page_faults": faults,
    }


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
