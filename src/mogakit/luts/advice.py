"""What messages say about a row that is absent or does not count: what comes nearest, and the command to run."""

import difflib
from collections.abc import Iterable, Sequence

from mogakit.bench.measurement import Status
from mogakit.bench.target import Target

NUM_NEAREST = 3
_REMEDIES = {
    Status.PARTIAL: "or accept rows that the hardware took only in part: {command} --accept-partial",
    Status.UNKNOWN_DELEGATION: "or accept rows whose log does not name what ran them: {command} --accept-unknown",
    Status.WRONG_OUTPUT: "or measure with another target, delegate or driver: this one computes something else",
    Status.HOT: "or let the device cool and measure more rounds: {command} --rounds N",
}
"""What else can be done about a row of some status than choosing another block."""


def profile_command(space: str, device: str | None, target: Target | None) -> str:
    """Return the command that measures a table again; words in capitals stand for what is not known."""
    asked = "TARGET" if target is None else str(target)
    return f"moga profile --space {space or 'SPACE'} --device {device or 'DEVICE'} --target {asked} -o RUN --resume"


def missing_rows(where: str, rows: Iterable[str], missing: Sequence[str], command: str) -> str:
    """Return the message about missing rows: each with the keys that come nearest, and what measures them."""
    known = list(rows)
    lines = []
    for key in missing:
        nearest = difflib.get_close_matches(key, known, n=NUM_NEAREST, cutoff=0.0)
        lines.append(f"{key} (nearest: {', '.join(nearest) if nearest else 'the table is empty'})")
    outside = "(for a network outside the space: a new folder and --network NET)"
    return f"{where} has no row for {'; '.join(lines)}. Measure it: {command} {outside}"


def remedy(status: Status, command: str) -> str:
    """Return what can be done about a row of some status besides choosing another block."""
    return _REMEDIES.get(status, "or measure it again: {command}").format(command=command)
