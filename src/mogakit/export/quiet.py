"""Keep LiteRT's greetings off the terminal. Its C++ writes them to file descriptor 2, whatever Python does."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

GREETINGS = (b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", b"INFO: Initialized TensorFlow Lite runtime.")


@contextmanager
def without_greetings() -> Iterator[None]:
    """Hold back what is written to standard error in the meantime, then write it, less the greetings.

    Meant for the milliseconds in which a model is loaded. Where standard error is closed, nothing is done.
    """
    try:
        original = os.dup(2)
    except OSError:
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            held.seek(0)
            kept = [line for line in held if line.rstrip() not in GREETINGS]
            if kept:
                os.write(2, b"".join(kept))
