"""Check a bundle's files on a phone: whether its hardware computes what this computer computes of the same input."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mogakit.android_runner.targets import all_rows, check_file, find_row
from mogakit.bench.agreement import Verdict
from mogakit.bench.runner import ComputesOnInput, Job, Runner
from mogakit.bench.target import FORMATS, Target
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact
from mogakit.export.bundle.layout import damages, load
from mogakit.flows.deploy.ship_check import Check
from mogakit.progress import Progress, silent


def check_on_device(
    folder: Path, runner: Runner, targets: Sequence[Target] = (), progress: Progress = silent
) -> list[Check]:
    """Run every file of a bundle on the targets that take it and compare its output with this computer's.

    Args:
        targets: every plain target for which the device has what it needs where there is none.

    Raises:
        InputError: `folder` is not a bundle or damaged, the device cannot be given an input, it has nothing that a
            target needs, or no file of the bundle fits a target.
        DeviceError: the device went away.
    """
    if not isinstance(runner, ComputesOnInput):
        raise InputError("this device's tools cannot be given an input; name a phone with --device")
    if damages(folder):
        raise InputError(f"{folder} is damaged, so its files are not run; see: moga ship --check {folder}")
    for target in targets:
        missing = runner.unsupported(target)
        if missing is not None:
            raise InputError(f"{target}: {missing}")
    artifacts = [replace(item, path=folder / item.path) for item in load(folder).artifacts]
    chosen = tuple(targets) or tuple(target for target in _plain_targets() if runner.unsupported(target) is None)
    jobs = [Job(artifact, target) for target in chosen for artifact in artifacts if _fits(artifact, target)]
    if not jobs:
        named = ", ".join(map(str, targets)) or "any target that is set up on the device (moga devices)"
        raise InputError(f"no file of {folder} runs on {named}")
    checks = []
    for index, job in enumerate(jobs):
        progress(index, len(jobs), f"{job.artifact.path.name} on {job.target}")
        found = runner.agreement(job)
        passed = None if found.verdict is Verdict.NOT_CHECKED else not found.wrong
        name = job.artifact.path.relative_to(folder).as_posix()
        checks.append(Check(name, f"output on {job.target}", passed, str(found)))
    return checks


def _plain_targets() -> Iterator[Target]:
    """Yield each way of computing once, without options: what a person would name first."""
    seen = set()
    for row in all_rows():
        for precision in row.files:
            target = Target(row.runtime, row.hardware, precision)
            if target in seen or row.requires or any(value for _, value in row.when):
                continue
            seen.add(target)
            yield target


def _fits(artifact: Artifact, target: Target) -> bool:
    """Return whether a target runs a file as what it is: a bundle holds files for all of them."""
    if artifact.format is not FORMATS[target.runtime]:
        return False
    try:
        check_file(target, find_row(target), artifact.format, artifact.precision, artifact.name)
    except InputError:
        return False
    return True
