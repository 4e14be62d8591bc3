"""Judge controllers, evolution and random search on a latency table, where the best reward is known exactly.

The folder gets `controllers.json` (every regret) and `regret.svg` / `regret.png`.
"""

from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.errors import InputError
from mogakit.flows.search.plan import SearchPlan, build_problem, table_input
from mogakit.progress import Progress, silent
from mogakit.reports.figures.regret import regret_curves
from mogakit.reports.style import save as save_figure
from mogakit.search.cache import EvaluationCache
from mogakit.search.controllers.judge import Regrets, Searcher, judge
from mogakit.search.controllers.task import Task, fraction_scale
from mogakit.search.front import make_front, pick, rows_of
from mogakit.search.problem import Problem
from mogakit.search.rewards import Reward, RewardKind
from mogakit.search.truth import find_truth

RESULT, FIGURE = "controllers.json", "regret"

LOW, HIGH = 0.68, 0.76
"""Where the extremes of the proxy are put, so that it trades against latency as ImageNet accuracy does."""


@dataclass(frozen=True, kw_only=True)
class JudgeRequest:
    """What to judge, on what.

    Attributes:
        table: latency table or cost model. accuracy: a source that adds up over blocks.
        kinds: rewards. target_ms: T of the rewards; None for the latency of the middle of three picks from the front.
        num_seeds: seeds 0, 1, ... population, generations: their product is the number of evaluations.
        searchers: what is judged.
    """

    table: Path
    space: str = "moga"
    accuracy: str = "proxy"
    kinds: tuple[RewardKind, ...] = (RewardKind.MNASNET, RewardKind.ABSOLUTE)
    target_ms: float | None = None
    num_seeds: int = 10
    population: int = 70
    generations: int = 120
    searchers: tuple[Searcher, ...] = tuple(Searcher)


@dataclass(frozen=True)
class Judged:
    """One reward: the best there is, and how far each searcher stayed from it."""

    reward: Reward
    best_reward: float
    regrets: tuple[Regrets, ...]


@records.stored(
    "controllers", version=1, implied_version=1, made_by="moga controllers", title="result of moga controllers"
)
@dataclass(frozen=True, kw_only=True)
class JudgeResult:
    """All rewards, and what the numbers stand on."""

    latency: str
    accuracy: str
    num_evaluations: int
    num_seeds: int
    judged: tuple[Judged, ...]


def judge_controllers(request: JudgeRequest, folder: Path, progress: Progress = silent) -> JudgeResult:
    """Run everything and write the folder.

    Raises:
        InputError: accuracy or latency does not add up, so that the best reward is not known.
        TableError: the table lacks a row.
    """
    if request.num_seeds < 1:
        raise InputError(f"{request.num_seeds} seeds were asked for; at least 1 is needed")
    folder.mkdir(parents=True, exist_ok=True)
    plan = SearchPlan(space=request.space, accuracy=request.accuracy, latencies=(table_input(request.table),))
    with EvaluationCache(folder / "evaluations.sqlite") as cache:
        problem = build_problem(plan, cache)
    offset, scale = fraction_scale(problem.metric(problem.objectives[0].metric), problem, LOW, HIGH)
    target_ms = _middle_latency(problem) if request.target_ms is None else request.target_ms
    judged: list[Judged] = []
    for number, kind in enumerate(request.kinds):
        reward = Reward(kind, target_ms)
        task = Task(problem, reward, offset, scale)

        def overall(done: int, total: int, note: str, before: int = number) -> None:
            progress(before * total + done, len(request.kinds) * total, note)

        seeds = range(request.num_seeds)
        best, regrets = judge(task, seeds, request.population, request.generations, request.searchers, overall)
        judged.append(Judged(reward, best, regrets))
    first, second = problem.objectives[:2]
    result = JudgeResult(
        latency=problem.metric(second.metric).source,
        accuracy=problem.metric(first.metric).source,
        num_evaluations=request.population * request.generations,
        num_seeds=request.num_seeds,
        judged=tuple(judged),
    )
    records.save(result, folder / RESULT)
    panels = {f"{each.reward.kind} reward, T = {target_ms:.3g} ms": each.regrets for each in judged}
    save_figure(regret_curves(panels, result.accuracy), folder, FIGURE)
    return result


def _middle_latency(problem: Problem) -> float:
    """Return the latency of the middle of three picks from the exact front."""
    truth = find_truth(problem)
    if isinstance(truth, str):
        raise InputError(f"there is no exact front to take a target from ({truth}); name one with --target-ms")
    front = make_front(problem, truth.genes, truth.values, "exact")
    middle = rows_of(front, pick(front, 3)[1:2])[0]
    latency = middle[problem.objectives[1].metric]
    if not isinstance(latency, float):
        raise InputError("the middle of the front has no latency; name a target with --target-ms")
    return round(latency, 2)
