"""The statistics lines of TFLite's tools, as xla/tsl stats_calculator.h prints them."""

import math
import statistics
from collections.abc import Sequence


def six_digits(value: float) -> str:
    """Print as a C++ stream does by default: six significant digits, an exponent from a million on."""
    return f"{value:.6g}"


def stat_line(times_us: Sequence[float], percentiles: bool) -> str:
    """Return `count=50 first=... curr=... min=... max=... avg=... std=...` and its short shapes."""
    whole = [round(time) for time in times_us]
    if not whole:
        return "count=0"
    if len(whole) == 1:
        line = f"count=1 curr={whole[0]}"
    elif min(whole) == max(whole):
        line = f"count={len(whole)} curr={whole[-1]}(all same)"
    else:
        mean = statistics.fmean(times_us)
        spread = math.sqrt(max(0.0, statistics.fmean(time * time for time in times_us) - mean * mean))
        line = (
            f"count={len(whole)} first={whole[0]} curr={whole[-1]} min={min(whole)} max={max(whole)} "
            f"avg={six_digits(mean)} std={round(spread)}"
        )
    if percentiles:
        ranked = sorted(whole)
        at = [ranked[min(len(ranked) - 1, int(share * len(ranked)))] for share in (0.05, 0.5, 0.95)]
        line += f" p5={at[0]} median={at[1]} p95={at[2]}"
    return line
