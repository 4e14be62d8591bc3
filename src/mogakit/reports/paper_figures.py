"""Which figure of a paper each of the kit's own figures is: `moga report RUN --figure multi-hardware/2`."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from mogakit.errors import InputError, unknown_name
from mogakit.reports.drawn import Drawn


@dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper: patterns of the names that its pictures have here, and what a run must hold for them."""

    patterns: tuple[str, ...]
    needs: str


PAPER_FIGURES: dict[str, PaperFigure] = {
    "moga/1": PaperFigure(
        ("time-by-profiled-operator", "time-by-operator"), "rows of the networks (moga profile), or RUN/operators.json"
    ),
    "moga/2": PaperFigure(("measured-*", "targets-*"), "--against RUN2, a run of the same space on another target"),
    "moga/3": PaperFigure(("evolution",), "nothing"),
    "moga/4": PaperFigure(("predicted-*",), "a validation (moga validate RUN)"),
    "moga/6": PaperFigure(("search-cost",), "nothing"),
    "moga/7": PaperFigure(("fronts-compared*", "progress-compared*"), "two searches over the same metrics (--search)"),
    "moga/8": PaperFigure(("architectures",), "nothing; --network names the networks"),
    "moga/9": PaperFigure(("params-compared*",), "two searches over the same metrics (--search)"),
    "mnasnet/2": PaperFigure(("rewards",), "nothing"),
    "mnasnet/4": PaperFigure(
        ("scaling-latency-*", "scaling-accuracy-*", "scaling"), "a comparison at several scales (--comparison)"
    ),
    "mnasnet/5": PaperFigure(
        ("samples", "rewards-by-step"), "a search by a controller (moga search --engine ppo --set target_ms=T)"
    ),
    "mnasnet/6": PaperFigure(
        ("scaling-accuracy-*",), "a comparison of one network at several scales with accuracies (--comparison)"
    ),
    "mnasnet/7": PaperFigure(("architectures",), "nothing; --network names the networks"),
    "multi-hardware/1": PaperFigure(("accuracy-by-metric",), "a comparison with accuracies (--comparison)"),
    "multi-hardware/2": PaperFigure(
        ("time-by-layer*",), "rows of the networks (--network) in the tables of RUN and --against"
    ),
    "multi-hardware/3": PaperFigure(("normalised",), "a comparison (--comparison)"),
    "multi-hardware/4": PaperFigure(("predicted-by-target",), "fits (moga fit) of RUN and of --against"),
    "multi-hardware/5": PaperFigure(("accuracy-by-target",), "a comparison with accuracies (--comparison)"),
    "multi-hardware/6": PaperFigure(("accuracy-by-target",), "a comparison with the other devices (--comparison)"),
    "multi-hardware/7": PaperFigure(("architectures",), "nothing; --network names the networks"),
}
"""By paper and number; docs/papers.md says what differs from the paper's."""


def chosen_figures(drawn: Sequence[Drawn], numbers: Sequence[str]) -> list[Drawn]:
    """Return the figures that stand for those of the papers, in the order of `drawn`; all where none is named.

    Raises:
        InputError: no figure of a paper has such a number here, or the run lacks what it needs.
    """
    if not numbers:
        return list(drawn)
    names: set[str] = set()
    for number in numbers:
        if number not in PAPER_FIGURES:
            raise InputError(unknown_name("figure", number, PAPER_FIGURES))
        wanted = PAPER_FIGURES[number]
        found = {one.name for one in drawn if any(fnmatch.fnmatch(one.name, each) for each in wanted.patterns)}
        if number == "moga/4":  # one panel a target is the other paper's
            found.discard("predicted-by-target")
        if not found:
            raise InputError(f"figure {number} cannot be drawn from this run; it needs {wanted.needs}")
        names |= found
    return [one for one in drawn if one.name in names]
