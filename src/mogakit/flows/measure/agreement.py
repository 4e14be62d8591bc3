"""Ask a device for its answers before it is timed: once a file and target, outside every timing window."""

from collections.abc import Sequence
from enum import StrEnum

from mogakit.bench.agreement import DeviceAgreement, Verdict
from mogakit.bench.journal import Journal
from mogakit.bench.runner import ComputesOnInput, Job, Runner
from mogakit.export.artifact import Role
from mogakit.progress import Progress


class AgreementScope(StrEnum):
    """Of which files the output is compared with the reference's."""

    NETWORKS = "networks"
    ALL = "all"
    OFF = "off"


def check_agreements(
    jobs: Sequence[Job], runner: Runner, journal: Journal, scope: AgreementScope, progress: Progress
) -> None:
    """Compare what is not in the journal yet, and keep each result there.

    A file that could not be checked is tried again when a run goes on. This computer is not asked: its runtimes are the
    reference, and an exported file's manifest holds its agreement with torch.

    Raises:
        InputError: a file is not what its target runs, or the journal is of another tool or device.
        DeviceError: the phone went away; what was compared is kept.
    """
    if scope is AgreementScope.OFF or not isinstance(runner, ComputesOnInput):
        return
    known = {key for key, one in journal.agreements().items() if one.verdict is not Verdict.NOT_CHECKED}
    wanted = [
        job
        for job in jobs
        if (scope is AgreementScope.ALL or job.artifact.role is Role.NETWORK)
        and (job.artifact.sha256, str(job.target)) not in known
    ]
    for target in dict.fromkeys(job.target for job in wanted):
        journal.claim(target, runner.identity(target))
    for index, job in enumerate(wanted):
        progress(index, len(wanted), f"output of {job.artifact.name}")
        journal.keep_agreement(job.artifact.sha256, job.target, runner.agreement(job))


def by_name(jobs: Sequence[Job], journal: Journal) -> dict[str, DeviceAgreement]:
    """Return what is known of the outputs of whole networks, by the network's name."""
    known = journal.agreements()
    found = {
        job.artifact.name: known.get((job.artifact.sha256, str(job.target)))
        for job in jobs
        if job.artifact.role is Role.NETWORK
    }
    return {name: agreement for name, agreement in sorted(found.items()) if agreement is not None}


def warnings_of(agreements: dict[str, DeviceAgreement]) -> tuple[str, ...]:
    """Return a warning for each network whose output is wrong."""
    return tuple(
        f"{name}: {agreement}; a device that computes this one wrongly may do so with what the table holds"
        for name, agreement in agreements.items()
        if agreement.wrong
    )
