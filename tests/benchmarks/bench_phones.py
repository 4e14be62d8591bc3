"""Whole-space profiling of simulated phones: are the tables true, and do phones run side by side?

    python tests/benchmarks/bench_phones.py [--targets tflite/cpu/float32 ...] [--phones 2] [--real] [--json OUT]

*Replay*: the whole MoGA space at 224 pixels on two phones of different kinds at once, per target, under 2 % noise of
every inference, 1 % of every process, drift, and one thermal event on the first phone. What the table should say is
known, so its raw predictions (before any calibration) of unseen networks are compared with the truth.
`--scaling`: the same run on one and on four phones; the wall times are compared.
`--real`: one phone whose tools really run the pushed files on this computer: real times, and their validation.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "phone"))

from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.fixtures import adb_binaries
from phone_simulator.latency import Variation
from phone_simulator.phone import Mode, Phone
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2, Profile

from mogakit.android_runner import tools
from mogakit.android_runner.commands import RunLength
from mogakit.android_runner.guard import GuardLimits
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.target import parse_target
from mogakit.flows.deploy.export import export_network
from mogakit.flows.measure.devices import file_kind
from mogakit.flows.measure.effort import FULL_PHONE
from mogakit.flows.measure.profile import (
    ProfileRequest,
    ProfileResult,
    calibration_networks,
    export_for_profile,
    profile,
)
from mogakit.flows.measure.validate import ValidateRequest, validate
from mogakit.nets.spaces import get_space
from mogakit.progress import silent
from mogakit.records import to_json

TARGETS = ("tflite/cpu/float32", "tflite/gpu/float16", "tflite/cpu/int8")
NOISE = Variation(process=0.01, sample=0.02, drift=0.005)
NUM_UNSEEN = 20
HEAT_AFTER_WINDOWS = 60
OPTIONS = PhoneOptions(
    length=RunLength(num_runs=50, min_s=0.0, max_s=5.0, warmup_runs=1, warmup_min_s=0.0),
    limits=GuardLimits(max_wait_s=120.0, poll_s=0.1),
)
SHORT = RunLength(
    num_runs=15, min_s=0.15, max_s=10.0, warmup_runs=1, warmup_min_s=0.05
)  # many short processes: what slows one here lasts about as long
HALF = replace(
    OPTIONS, length=RunLength(num_runs=50, min_s=0.5, max_s=20.0, warmup_runs=1, warmup_min_s=0.25)
)  # half as long as real runs are


class Bench:
    """A private adb server, phones on it, and files exported once for all of them."""

    def __init__(self, folder: Path, server: AdbServer, stack: ExitStack) -> None:
        self.folder = folder
        self.server = server
        self.stack = stack

    def phone(self, kind: Profile, number: int, **options: object) -> Phone:
        """Plug in a phone of a kind; the number makes it another one of that kind."""
        serialno = f"{kind.serialno}{number}"
        props = {**kind.props, "ro.serialno": serialno, "ro.boot.serialno": serialno}
        one = replace(kind, name=f"{kind.name}-{number}", serialno=serialno, props=props)
        return self.stack.enter_context(Phone(one, self.folder / one.name, server=self.server, **options))  # type: ignore[arg-type]

    def exported(self, target: str) -> Path:
        """Export what a profile of this target needs, unless it was done before."""
        space = get_space("moga")
        folder = self.folder / "files" / target.replace("/", "-")
        networks = calibration_networks(space, FULL_PHONE.num_calibration, 0)
        export_for_profile(space, networks, parse_target(target), folder, silent)
        return folder

    def profile(
        self, phone: Phone, target: str, heat: bool, rounds: int | None = None, options: PhoneOptions = OPTIONS
    ) -> ProfileResult:
        """Profile the MoGA space on one phone; with `heat`, it becomes too hot once on the way."""
        hot = threading.Event()

        def advance(done: int, total: int, note: str) -> None:
            if heat and done >= HEAT_AFTER_WINDOWS and "round" in note and not hot.is_set():
                hot.set()
                phone.heat_to(50.0)

        run = self.folder / "runs" / phone.profile.name / target.replace("/", "-")
        request = ProfileRequest(
            space="moga", target=parse_target(target), folder=run, device=phone.serial, rounds=rounds
        )
        with open_phone(phone.serial, options) as runner:
            return profile(request, runner, advance, self.exported(target))

    def errors(self, phone: Phone, result: ProfileResult, target: str) -> np.ndarray:
        """Return the relative errors of raw predictions of unseen networks, in percent of the truth."""
        space = get_space("moga")
        rng = np.random.default_rng(1234)
        predictor = result.table
        found = []
        for _ in range(NUM_UNSEEN):
            network = space.decode(space.sample(rng))
            kind, precision = file_kind(parse_target(target))
            (artifact,) = export_network(network, [kind], precision, self.folder / "unseen")
            found.append(100 * (predictor.predict_raw(network) / phone.truth_ms(artifact.path, target) - 1))
        return np.array(found)


def side_by_side(jobs: Sequence[Callable[[], object]]) -> float:
    """Run jobs in threads and return the wall time."""
    failed: list[BaseException] = []

    def guarded(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            failed.append(error)
            raise

    began = time.monotonic()
    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return time.monotonic() - began


def replay(bench: Bench, targets: Sequence[str], scale: float) -> list[dict[str, object]]:
    """Profile two phones at once and compare their tables with the truth."""
    kinds = (PIXEL_6, SNAPDRAGON_8_GEN_2)
    phones = [bench.phone(kind, 0, time_scale=scale, variation=NOISE) for kind in kinds]
    rows: list[dict[str, object]] = []
    for number, target in enumerate(targets):
        bench.exported(target)
        results: dict[str, ProfileResult] = {}

        def job(
            phone: Phone, target: str = target, heat: bool = False, into: dict[str, ProfileResult] = results
        ) -> None:
            into[phone.profile.name] = bench.profile(phone, target, heat)

        wall_s = side_by_side(
            [lambda p=phone, h=(phone is phones[0] and number == 0): job(p, heat=h) for phone in phones]  # type: ignore[misc]
        )
        for phone in phones:
            result = results[phone.profile.name]
            errors = bench.errors(phone, result, target)
            overhead = result.table.overhead
            rows.append(
                {
                    "phone": phone.profile.name,
                    "target": target,
                    "max_error_percent": float(np.abs(errors).max()),
                    "mean_error_percent": float(np.abs(errors).mean()),
                    "bias_percent": float(errors.mean()),
                    "overhead_ms": None if overhead is None else overhead.value_ms,
                    "rounds": result.outcome.num_rounds,
                    "windows": result.outcome.num_windows,
                    "wall_s": wall_s,
                }
            )
            click.echo(json.dumps(rows[-1]))
    return rows


def scaling(bench: Bench, target: str) -> dict[str, object]:
    """Compare the wall time of four phones with that of one, in the phones' own time and with runs half as long."""
    scale = 1.0
    bench.exported(target)
    kinds = (PIXEL_6, SNAPDRAGON_8_GEN_2, PIXEL_6, SNAPDRAGON_8_GEN_2)
    one = bench.phone(PIXEL_6, 9, time_scale=scale, variation=NOISE)
    alone_s = side_by_side([lambda: bench.profile(one, target, False, 1, HALF)])
    four = [bench.phone(kind, 10 + number, time_scale=scale, variation=NOISE) for number, kind in enumerate(kinds)]
    together_s = side_by_side([lambda p=phone: bench.profile(p, target, False, 1, HALF) for phone in four])  # type: ignore[misc]
    row: dict[str, object] = {
        "one_s": alone_s,
        "four_s": together_s,
        "ratio": together_s / alone_s,
        "time_scale": scale,
    }
    click.echo(json.dumps(row))
    return row


def real(bench: Bench, target: str, rounds: int | None, num_models: int) -> dict[str, object]:
    """Profile and validate one phone whose tool runs the files on this computer."""
    phone = bench.phone(PIXEL_6, 20, time_scale=1.0, mode=Mode.REAL)
    options = replace(OPTIONS, length=SHORT)
    run = bench.folder / "runs" / "real"
    with open_phone(phone.serial, options) as runner:
        request = ProfileRequest(
            space="moga", target=parse_target(target), folder=run, device=phone.serial, rounds=rounds
        )
        profile(request, runner, silent, bench.exported(target))
        report = validate(ValidateRequest(folder=run, num_models=num_models, rounds=rounds), runner)
    row: dict[str, object] = to_json(report)
    click.echo(json.dumps(row))
    return row


def main() -> None:
    """Run what was asked for and print one JSON line for each result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="*", default=TARGETS)
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--rounds", type=int, help="of --real; the kit's own choice where absent")
    parser.add_argument("--models", type=int, default=30, help="that validate --real")
    parser.add_argument("--time-scale", type=float, default=0.005)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="copy the runs (journals, tables, validations) to this new folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-phones-") as name, ExitStack() as stack:
        folder = Path(name)
        os.environ["MOGA_HOME"] = str(folder / "home")
        server = stack.enter_context(AdbServer(adb_binaries()[0], folder / "adb"))
        os.environ["ANDROID_ADB_SERVER_PORT"] = str(server.port)
        tools.add(write_tool(folder / "bin", Tool.BENCHMARK_MODEL))
        bench = Bench(folder, server, stack)
        if asked.real:
            result: object = real(bench, "tflite/cpu/float32", asked.rounds, asked.models)
        elif asked.scaling:
            result = scaling(bench, "tflite/gpu/float16")
        else:
            result = replay(bench, asked.targets, asked.time_scale)
        if asked.keep:
            shutil.copytree(folder / "runs", asked.keep, ignore=shutil.ignore_patterns("files"))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
