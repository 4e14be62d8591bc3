"""The targets of one device by turns: a window of one, then of another, until each has its table.

Drift and heat thus fall on all targets alike. Each keeps a run of its own (folder, journal, plan, budget, precision),
and what comes next within it depends on that run alone; only whose turn it is, is drawn. A run's chance is in
proportion to the windows that it has left, which amounts to shuffling the windows of all runs evenly into one order.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mogakit.bench.runner import Runner
from mogakit.bench.schedule import Step
from mogakit.errors import DeviceError, MogaKitError
from mogakit.flows.measure.operator_profiles import profile_operators
from mogakit.flows.measure.profile import ProfileRequest, ProfileResult, profile_steps
from mogakit.progress import Progress

_TURNS = 3  # names the stream of random numbers, beside those that draw networks


@dataclass(frozen=True)
class TargetOutcome:
    """The outcome of one device and target: a table, or why there is none; both where what came after it failed."""

    request: ProfileRequest
    result: ProfileResult | None = None
    error: MogaKitError | OSError | None = None


def profile_by_turns(
    requests: Sequence[ProfileRequest],
    runner: Runner,
    progress: Progress,
    exported: Mapping[ProfileRequest, Path],
    per_op: bool = False,
) -> list[TargetOutcome]:
    """Profile several targets of one device; a run that fails does not stop the others.

    Args:
        progress: of the device, all its targets together; what it raises ends them all.
        exported: files that need not be exported again; see `profile`.
        per_op: then also time operators, target by target, in processes of their own.
    """
    runs = [_Run(request, runner, progress, exported.get(request), per_op) for request in requests]
    rng = np.random.default_rng([requests[0].seed, _TURNS])
    with ExitStack() as stack:
        for run in runs:
            stack.enter_context(closing(run.steps))
        while waiting := _waiting(runs):
            run = _drawn(waiting, rng)
            try:
                run.advance()
            except (MogaKitError, OSError) as error:
                run.error = error
                if isinstance(error, DeviceError):
                    _give_up_if_gone(runner, _waiting(runs))
            if run.step is not None and run.result is None and run.error is None:
                _whole(run.step, runs).tell(run.tell)
    return [TargetOutcome(run.request, run.result, run.error) for run in runs]


class _Run:
    """One target's run and how far it is."""

    def __init__(
        self, request: ProfileRequest, runner: Runner, progress: Progress, exported: Path | None, per_op: bool
    ) -> None:
        self.request = request
        self.steps = profile_steps(request, runner, self.tell, exported)
        self.step: Step | None = None
        self.result: ProfileResult | None = None
        self.error: MogaKitError | OSError | None = None
        self.wants_operators = per_op
        self._runner = runner
        self._progress = progress

    def tell(self, done: int, total: int, note: str) -> None:
        """Report how far the device is, and which target is measured."""
        self._progress(done, total, f"{self.request.target}: {note}")

    def advance(self) -> None:
        """Measure a window, or make the table after the last one, or time the operators after that."""
        if self.result is not None:
            profile_operators(self.request.folder, self._runner, progress=self.tell)
            self.wants_operators = False
            return
        try:
            self.step = next(self.steps)
        except StopIteration as end:
            self.result = end.value
            if self.step is not None:
                self.step = replace(self.step, num_planned=self.step.num_done, left_s=0.0)


def _waiting(runs: Sequence[_Run]) -> list[_Run]:
    """Return the runs that are to go on: those without a table, and when all are made, those without operators."""
    sound = [run for run in runs if run.error is None]
    return [run for run in sound if run.result is None] or [run for run in sound if run.wants_operators]


def _drawn(waiting: Sequence[_Run], rng: np.random.Generator) -> _Run:
    """Draw whose turn it is."""
    left = np.array([0 if run.step is None else run.step.num_planned - run.step.num_done for run in waiting])
    if not left.all():
        return waiting[int(left.argmin())]  # whether it has more to measure shows only when it goes on
    return waiting[int(rng.choice(len(left), p=left / left.sum()))]


def _whole(latest: Step, runs: Sequence[_Run]) -> Step:
    """Return how far all runs are together, those that failed left out."""
    steps = [run.step for run in runs if run.step is not None and run.error is None]
    return Step(
        latest.round,
        sum(step.num_done for step in steps),
        sum(step.num_planned for step in steps),
        sum(step.left_s for step in steps),
    )


def _give_up_if_gone(runner: Runner, waiting: Sequence[_Run]) -> None:
    """Let the others fail too where the device no longer answers: each would wait for it."""
    try:
        runner.conditions()
    except DeviceError as gone:
        for run in waiting:
            run.error = gone
