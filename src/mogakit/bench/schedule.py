"""The schedule: which file is timed when, on any runner, and when it is enough.

A *round* is a fresh process (this computer) or deployment (phone); in a round every file is visited once a *pass*, in
an order drawn from the seed, with the sentinel among them; a pass is cut into timing *windows*. Blocks and networks
thus share every disturbance. What comes next depends on the plan and the journal alone, so that a killed run resumes.

A plan is measured window by window (`plan_steps`), so that several plans of one phone can take turns.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

from mogakit.bench.drift import drifted_windows, readings
from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Status
from mogakit.bench.precision import share_wider_than
from mogakit.bench.runner import Job, Runner, Session
from mogakit.errors import InputError, MeasurementError
from mogakit.progress import Progress, silent

T = TypeVar("T")


class StopReason(StrEnum):
    """Why a run ended."""

    PRECISE = "precise"  # the intervals are as narrow as was asked
    ROUNDS = "rounds"  # every planned round is measured; some intervals are still wider than asked
    BUDGET = "budget"  # the time was spent before every planned round was measured


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured, and how well.

    Attributes:
        sentinel: one of `jobs`, visited `num_sentinels` times a pass to see the machine's drift; None for no watch.
        num_rounds: rounds that are measured at least; `max_rounds` at most, while intervals are too wide.
        num_passes: passes of each round.
        precision: half-width of the bootstrap interval over the mean (a share) that `enough_share` of the files must
            reach for the run to count as precise.
        drift_limit: by how much (a share) the sentinel may be off before its window counts as drifted.
        max_repaired: at most this share of a round's windows is measured again because it drifted.
        budget_s: seconds that this call may take, shared evenly by the rounds; None for no limit. Time in which other
            plans have their turn does not count.
    """

    jobs: tuple[Job, ...]
    sentinel: Job | None = None
    num_rounds: int = 3
    max_rounds: int = 3
    num_passes: int = 10
    num_sentinels: int = 4
    precision: float = 0.01
    enough_share: float = 0.9
    drift_limit: float = 0.03
    max_repaired: float = 0.3
    budget_s: float | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended. Windows are counted over the whole journal; `num_measured` only those of this call."""

    stopped: StopReason
    num_rounds: int
    num_windows: int
    num_measured: int
    num_drifted: int
    wide_share: float
    seconds: float


@dataclass(frozen=True)
class Step:
    """How far a plan is after one of its windows; windows are counted over the whole journal.

    Attributes:
        num_planned: as far as is known: drifted windows and imprecise rounds add more.
        left_s: about how long the rest takes, if no other plan has a turn.
    """

    round: int
    num_done: int
    num_planned: int
    left_s: float

    def tell(self, progress: Progress) -> None:
        """Report how far it is."""
        progress(self.num_done, self.num_planned, f"round {self.round + 1}, about {_minutes(self.left_s)} left")


@dataclass(frozen=True)
class Window:
    """A timing window of a round: its number and the jobs in the order of their visits."""

    number: int
    jobs: tuple[Job, ...]


def pass_windows(plan: Plan, jobs_per_window: int | None, round_number: int, pass_number: int) -> list[Window]:
    """Return the windows of one pass. The order depends on the seed, the round and the pass alone."""
    rng = np.random.default_rng([plan.seed, round_number, pass_number])
    others = [job for job in plan.jobs if job != plan.sentinel]
    order = [others[index] for index in rng.permutation(len(others))]
    if plan.sentinel is not None:
        places = np.linspace(0, len(order), max(plan.num_sentinels, 1)).round().astype(int)
        for place in reversed(places.tolist()):
            order.insert(place, plan.sentinel)
    size = jobs_per_window or len(order)
    groups = [tuple(order[start : start + size]) for start in range(0, len(order), size)]
    first = pass_number * len(groups)
    return [Window(first + index, group) for index, group in enumerate(groups)]


def round_windows(plan: Plan, jobs_per_window: int | None, round_number: int) -> list[Window]:
    """Return the planned windows of a round, without repairs."""
    passes = range(plan.num_passes)
    return [window for number in passes for window in pass_windows(plan, jobs_per_window, round_number, number)]


def repair_windows(plan: Plan, planned: Sequence[Window], drifted: frozenset[int]) -> list[Window]:
    """Return windows that measure again what drifted, numbered after the planned ones, between two sentinels each."""
    again = [window for window in planned if window.number in drifted and window.jobs != (plan.sentinel,)]
    again = again[: int(plan.max_repaired * len(planned))]
    groups = [window.jobs for window in again]
    if again and plan.sentinel is not None and plan.sentinel not in again[0].jobs:
        groups = [(plan.sentinel,), *groups, (plan.sentinel,)]
    first = len(planned)
    return [Window(first + index, jobs) for index, jobs in enumerate(groups)]


def run_plan(plan: Plan, runner: Runner, journal: Journal, progress: Progress = silent) -> Outcome:
    """Measure what the journal does not hold yet, until it is precise enough or the rounds or the budget are spent.

    Raises:
        InputError: a target cannot be measured on this runner, or the journal is of another device.
        DeviceError, MeasurementError: from the runner; what was written before stands.
    """
    return run_steps(plan_steps(plan, runner, journal), progress)


def run_steps(steps: Generator[Step, None, T], progress: Progress) -> T:
    """Take one step after the other and return what they come to; `steps` is closed however that ends."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            step.tell(progress)


def plan_steps(plan: Plan, runner: Runner, journal: Journal) -> Generator[Step, None, Outcome]:
    """Do what `run_plan` does, pausing after every window. Whoever does not go on to the end must close it.

    Raises:
        InputError, DeviceError, MeasurementError: as `run_plan`.
    """
    _check(plan, runner, journal)
    run = _Run(plan, runner, journal)
    number, in_time, wide = 0, True, 1.0
    while number < plan.max_rounds:
        if number >= plan.num_rounds and wide <= 1 - plan.enough_share:
            break
        in_time = (yield from run.measure_round(number)) and in_time
        number += 1
        if not run.clock.has_time(plan.num_rounds):
            break
        if number >= plan.num_rounds:
            wide = share_wider_than(journal.measurements(statuses=[Status.OK]), plan.precision, plan.seed)
    if not in_time or number < plan.num_rounds:
        wide = share_wider_than(journal.measurements(statuses=[Status.OK]), plan.precision, plan.seed)
    finished = {(unit[0], unit[1]) for unit in journal.finished()}
    drifted = {(unit.round, unit.window) for unit in journal.measurements(statuses=[Status.DRIFTED])}
    stopped = StopReason.PRECISE if wide <= 1 - plan.enough_share else StopReason.ROUNDS
    if not in_time or number < plan.num_rounds:
        stopped = StopReason.BUDGET
    return Outcome(
        stopped=stopped,
        num_rounds=number,
        num_windows=len(finished),
        num_measured=run.num_measured,
        num_drifted=len(drifted),
        wide_share=wide,
        seconds=run.clock.elapsed_s,
    )


def _check(plan: Plan, runner: Runner, journal: Journal) -> None:
    if not plan.jobs:
        raise InputError("there is nothing to measure: the plan holds no file")
    for target in dict.fromkeys(job.target for job in plan.jobs):
        reason = runner.unsupported(target)
        if reason is not None:
            raise InputError(f"{target}: {reason}")
        journal.claim(target, runner.identity(target))
    journal.add_artifacts(job.artifact for job in plan.jobs)


class _BudgetClock:
    """Seconds that a plan took since the start, and whether the budget allows another window of a round."""

    def __init__(self, plan: Plan) -> None:
        self._started = time.monotonic()
        self._plan = plan

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave out the time that passes meanwhile."""
        elapsed_s = self.elapsed_s
        yield
        self._started = time.monotonic() - elapsed_s

    def has_time(self, rounds_begun: int, next_s: float = 0.0) -> bool:
        """Return whether something of `next_s` seconds fits in the budget of the started rounds."""
        if self._plan.budget_s is None:
            return True
        share = min(rounds_begun / self._plan.num_rounds, 1.0)
        return self.elapsed_s + next_s <= self._plan.budget_s * share


class _Run:
    """One call of `plan_steps`."""

    def __init__(self, plan: Plan, runner: Runner, journal: Journal) -> None:
        self._plan = plan
        self._runner = runner
        self._journal = journal
        finished = {(unit[0], unit[1]) for unit in journal.finished()}
        of_round = len(round_windows(plan, runner.jobs_per_window, 0))
        added = sum(number >= plan.num_rounds or window >= of_round for number, window in finished)
        self._done = len(finished)
        self._planned = plan.num_rounds * of_round + added
        self.clock = _BudgetClock(plan)
        self.num_measured = 0

    def measure_round(self, number: int) -> Generator[Step, None, bool]:
        """Measure what is missing of a round; return False where the budget ended it early."""
        planned = round_windows(self._plan, self._runner.jobs_per_window, number)
        repairs = repair_windows(self._plan, planned, self._judge(number))
        missing = self._missing(number, planned)
        if not missing and not self._missing(number, repairs):
            return True
        if number >= self._plan.num_rounds:
            self._planned += len(missing)
        with self._runner.session(self._plan.jobs, number, self._plan.seed) as session:
            if not (yield from self._measure_windows(session, number, missing)):
                return False
            repairs = self._missing(number, repair_windows(self._plan, planned, self._judge(number)))
            self._planned += len(repairs)
            return (yield from self._measure_windows(session, number, repairs))

    def _missing(self, number: int, windows: Sequence[Window]) -> list[Window]:
        finished = {unit[1] for unit in self._journal.finished() if unit[0] == number}
        return [window for window in windows if window.number not in finished]

    def _measure_windows(self, session: Session, number: int, windows: Sequence[Window]) -> Generator[Step, None, bool]:
        longest_s = 0.0
        for window in windows:
            if not self.clock.has_time(number + 1, longest_s):
                return False
            started = time.monotonic()
            measurements = list(session.measure(window.jobs, window.number))
            if not measurements:
                raise MeasurementError(f"window {window.number} of round {number} gave no measurement")
            self._journal.append(measurements)
            longest_s = max(longest_s, time.monotonic() - started)
            self.num_measured += 1
            self._done += 1
            if self._plan.sentinel in window.jobs:
                self._judge(number)
            step = self._step(number, time.monotonic() - started)
            with self.clock.stopped():
                yield step
        return True

    def _judge(self, number: int) -> frozenset[int]:
        """Mark the drifted windows of a round and return those among the planned ones."""
        if self._plan.sentinel is None:
            return frozenset()
        sentinel = self._plan.sentinel
        taken = readings(self._journal.measurements(sentinel.target, number, artifact_sha256=sentinel.artifact.sha256))
        drifted = drifted_windows(taken, self._plan.drift_limit)
        self._journal.mark(number, drifted, Status.DRIFTED)
        return drifted

    def _step(self, number: int, window_s: float) -> Step:
        left_s = window_s * (self._planned - self._done)
        if self._plan.budget_s is not None:
            left_s = min(left_s, max(self._plan.budget_s - self.clock.elapsed_s, 0.0))
        return Step(number, self._done, self._planned, left_s)


def _minutes(seconds: float) -> str:
    """Return a duration for people: `45 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
