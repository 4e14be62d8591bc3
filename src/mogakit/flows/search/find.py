"""Search a space: open its sources, run an engine, judge it by the exact front, and keep the result in a folder.

The folder holds `search.json` (the result), `exact.json` (the exact front where there is one), `archive.csv`
(everything evaluated), `samples.csv` (of a controller: every network drawn, repeats included, with its reward, step by
step), `evaluations.sqlite` (expensive evaluations, kept one by one) and `checkpoint.npz` while and
after an evolutionary search runs. None of them holds a time, so that the same search gives the same bytes.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mogakit import records
from mogakit.errors import InputError
from mogakit.flows.search.plan import Method, SearchPlan, build_problem
from mogakit.plugins import current_folder
from mogakit.progress import Progress, silent
from mogakit.search import checkpoint
from mogakit.search.additive import Genes, SlotCosts, Values
from mogakit.search.archive import Archive, write_samples
from mogakit.search.cache import EvaluationCache
from mogakit.search.evolution import Engine, Evolution, Settings
from mogakit.search.front import HistoryPoint, Quality, SearchResult, load_result, make_front, pick, save
from mogakit.search.optimum import Limit, Optimum, best, least_worst
from mogakit.search.problem import Constraint, Problem
from mogakit.search.sources import PROXY, AccuracyTable, FittedModel
from mogakit.search.staged import slot_sums
from mogakit.search.surrogate import search_by_fit
from mogakit.search.truth import Truth, find_truth
from mogakit.workers.cluster import open_workers

RESULT, EXACT, ARCHIVE, SAMPLES = "search.json", "exact.json", "archive.csv", "samples.csv"
CHECKPOINT, EVALUATIONS, MODEL = "checkpoint.npz", "evaluations.sqlite", "model-{metric}.json"
"""Files of a search's folder."""

NUM_HISTORY = 24
"""Points of the history: the archive's hypervolume is not taken after every generation."""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What an engine leaves: networks evaluated, the last population, and the words and numbers for the result."""

    archive: Archive
    how: str
    settings: dict[str, Any]
    population: tuple[Genes, Values] | None = None
    models: dict[str, FittedModel] = field(default_factory=dict)
    rewards: Values | None = None  # of the archive's networks, where a controller learnt


def search(plan: SearchPlan, folder: Path, resume: bool = False, progress: Progress = silent) -> SearchResult:
    """Run a search and write its folder.

    With `resume`, a search that was killed goes on where its last checkpoint was, and a finished one is read again;
    both give what an undisturbed search gives, bit for bit.

    Raises:
        InputError: the plan does not fit the space or itself, or the folder holds a search and `resume` is false.
        TableError: a table lacks a row that the space needs.
        ClusterError: the plan's cluster is not there, or not any more; `resume` continues.
    """
    if not resume and any((folder / name).exists() for name in (CHECKPOINT, RESULT)):
        raise InputError(f"{folder} holds a search already; add --resume to go on, or name another folder with -o")
    folder.mkdir(parents=True, exist_ok=True)
    # An accuracy of the user's own may be a module of the current folder, which the processes of --jobs import again.
    with (
        current_folder(),
        EvaluationCache(folder / EVALUATIONS) as cache,
        open_workers(plan.cluster, plan.num_jobs) as workers,
    ):
        problem = build_problem(plan, cache, workers)
        truth = find_truth(problem)
        outcome = _run(plan, problem, truth, folder, progress)
        if isinstance(truth, Truth):
            save(make_front(problem, truth.genes, truth.values, truth.how), folder / EXACT)
        outcome.archive.write_csv(folder / ARCHIVE)
        if outcome.rewards is not None:
            write_samples(folder / SAMPLES, outcome.archive, problem, outcome.rewards)
        for name, model in outcome.models.items():
            model.save(folder / MODEL.format(metric=name))
        result = _result(plan, problem, outcome, truth)
    save(result, folder / RESULT)
    return result


def read_search(folder: Path) -> SearchResult:
    """Read the result of a search's folder.

    Raises:
        InputError: there is none.
    """
    return load_result(folder / RESULT)


def _run(plan: SearchPlan, problem: Problem, truth: Truth | str, folder: Path, progress: Progress) -> _Outcome:
    """Run the engine that the plan names."""
    if plan.method is Method.EXACT:
        if isinstance(truth, str):
            raise InputError(f"there is no exact front: {truth}. Use another engine")
        return _Outcome(archive=_filled(problem, truth.genes, truth.values), how=truth.how, settings={})
    if plan.method is Method.BEST:
        return _best(problem)
    listed = _listed(plan, problem)
    if listed is not None:
        return listed
    if plan.method is Method.FIT_FRONT:
        found = search_by_fit(problem, plan.surrogate, plan.seed, progress)
        scores = ", ".join(f"{name} R2 {model.r2:.3f}" for name, model in found.models.items() if model.r2 is not None)
        how = f"additive model, its exact front checked ({scores or 'constant'})"
        return _Outcome(archive=found.archive, how=how, settings=records.to_json(plan.surrogate), models=found.models)
    if plan.method in (Method.PPO, Method.REINFORCE):
        return _learn(plan, problem, progress)
    settings = plan.settings.with_engine(Engine(plan.method.value))
    evolution = _evolve(plan, problem, settings, folder, progress)
    population = None if settings.engine is Engine.RANDOM else evolution.population()
    return _Outcome(
        archive=evolution.archive, how=settings.engine.value, settings=records.to_json(settings), population=population
    )


def _listed(plan: SearchPlan, problem: Problem) -> _Outcome | None:
    """Evaluate every network of an accuracy table that leaves out some of the space; None where there is no such table.

    Operators that draw from a space of 10^15 networks would hardly ever meet the few of which the table knows.

    Raises:
        InputError: the engine must draw networks itself, or none of the listed ones may be chosen.
    """
    table = next((metric for metric in problem.metrics if isinstance(metric, AccuracyTable)), None)
    if table is None:
        return None
    size = math.prod(problem.num_indices)
    allowed = [set(values) for values in problem.allowed]
    genes = [each for each in table.values if all(gene in ok for gene, ok in zip(each, allowed, strict=True))]
    if len(genes) == size:
        return None
    if not genes:
        raise InputError(f"{table.source}: none of its networks is among those that may be chosen; forbid less")
    if plan.method in (Method.PPO, Method.REINFORCE):
        raise InputError(
            f"{plan.method} draws networks from {size:.3g}, and {table.source} knows {len(genes)} of them: use "
            "--engine nsga2, which then evaluates those"
        )
    chosen = np.array(genes, dtype=np.int64)
    how = f"all {len(genes)} networks of the {table.source}, of {size:.3g} in {problem.space.name!r}"
    return _Outcome(archive=_filled(problem, chosen, problem.evaluate(chosen)), how=how, settings={})


def _evolve(plan: SearchPlan, problem: Problem, settings: Settings, folder: Path, progress: Progress) -> Evolution:
    """Advance generation by generation from the last checkpoint, if there is one, and leave a new one behind."""
    evolution = Evolution(problem, settings, plan.seed)
    identity = checkpoint.fingerprint(problem, settings, plan.seed)
    if (folder / CHECKPOINT).exists():
        checkpoint.load(folder / CHECKPOINT, evolution, identity)
    saved_at = time.monotonic()
    while not evolution.finished:
        evolution.step()
        progress(evolution.generation, settings.generations, f"{len(evolution.archive)} networks")
        if evolution.finished or time.monotonic() - saved_at >= plan.checkpoint_every_s:
            checkpoint.save(folder / CHECKPOINT, evolution, identity)
            saved_at = time.monotonic()
    return evolution


def _learn(plan: SearchPlan, problem: Problem, progress: Progress) -> _Outcome:
    """Let a controller learn where the reward is high; the last population are its most likely network and its best.

    There is no checkpoint: the same seed samples the same networks, whose values a cache gives back at once.
    """
    # loaded here, so that other engines do not load torch
    from mogakit.search.controllers.ppo import PpoSettings, search_by_ppo
    from mogakit.search.controllers.reinforce import ReinforceSettings, search_by_reinforce
    from mogakit.search.controllers.task import Task, fraction_scale

    if plan.reward is None:
        raise InputError(
            f"{plan.method} maximises a reward, which needs a latency to aim at: --set target_ms=12 "
            "(--set target_ms=1 where the latency is f_avg or f_max)"
        )
    accuracy = problem.metric(problem.objectives[0].metric)
    scale = fraction_scale(accuracy, problem) if accuracy.name == PROXY else (0.0, plan.accuracy_scale)
    task = Task(problem, plan.reward, *scale)
    steps, batch = plan.settings.generations, plan.settings.population
    settings: PpoSettings | ReinforceSettings
    if plan.method is Method.PPO:
        settings = PpoSettings(steps=steps, batch=batch)
        learned = search_by_ppo(task, settings, plan.seed, progress)
    else:
        settings = ReinforceSettings(steps=steps, batch=batch)
        learned = search_by_reinforce(task, settings, plan.seed, progress)
    rewards = task.rewards(learned.archive.values)
    genes = learned.archive.genes[np.argsort(-rewards, kind="stable")[:1]]
    genes = np.concatenate([problem.to_genes(np.array([learned.most_likely])), genes])
    how = f"{plan.method}, best {plan.reward.kind} reward {float(rewards.max()):.5f}"
    rate = settings.learning_rate if isinstance(settings, PpoSettings) else settings.first_rate
    described = {
        **records.to_json(settings),
        "learning_rate": rate,
        "reward": records.to_json(plan.reward),
        "scale": list(scale),
    }
    return _Outcome(
        archive=learned.archive,
        how=how,
        settings=described,
        population=(genes, problem.evaluate(genes)),
        rewards=rewards,
    )


def _best(problem: Problem) -> _Outcome:
    """Solve for the one best network in the first objective."""
    objective = problem.objectives[0]
    goals = _sums(problem, objective.metric)
    limits = [limit for constraint in problem.constraints for limit in _limits(problem, constraint.metric, constraint)]
    found: Optimum | None
    if len(goals) > 1 and objective.maximise:
        raise InputError(f"{objective.metric} is a maximum; it can be minimised, not maximised")
    found = least_worst(goals, limits) if len(goals) > 1 else best(goals[0], objective.maximise, limits)
    if found is None:
        bounds = ", ".join(str(constraint) for constraint in problem.constraints)
        raise InputError(f"no network of {problem.space.name!r} meets {bounds}; loosen a limit")
    genes = problem.to_genes(np.array([found.genes], dtype=np.int64))
    return _Outcome(
        archive=_filled(problem, genes, problem.evaluate(genes)), how="proven best", settings={"gap": found.gap}
    )


def _limits(problem: Problem, metric: str, constraint: Constraint) -> list[Limit]:
    """Turn a constraint into limits on sums; on a maximum it is one limit a hardware."""
    sums = _sums(problem, metric)
    if len(sums) > 1 and constraint.low is not None:
        raise InputError(f"{constraint}: a maximum can be limited from above only")
    low = -np.inf if constraint.low is None else constraint.low
    high = np.inf if constraint.high is None else constraint.high
    return [Limit(each, low, high) for each in sums]


def _sums(problem: Problem, metric: str) -> Sequence[SlotCosts]:
    parts = problem.metric(metric).parts
    if parts is None:
        raise InputError(f"{metric} ({problem.metric(metric).source}) does not add up over blocks; use another engine")
    return slot_sums([part.restricted(problem.allowed) for part in parts])


def _filled(problem: Problem, genes: Genes, values: Values) -> Archive:
    archive = Archive(problem)
    archive.add(genes, values, 0)
    return archive


def _result(plan: SearchPlan, problem: Problem, outcome: _Outcome, truth: Truth | str) -> SearchResult:
    """Put the record together and judge it."""
    archive = outcome.archive
    genes, values = archive.front()
    how = f"{outcome.how}, {archive.num_evaluations} evaluations, seed {plan.seed}"
    front = make_front(problem, genes, values, how)
    population = None if outcome.population is None else make_front(problem, *outcome.population, "last population")
    return SearchResult(
        engine=plan.method.value,
        settings=outcome.settings,
        seed=plan.seed,
        num_evaluations=archive.num_evaluations,
        num_networks=len(archive),
        front=front,
        population=population,
        picks=pick(front, plan.num_picks),
        quality=_quality(problem, outcome, truth),
        history=_history(archive, truth),
    )


def _quality(problem: Problem, outcome: _Outcome, truth: Truth | str) -> Quality:
    if isinstance(truth, str):
        return Quality(without=truth)
    population = None
    if outcome.population is not None:
        values = outcome.population[1]
        population = truth.percentage(problem.objective_values(values[problem.feasible(values)]))
    archive = truth.percentage(outcome.archive.feasible_objectives())
    return Quality(
        num_exact=len(truth.genes),
        box=truth.box,
        archive_percent=archive,
        population_percent=population,
        tolerance_percent=100 * truth.tolerance,
    )


def _history(archive: Archive, truth: Truth | str) -> tuple[HistoryPoint, ...]:
    """Follow the archive over the generations, at most `NUM_HISTORY` of them."""
    generations = np.unique(archive.generations)
    shown = generations[np.unique(np.linspace(0, len(generations) - 1, NUM_HISTORY).round().astype(int))]
    points: list[HistoryPoint] = []
    for generation in shown.tolist():
        percent = truth.percentage(archive.feasible_objectives(generation)) if isinstance(truth, Truth) else None
        points.append(HistoryPoint(generation, int((archive.generations <= generation).sum()), percent))
    return tuple(points)
