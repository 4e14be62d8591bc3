"""Kill every command that can be resumed, and press Ctrl-C, at random times; then resume it.

    python tests/robustness/kills.py --kills 100 --seed 7 [--only search]

A resumed command must end with the same bytes as one that was left alone. One that measures must keep every row that it
had. Nothing may stay behind: no `.part`, nothing in the temporary folder, no process.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import lab

from robustness import LAB, say

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}
MARK = "MOGA_ROBUSTNESS_MARK"
GONE_S = 10.0
"""Within which the workers of a killed command must have ended."""
LONGEST_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command that is killed.

    Attributes:
        name: as in reports.
        call: arguments of `moga`. resume: what is added to go on.
        results: patterns of the files that must have the same bytes, and of those that must not be missing.
        brings: paths of the lab that it needs.
        journals: patterns of databases whose rows must never change or go.
        ignored: fields of JSON files that tell of time or of this run's place.
    """

    name: str
    call: str
    resume: str = "--resume"
    results: Sequence[str] = ()
    brings: Sequence[str] = ()
    journals: Sequence[str] = ()
    ignored: Sequence[str] = ("checksum", "images_per_second")


_TABLE = ("run/lut.json:whole.json",)
_FIND = "search --space digits --table whole.json --accuracy slow_accuracy:evaluate -o out"
_FOUND = ["out/search.json", "out/archive.csv"]
_OWN = (*_TABLE, "slow_accuracy.py")
SCENARIOS: Sequence[Scenario] = (
    Scenario(name="profile", call="profile --space digits --input-size 8 --rounds 3 -o run",
             journals=["run/*.db"], results=["run/lut.json?"]),
    Scenario(name="bench", call=f"bench {lab.NETWORK} digits/{lab.OTHER} --rounds 4 -o out --json",
             journals=["out/*.db"]),
    Scenario(name="validate", call="validate run --models 2 --rounds 3 --seed 5", brings=["run/run.json", "run/lut.json", "run/blocks", "run/manifest.json"],
             journals=["run/**/*.db"], results=["run/validation.json?"]),
    Scenario(name="fit", call="fit run --pairs 8 --rounds 3 --seed 5", brings=["run/run.json", "run/lut.json"],
             journals=["run/**/*.db"], results=["run/fit.json?"]),
    Scenario(name="search nsga2", call=f"{_FIND} --set population=20 --set generations=12", brings=_OWN, results=_FOUND),
    Scenario(name="search sms-emoa", call=f"{_FIND} --engine sms-emoa --set population=20 --set generations=12", brings=_OWN, results=_FOUND),
    Scenario(name="search random", call=f"{_FIND} --engine random --set population=20 --set generations=12", brings=_OWN, results=_FOUND),
    Scenario(name="search fit-front", call=f"{_FIND} --engine fit-front --set num_fit=80 --set num_check=40", brings=_OWN, results=["out/search.json"]),
    Scenario(name="search ppo", call=f"{_FIND} --engine ppo --set population=20 --set generations=12 --set target_ms=0.05", brings=_OWN,
             results=[*_FOUND, "out/samples.csv"]),
    Scenario(name="search reinforce", call=f"{_FIND} --engine reinforce --set population=20 --set generations=12 --set target_ms=0.05", brings=_OWN,
             results=[*_FOUND, "out/samples.csv"]),
    Scenario(name="search exact", call="search --space digits --table whole.json --engine exact -o out", brings=_TABLE, results=["out/search.json"]),
    Scenario(name="search best", call="search --space digits --table whole.json --engine best --limit latency<=1 -o out", brings=_TABLE, results=["out/search.json"]),
    Scenario(name="controllers", call="controllers --table whole.json --space digits --seeds 2 --population 20 --generations 20 -o out", resume="",
             brings=_TABLE, results=["out/controllers.json"]),
    Scenario(name="train", call=f"train {lab.NETWORK} --data digits --recipe digits --epochs 2 --checkpoint-s 0.2 -o out", results=["out/*"]),
    Scenario(name="supernet train", call="supernet train --space digits --data digits --recipe digits --epochs 1 --checkpoint-s 0.2 -o out", results=["out/*"]),
    Scenario(name="supernet alternate", call="supernet alternate --space digits --data digits --recipe digits --table whole.json --target-ms 0.05 "
             "--epochs 1 --checkpoint-s 0.2 -o out", brings=_TABLE, results=["out/*"]),
    Scenario(name="supernet rank", call="supernet rank supernet/supernet.pt --networks 2 --epochs 0.5 -o out", brings=["supernet"], results=["out/**/*"]),
    Scenario(name="detect train", call="detect train ssdlite-mobilenet-v2 --width 0.25 --input-size 64 --data coco --recipe small --epochs 3 "
             "--batch-size 2 --checkpoint-s 0.2 -o out", brings=["coco"], results=["out/*"]),
    Scenario(name="export blocks", call="export blocks --space digits --format tflite --format onnx -o out", resume="", results=["out/**/*"]),
    Scenario(name="export model", call=f"export model {lab.NETWORK} --format tflite --format onnx --format mace -o out", resume="", results=["out/**/*"]),
    Scenario(name="ship", call=f"ship {lab.NETWORK} --labels labels.txt --table whole.json -o out", resume="", brings=["labels.txt", *_TABLE], results=["out/**/*"]),
)  # fmt: skip


@dataclass
class Found:
    """What was tried and what broke."""

    kills: int = 0
    by_scenario: dict[str, int] = field(default_factory=dict)
    resumed_s: float = 0.0
    failures: list[str] = field(default_factory=list)


class Arena:
    """A folder in which one scenario runs, is killed and goes on."""

    def __init__(self, scenario: Scenario, home: Path, laboratory: Path) -> None:
        """Make the folder anew with what the scenario needs."""
        self.scenario = scenario
        self.home, self.folder, self.temporary = home, home / "case", home / "temporary"
        shutil.rmtree(home, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.temporary.mkdir()
        for each in scenario.brings:
            source, _, name = each.partition(":")
            target = self.folder / (name or source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if (laboratory / source).is_dir():
                shutil.copytree(laboratory / source, target)
            elif (laboratory / source).exists():
                shutil.copy(laboratory / source, target)
        (self.folder / "slow_accuracy.py").write_text(_SLOW, encoding="utf-8")
        self.mark = uuid.uuid4().hex

    def start(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start a command in a session of its own."""
        environment = lab.environment(self.folder, TMPDIR=str(self.temporary), **{MARK: self.mark})
        with (self.home / "stdout").open("wb") as out, (self.home / "stderr").open("wb") as err:
            return subprocess.Popen(
                [*lab.MOGA, *arguments], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, start_new_session=True,
            )  # fmt: skip

    def errors(self) -> str:
        """Return what the last command said on standard error."""
        return (self.home / "stderr").read_text("utf-8", "replace")

    def alive(self) -> list[int]:
        """Return the processes of this arena that still run."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{MARK}={self.mark}".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def left_behind(self) -> list[str]:
        """Return temporary files of the kit that are still there."""
        parts = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.name.endswith(".part")]
        return parts + [f"temporary/{path.name}" for path in self.temporary.iterdir()]

    def results(self) -> dict[str, str]:
        """Return the digest of every result; of JSON files without what tells of time."""
        found = {}
        for pattern in self.scenario.results:
            for path in sorted(self.folder.glob(pattern.removesuffix("?"))):
                if path.is_file() and path.suffix != ".sqlite" and not path.name.endswith(("-wal", "-shm")):
                    digest = "there" if pattern.endswith("?") else _digest(path, self.scenario.ignored)
                    found[path.relative_to(self.folder).as_posix()] = digest
        return found

    def rows(self) -> dict[str, dict[str, str]]:
        """Return every row of every journal: what was measured, by what identifies it."""
        found: dict[str, dict[str, str]] = {}
        for pattern in self.scenario.journals:
            for path in self.folder.glob(pattern):
                found[path.relative_to(self.folder).as_posix()] = _rows(path)
        return found


_SLOW = """
import time

def evaluate(network):
    time.sleep(0.004)
    return sum((7 * i + len(key) ** 2) % 13 for i, key in enumerate(block.key for block in network.blocks)) / 10
"""


def _digest(path: Path, ignored: Sequence[str]) -> str:
    data = path.read_bytes()
    if path.suffix == ".json":
        data = json.dumps(_without(json.loads(data), ignored), sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def _without(value: object, ignored: Sequence[str]) -> object:
    if isinstance(value, Mapping):
        return {key: _without(one, ignored) for key, one in value.items() if key not in ignored}
    return [_without(one, ignored) for one in value] if isinstance(value, list) else value


def _rows(path: Path) -> dict[str, str]:
    rows: dict[str, str] = {}
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
                samples = [name for name in columns if "samples" in name]
                if samples:
                    for values in connection.execute(f'SELECT rowid, "{samples[0]}" FROM "{table}"'):
                        rows[f"{table}/{values[0]}"] = repr(values[1])
    except sqlite3.OperationalError:
        return rows  # killed before the tables were made
    return rows


def kill(arena: Arena, rng: random.Random, longest_s: float) -> tuple[str, list[str]]:
    """Start, kill at a random time, and check what is left; return how it was killed and what is wrong."""
    process = arena.start(shlex.split(arena.scenario.call))
    after = rng.uniform(0.02, 1.0) * longest_s
    name = rng.choice(["SIGKILL", "SIGKILL", "SIGKILL", "SIGINT", "SIGINT", "SIGTERM"])
    whole = rng.random() < 0.5
    try:
        process.wait(after)
        return "not killed", []
    except subprocess.TimeoutExpired:
        pass
    number = SIGNALS[name]
    os.killpg(process.pid, number) if whole else os.kill(process.pid, number)
    how = f"{name} of {'the group' if whole else 'the command'} after {after:.2f} s"
    wrong = []
    try:
        code = process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return how, [f"does not end within 20 s of {name}"]
    finished = (code in (0, 1) and arena.scenario.name == "bench") or code == 0
    if name == "SIGINT" and code != 130 and not finished:
        wrong.append(f"ended with {code} after Ctrl-C: {arena.errors()[-300:]}")
    if name == "SIGINT" and "Traceback" in arena.errors():
        wrong.append(f"traceback after Ctrl-C: {arena.errors()[-600:]}")
    ends = time.monotonic() + GONE_S
    while (alive := arena.alive()) and time.monotonic() < ends:
        time.sleep(0.1)
    if alive:
        wrong.append(f"processes left: {[_command_of(pid) for pid in alive]}")
        for pid in alive:
            _end(pid)
    if name == "SIGINT" and (left := arena.left_behind()):
        wrong.append(f"left after Ctrl-C: {left[:5]}")
    return how, wrong


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:200]
    except OSError:
        return str(pid)


def _kept(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for path, rows in before.items():
        lost = [row for row in rows if row not in after.get(path, {})]
        changed = [row for row, value in rows.items() if after.get(path, {}).get(row, value) != value]
        if lost:
            yield f"{len(lost)} of {len(rows)} rows of {path} were lost"
        if changed:
            yield f"{len(changed)} rows of {path} changed"


def try_once(arena: Arena, rng: random.Random, longest_s: float, expected: Mapping[str, str]) -> tuple[int, list[str]]:
    """Kill once to three times, then finish; return the number of kills and what is wrong."""
    wrong: list[str] = []
    history, rows = [], arena.rows()
    kills = 0
    resume = shlex.split(arena.scenario.resume)
    for _ in range(rng.choice([1, 1, 2, 3])):
        how, found = kill(arena, rng, longest_s)
        history.append(how)
        wrong += found
        kills += how != "not killed"
        now = arena.rows()
        wrong += _kept(rows, now)
        rows = now
        if how == "not killed":
            break
        # The same command goes on where it can; one that was killed at its start is simply called again.
        object.__setattr__(arena, "scenario", _resuming(arena.scenario))
    call = shlex.split(arena.scenario.call)
    process = arena.start(call if resume == [] or call[-len(resume) :] == resume else [*call, *resume])
    try:
        code = process.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return kills, [*wrong, f"does not end when resumed ({history})"]
    if code:
        wrong.append(f"resumed: exit code {code}: {arena.errors()[-400:]}")
    wrong += _kept(rows, arena.rows())
    if not code and (found_now := arena.results()) != expected:
        names = sorted(name for name in {*found_now, *expected} if found_now.get(name) != expected.get(name))
        wrong.append(f"other results than a command left alone: {names[:6]}")
    if left := arena.left_behind():
        wrong.append(f"left behind after resuming: {left[:5]}")
    if alive := arena.alive():
        wrong.append(f"processes left: {[_command_of(pid) for pid in alive]}")
    return kills, [f"{each} ({'; '.join(history)})" for each in wrong]


def _resuming(scenario: Scenario) -> Scenario:
    if not scenario.resume or scenario.call.endswith(scenario.resume):
        return scenario
    return Scenario(**{**vars(scenario), "call": f"{scenario.call} {scenario.resume}"})


def run(num_kills: int, seed: int, ends: float, laboratory: Path, home: Path, only: str = "",
        out: Callable[[str], object] = say) -> Found:  # fmt: skip
    """Kill commands by turns until there were enough kills or time is over."""
    found = Found()
    chosen = [each for each in SCENARIOS if re.search(only, each.name)]
    alone: dict[str, tuple[float, dict[str, str]]] = {}
    number = 0
    while found.kills < num_kills and time.monotonic() < ends:
        scenario = chosen[number % len(chosen)]
        rng = random.Random(f"{seed}/{scenario.name}/{number}")
        number += 1
        if scenario.name not in alone:
            arena = Arena(scenario, home, laboratory)
            started = time.monotonic()
            code = arena.start(shlex.split(scenario.call)).wait(LONGEST_S)
            if code:
                found.failures.append(f"{scenario.name} alone: exit code {code}: {arena.errors()[-400:]}")
                out(found.failures[-1])
                chosen = [each for each in chosen if each is not scenario]
                continue
            if left := arena.left_behind():
                found.failures.append(f"{scenario.name} alone left {left[:5]}")
            alone[scenario.name] = (time.monotonic() - started, arena.results())
            out(f"{scenario.name}: {alone[scenario.name][0]:.1f} s alone, {len(alone[scenario.name][1])} results")
        longest_s, expected = alone[scenario.name]
        kills, wrong = try_once(Arena(scenario, home, laboratory), rng, longest_s, expected)
        found.kills += kills
        found.by_scenario[scenario.name] = found.by_scenario.get(scenario.name, 0) + kills
        for each in wrong:
            found.failures.append(f"{scenario.name} [{seed}/{number - 1}]: {each}")
            out(f"FAILED {found.failures[-1]}")
    return found


def main() -> None:
    """Kill, resume, and print what broke; exit code 1 where anything did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10**9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="scenarios whose name matches this expression")
    parser.add_argument("--lab", type=Path, default=LAB)
    asked = parser.parse_args()
    if failed := lab.build(asked.lab.absolute(), say):
        sys.exit(f"not made: {', '.join(failed)}")
    with tempfile.TemporaryDirectory() as folder:
        ends = time.monotonic() + asked.seconds
        found = run(asked.kills, asked.seed, ends, asked.lab.absolute(), Path(folder) / "home", asked.only)
    say(json.dumps({"seed": asked.seed, "kills": found.kills, "by_command": found.by_scenario,
                    "failures": len(found.failures)}, indent=1))  # fmt: skip
    sys.exit(1 if found.failures else 0)


if __name__ == "__main__":
    main()
