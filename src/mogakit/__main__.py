"""`python -m mogakit`, which is how `torchrun` starts the command in several processes."""

import os
import sys

from mogakit.cli.main import main


def main_under_launcher() -> None:
    """Run the command, then leave at once, without taking the interpreter down.

    The threads of a process group may still be letting go of their last tensors. One that asks for the interpreter
    while it is being taken down ends its process with SIGABRT, and the launcher calls a finished training failed. By
    now every file is closed.
    """
    code: str | int | None = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main_under_launcher() if "TORCHELASTIC_RUN_ID" in os.environ else main()
