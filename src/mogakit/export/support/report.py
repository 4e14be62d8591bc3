"""Which operators of a file leave a hardware, why, and what would fix it."""

from collections.abc import Sequence
from dataclasses import dataclass

from mogakit.export.artifact import Precision
from mogakit.export.support.entry import Answer, Condition, Entry, Hardware
from mogakit.export.support.tables import TABLES
from mogakit.export.support.usage import Operators, Usage

_REMEDIES: dict[str, str] = {
    "HARD_SWISH": "use ReLU in place of h-swish",
    "LOGISTIC": "use the h-sigmoid gate in place of the sigmoid",
    "Reshape": "keep tensors four-dimensional, as the kit's own MACE files do",
    "MatMul": "write the linear layer as FullyConnected on four dimensions, as the kit's own MACE files do",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One operator that does not surely run there.

    Attributes:
        answer: no or unknown.
        reason: what the source says, or the condition that is not fulfilled.
        source: where that was read.
        remedy: what would fix it, empty where nothing is known.
    """

    layer: str
    operator: str
    answer: Answer
    reason: str
    source: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The answer for one file on one hardware.

    Attributes:
        answer: no if one operator is rejected; else unknown if one is unknown; else yes.
        num_operators, num_partitions: of the whole file, and how many runs of operators stay on the hardware.
        sources: every page that an answer rests on, also for the operators that run.
        caveat: what the tables cannot decide.
    """

    hardware: Hardware
    answer: Answer
    num_operators: int
    num_running: int
    num_partitions: int
    findings: tuple[Finding, ...]
    sources: tuple[str, ...]
    caveat: str

    @property
    def runs(self) -> bool:
        """Return whether every operator surely runs there."""
        return self.answer is Answer.YES


def check(operators: Operators, hardware: Hardware, precision: Precision | None = None) -> Report:
    """Look every operator up.

    Args:
        precision: that the file will have once it is exported for the hardware; None means the one it has.
    """
    table = TABLES[hardware]
    listed, absent = table.others.get(operators.format, (table.operators, table.absent))
    found: list[Finding] = []
    sources: dict[str, None] = {}
    runs: list[bool] = []
    for usage in operators.usages:
        entry, answer, reason = _looked_up(usage, listed.get(usage.operator, (absent,)), table.unmet)
        sources[entry.source.page] = None
        runs.append(answer is Answer.YES)
        if answer is not Answer.YES:
            found.append(
                Finding(
                    layer=usage.layer,
                    operator=usage.operator,
                    answer=answer,
                    reason=reason,
                    source=entry.source.page,
                    remedy=_REMEDIES.get(usage.operator, ""),
                )
            )
    wanted = precision or operators.precision
    if table.precisions is not None and wanted not in table.precisions:
        supported = ", ".join(sorted(table.precisions))
        found.append(
            Finding(
                layer="(file)",
                operator="-",
                answer=table.other_precision,
                reason=f"takes {supported} files, this one is {wanted}",
                source=next(iter(sources), ""),
                remedy=f"export it as {supported}",
            )
        )
    answers = {finding.answer for finding in found}
    verdict = Answer.NO if Answer.NO in answers else Answer.UNKNOWN if answers else Answer.YES
    starts = sum(1 for before, now in zip([False, *runs], runs, strict=False) if now and not before)
    return Report(
        hardware=hardware,
        answer=verdict,
        num_operators=len(runs),
        num_running=sum(runs),
        num_partitions=starts,
        findings=tuple(found),
        sources=tuple(sources),
        caveat=table.caveat,
    )


def _looked_up(usage: Usage, entries: Sequence[Entry], unmet: Answer) -> tuple[Entry, Answer, str]:
    """Return the entry that decides an operator, its answer, and why where that is not a yes."""
    if Condition.NO_TEXT not in usage.holds:
        return entries[0], Answer.NO, f"supported only where {Condition.NO_TEXT}"
    holding = [entry for entry in entries if usage.holds.issuperset(entry.conditions)]
    for answer in (Answer.YES, Answer.NO, Answer.UNKNOWN):
        for entry in holding:
            if entry.answer is answer:
                return entry, answer, entry.source.text
    nearest = min(entries, key=lambda entry: (entry.answer is not Answer.YES, _missing(usage, entry)))
    reason = " and ".join(condition for condition in nearest.conditions if condition not in usage.holds)
    return nearest, unmet, f"supported only where {reason}"


def _missing(usage: Usage, entry: Entry) -> int:
    return sum(condition not in usage.holds for condition in entry.conditions)


def natural_precision(hardware: Hardware) -> Precision:
    """Return the precision in which a network would be exported for a hardware."""
    return TABLES[hardware].natural
