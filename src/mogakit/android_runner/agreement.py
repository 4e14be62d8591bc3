"""Whether a phone computes the right answer: seeded input pushed, the output fetched and judged on this computer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mogakit import files
from mogakit.android_runner import commands, delegation
from mogakit.android_runner.commands import Call
from mogakit.android_runner.computing import cannot, read_outputs, seeded_values, write_input
from mogakit.android_runner.detached import Finished
from mogakit.android_runner.parsers.common import tail
from mogakit.android_runner.targets import find_row
from mogakit.bench.agreement import DeviceAgreement, Verdict, judge, limits_for, not_checked
from mogakit.bench.measurement import DelegationKind
from mogakit.bench.runner import Job
from mogakit.errors import ExportError, InputError, MeasurementError
from mogakit.export.run import run, runtime_of


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
    artifact = job.artifact
    reason = cannot(artifact, find_row(job.target).tool)
    if reason is not None:
        return not_checked(reason)
    try:
        values = seeded_values(artifact)
        expected = run(artifact.path, artifact.format, values)
    except (InputError, ExportError) as error:
        return not_checked(f"this computer does not run the file: {error}")
    with files.scratch() as folder:
        inputs = [folder / f"input{index}.raw" for index in range(len(values))]
        for value, path in zip(values, inputs, strict=True):
            write_input(value, path)
        try:
            call, finished = phone.compute(job, inputs)
        except MeasurementError as error:
            return not_checked(str(error))
    failure = _failure(call, finished)
    if failure is not None:
        return not_checked(failure)
    reference = runtime_of(artifact.format)
    try:
        found = read_outputs(finished.answers, expected)
    except MeasurementError as error:
        return DeviceAgreement(verdict=Verdict.WRONG_OUTPUT, reference=reference, reason=str(error))
    return judge(expected, found, limits_for(job.target), reference)


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
