"""What a schedule measures, in which order, when it stops, and how it goes on."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Status
from mogakit.bench.runner import Job
from mogakit.bench.schedule import Plan, StopReason, pass_windows, plan_steps, round_windows, run_plan, run_steps
from mogakit.bench.target import parse_target
from mogakit.errors import InputError
from mogakit.progress import silent

MakeDevice = Callable[..., Any]


def names(window_jobs: tuple[Job, ...]) -> list[str]:
    return [job.artifact.name for job in window_jobs]


def test_a_pass_on_a_computer_is_one_window_with_every_file_once_and_the_sentinel_often(jobs: list[Job]) -> None:
    plan = Plan(jobs=tuple(jobs), sentinel=jobs[-1], num_sentinels=3)
    (window,) = pass_windows(plan, None, 0, 0)
    assert Counter(names(window.jobs)) == {**{job.artifact.name: 1 for job in jobs[:-1]}, jobs[-1].artifact.name: 3}
    assert window.jobs[0] == jobs[-1] and window.jobs[-1] == jobs[-1]


def test_a_pass_on_a_phone_has_one_file_a_window_and_windows_are_numbered_through(jobs: list[Job]) -> None:
    plan = Plan(jobs=tuple(jobs), sentinel=jobs[-1], num_sentinels=3, num_passes=2)
    windows = round_windows(plan, 1, 0)
    assert [window.number for window in windows] == list(range(2 * 8))
    assert all(len(window.jobs) == 1 for window in windows)


def test_order_depends_on_seed_round_and_pass_alone(jobs: list[Job]) -> None:
    plan = Plan(jobs=tuple(jobs), seed=5)
    orders = {
        (number, turn): names(pass_windows(plan, None, number, turn)[0].jobs) for number in (0, 1) for turn in (0, 1)
    }
    assert orders[0, 0] == names(pass_windows(plan, None, 0, 0)[0].jobs)
    assert len({tuple(order) for order in orders.values()}) > 1
    assert names(pass_windows(Plan(jobs=tuple(jobs), seed=6), None, 0, 0)[0].jobs) != orders[0, 0]


@pytest.mark.parametrize("jobs_per_window", [None, 1])
def test_every_file_is_measured_as_often_as_planned(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path, jobs_per_window: int | None
) -> None:
    device = make_device(jobs_per_window)
    plan = Plan(jobs=tuple(jobs), sentinel=jobs[-1], num_rounds=2, max_rounds=2, num_passes=3)
    with Journal(tmp_path / "j.db") as journal:
        outcome = run_plan(plan, device, journal)
        taken = Counter(one.artifact_name for one in journal.measurements(statuses=[Status.OK]))
    assert all(taken[job.artifact.name] == 2 * 3 for job in jobs[:-1])
    assert device.sessions == [0, 1]
    assert outcome.num_drifted == 0


def test_a_quiet_device_ends_precise_and_a_noisy_one_after_the_last_round(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    plan = Plan(jobs=tuple(jobs), num_rounds=1, max_rounds=3, num_passes=5)
    with Journal(tmp_path / "quiet.db") as journal:
        quiet = run_plan(plan, make_device(noise=0.001), journal)
    with Journal(tmp_path / "noisy.db") as journal:
        noisy = run_plan(plan, make_device(noise=0.3), journal)
    assert (quiet.stopped, quiet.num_rounds) == (StopReason.PRECISE, 1)
    assert (noisy.stopped, noisy.num_rounds) == (StopReason.ROUNDS, 3)
    assert noisy.wide_share > 0.1 >= quiet.wide_share


def test_a_spent_budget_ends_the_run_and_says_so(make_device: MakeDevice, jobs: list[Job], tmp_path: Path) -> None:
    device = make_device(1)
    with Journal(tmp_path / "j.db") as journal:
        outcome = run_plan(Plan(jobs=tuple(jobs), num_passes=400, budget_s=0.2), device, journal)
        assert outcome.stopped is StopReason.BUDGET
        assert 0 < outcome.num_measured < 3 * 400 * len(jobs)
        assert outcome.seconds < 2


def test_what_drifted_is_marked_kept_and_measured_again(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    device = make_device(speed=lambda number, window: 1.4 if window == 5 else 1.0)
    plan = Plan(jobs=tuple(jobs), sentinel=jobs[-1], num_rounds=1, max_rounds=1, num_passes=10)
    with Journal(tmp_path / "j.db") as journal:
        outcome = run_plan(plan, device, journal)
        drifted = journal.measurements(statuses=[Status.DRIFTED])
        good = journal.measurements(statuses=[Status.OK])
    assert {one.window for one in drifted} == {5}
    assert (outcome.num_drifted, outcome.num_windows) == (1, 11)
    assert {one.window for one in good} == {0, 1, 2, 3, 4, 6, 7, 8, 9, 10}
    assert Counter(device.asked[5][2]) == Counter(device.asked[10][2])


def test_on_a_phone_the_segment_between_two_sentinels_is_measured_again(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    plan = Plan(
        jobs=tuple(jobs), sentinel=jobs[-1], num_rounds=1, max_rounds=1, num_passes=4, num_sentinels=3, max_repaired=1
    )
    planned = round_windows(plan, 1, 0)
    slow = next(window.number for window in planned[10:] if window.jobs == (jobs[-1],))
    device = make_device(1, speed=lambda number, window: 1.3 if window == slow else 1.0)
    with Journal(tmp_path / "j.db") as journal:
        outcome = run_plan(plan, device, journal)
        good = Counter(one.artifact_name for one in journal.measurements(statuses=[Status.OK]))
    assert outcome.num_drifted >= 3
    assert all(good[job.artifact.name] == 4 for job in jobs[:-1])


def test_a_machine_that_drifts_all_the_time_does_not_measure_for_ever(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    device = make_device(speed=lambda number, window: 1.0 + 0.2 * (window % 3))
    plan = Plan(jobs=tuple(jobs), sentinel=jobs[-1], num_rounds=1, max_rounds=1, num_passes=10, max_repaired=0.3)
    with Journal(tmp_path / "j.db") as journal:
        outcome = run_plan(plan, device, journal)
    assert outcome.num_windows == 13


@pytest.mark.parametrize("jobs_per_window", [None, 1])
@pytest.mark.parametrize("fail_at", [0, 1, 7, 11])
def test_an_interrupted_run_ends_as_one_that_was_not(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path, jobs_per_window: int | None, fail_at: int
) -> None:
    def speed(number: int, window: int) -> float:
        return 1.3 if window in (3, 4) else 1.0

    plan = Plan(jobs=tuple(jobs), sentinel=jobs[-1], num_rounds=2, max_rounds=2, num_passes=6)
    with Journal(tmp_path / "whole.db") as journal:
        whole_device = make_device(jobs_per_window, speed=speed)
        run_plan(plan, whole_device, journal)
        whole = journal.measurements()
    stopped_device = make_device(jobs_per_window, speed=speed, fail_at=fail_at)
    with Journal(tmp_path / "parts.db") as journal, pytest.raises(KeyboardInterrupt):
        run_plan(plan, stopped_device, journal)
    with Journal(tmp_path / "parts.db") as journal:
        rest_device = make_device(jobs_per_window, speed=speed)
        run_plan(plan, rest_device, journal)
        parts = journal.measurements()
    assert stopped_device.asked + rest_device.asked == whole_device.asked
    assert parts == whole


def test_a_finished_run_is_not_opened_again(make_device: MakeDevice, jobs: list[Job], tmp_path: Path) -> None:
    plan = Plan(jobs=tuple(jobs), num_rounds=1, max_rounds=1, num_passes=3)
    device = make_device()
    with Journal(tmp_path / "j.db") as journal:
        run_plan(plan, device, journal)
        again = run_plan(plan, device, journal)
    assert again.num_measured == 0
    assert device.sessions == [0]


def test_progress_counts_windows_and_estimates_the_time_left(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    told: list[tuple[int, int, str]] = []
    plan = Plan(jobs=tuple(jobs), num_rounds=2, max_rounds=2, num_passes=3)
    with Journal(tmp_path / "j.db") as journal:
        run_plan(plan, make_device(), journal, lambda done, total, note: told.append((done, total, note)))
    assert [done for done, _, _ in told] == [1, 2, 3, 4, 5, 6]
    assert {total for _, total, _ in told} == {6}
    assert told[0][2].startswith("round 1, about ") and told[0][2].endswith(" left")


def test_plans_that_take_turns_measure_what_each_measures_alone(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    plans = [
        Plan(jobs=tuple(jobs), sentinel=jobs[-1], num_rounds=2, max_rounds=2, num_passes=3, seed=seed)
        for seed in (0, 1)
    ]
    alone = []
    for number, plan in enumerate(plans):
        with Journal(tmp_path / f"alone-{number}.db") as journal:
            run_plan(plan, make_device(1), journal)
            alone.append(journal.measurements())
    device = make_device(1)
    with Journal(tmp_path / "first.db") as first, Journal(tmp_path / "second.db") as second:
        turns = [plan_steps(plan, device, journal) for plan, journal in zip(plans, (first, second), strict=True)]
        for _ in range(20):
            for steps in turns:
                next(steps)
        assert device.num_open == 2
        for steps in turns:
            run_steps(steps, silent)
        assert [first.measurements(), second.measurements()] == alone
    assert device.num_open == 0


def test_the_turns_of_other_plans_take_nothing_of_a_budget(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    plan = Plan(jobs=tuple(jobs), num_rounds=1, max_rounds=1, num_passes=1, budget_s=1.0)
    with Journal(tmp_path / "j.db") as journal:
        steps = plan_steps(plan, make_device(1), journal)
        assert next(steps).left_s < 1.0
        time.sleep(1.1)
        outcome = run_steps(steps, silent)
    assert outcome.stopped is not StopReason.BUDGET
    assert outcome.num_measured == len(jobs)
    assert outcome.seconds < 1.0


def test_a_plan_that_is_given_up_lets_its_session_go(make_device: MakeDevice, jobs: list[Job], tmp_path: Path) -> None:
    def stop(done: int, total: int, note: str) -> None:
        raise KeyboardInterrupt

    device = make_device(1)
    with Journal(tmp_path / "j.db") as journal:
        steps = plan_steps(Plan(jobs=tuple(jobs)), device, journal)
        with pytest.raises(KeyboardInterrupt):
            run_steps(steps, stop)
        assert (device.num_open, len(journal.finished())) == (0, 1)
        assert list(steps) == []


def test_rounds_beyond_the_planned_ones_count_as_planned_when_they_begin(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    plan = Plan(jobs=tuple(jobs), num_rounds=1, max_rounds=3, num_passes=2)
    with Journal(tmp_path / "j.db") as journal:
        steps = list(plan_steps(plan, make_device(1, noise=0.3), journal))
    assert [step.num_planned for step in steps] == [12] * 12 + [24] * 12 + [36] * 12


def test_what_cannot_be_measured_is_rejected_before_anything_is(
    make_device: MakeDevice, jobs: list[Job], tmp_path: Path
) -> None:
    device = make_device()
    with Journal(tmp_path / "j.db") as journal:
        with pytest.raises(InputError, match="nothing to measure"):
            run_plan(Plan(jobs=()), device, journal)
        threads = Job(jobs[0].artifact, parse_target("tflite/cpu/float32,threads=4"))
        with pytest.raises(InputError, match="one core"):
            run_plan(Plan(jobs=(threads,)), device, journal)
        run_plan(Plan(jobs=(jobs[0],), num_passes=1), device, journal)
        with pytest.raises(InputError, match="another identity"):
            run_plan(Plan(jobs=(jobs[0],)), make_device(name="other"), journal)
    assert {asked[2] for asked in device.asked} == {(jobs[0].artifact.name,)}
