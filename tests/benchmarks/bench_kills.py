"""Kill `moga profile` fifty times at random moments, resume it each time, and count what was lost or doubled.

    python tests/benchmarks/bench_kills.py [--kills 50] [--input-size 96]

The whole process group gets SIGKILL: the command and its worker. In the end the run is finished, its journal compared
with what it held at each kill, and the table checked for its rows.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from sqlite_files import is_sound

from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Measurement
from mogakit.luts.table import load

MOGA = [sys.executable, "-c", "from mogakit.cli.main import main; main()"]


def held(path: Path) -> list[Measurement]:
    """Return what the journal holds, or nothing where it is not there yet."""
    if not path.exists():
        return []
    if not is_sound(path):
        sys.exit(f"{path} is damaged")
    with Journal(path) as journal:
        return journal.measurements()


def wait_for_more(path: Path, num_known: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when the journal holds more than `num_known` measurements, or the process has ended."""
    while process.poll() is None:
        if path.exists():
            with closing(sqlite3.connect(path)) as connection:
                tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'measurements'").fetchone()
                if tables[0] and connection.execute("SELECT count(*) FROM measurements").fetchone()[0] > num_known:
                    return
        time.sleep(0.1)


def facts(measurement: Measurement) -> tuple[object, ...]:
    """Return what must never change once it is written (a verdict of drift may come later)."""
    return (
        measurement.artifact_sha256,
        measurement.round,
        measurement.window,
        measurement.process,
        measurement.samples_ms,
    )


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--input-size", default=96, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(kills: int, input_size: int, seed: int) -> None:
    """Print what was lost and doubled as JSON; exit code 1 where anything was."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "RUN"
        command = [*MOGA, "profile", "-o", str(run), "--input-size", str(input_size)]
        known: list[Measurement] = []
        lost, num_kills, num_starts = 0, 0, 0
        started = time.monotonic()
        while num_kills < kills:
            resume = ["--resume"] if (run / "run.json").exists() else []
            num_starts += 1
            # Rounds are added as the journal fills, so that there is always something left to kill.
            rounds = str(3 + max((one.round for one in known), default=0))
            process = subprocess.Popen(
                [*command, *resume, "--rounds", rounds], start_new_session=True, stdout=subprocess.DEVNULL
            )
            if rng.random() < 0.8:  # else it may die while it exports, loads or starts its worker
                wait_for_more(run / "journal.db", len(known), process)
            time.sleep(rng.uniform(0, 4))
            if process.poll() is not None:
                continue
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            num_kills += 1
            now = held(run / "journal.db")
            lost += sum(facts(before) != facts(after) for before, after in zip(known, now, strict=False))
            lost += max(0, len(known) - len(now))
            known = now
            click.echo(f"kill {num_kills}: {len(now)} measurements", err=True)
        rounds = str(1 + max((one.round for one in known), default=0))
        subprocess.run([*command, "--resume", "--rounds", rounds], check=True, stdout=subprocess.DEVNULL)
        final = held(run / "journal.db")
        units = {(one.round, one.window, one.artifact_sha256, str(one.target)) for one in final}
        lost += sum(facts(before) != facts(after) for before, after in zip(known, final, strict=False))
        table = load(run / "lut.json")
        result = {
            "kills": num_kills,
            "starts": num_starts,
            "measurements": len(final),
            "lost": lost,
            "doubled": len(final) - len(units),
            "rows": len(table.rows),
            "rows_without_number": sum(row.latency_ms is None for row in table.rows.values()),
            "seconds": round(time.monotonic() - started),
        }
    click.echo(json.dumps(result, indent=1))
    sys.exit(1 if result["lost"] or result["doubled"] or result["rows_without_number"] else 0)


if __name__ == "__main__":
    main()
