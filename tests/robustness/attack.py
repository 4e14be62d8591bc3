"""Damage files of the lab, and drive each through the commands that read it."""

import base64
import hashlib
import json
import os
import random
import shlex
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lab
import sandbox
from damage import damage
from reading import Reading, subjects

FAILURES = Path(__file__).parent / "failures"
SLOW_SHARE = 0.02
"""Of inputs that go to calls which take seconds."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input: what is put where, and what is called then.

    Attributes:
        call: arguments of `moga`.
        file: the path that is damaged; empty where only the options are hostile.
        data: what lies there.
        brings: paths of the lab that are needed.
        how: what was done, for a reader.
    """

    call: Sequence[str]
    file: str
    data: bytes
    brings: Sequence[str]
    how: str
    takes_s: float = sandbox.MAX_SECONDS
    renewed: str = ""

    def text(self) -> str:
        """Return the case as a file that repeats it."""
        packed = base64.b64encode(zlib.compress(self.data, 9)).decode()
        value = {
            "call": list(self.call), "file": self.file, "data": packed, "brings": list(self.brings), "how": self.how,
            "takes_s": self.takes_s, "renewed": self.renewed,
        }  # fmt: skip
        return json.dumps(value, indent=1) + "\n"

    @staticmethod
    def read(path: Path) -> "Case":
        """Read a case that was kept."""
        value = json.loads(path.read_text(encoding="utf-8"))
        return Case(**{**value, "data": zlib.decompress(base64.b64decode(value["data"]))})


@dataclass
class Tally:
    """What was tried and found.

    Attributes:
        inputs: calls that were made. by_area: how many of them, by the kind of input.
        failures: problem and the file that repeats it; `seen` holds the kinds that were counted already.
    """

    inputs: int = 0
    cpu_s: float = 0.0
    by_area: dict[str, int] = field(default_factory=dict)
    codes: dict[int, int] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)

    def count(self, area: str, ended: sandbox.Ended) -> None:
        """Count a call."""
        self.inputs += 1
        self.cpu_s += ended.cpu_s
        self.by_area[area] = self.by_area.get(area, 0) + 1
        self.codes[ended.code] = self.codes.get(ended.code, 0) + 1

    def fail(self, problem: str, case: Case, say: Callable[[str], object]) -> None:
        """Count a failure; the first three of a kind are kept as files."""
        kind = f"{' '.join(case.call[:2])}: {problem[:110]}"
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] > 2:
            return
        FAILURES.mkdir(exist_ok=True)
        text = case.text()  # large where a model was damaged; such a case is kept as a test of its reader
        path = FAILURES / f"{case.call[0]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        path.write_text(text, encoding="utf-8")
        self.failures.append((problem, str(path)))
        say(f"FAILED {problem}\n   moga {shlex.join(case.call)[:300]}   [{case.file}: {case.how}]")
        say(f"   again: python tests/robustness/robustness.py --again {path}")


class Bench:
    """A place where cases are tried, one after the other."""

    def __init__(self, home: Path, lab_folder: Path) -> None:
        """Work in `home`, with files of `lab_folder`."""
        self.lab = lab_folder
        self.home = home
        self.folder = home / "case"
        self.temporary = home / "temporary"
        self._sound: dict[tuple[str, ...], str | None] = {}

    def place(self, brings: Sequence[str]) -> None:
        """Make the folder of a case anew, with some paths of the lab."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.temporary.mkdir()
        for each in brings:
            source, _, name = each.partition(":")
            target = self.folder / (name or source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if (self.lab / source).is_dir():
                shutil.copytree(self.lab / source, target, dirs_exist_ok=True)
            elif (self.lab / source).exists():  # the small lab lacks what takes long to make
                shutil.copy(self.lab / source, target)

    def environment(self) -> dict[str, str]:
        """Return the environment of a call."""
        return dict(lab.environment(self.folder, TMPDIR=str(self.temporary)))

    def run(self, case: Case, renew: Callable[[Path, str], None] | None = None) -> tuple[sandbox.Ended, list[str]]:
        """Try a case; return how it ended and what is wrong with that."""
        self.place(case.brings)
        if case.file:
            path = self.folder / case.file
            path.unlink(missing_ok=True)
            path.write_bytes(case.data)
            if renew is not None:
                renew(self.folder, path.name)
        before = sandbox.snapshot(self.home)
        ended = sandbox.call(case.call, self.folder, self.environment(), case.takes_s)
        own = case.data.decode("latin-1") + " ".join(case.call)
        wrong = sandbox.problems(ended, case.call, own)
        return ended, [*wrong, *sandbox.traces(self.folder, self.temporary, before)]

    def interrupted(self, case: Case, after_s: float) -> tuple[sandbox.Ended, list[str]]:
        """Try a case whose options are hostile; one that is still at work after a while gets Ctrl-C."""
        self.place(case.brings)
        before = sandbox.snapshot(self.home)
        ended = sandbox.call(case.call, self.folder, self.environment(), sandbox.MAX_SECONDS, after_s)
        wrong = sandbox.problems(ended, case.call, " ".join(case.call), (*sandbox.CODES, sandbox.INTERRUPTED))
        return ended, [*wrong, *sandbox.traces(self.folder, self.temporary, before)]

    def sound_output(self, call: Sequence[str], brings: Sequence[str]) -> str | None:
        """Return what a call prints with undamaged files; None where it does not succeed."""
        key = (*call, "--", *brings)
        if key not in self._sound:
            self.place(brings)
            ended = sandbox.call(call, self.folder, self.environment(), 120)
            self._sound[key] = ended.out if ended.code == 0 else None
        return self._sound[key]


def cases(
    lab_folder: Path, seed: int, only: str = "", slow_share: float = SLOW_SHARE
) -> Iterator[tuple[Case, Reading, bool]]:
    """Yield damaged files without end, each with its reading and whether only a checksum can tell of the damage."""
    quick = [each for each in subjects(lab_folder) if not each[0].slow and only in each[1]]
    slow = [each for each in subjects(lab_folder) if each[0].slow and only in each[1]]
    by_reading: dict[int, list[tuple[Reading, str]]] = {}
    for reading, name in quick:
        by_reading.setdefault(id(reading), []).append((reading, name))
    number = 0
    while True:
        rng = random.Random(f"{seed}/{number}")
        number += 1
        if slow and (rng.random() < slow_share or not quick):
            reading, name = rng.choice(slow)
        else:
            reading, name = rng.choice(by_reading[rng.choice(sorted(by_reading))])
        silent = reading.renew is None and rng.random() < 0.3
        data = (lab_folder / name).read_bytes()
        changed = damage(Path(name).suffix, data, rng, silent)
        if changed.data == data:
            continue
        call = rng.choice(list(reading.calls)).replace("{file}", name)
        words = _globbed(shlex.split(call, posix=False), lab_folder)
        yield (
            Case(
                call=words, file=name, data=changed.data, brings=reading.brings, how=changed.how,
                takes_s=reading.takes_s, renewed="bundle" if reading.renew else "",
            ),
            reading,
            silent,
        )  # fmt: skip


def _globbed(words: Sequence[str], lab_folder: Path) -> list[str]:
    found: list[str] = []
    for word in words:
        names = sorted(lab_folder.glob(word)) if "*" in word else []
        found += [names[0].relative_to(lab_folder).as_posix()] if names else [word]
    return found


def attack(
    bench: Bench, tally: Tally, seed: int, num_inputs: int, ends: float, say: Callable[[str], object], only: str = "",
    slow_share: float = SLOW_SHARE,
) -> None:  # fmt: skip
    """Try damaged files until there were enough or time is over."""
    for case, reading, silent in cases(bench.lab, seed, only, slow_share):
        if tally.inputs >= num_inputs or time.monotonic() > ends:
            return
        ended, wrong = bench.run(case, reading.renew)
        tally.count(f"{case.file.partition('/')[0]} {Path(case.file).suffix}", ended)
        if not wrong and silent and reading.numbers and ended.code == 0 and _vouched(case.file):
            expected = bench.sound_output(case.call, case.brings)
            if expected is not None and expected != ended.out:
                wrong = ["another number, without a word"]
        for problem in wrong:
            tally.fail(problem, case, say)


def _vouched(name: str) -> bool:
    """Return whether the kit vouches for the content of a file with a checksum."""
    return Path(name).suffix in (".json", ".db", ".sqlite", ".npz", ".pt", ".safetensors") and name != "network.json"


def again(bench: Bench, path: Path, show: bool = True) -> list[str]:
    """Try a case that was kept, and show what it prints; return what is wrong with it."""
    from reading import _renew_bundle

    case = Case.read(path)
    if case.file:
        ended, wrong = bench.run(case, _renew_bundle if case.renewed else None)
    else:
        ended, wrong = bench.interrupted(case, case.takes_s)
    if show:
        os.write(
            1, f"exit code {ended.code}, {ended.cpu_s:.1f} s of CPU\n{ended.out[-3000:]}{ended.err[-3000:]}".encode()
        )
    return wrong
