"""What a machine can do to a command: every one that reads and every one that writes, in surroundings that are not kind.

    python tests/robustness/surroundings.py [--only disk]

Each check is a true process. It must end with a code of docs/cli.md and a message, and leave what was there as it was.
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lab

from robustness import LAB, say

_WHOLE = "run/lut.json:whole.json"
READING = {
    # a call that only reads: what it needs of the lab
    "zoo": (),
    "show moga-a": (),
    "doctor": (),
    "tools list": ("home",),
    "lut show whole.json": (_WHOLE,),
    f"predict {lab.NETWORK} --table whole.json --json": (_WHOLE,),
    f"compare {lab.NETWORK} --table whole.json --reference {lab.NETWORK}": (_WHOLE,),
    f"check {lab.NETWORK}": (),
}
WRITING = {
    # a call that writes: what it needs of the lab
    "lut export whole.json -o out/table.csv": (_WHOLE,),
    "lut merge whole.json run/lut.json -o out/merged.json": ("run/lut.json", _WHOLE),
    f"show {lab.NETWORK} --save out/network.json": (),
    "search --space digits --table whole.json --set population=20 --set generations=3 -o out/found": (_WHOLE,),
    "search --space digits --table whole.json --accuracy own_accuracy:evaluate --set population=8 --set generations=3 "
    "-o out/found": (_WHOLE, "own_accuracy.py"),
    "controllers --table whole.json --space digits --seeds 1 --population 8 --generations 2 -o out/judged": (_WHOLE,),
    "report run -o out/page.html": ("run/lut.json", "run/run.json", "run/validation.json"),
    f"export model {lab.NETWORK} --format tflite --format onnx --format mace -o out/files": (),
    "export blocks --space digits --format onnx -o out/blocks": (),
    f"ship {lab.NETWORK} -o out/bundle": (),
    f"train {lab.NETWORK} --data digits --recipe digits --epochs 0.1 -o out/trained": (),
    "supernet train --space digits --data digits --recipe digits --epochs 0.1 -o out/supernet": (),
    f"supernet extract supernet/supernet.pt {lab.CHROMOSOME} --raw -o out/picked.safetensors": ("supernet",),
    f"bench {lab.NETWORK} --quick -o out/bench": (),
    "profile --space digits --input-size 8 --quick -o out/run": (),
}
SECONDS = 300


@dataclass(frozen=True)
class Result:
    """How a process ended."""

    code: int
    out: str
    err: str


class Place:
    """A folder with some files of the lab, and a temporary folder beside it."""

    def __init__(self, home: Path, laboratory: Path, brings: Sequence[str]) -> None:
        """Make it anew."""
        self.home, self.folder, self.temporary = home, home / "case", home / "temporary"
        subprocess.run(["chmod", "-R", "u+rwX", str(home)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(home, ignore_errors=True)
        (self.folder / "out").mkdir(parents=True)
        self.temporary.mkdir()
        for each in brings:
            source, _, name = each.partition(":")
            target = self.folder / (name or source)
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (laboratory / source).is_dir() else shutil.copy
            copy(laboratory / source, target)

    def run(self, call: str, *, before: Callable[[], object] | None = None, prefix: Sequence[str] = (),
            changes: Mapping[str, str | None] | None = None, program: Sequence[str] = lab.MOGA, **how: object) -> Result:  # fmt: skip
        """Run a call; `before` is called in the child, `changes` are to the environment."""
        environment = {**lab.environment(self.folder, TMPDIR=str(self.temporary)), **(changes or {})}
        given = {name: value for name, value in environment.items() if value is not None}
        try:
            ended = subprocess.run(
                [*prefix, *program, *shlex.split(call)], cwd=self.folder, env=given, preexec_fn=before,
                stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False, **how,
            )  # type: ignore[call-overload]  # fmt: skip
        except subprocess.TimeoutExpired:
            return Result(-signal.SIGKILL, "", "hang")
        return Result(
            ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace")
        )


def wrong(place: Place, result: Result, codes: Sequence[int]) -> Iterator[str]:
    """Yield what is wrong with how a call ended."""
    if result.code not in codes:
        yield f"exit code {result.code}, not {codes}: {result.err[-300:]}"
    if "Traceback" in result.err + result.out:
        yield f"traceback: {result.err[-500:]}"
    if result.code and not result.err.strip():
        yield f"exit code {result.code} without a message"
    parts = [str(path.relative_to(place.home)) for path in place.home.rglob("*") if path.name.endswith(".part")]
    left = [path.name for path in place.temporary.iterdir()] if os.access(place.temporary, os.R_OK) else []
    if parts or left:
        yield f"left behind: {(parts + left)[:4]}"


Check = Callable[[Path, Path], Iterator[tuple[str, Sequence[str]]]]


def file_size_limit(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """No file may grow beyond some size, as on a full disk."""
    for size in (0, 1000, 20_000, 200_000):
        for call, brings in WRITING.items():
            place = Place(home, laboratory, brings)
            result = place.run(call, before=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
            yield f"files of at most {size} bytes: {call}", [*wrong(place, result, (0, 1))]


def full_disk(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """The output lies on a small file system that fills up."""
    for kilobytes in (16, 200, 1000):
        for call, brings in WRITING.items():
            place = Place(home, laboratory, brings)
            mount = f'mount -t tmpfs -o size={kilobytes}k none out && exec "$@"'
            prefix = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh"]
            result = place.run(call, prefix=prefix)
            if "unshare" in result.err or "mount:" in result.err:
                yield "a full disk: not permitted here", []
                return
            yield f"a disk of {kilobytes} kB: {call}", [*wrong(place, result, (0, 1))]


def memory_limit(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """There is little memory."""
    for megabytes in (300, 1000, 2500):
        for call, brings in {**READING, **WRITING}.items():
            place = Place(home, laboratory, brings)
            size = megabytes * 2**20
            result = place.run(call, before=lambda size=size: resource.setrlimit(resource.RLIMIT_AS, (size, size)))
            yield f"{megabytes} MB of memory: {call}", [*wrong(place, result, (0, 1))]


def environments(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """HOME, the language and the terminal are not what they mostly are."""
    changes: dict[str, Mapping[str, str | None]] = {
        "no HOME": {"HOME": None, "MOGA_HOME": None, "XDG_DATA_HOME": None},
        "HOME that does not exist": {"HOME": "/absent", "MOGA_HOME": None},
        "LANG=C": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        "LANG=C, ASCII output": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        "COLUMNS=1": {"COLUMNS": "1"},
        "COLUMNS=x": {"COLUMNS": "-5x"},
        "TERM=dumb": {"TERM": "dumb", "NO_COLOR": "1"},
        "python -O": {"PYTHONOPTIMIZE": "1"},
        "python -OO": {"PYTHONOPTIMIZE": "2"},
        "warnings are errors": {"PYTHONWARNINGS": "error::ResourceWarning", "PYTHONDEVMODE": None},
        "TMPDIR that does not exist": {"TMPDIR": "/absent/tmp"},
        "no PATH": {"PATH": ""},
        "hash seed": {"PYTHONHASHSEED": "12345"},
    }
    calls = [*READING.items(), *WRITING.items()]
    for index, (name, change) in enumerate(changes.items()):
        for call, brings in calls if "-O" in name else [*READING.items(), *calls[len(READING) + index % 3 :: 3]]:
            place = Place(home, laboratory, brings)
            yield f"{name}: {call}", [*wrong(place, place.run(call, changes=change), (0,))]


def read_only(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """A person without rights: nothing can be written, not even in the home folder."""
    for call, brings in {**READING, **WRITING}.items():
        place = Place(home, laboratory, brings)
        own = place.home / "home"
        own.mkdir(mode=0o555)
        for path in (place.folder / "out", place.folder):
            path.chmod(0o555)
        place.temporary.chmod(0o777)
        who = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
        try:
            result = place.run(call, changes={"HOME": str(own), "MOGA_HOME": None}, **who)
        except PermissionError:  # this interpreter lies where no other user may look
            yield "another user: not possible here", []
            return
        reads = call in READING
        yield f"read-only, another user: {call}", [*wrong(place, result, (0,) if reads else (1, 2))]


def pipes(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """Nobody reads; or the streams are closed or full."""
    for call, brings in READING.items():
        for name, script, codes in (
            ("| head -1", '"$@" | head -1 >/dev/null; exit ${PIPESTATUS[0]}', (0, 141)),
            (">&-", '"$@" >&-', (0, 1)),
            ("2>&-", '"$@" 2>&- >/dev/null', (0,)),
            ("<&-", '"$@" <&-', (0,)),
            ("> /dev/full", '"$@" > /dev/full', (1,)),
        ):
            place = Place(home, laboratory, brings)
            result = place.run(call, prefix=["bash", "-c", script, "bash"])
            found = [each for each in wrong(place, result, codes) if "without a message" not in each]
            yield f"{call} {name}", found


def two_at_once(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """Two processes write into one folder at the same time."""
    for call, brings in WRITING.items():
        place = Place(home, laboratory, brings)
        environment = dict(lab.environment(place.folder, TMPDIR=str(place.temporary)))
        started = [
            subprocess.Popen([*lab.MOGA, *shlex.split(call)], cwd=place.folder, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
        ]  # fmt: skip
        ended = [(each.communicate(timeout=SECONDS), each.returncode) for each in started]
        results = [Result(code, out.decode(), err.decode()) for (out, err), code in ended]
        found = [each for result in results for each in wrong(place, result, (0, 1, 2))]
        if all(result.code for result in results):
            found.append(f"both failed: {[result.err[-200:] for result in results]}")
        broken = [path.name for path in place.folder.rglob("*.json") if not _is_json(path)]
        yield f"two at once: {call}", [*found, *(f"half written: {name}" for name in broken)]


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


_JUMP = """
import itertools, time
_real, _calls = time.time, itertools.count()
_jumps = (0.0, -86400.0, 3600.0, -3.2e7, 1e9)
time.time = lambda: _real() + _jumps[next(_calls) // 7 % 5]
"""


def clock_jumps(home: Path, laboratory: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """The wall clock is set back and forth while a command is at work."""
    for call, brings in WRITING.items():
        place = Place(home, laboratory, brings)
        (place.home / "jump").mkdir()
        (place.home / "jump" / "sitecustomize.py").write_text(_JUMP, encoding="utf-8")
        path = os.pathsep.join([str(place.home / "jump"), lab.environment(place.folder)["PYTHONPATH"]])
        yield f"clock jumps: {call}", [*wrong(place, place.run(call, changes={"PYTHONPATH": path}), (0,))]


CHECKS: Mapping[str, Check] = {
    "pipes": pipes,
    "environments": environments,
    "read-only": read_only,
    "two-at-once": two_at_once,
    "clock": clock_jumps,
    "file-size": file_size_limit,
    "disk": full_disk,
    "memory": memory_limit,
}


def main() -> None:
    """Run the checks; exit code 1 where anything broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"one of {', '.join(CHECKS)}")
    parser.add_argument("--lab", type=Path, default=LAB)
    asked = parser.parse_args()
    if failed := lab.build(asked.lab.absolute(), say):
        sys.exit(f"not made: {', '.join(failed)}")
    number, broken = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name, check in CHECKS.items():
            if asked.only in name:
                for what, found in check(Path(folder) / "home", asked.lab.absolute()):
                    number += 1
                    for each in found:
                        broken += 1
                        say(f"FAILED {what}: {each}")
    say(f"{number} checks, {broken} failures")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
