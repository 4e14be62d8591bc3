"""The installed command, run as a shell runs it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("moga"))


@dataclass(frozen=True)
class Ended:
    """A process that ended: its exit code, what it printed, and the seconds of CPU that it and its children took."""

    code: int
    out: str
    err: str
    cpu_s: float


def run_moga(*arguments: str | Path, **environment: str) -> Ended:
    """Run the installed command in a process of its own."""
    started = subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    # Both pipes are read to their end before the process is waited for: its usage comes with `wait4` only once.
    out, err = started.stdout.read(), started.stderr.read()  # messages are short: no pipe fills while the other is read
    started.stdout.close()
    started.stderr.close()
    _, status, usage = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    return Ended(started.returncode, out.decode(), err.decode(), usage.ru_utime + usage.ru_stime)
