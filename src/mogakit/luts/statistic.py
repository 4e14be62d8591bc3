"""`Statistic`: how the samples of a file become one number, and the statistics that the kit uses."""

from dataclasses import dataclass, field
from enum import StrEnum


class Centre(StrEnum):
    """How several times become one."""

    MEAN = "mean"
    TRIMMED_MEAN = "trimmed-mean"
    MEDIAN = "median"
    POOLED = "pooled"  # across runs only: the samples of all runs are one set, with one centre
    UNDISTURBED = "undisturbed"  # across runs only: the mean of those that nothing slowed
    UNKNOWN = "unknown"  # of an imported table whose source does not say; nothing is computed with it


class CommonMode(StrEnum):
    """What is divided out of times because it moves blocks and networks alike."""

    NONE = "none"
    PROCESS = "process"  # the speed of the machine during one process, from all files that it timed
    WINDOW = "window"  # the same for each window of a process: follows drift within it, with more noise
    MOMENT = "moment"  # the same for each visit, from the files visited around it: follows bursts of other programs


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """How a row was made from samples.

    Attributes:
        within_run: centre of the samples of one process run. Means add over blocks; medians and minima do not.
        trim: share cut off at each end where `within_run` is `trimmed-mean`.
        across_runs: centre of the runs' values.
        cold_share: weight of the discarded first call (cold caches) in a block's value, 0 to 1; the warm calls have
            the rest. In a network a block finds its activations warm and its weights cold.
        common_mode: what was divided out of each process.
        reach: of `undisturbed`: runs slower than the file's fastest by more than this share are left out. None: to be
            found from the measurements (`estimate.resolved`); a table holds what was found. Tables with another reach
            are of one statistic.
    """

    within_run: Centre = Centre.TRIMMED_MEAN
    trim: float = 0.10
    across_runs: Centre = Centre.MEDIAN
    cold_share: float = 0.0
    common_mode: CommonMode = CommonMode.NONE
    reach: float | None = field(default=None, compare=False)


HOST_STATISTIC = Statistic(trim=0.25, across_runs=Centre.POOLED, cold_share=0.25, common_mode=CommonMode.MOMENT)
"""For this computer's CPU, where one process times all files: the estimator with the least error on unseen networks.

On a machine shared with other programs 5 to 40 % of the calls of a window take 1.2 to 1.6 times as long, in bursts: the
local speed divides out most of that, the mean of the middle half does not see the rest and still adds over
blocks (docs/measuring.md has figures).
"""

PHONE_STATISTIC = Statistic(within_run=Centre.MEDIAN, across_runs=Centre.UNDISTURBED)
"""For phones, whose every run is a process: its median (its mean where the tool prints no other), and over the runs the
mean of those that nothing slowed (`luts.undisturbed`)."""
