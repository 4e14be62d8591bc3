"""Output of Qualcomm's SNPE tools: `snpe-throughput-net-run`, and `snpe-net-run` through `snpe-diagview`'s CSV.

The throughput tool goes on after an instance could not be created, so an error line of either is an error whatever
follows.
"""

import csv
import re

from mogakit.android_runner.parsers.common import NUMBER, Timing, number, parse_error, tail
from mogakit.bench.measurement import Summary
from mogakit.errors import MeasurementError

_THROUGHPUT = re.compile(rf"Total throughput: ({NUMBER})(?:\s|$)")
_FAILED = re.compile(r"Unable to successfully create SNPE instance|error_code=\d+")
_NAME_COLUMN, _VALUE_COLUMN = 1, 3


def reject_failed(tool: str, text: str) -> None:
    """Raise where the output of one of SNPE's tools says that an instance was not created, or anything else failed.

    Raises:
        MeasurementError: with that line and the output's end.
    """
    failed = [line for line in text.splitlines() if _FAILED.search(line)]
    if failed:
        raise MeasurementError(f"{tool}: {failed[0].strip()[:300]}\n{tail(text)}")


def parse_throughput(text: str, duration_s: float) -> Timing:
    """Read `snpe-throughput-net-run`: one instance back to back, so latency is the inverse of throughput.

    Args:
        text: standard output and error.
        duration_s: the `--duration` that was asked for, from which the number of runs follows.

    Raises:
        MeasurementError: an instance was not created.
        ParseError: there is no throughput.
    """
    reject_failed("snpe-throughput-net-run", text)
    found = [number(match.group(1)) for match in _THROUGHPUT.finditer(text)]
    if len(found) != 1 or found[0] <= 0.0:
        raise parse_error("snpe-throughput-net-run", "there is no single line 'Total throughput:'", text)
    return Timing(summary=Summary(count=max(1, round(found[0] * duration_s)), mean_ms=1000.0 / found[0]))


def parse_diagview(text: str, num_runs: int) -> Timing:
    """Read the CSV that `snpe-diagview --output` makes of `snpe-net-run`'s log (microseconds).

    Of several rows of one name the first counts, as in Microsoft Olive, whose reading of the columns this is.

    Raises:
        ParseError: `avg_total_inference_time` is missing or zero.
    """
    values: dict[str, float] = {}
    for row in csv.reader(text.splitlines()):
        if len(row) > _VALUE_COLUMN and re.fullmatch(NUMBER, row[_VALUE_COLUMN].strip()):
            values.setdefault(row[_NAME_COLUMN].strip().lower(), number(row[_VALUE_COLUMN].strip()) / 1000.0)
    mean_ms = values.get("avg_total_inference_time", 0.0)
    if mean_ms <= 0.0:
        raise parse_error("snpe-net-run", "the profile has no avg_total_inference_time", text)
    return Timing(summary=Summary(count=num_runs, mean_ms=mean_ms), init_ms=values.get("init"))
