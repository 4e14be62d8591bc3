"""The command `moga`, also as `python -m mogakit`, which is how `torchrun` starts it in several processes."""

import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
"""As `cli.exits` has it, which takes a moment to load."""


def start() -> None:
    """Run the command; Ctrl-C ends it with 130 while it loads, too, and no longer once it has ended.

    An interrupted command leaves at once: where a Ctrl-C falls into code that is made from text (as dataclasses are),
    Python 3.11 remembers it, and ends its process by the signal, whatever the exit code.
    """
    signal.signal(signal.SIGINT, _stopped)
    _open_streams()
    from mogakit.cli.main import main  # while it loads, a Ctrl-C is answered already

    try:
        main()
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            _leave(INTERRUPTED)
        raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter is being taken down


def _open_streams() -> None:
    """Open what the shell closed, and let every text be printed, whatever the terminal's letters (`LC_ALL=C`).

    A number that is closed (`2>&-`) would go to the next file, and so would what is meant for a terminal.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.flush()
    os._exit(code)


def start_under_launcher() -> None:
    """Run the command, then leave at once, without taking the interpreter down.

    The threads of a process group may still be letting go of their last tensors. One that asks for the interpreter
    while it is being taken down ends its process with SIGABRT, and the launcher calls a finished training failed. By
    now every file is closed.
    """
    code: str | int | None = 0
    try:
        start()
    except SystemExit as leaving:
        code = leaving.code
    _leave(code if isinstance(code, int) else int(code is not None))


def _stopped(number: int, frame: FrameType | None) -> None:
    os.write(2, b"stopped before anything was done\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    start_under_launcher() if "TORCHELASTIC_RUN_ID" in os.environ else start()
