"""What is left of a search space when it must run on several hardware (multi-hardware paper, arXiv 2008.08178, eq. 1).

The paper intersects what each hardware can run. The fixed parts count too: where the stem cannot run, nothing of the
space can, however many choices could.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from mogakit.export.support.entry import Answer, Hardware
from mogakit.export.support.network import check_block
from mogakit.export.support.report import Report
from mogakit.nets.block import Block
from mogakit.nets.spaces import SlotSpace, get_space, space_names


@dataclass(frozen=True)
class Blocked:
    """A block that does not surely run on one of the hardware."""

    key: str
    hardware: Hardware
    answer: Answer
    operators: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Intersection:
    """A space cut down to what runs everywhere.

    Attributes:
        slots: of each slot, the indices of the choices that run on every hardware.
        blocked: fixed parts first, then choices.
        blocked_fixed: how many of `blocked` are fixed parts; one is enough to leave nothing.
        size: number of networks left.
        suggestion: a space of the kit in which networks are left, None where there is none or none is needed.
    """

    space: str
    hardware: tuple[Hardware, ...]
    slots: tuple[tuple[int, ...], ...]
    blocked: tuple[Blocked, ...]
    blocked_fixed: int
    size: int
    suggestion: str | None


def intersect(space: SlotSpace, hardware: Sequence[Hardware]) -> Intersection:
    """Cut `space` down to what surely runs on every hardware; an unknown operator counts as one that does not."""
    found = _intersect(space, hardware)
    if found.size:
        return found
    relu = f"{space.name}-relu"
    if relu in space_names():
        other = get_space(relu).slotted
        if other is not None and _intersect(other, hardware).size:
            return replace(found, suggestion=relu)
    return found


def _intersect(space: SlotSpace, hardware: Sequence[Hardware]) -> Intersection:
    fixed = [item for block in space.fixed_blocks for item in _blocked(block, hardware)]
    choices = [item for block in space.choice_blocks for item in _blocked(block, hardware)]
    rejected = {item.key for item in choices}
    slots = tuple(tuple(index for index, block in enumerate(slot) if block.key not in rejected) for slot in space.slots)
    return Intersection(
        space=space.name,
        hardware=tuple(hardware),
        slots=slots,
        blocked=(*fixed, *choices),
        blocked_fixed=len(fixed),
        size=0 if fixed else prod(len(slot) for slot in slots),
        suggestion=None,
    )


def _blocked(block: Block, hardware: Sequence[Hardware]) -> list[Blocked]:
    reports: list[Report] = [check_block(block, one) for one in hardware]
    return [
        Blocked(block.key, report.hardware, report.answer, tuple(sorted({item.operator for item in report.findings})))
        for report in reports
        if not report.runs
    ]
