"""Fuzz every reader of files that others write: `make fuzz`, or `python tests/fuzz/fuzz.py --seconds 600 --seed 7`.

An input is a seed (a small sound file of `tests/`) with damage. A reader must return or raise one of the kit's own
errors, within `MAX_SECONDS` and `MAX_BYTES`. Whatever else happens is written to `tests/fuzz/failures/`, where the test
suite reads it again for ever after.
"""

import argparse
import hashlib
import importlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit.errors import MogaKitError

MAX_SECONDS = 10
MAX_BYTES = 2 * 2**30
FAILURES = Path(__file__).parent / "failures"
TESTS = Path(__file__).parents[1]
CASES = TESTS / "export" / "data" / "cases"

_TOKENS = [
    b"nan", b"-inf", b"1e999", b"9223372036854775808", b"-1", b"0", b"null", b"true", b'""', b"[]", b"{}", b"\x00",
    b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b";", b",", b"..", b"/", b"\\u0000", b"\\ud800", b"&a", b"*a",
    b"!!python/name:os",
    b"[" * 3000, b'{"a":' * 3000, b"a: " * 50, b"9" * 5000,
]  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A reader: `read` is given a file with the damaged bytes; `suffix` is its name's end."""

    name: str
    suffix: str
    seeds: Sequence[Path]
    read: Callable[[Path], object]


def targets() -> list[Target]:
    """Return every reader."""
    return [*_models(), *_texts(), *_records()]


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
        data_of(path).write_bytes((TESTS / "fuzz" / "seeds" / "small.data").read_bytes())
        open_file(path)

    small = [path for path in sorted((CASES / "tflite").glob("*.tflite")) if path.stat().st_size < 20_000]
    onnx = sorted((CASES / "onnx").glob("*.onnx"))
    yield Target("tflite", ".tflite", small, open_file)
    yield Target("tflite-check", ".tflite", small, checked)
    yield Target("onnx", ".onnx", onnx, open_file)
    yield Target("onnx-check", ".onnx", onnx, checked)
    yield Target("ort", ".ort", sorted((TESTS / "fuzz" / "seeds").glob("*.ort")), open_file)
    yield Target("mace", ".pb", sorted((TESTS / "fuzz" / "seeds").glob("*.pb")), with_weights)
    yield Target("mace-alone", ".pb", sorted((TESTS / "fuzz" / "seeds").glob("*.pb")), open_file)


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
    seeds = TESTS / "fuzz" / "seeds"
    yield Target(
        "accuracies", ".csv", sorted(text.glob("*.csv")), lambda path: load_accuracy_table(path, get_space("moga"))
    )
    yield Target("yaml", ".yaml", [text / "y_dup.yaml", seeds / "calibration.yaml"], records.read_yaml)
    yield Target("compiler-log", ".txt", sorted(text.glob("log*.txt")), log)
    yield Target("target", ".txt", [seeds / "target.txt"], target)


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


def damage(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Return a seed with a few changes: bytes, tokens, cuts, repeats, a piece of another seed."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        place = rng.randrange(len(data) + 1)
        end = min(len(data), place + rng.choice([1, 2, 4, 8, 64]))
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[place % len(data)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind == 1:
            data[place:place] = rng.choice(_TOKENS)
        elif kind == 2:
            del data[place:end]
        elif kind == 3:
            data[place:place] = data[place:end] * rng.choice([1, 2, 50])
        elif kind == 4:
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            data[place:end] = other[start : start + 64]
        else:
            data[place:end] = rng.randrange(2**32).to_bytes(4, "little")
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.05 else data)


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
    data = damage(seeds, _rng(target, number, seed))
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
            path.write_bytes(damage(seeds, _rng(target, number, seed)))
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


def _rng(target: Target, number: int, seed: int) -> random.Random:
    return random.Random(f"{target.name}/{seed}/{number}")


def main() -> None:
    """Fuzz for a time shared by all readers, and end with 1 where one broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="readers whose name holds this")
    asked = parser.parse_args()
    chosen = [target for target in targets() if not asked.only or asked.only in target.name]
    failures: list[Path] = []
    for target in chosen:
        count, broken = run(target, 10**9, asked.seconds / len(chosen), asked.seed)
        failures.extend(broken)
        sys.stdout.write(f"{target.name}: {count} inputs, {len(broken)} broke it\n")
    for path in failures:
        sys.stdout.write(f"failure kept: {path}\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
