"""Try to break the kit: `make robustness`, or

    python tests/robustness/robustness.py --seconds 600 --seed 7 --inputs 10000
    python tests/robustness/robustness.py --again tests/robustness/failures/predict-0123456789ab.json

Damaged files of every kind through every command that reads them, and hostile options of every command. Each command
must end with an exit code of docs/cli.md and a message, within `MAX_SECONDS` of CPU and `MAX_BYTES` of memory; print no
traceback, no `nan`, no control character; leave nothing behind; and give either the right numbers or none.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attack
import lab
import options
import readers
import sandbox

LAB = Path(".robustness") / "lab"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def hostile_options(bench: attack.Bench, tally: attack.Tally, seed: int, num_inputs: int, ends: float) -> None:
    """Try hostile options until there were enough or time is over."""
    for words, brings, how in itertools.islice(options.calls(seed, bench.lab), num_inputs):
        if time.monotonic() > ends:
            return
        case = attack.Case(call=words, file="", data=b"", brings=brings, how=how, takes_s=options.PATIENCE_S)
        ended, wrong = bench.interrupted(case, options.PATIENCE_S)
        tally.count("options", ended)
        for problem in wrong:
            tally.fail(problem, case, say)


def damaged_readers(seed: int, num_inputs: int, seconds: float) -> tuple[int, list[Path]]:
    """Drive every reader directly; return how many inputs they were given, and what broke one."""
    chosen, count, broken = readers.targets(), 0, []
    for target in chosen:
        read, failed = readers.run(target, max(1, num_inputs // len(chosen)), seconds / len(chosen), seed)
        count += read
        broken += failed
        for path in failed:
            say(f"FAILED reader {target.name}: {path}")
    return count, broken


def kept_cases(bench: attack.Bench) -> tuple[int, list[str]]:
    """Try every case that once failed; return how many could be tried, and what is wrong again."""
    tried, wrong = 0, []
    for path in sorted(attack.FAILURES.glob("*.json")):
        case = attack.Case.read(path)
        if all((bench.lab / each.partition(":")[0]).exists() for each in case.brings):
            tried += 1
            wrong += [f"{path.name}: {each}" for each in attack.again(bench, path, show=False)]
    return tried, wrong


def in_a_child(arguments: Sequence[str], folder: Path) -> tuple[int, bytes, bytes]:
    """Call the command for the lab in a forked child, which has everything loaded already."""
    ended = sandbox.call(arguments, folder, dict(lab.environment(folder)), 120)
    return ended.code, ended.out.encode(), ended.err.encode()


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inputs", type=int, default=10**9)
    parser.add_argument("--options-share", type=float, default=0.25, help="share of inputs that are hostile options")
    parser.add_argument("--readers-share", type=float, default=0.15, help="share of inputs that readers get directly")
    parser.add_argument("--slow-share", type=float, default=attack.SLOW_SHARE, help="share of calls that take seconds")
    parser.add_argument("--only", default="", help="files of the lab whose path holds this; no options then")
    parser.add_argument("--lab", type=Path, default=LAB, help="folder of real files, made where it is absent")
    parser.add_argument(
        "--small", action="store_true", help="a lab of what takes no measuring and no training, made anew"
    )
    parser.add_argument("--again", type=Path, help="a failure that was kept")
    return parser.parse_args()


def main() -> None:
    """Try until the time or the inputs are used up; exit code 1 where anything broke."""
    asked = parsed()
    sandbox.load_everything()
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Path(folder) / "lab" if asked.small else asked.lab.absolute()
        if failed := lab.build(laboratory, say, asked.small, in_a_child):
            sys.exit(f"not made: {', '.join(failed)}")
        bench = attack.Bench(Path(folder) / "home", laboratory)
        if asked.again is not None:
            wrong = attack.again(bench, asked.again)
            say("\n".join(wrong) or "nothing is wrong any more")
            sys.exit(1 if wrong else 0)
        sys.exit(1 if tried(bench, asked) else 0)


def tried(bench: attack.Bench, asked: argparse.Namespace) -> int:
    """Try kept cases, options, readers and files; print what was found, and return how much was wrong."""
    started = time.monotonic()
    tally, num_read, broken = attack.Tally(), 0, []
    num_kept, wrong = kept_cases(bench)
    for each in wrong:
        say(f"FAILED AGAIN {each}")
    if not asked.only:
        ends = started + asked.seconds * asked.options_share
        hostile_options(bench, tally, asked.seed, round(asked.inputs * asked.options_share), ends)
        read_s, num_inputs = asked.seconds * asked.readers_share, round(asked.inputs * asked.readers_share)
        if num_inputs:
            num_read, broken = damaged_readers(asked.seed, num_inputs, read_s)
    attack.attack(
        bench, tally, asked.seed, asked.inputs - num_read, started + asked.seconds, say, asked.only, asked.slow_share
    )
    found = {
        "seed": asked.seed,
        "inputs": tally.inputs + num_read,
        "of_readers": num_read,
        "kept_cases": num_kept,
        "cpu_s": round(tally.cpu_s),
        "wall_s": round(time.monotonic() - started),
        "exit_codes": {str(code): number for code, number in sorted(tally.codes.items())},
        "inputs_by_kind": dict(sorted(tally.by_area.items())),
        "failed_inputs": sum(tally.kinds.values()) + len(broken) + len(wrong),
    }
    say(json.dumps(found, indent=1))
    for kind, number in sorted(tally.kinds.items(), key=lambda item: -item[1]):
        say(f"{number:5}  {kind}")
    return int(found["failed_inputs"])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
