"""Which operators of a file leave a hardware, why, and what would fix it."""

from dataclasses import dataclass

from mogakit.export.artifact import Precision
from mogakit.export.support.entry import Answer, Hardware
from mogakit.export.support.tables import TABLES
from mogakit.export.support.usage import Operators

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
    found: list[Finding] = []
    sources: dict[str, None] = {}
    runs: list[bool] = []
    wanted = precision or operators.precision
    for usage in operators.usages:
        entry = table.operators.get(usage.operator, table.absent)
        sources[entry.source.page] = None
        fulfilled = entry.condition in usage.holds
        answer = entry.answer if fulfilled else Answer.NO
        runs.append(answer is Answer.YES)
        if answer is not Answer.YES:
            reason = entry.source.text if fulfilled else f"supported only where {entry.condition}"
            remedy = _REMEDIES.get(usage.operator, "")
            found.append(
                Finding(
                    layer=usage.layer,
                    operator=usage.operator,
                    answer=answer,
                    reason=reason,
                    source=entry.source.page,
                    remedy=remedy,
                )
            )
    if wanted not in table.precisions:
        supported = ", ".join(sorted(table.precisions))
        reason = f"takes {supported} files, this one is {wanted}"
        found.append(
            Finding(
                layer="(file)",
                operator="-",
                answer=Answer.NO,
                reason=reason,
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


def natural_precision(hardware: Hardware) -> Precision:
    """Return the precision in which a network would be exported for a hardware."""
    return Precision.FLOAT32 if Precision.FLOAT32 in TABLES[hardware].precisions else Precision.INT8
