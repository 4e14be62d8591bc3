"""Try something in a forked child with limits on memory and time, so that neither a crash nor a hang is ours.

The child also measures by how much resident memory grew at most: that is a file's peak memory.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mogakit.errors import MogaKitError

_PR_SET_THP_DISABLE = 41
_LONGEST_REASON = 4000  # characters; a pipe takes them at once

DEFAULT_MEMORY_BYTES = 2 * 2**30
"""What loading and running a file may take, besides eight times its size."""

DEFAULT_SECONDS = 60
"""How long loading and running a file once may take."""


@dataclass(frozen=True)
class Limits:
    """What one file may take when it is loaded and first run."""

    memory_bytes: int
    seconds: int


@dataclass(frozen=True)
class Tried:
    """The outcome: the growth of resident memory in 10^6 bytes, None where unknown; or why it failed."""

    grown_mb: float | None = None
    error: str | None = None


def attempt(act: Callable[[], object], limits: Limits) -> Tried:
    """Call `act` in a child. Nothing is tried where the system has no `/proc`: a crash then ends this process.

    The child turns huge pages off, since they would round every file up to two megabytes.
    """
    if sys.platform != "linux" or not Path("/proc/self/clear_refs").exists():
        return Tried()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said: dict[str, object] = {}
        try:
            os.close(reader)
            said = _measured(act, limits)
        except MemoryError:
            said = {"error": "it needs more memory than one file may take"}
        except MogaKitError as error:
            said = {"error": str(error)[:_LONGEST_REASON]}
        finally:
            os.write(writer, json.dumps(said).encode())
            os._exit(0 if said else 1)  # no clean-up of what belongs to the parent
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if not os.WIFEXITED(status) or os.WEXITSTATUS(status) != 0:
        return Tried(error=_death(status, limits))
    found = json.loads(text)
    return Tried(found.get("grown_mb"), found.get("error"))


def _measured(act: Callable[[], object], limits: Limits) -> dict[str, object]:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits.seconds)
    ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the parent
        before = status_kb("VmRSS")
    except OSError:  # a container that does not allow it
        before = None
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (status_kb("VmSize") * 1024 + limits.memory_bytes, hard))
    act()
    return {"grown_mb": None if before is None else (status_kb("VmHWM") - before) * 1024 / 1e6}


def _death(status: int, limits: Limits) -> str:
    """Return how a child died."""
    if not os.WIFSIGNALED(status):
        return f"loading or running it ended the runtime's process (exit code {os.WEXITSTATUS(status)})"
    number = os.WTERMSIG(status)
    if number == signal.SIGALRM:
        return f"it was not loaded and run once within {limits.seconds} s; --timeout-s gives it longer"
    gigabytes = limits.memory_bytes / 2**30
    return (
        f"loading or running it crashed the runtime ({signal.Signals(number).name}): the file is damaged, or needs "
        f"more than the {gigabytes:.1f} GiB that one file may take (--memory-gb)"
    )


def status_kb(field: str) -> int:
    """Return a field of `/proc/self/status`, in units of 1024 bytes.

    Raises:
        OSError: there is none of that name.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")
