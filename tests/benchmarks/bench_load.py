"""Time and memory under load: what each command costs where its input is a hundred times what it usually is.

    python tests/benchmarks/bench_load.py [table journal manifest archive fleet] [--share 0.1] [--json OUT]

Every case is run at a quarter, at half and at the whole of its size (`SIZES`; `--share` of it), each in a process of
its own, and every step of it is reported in CPU seconds of that process, with the process's peak memory so far. From
half to whole the time may grow as n log n does, and a third more: a larger growth is reported, and ends with exit code
1. Steps under half a second are not judged.

- table: 100,000 rows: load, check, diff, merge, predict, export to CSV, save.
- journal: 2 million samples in 20,000 measurements: append, read, build the table.
- manifest: an export folder of 5,000 files: find every file intact, add one, save.
- archive: a million evaluations of a search: add, front, CSV, checkpoint saved and read.
- fleet: 32 simulated phones on four adb servers: `moga devices`, and one file timed on each phone, all at once.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "phone"))

SIZES = {"table": 100_000, "journal": 2_000_000, "manifest": 5_000, "archive": 1_000_000, "fleet": 32}
SAMPLES = 100
"""Timed calls of one measurement."""
SLACK = 1.35
LEAST_S = 0.5
TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"

Step = tuple[str, Callable[[], object]]


def table_steps(size: int, folder: Path) -> Iterator[Step]:
    from mogakit.luts import check, combine, csvfile, table
    from mogakit.nets.block import parse_key
    from mogakit.nets.resolve import resolve

    small = table.load(TABLE)
    rows = dict(small.rows)
    rng = np.random.default_rng(0)
    blocks = [parse_key(key) for key in small.rows if key.startswith("mb")]
    number = 0
    while len(rows) < size:
        number += 1
        given = blocks[number % len(blocks)]
        made = replace(given, expanded_channels=8 + number)
        ms = float(rng.uniform(0.1, 9))
        means = tuple((ms * rng.normal(1, 0.01, 3)).tolist())
        rows[made.key] = replace(small.rows[given.key], key=made.key, latency_ms=ms, run_means_ms=means)
    big = replace(small, rows=rows)
    moved = {key: replace(row, latency_ms=row.latency_ms and 1.01 * row.latency_ms) for key, row in rows.items()}
    path = folder / "lut.json"
    yield "save", lambda: table.save(big, path)
    loaded: list[table.LatencyTable] = []
    yield "load", lambda: loaded.append(table.load(path))
    yield "check", lambda: check.check_table(big)
    yield "diff", lambda: combine.diff(big, replace(big, rows=moved))
    yield "merge", lambda: combine.merge(big, replace(big, rows=moved))
    network = resolve("moga-a")
    yield "predict 100 networks", lambda: [big.predict(network) for _ in range(100)]
    yield "export to CSV", lambda: csvfile.to_csv(big)


def journal_steps(size: int, folder: Path) -> Iterator[Step]:
    from mogakit.bench.journal import Journal
    from mogakit.bench.measurement import Clock, Conditions, Delegation, DelegationKind, Measurement, Status
    from mogakit.bench.target import parse_target
    from mogakit.export.artifact import Role
    from mogakit.luts import table
    from mogakit.luts.build import build_table

    small = table.load(TABLE)
    target = parse_target("tflite/cpu/float32")
    keys = [key for key in small.rows if "_" in key]
    rng = np.random.default_rng(0)
    state = Conditions(at="2026-01-01T00:00:00+00:00")
    rounds = size // SAMPLES // len(keys) + 1

    def window(number: int) -> list[Measurement]:
        return [
            Measurement(
                artifact_name=key,
                artifact_sha256=f"{place:064x}",
                role=Role.CHOICE,
                target=target,
                round=number // 10,
                window=number % 10,
                process=str(number // 10),
                clock=Clock.THREAD_CPU,
                status=Status.OK,
                delegation=Delegation(kind=DelegationKind.NOT_ASKED),
                before=state,
                after=state,
                samples_ms=tuple(rng.normal(1 + place / 100, 0.01, SAMPLES).tolist()),
                cold_ms=(1.0,),
            )
            for place, key in enumerate(keys)
        ]

    windows = [window(number) for number in range(rounds)]
    path = folder / "journal.db"

    def append() -> None:
        with Journal(path) as journal:
            for one in windows:
                journal.append(one)

    read: list[Measurement] = []

    def load() -> None:
        with Journal(path) as journal:
            read.extend(journal.measurements(target))

    yield "append", append
    yield "read", load
    yield "build the table", lambda: build_table(read, small.identity, name="lut.json", space="moga")


def manifest_steps(size: int, folder: Path) -> Iterator[Step]:
    from mogakit.export.artifact import Artifact, Format, Precision, Role
    from mogakit.export.manifest import Manifest, open_manifest
    from mogakit.files import sha256_of

    place = folder / "export"
    (place / "choice").mkdir(parents=True)
    made = Manifest(place)
    for number in range(size):
        path = place / "choice" / f"block-{number}.tflite"
        path.write_bytes(f"{number:08d}".encode() * 4096)
        artifact = Artifact(
            name=f"block-{number}",
            role=Role.CHOICE,
            path=path,
            format=Format.TFLITE,
            precision=Precision.FLOAT32,
            sha256=sha256_of(path),
            num_bytes=path.stat().st_size,
            inputs=(),
            outputs=(),
        )
        made.add(artifact)
    yield "save", made.save
    opened: list[Manifest] = []
    yield "open", lambda: opened.append(open_manifest(place))
    yield "find every file intact", lambda: [opened[0].intact(path, {}) for path in opened[0].artifacts]


def archive_steps(size: int, folder: Path) -> Iterator[Step]:
    from mogakit.flows.search.plan import SearchPlan, build_problem, table_input
    from mogakit.search import checkpoint
    from mogakit.search.cache import EvaluationCache
    from mogakit.search.evolution import Evolution, Settings

    with EvaluationCache(folder / "evaluations.sqlite") as cache:
        problem = build_problem(SearchPlan(space="moga", latencies=(table_input(TABLE),)), cache)
    batch = size // 100
    settings = Settings(population=70, generations=10_000)
    evolution = Evolution(problem, settings, 0)
    for _ in range(2):
        evolution.step()
    rng = np.random.default_rng(1)
    batches = [problem.to_genes(rng.integers(problem.num_indices, size=(batch, 14))) for _ in range(100)]
    evaluated = [(genes, problem.evaluate(genes)) for genes in batches]

    def add() -> None:
        for number, (genes, values) in enumerate(evaluated):
            evolution.archive.add(genes, values, number + 2)

    path, identity = folder / "checkpoint.npz", checkpoint.fingerprint(problem, settings, 0)
    yield "add", add
    yield "front", evolution.archive.front
    yield "write CSV", lambda: evolution.archive.write_csv(folder / "archive.csv")
    yield "save a checkpoint", lambda: checkpoint.save(path, evolution, identity)
    yield "read a checkpoint", lambda: checkpoint.load(path, Evolution(problem, settings, 0), identity)


def fleet_steps(size: int, folder: Path) -> Iterator[Step]:
    import os
    from concurrent.futures import ThreadPoolExecutor

    from phone_simulator.adb_server import AdbServer
    from phone_simulator.binaries import Tool, write_tool
    from phone_simulator.fixtures import adb_binaries
    from phone_simulator.phone import Phone
    from phone_simulator.profiles import PIXEL_6

    from mogakit.android_runner import tools
    from mogakit.bench.target import parse_target
    from mogakit.flows.measure.bench import BenchRequest, bench
    from mogakit.flows.measure.devices import PhoneRequest, open_runner
    from mogakit.flows.measure.phones import list_phones

    os.environ["MOGA_HOME"] = str(folder / "home")
    tools.add(write_tool(folder / "bin", Tool.BENCHMARK_MODEL))
    with ExitStack() as stack:
        binary = adb_binaries()[0]
        servers = [stack.enter_context(AdbServer(binary, folder / f"adb-{number}")) for number in range(4)]
        addresses = [f"127.0.0.1:{server.port}" for server in servers]
        serials = []
        for number in range(size):
            serialno = f"PIXEL{number:03d}"
            props = {**PIXEL_6.props, "ro.serialno": serialno, "ro.boot.serialno": serialno}
            profile = replace(PIXEL_6, serialno=serialno, props=props)
            server = servers[number % 4]
            phone = stack.enter_context(Phone(profile, folder / f"phone-{number}", server=server, time_scale=0.0))
            serials.append(f"{phone.serial}@{addresses[number % 4]}")

        def measure(serial: str) -> float:
            request = BenchRequest(
                models=("digits/0-0-0-0-0-0",), targets=(parse_target("tflite/cpu/float32"),), quick=True, rounds=1
            )
            with open_runner(serial, phone=PhoneRequest(quick=True, run_s=0.02)) as runner:
                return bench(request, runner).timings[0].row.latency_ms or math.nan

        def all_at_once() -> None:
            with ThreadPoolExecutor(size) as pool:
                found = list(pool.map(measure, serials))
            if not all(np.isfinite(found)):
                raise SystemExit(f"a phone gave no number: {found}")

        def devices() -> None:
            if len(list_phones(addresses)) != size:
                raise SystemExit("not every phone was listed")

        yield "list the phones", devices
        yield "time a file on each", all_at_once


STEPS: dict[str, Callable[[int, Path], Iterator[Step]]] = {
    "table": table_steps,
    "journal": journal_steps,
    "manifest": manifest_steps,
    "archive": archive_steps,
    "fleet": fleet_steps,
}


def run_point(case: str, size: int) -> list[dict[str, Any]]:
    """Run the steps of a case in this process."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, step in STEPS[case](size, Path(folder)):
            before, wall = time.process_time(), time.perf_counter()
            step()
            spent = {"cpu_s": time.process_time() - before, "wall_s": time.perf_counter() - wall}
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            rows.append({"case": case, "step": name, "size": size, **spent, "peak_mib": peak})
    return rows


def measured(case: str, size: int) -> list[dict[str, Any]]:
    """Run a point in a process of its own."""
    command = [sys.executable, __file__, "--point", case, str(size)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{case} of {size}:\n{ran.stderr[-3000:]}")
    found: list[dict[str, Any]] = json.loads(ran.stdout.splitlines()[-1])
    return found


def too_much(half: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Return whether a step grew more than n log n and a third."""
    allowed = SLACK * (whole["size"] * math.log(whole["size"])) / (half["size"] * math.log(half["size"]))
    return whole["cpu_s"] > max(LEAST_S, allowed * half["cpu_s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(SIZES), help=f"of {', '.join(SIZES)}")
    parser.add_argument("--share", type=float, default=1.0, help="of the whole size")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.point:
        print(json.dumps(run_point(asked.point[0], int(asked.point[1]))))
        return
    rows, bad = [], []
    print(f"{'case':9} {'step':24} {'size':>9} {'CPU s':>8} {'s':>8} {'MiB':>7}")
    for case in asked.cases:
        points = [measured(case, max(4, round(SIZES[case] * asked.share * part))) for part in (0.25, 0.5, 1.0)]
        for steps in zip(*points, strict=True):
            for one in steps:
                size, cpu, wall = f"{one['size']:,}", one["cpu_s"], one["wall_s"]
                print(f"{case:9} {one['step']:24} {size:>9} {cpu:8.2f} {wall:8.2f} {one['peak_mib']:7.0f}", flush=True)
            if too_much(steps[1], steps[2]):
                bad.append(f"{case}, {steps[2]['step']}: {steps[1]['cpu_s']:.2f} s became {steps[2]['cpu_s']:.2f} s")
        rows += [one for point in points for one in point]
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(["growth beyond n log n:", *bad]) if bad else "no step grew more than n log n")
    raise SystemExit(int(bool(bad)))


if __name__ == "__main__":
    main()
