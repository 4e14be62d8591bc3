"""A table or a linear cost model, distinguished by what the file holds; both are accepted everywhere."""

from pathlib import Path

from mogakit import records
from mogakit.bench.measurement import Identity
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable

SHELL_FLAG = "transport=adb shell"
"""Flag in the identity of what was measured on a phone through adb."""


def load_latencies(path: Path) -> LatencyTable | CostModel:
    """Read what a file holds; its name says nothing.

    Raises:
        TableError: there is no such file, or it holds neither a table nor a cost model.
    """
    found: LatencyTable | CostModel = records.load_one_of((LatencyTable, CostModel), path)
    return found


def scope_note(identity: Identity) -> str | None:
    """Return what must stand beside latencies of such an identity wherever they are shown; None where nothing must."""
    if SHELL_FLAG not in identity.flags:
        return None
    # loaded here: who reads a table of this computer needs nothing of phones
    from mogakit.android_runner.runner import SHELL_NOTE

    return SHELL_NOTE
