"""Whether a phone computes the right answer: seeded input pushed, the output fetched and judged on this computer."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mogakit import files
from mogakit.android_runner import commands, delegation
from mogakit.android_runner.commands import Call
from mogakit.android_runner.computing import TOOLS, Array, cannot, read_outputs, write_input
from mogakit.android_runner.detached import Finished
from mogakit.android_runner.parsers.common import tail
from mogakit.android_runner.references import reference_of
from mogakit.android_runner.targets import find_row
from mogakit.bench.agreement import DeviceAgreement, Verdict, judge, limits_for, not_checked
from mogakit.bench.measurement import DelegationKind
from mogakit.bench.runner import Job
from mogakit.errors import ExportError, InputError, MeasurementError


class Computer(Protocol):
    """What runs a file on given input; `PhoneRunner` is one."""

    def compute(self, job: Job, inputs: Sequence[Path]) -> tuple[Call, Finished]:
        """Run one file once on the contents of `inputs`."""


def check_agreement(phone: Computer, job: Job) -> DeviceAgreement:
    """Return how a file's output on a phone agrees with what this computer makes of the same input.

    Where the tool cannot do that, fails, or ran on other hardware than the target's, nothing is said of the answer: the
    record says that it was not checked, and why.

    Raises:
        InputError: the file is not what its target runs.
        DeviceError: the phone went away for good.
    """
    tool = find_row(job.target).tool
    try:
        reference = reference_of(job.artifact) if tool in TOOLS else None
    except InputError as error:
        return not_checked(str(error))
    if reference is None:
        return not_checked(f"{tool} has no flag that writes the output")
    reason = cannot(reference.artifact, tool)
    if reason is not None:
        return not_checked(reason)
    try:
        asked = reference.questions()
    except (InputError, ExportError) as error:
        return not_checked(f"this computer does not run the file: {error}")
    with files.scratch() as folder:
        inputs = [folder / f"input{index}.raw" for index in range(len(asked.inputs))]
        for value, path in zip(asked.inputs, inputs, strict=True):
            write_input(value, path)
        try:
            call, finished = phone.compute(job, inputs)
        except MeasurementError as error:
            return not_checked(str(error))
    failure = _failure(call, finished)
    if failure is not None:
        return not_checked(failure)
    try:
        found = read_outputs(finished.answers, asked.expected[0])
    except MeasurementError as error:
        return DeviceAgreement(verdict=Verdict.WRONG_OUTPUT, reference=reference.name, reason=str(error))
    limits = limits_for(job.target)
    judged = [judge(expected, _as_in(found, expected), limits, reference.name) for expected in asked.expected]
    return min(judged, key=lambda one: (one.wrong, math.inf if one.relative is None else one.relative))


def _as_in(found: Sequence[Array], expected: Sequence[Array]) -> list[Array]:
    """Return what was found in the order of axes of another reading."""
    return [ours.reshape(theirs.shape) for ours, theirs in zip(found, expected, strict=True)]


def _failure(call: Call, finished: Finished) -> str | None:
    """Return why a run says nothing of the target's answer, or None."""
    tool = call.row.tool
    if finished.exit_code is None or finished.cut:
        return f"{tool} did not end within {call.length.deadline_s:g} s, or printed without end"
    if finished.exit_code:
        return f"{tool} failed with exit code {finished.exit_code}: {tail(finished.output)}"
    ignored = delegation.ignored_flags(finished.output)
    if ignored:
        return f"this build of {tool} does not know {ignored}"
    verdict = commands.verdict_of(call, finished.output)
    if verdict.kind is DelegationKind.NONE:
        return f"the file did not run on {call.target.hardware}: {verdict.reason or verdict}"
    return None
