"""The command `moga`, also as `python -m mogakit`, which is how `torchrun` starts it in several processes."""

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
"""As `cli.exits` has it, which takes a moment to load."""


def start() -> None:
    """Run the command; Ctrl-C ends it with 130 while it loads, too, and no longer once it has ended."""
    signal.signal(signal.SIGINT, _stopped)
    from mogakit.cli.main import main  # while it loads, a Ctrl-C is answered already

    try:
        main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter is being taken down


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
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _stopped(number: int, frame: FrameType | None) -> None:
    os.write(2, b"stopped before anything was done\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    start_under_launcher() if "TORCHELASTIC_RUN_ID" in os.environ else start()
