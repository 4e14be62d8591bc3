"""The same file timed by `litert-benchmark` (it comes with ai-edge-litert) and by the kit, on the wall clock, in pairs.

    python tests/benchmarks/bench_against_litert.py                      moga-a, 20 pairs
    python tests/benchmarks/bench_against_litert.py FILE... --pairs 30   files of your own

Each tool has a fresh process in every pair, the order within a pair is drawn at random, and both get the same malloc
settings, so that a pair differs in the tool alone. The ratio is kit over litert-benchmark, its interval a bootstrap
over pairs. On a machine that other programs use, read the ratio of the 5th percentiles (calls that nothing disturbed)
or of the medians: a mean of wall times holds whatever else ran.
"""

import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from mogakit.bench.conditions import ConditionsReader, huge_pages_tunable
from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Clock
from mogakit.bench.runner import Job
from mogakit.bench.statistics import bootstrap_interval
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Format, Precision
from mogakit.export.pipeline import describe_file
from mogakit.flows.deploy.export import export_network
from mogakit.nets.resolve import resolve

TARGET = parse_target("tflite/cpu/float32")
STATISTICS = ("mean", "median", "p5")
LITERT_BENCHMARK = Path(sysconfig.get_path("scripts")) / "litert-benchmark"


def time_by_litert(path: Path, num_runs: int, folder: Path) -> tuple[float, ...]:
    """Return the `STATISTICS` in milliseconds as litert-benchmark says them."""
    environment = dict(os.environ)
    tunable = huge_pages_tunable()
    if tunable is not None:
        environment["GLIBC_TUNABLES"] = tunable
    answer = folder / "litert.json"
    command = [str(LITERT_BENCHMARK), f"--model={path}", f"--num_runs={num_runs}", "--num_threads=1"]
    subprocess.run([*command, f"--result_json={answer}"], env=environment, check=True, capture_output=True, timeout=600)
    latency = json.loads(answer.read_text())["latency"]
    return latency["avg_ms"], latency["median_ms"], latency["p5_ms"]


def time_by_kit(job: Job, num_runs: int, round_number: int) -> tuple[float, ...]:
    """Return the `STATISTICS` of as many calls in a row in milliseconds, by the kit's worker."""
    runner = HostRunner(clock=Clock.WALL, warm_calls=num_runs)
    with runner.session([job], round_number, seed=round_number) as session:
        (measured,) = session.measure([job], 0)
    samples_ms = measured.samples_ms
    return float(np.mean(samples_ms)), float(np.median(samples_ms)), float(np.percentile(samples_ms, 5))


def compare(job: Job, num_pairs: int, num_runs: int, folder: Path, rng: random.Random) -> dict[str, object]:
    """Time one file in interleaved pairs and return the ratios."""
    kit, litert = [], []
    for number in range(num_pairs):
        tools = ["kit", "litert"]
        rng.shuffle(tools)
        for tool in tools:
            if tool == "kit":
                kit.append(time_by_kit(job, num_runs, 1 + number))  # round 0 would measure memory as well
            else:
                litert.append(time_by_litert(job.artifact.path, num_runs, folder))
        click.echo(f"pair {number + 1}: kit {kit[-1][1]:.3f} ms, litert-benchmark {litert[-1][1]:.3f} ms", err=True)
    result: dict[str, object] = {"model": job.artifact.name, "num_pairs": num_pairs, "num_runs": num_runs}
    for index, what in enumerate(STATISTICS):
        logs = np.log([ours[index] / theirs[index] for ours, theirs in zip(kit, litert, strict=True)])
        interval = bootstrap_interval(logs, lambda row: float(row.mean()), num_resamples=5000)
        result[f"ratio_of_{what}s"] = round(float(np.exp(logs.mean())), 4)
        result[f"ratio_of_{what}s_95"] = [round(float(np.exp(limit)), 4) for limit in (interval.low, interval.high)]
        result[f"kit_{what}_ms"] = round(float(np.median([ours[index] for ours in kit])), 4)
        result[f"litert_{what}_ms"] = round(float(np.median([theirs[index] for theirs in litert])), 4)
    return result


def jobs_of(models: Sequence[str], folder: Path) -> list[Job]:
    """Return jobs for files, and for networks by name, which are exported."""
    jobs = []
    for model in models:
        path = Path(model)
        if path.suffix:
            artifact = replace(describe_file(path), name=path.name)
        else:
            (artifact,) = export_network(resolve(model), [Format.TFLITE], Precision.FLOAT32, folder)
        jobs.append(Job(artifact, TARGET))
    return jobs


@click.command()
@click.argument("models", nargs=-1)
@click.option("--pairs", default=20, show_default=True, type=click.IntRange(min=2))
@click.option("--runs", default=50, show_default=True, type=click.IntRange(min=5))
@click.option("--seed", default=0, show_default=True)
def main(models: tuple[str, ...], pairs: int, runs: int, seed: int) -> None:
    """Print the ratio of the two tools' times as JSON."""
    if not LITERT_BENCHMARK.is_file():
        sys.exit(f"{LITERT_BENCHMARK} is not there; it comes with ai-edge-litert")
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = [compare(job, pairs, runs, folder, rng) for job in jobs_of(models or ("moga-a",), folder / "files")]
    state = ConditionsReader().read()
    click.echo(json.dumps({"results": results, "warnings": state.warnings}, indent=1))


if __name__ == "__main__":
    main()
