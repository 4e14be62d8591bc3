"""An accuracy of a user's own: it notes who evaluated what, and takes long enough for a kill to fall into it."""

import os
import time
from pathlib import Path

from mogakit.nets.network import Network, count_params


def evaluate(network: Network) -> float:
    """Return a number that depends on the network alone."""
    with Path(os.environ["MOGA_TEST_LOG"]).open("a") as log:
        log.write(f"start {os.getpid()} {network.name}\n")
    time.sleep(0.05)
    value = (count_params(network) % 1009) / 1009
    with Path(os.environ["MOGA_TEST_LOG"]).open("a") as log:
        log.write(f"end {os.getpid()} {network.name}\n")
    return value
