"""Every reader of files that others write, called directly: thousands of inputs a minute, where commands take hundreds.

An input is a seed (a small sound file of `tests/`) with damage. A reader must return or raise one of the kit's own
errors, within `MAX_SECONDS` and `MAX_BYTES`. Whatever else happens is written to `failures/`, where the test suite reads
it again for ever after.
"""

import hashlib
import importlib
import os
import random
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from damage import damage

from mogakit.errors import MogaKitError

MAX_SECONDS = 10
MAX_BYTES = 2 * 2**30
FAILURES = Path(__file__).parent / "failures"
TESTS = Path(__file__).parents[1]
SEEDS = Path(__file__).parent / "seeds"
CASES = TESTS / "export" / "data" / "cases"


@dataclass(frozen=True)
class Target:
    """A reader: `read` is given a file with the damaged bytes; `suffix` is its name's end."""

    name: str
    suffix: str
    seeds: Sequence[Path]
    read: Callable[[Path], object]


def targets() -> list[Target]:
    """Return every reader."""
    return [*_models(), *_texts(), *_tables(), *_records()]


def _models() -> Iterator[Target]:
    from mogakit.export.describe import open_file
    from mogakit.export.mace.naming import data_of
    from mogakit.export.support.entry import Hardware
    from mogakit.export.support.report import check
    from mogakit.export.support.usage import of_file

    def checked(path: Path) -> None:
        operators = of_file(path)
        for hardware in Hardware:
            check(operators, hardware)

    def with_weights(path: Path) -> None:
        data_of(path).write_bytes((SEEDS / "small.data").read_bytes())
        open_file(path)

    small = [path for path in sorted((CASES / "tflite").glob("*.tflite")) if path.stat().st_size < 20_000]
    onnx = sorted((CASES / "onnx").glob("*.onnx"))
    yield Target("tflite", ".tflite", small, open_file)
    yield Target("tflite-check", ".tflite", small, checked)
    yield Target("onnx", ".onnx", onnx, open_file)
    yield Target("onnx-check", ".onnx", onnx, checked)
    yield Target("ort", ".ort", sorted((SEEDS).glob("*.ort")), open_file)
    yield Target("mace", ".pb", sorted((SEEDS).glob("*.pb")), with_weights)
    yield Target("mace-alone", ".pb", sorted((SEEDS).glob("*.pb")), open_file)


def _texts() -> Iterator[Target]:
    from mogakit import records
    from mogakit.bench.feed import read_feed
    from mogakit.bench.target import parse_target
    from mogakit.export import edgetpu
    from mogakit.nets.spaces import get_space
    from mogakit.search.sources import load_accuracy_table

    def target(path: Path) -> None:
        read_feed(parse_target(records.read_text(path)))

    def log(path: Path) -> None:
        edgetpu.parse_report(records.read_text(path))

    text = CASES / "text"
    seeds = SEEDS
    yield Target(
        "accuracies", ".csv", sorted(text.glob("*.csv")), lambda path: load_accuracy_table(path, get_space("moga"))
    )
    yield Target("yaml", ".yaml", [text / "y_dup.yaml", seeds / "calibration.yaml"], records.read_yaml)
    yield Target("compiler-log", ".txt", sorted(text.glob("log*.txt")), log)
    yield Target("target", ".txt", [seeds / "target.txt"], target)


def _tables() -> Iterator[Target]:
    """Tables of other projects, read as `moga lut import` does."""
    from mogakit.luts.foreign.importing import Asked, ForeignFormat, import_foreign
    from mogakit.luts.foreign.units import TimeUnit
    from mogakit.nets.spaces import get_space
    from mogakit.search.accuracy_table import load_accuracy_table

    for kind, name, space in (
        (ForeignFormat.OFA, "lut_ofa.yaml", "proxylessnas"),
        (ForeignFormat.NNI, "lut_nni.txt", "proxylessnas"),
        (ForeignFormat.NN_METER, "lut_nn_meter.json", "moga"),
        (ForeignFormat.NN_METER, "kernels_nn_meter.json", "proxylessnas"),
        (ForeignFormat.HW_NAS_BENCH, "lut_fbnet.json", "fbnet"),
        (ForeignFormat.HW_NAS_BENCH, "cells.json", None),
    ):
        asked = Asked(unit=TimeUnit.MS, space=space)

        def read(path: Path, kind: ForeignFormat = kind, asked: Asked = asked) -> None:
            import_foreign(kind, [path], path.with_name("read.json"), asked)

        yield Target(Path(name).stem.replace("_", "-"), Path(name).suffix, [SEEDS / name], read)
    yield Target(
        "benchmark-accuracies",
        ".json",
        [SEEDS / "cells.json"],
        lambda path: load_accuracy_table(path, get_space("nas-bench-201"), "cifar10/accuracy"),
    )


def _records() -> Iterator[Target]:
    from mogakit import records

    for module in _DECLARING:
        importlib.import_module(module)
    kept = TESTS / "records" / "data" / "0.1"
    for kind in records.kinds():
        own = kept / f"{kind.name}.json"
        seeds = [own] if own.is_file() else sorted(kept.glob("*.json"))
        yield Target(f"record-{kind.name}", ".json", seeds, lambda path, kind=kind: records.load(kind.record, path))


_DECLARING = [
    "mogakit.android_runner.settings",
    "mogakit.android_runner.tools",
    "mogakit.export.bundle.layout",
    "mogakit.flows.measure.bench_json",
    "mogakit.flows.measure.runs",
    "mogakit.flows.search.compare",
    "mogakit.luts.fit_record",
    "mogakit.luts.linear",
    "mogakit.luts.table",
    "mogakit.luts.validation",
    "mogakit.reports.record",
    "mogakit.search.front",
]
"""Modules that declare kinds of stored files."""


def spoiled(target: Target, seeds: Sequence[bytes], number: int, seed: int) -> bytes:
    """Return a seed with damage of its format, or of bytes."""
    rng = random.Random(f"{target.name}/{seed}/{number}")
    return damage(target.suffix, rng.choice(seeds), rng, silent=False).data


def run(target: Target, num_inputs: int, seconds: float, seed: int) -> tuple[int, list[Path]]:
    """Fuzz a reader in child processes; return how many inputs it was given, and the files that broke it."""
    seeds = [path.read_bytes() for path in target.seeds]
    ends, done, broken = time.monotonic() + seconds, 0, []
    while done < num_inputs and time.monotonic() < ends:
        batch = min(num_inputs - done, 500)
        read, failed = _in_child(target, seeds, range(done, done + batch), seed, ends)
        done += read
        if failed is not None:
            broken.append(failed)
            if len(broken) >= 20:
                break
    return done, broken


def _in_child(
    target: Target, seeds: Sequence[bytes], numbers: range, seed: int, ends: float
) -> tuple[int, Path | None]:
    """Read inputs in a child until one breaks it; return how many were read, and that one as a file."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            code = _child(target, seeds, numbers, seed, ends, writer)
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        read = len(told.read())
    _, status = os.waitpid(child, 0)
    if status == 0:
        return read or len(numbers), None
    number = numbers[min(read, len(numbers) - 1)]
    data = spoiled(target, seeds, number, seed)
    FAILURES.mkdir(exist_ok=True)
    path = FAILURES / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}{target.suffix}"
    path.write_bytes(data)
    return read + 1, path


def _child(target: Target, seeds: Sequence[bytes], numbers: range, seed: int, ends: float, told: int) -> int:
    limit_this_process()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input{target.suffix}"
        for number in numbers:
            if time.monotonic() > ends:
                break
            path.write_bytes(spoiled(target, seeds, number, seed))
            if not sound(target, path):
                return 1
            os.write(told, b".")
    return 0


def limit_this_process() -> None:
    """Let this process have no more than `MAX_BYTES` besides what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MAX_BYTES, -1))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def sound(target: Target, path: Path) -> bool:
    """Read a file; print a traceback and return False where the reader breaks. A hang ends the process."""
    signal.alarm(MAX_SECONDS)
    try:
        target.read(path)
    except MogaKitError:
        return True
    except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
        traceback.print_exc()
        return False
    finally:
        signal.alarm(0)
    return True
