"""Output of MACE's `mace_run`, of both container generations (up to 1.0.4, and from 1.1).

Every engine start ends in one table; its last column is the mean of `--round` runs, in milliseconds::

    ========================================================
         capability(CPU)        init      warmup     run_avg
    ========================================================
    time         477.888       9.511       2.878       3.829

The tool exits with 0 when names do not match, and retries engine errors forever: only the table is a success.
"""

import re
import statistics

from mogakit.android_runner.parsers.common import NUMBER, Timing, number, parse_error
from mogakit.bench.measurement import Summary

_TIME = re.compile(rf"^time\s+({NUMBER})\s+({NUMBER})\s+({NUMBER})\s+({NUMBER})\s*$")
_LOG = re.compile(r"^[IWEF] \S+:\d+\] ?(.*)$")
_ROUND = re.compile(r"^round: (\d+)\s*$")
_MISMATCH = re.compile(r"names do not match|shapes? do(?:es)? not match")


def messages(text: str) -> list[str]:
    """Return the log lines' messages, without the level and the source line that differ between versions."""
    return [match.group(1) for line in text.splitlines() if (match := _LOG.match(line.rstrip("\r")))]


def parse(text: str, num_warmups: int = 0) -> Timing:
    """Read one run of the tool (which may hold several engine starts).

    Args:
        num_warmups: so many of the first starts only warm the phone up, and no mean of theirs counts.

    Raises:
        ParseError: there is no table, its numbers are impossible, or the tool says that names do not match.
    """
    found = messages(text)
    rejected = [message for message in found if _MISMATCH.search(message)]
    if rejected:
        raise parse_error("mace_run", f"it says {rejected[0]!r}", text)
    rows = [match.groups() for line in text.splitlines() if (match := _TIME.match(line.rstrip("\r")))]
    rounds = [int(match.group(1)) for message in found if (match := _ROUND.match(message))]
    if not rows or not rounds:
        raise parse_error("mace_run", "there is no row 'time' under 'init warmup run_avg'", text)
    if len(rows) <= num_warmups:
        raise parse_error("mace_run", f"there are {len(rows)} rows 'time' and {num_warmups} are a warm-up", text)
    counted = rows[num_warmups:]
    means_ms = [number(row[3]) for row in counted]
    if min(means_ms) <= 0.0:
        raise parse_error("mace_run", f"run_avg is {min(means_ms):g} ms", text)
    several = len(means_ms) > 1  # spread is known only between engine starts: the tool prints no single run
    summary = Summary(
        count=rounds[0] * len(counted),
        mean_ms=statistics.fmean(means_ms),
        std_ms=statistics.stdev(means_ms) if several else None,
        min_ms=min(means_ms) if several else None,
        max_ms=max(means_ms) if several else None,
    )
    return Timing(summary=summary, init_ms=number(rows[0][1]), first_run_ms=number(rows[0][2]))
