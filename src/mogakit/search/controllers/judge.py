"""Controllers, evolution and random search judged by the highest reward there is, at equal evaluations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mogakit.progress import Progress, silent
from mogakit.search.additive import Values
from mogakit.search.archive import Archive
from mogakit.search.controllers.ppo import PpoSettings, search_by_ppo
from mogakit.search.controllers.reinforce import ReinforceSettings, search_by_reinforce
from mogakit.search.controllers.task import Task
from mogakit.search.evolution import Engine, Evolution, Settings

NUM_CURVE = 60
"""Points of a regret curve."""


class Searcher(StrEnum):
    """What is judged."""

    PPO = "ppo"
    REINFORCE = "reinforce"
    NSGA2 = "nsga2"
    SMS_EMOA = "sms-emoa"
    RANDOM = "random"


@dataclass(frozen=True)
class Regrets:
    """One searcher on one task over several seeds. Regrets are in hundredths of the reward: points of accuracy.

    Attributes:
        by_seed: best reward of the space minus the best that was found with all evaluations.
        evaluations: where the curve has points; curve: mean regret over the seeds after that many evaluations.
    """

    searcher: Searcher
    by_seed: tuple[float, ...]
    evaluations: tuple[int, ...]
    curve: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.by_seed))

    @property
    def std(self) -> float:
        """Standard deviation over the seeds, 0 for a single one."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else 0.0


def judge(
    task: Task,
    seeds: Sequence[int],
    population: int = 70,
    generations: int = 120,
    searchers: Sequence[Searcher] = tuple(Searcher),
    progress: Progress = silent,
) -> tuple[float, tuple[Regrets, ...]]:
    """Run every searcher with every seed for `population * generations` evaluations.

    NSGA-II and SMS-EMOA know nothing of the reward: they seek the front of the problem's objectives, and the best
    reward in their archive counts.

    Returns:
        The best reward of the space, and one entry a searcher.

    Raises:
        InputError: the best reward is not known (see `Task.best_reward`).
    """
    best = task.best_reward()
    total, done = len(searchers) * len(seeds), 0
    found: list[Regrets] = []
    for searcher in searchers:
        curves: list[Values] = []
        for seed in seeds:
            archive = RUNS[searcher](task, seed, population, generations)
            curves.append(_running_regret(task, archive, best, population, generations))
            done += 1
            progress(done, total, f"{searcher} seed {seed}: regret {curves[-1][-1]:.3f}")
        steps = np.unique(np.linspace(0, generations - 1, min(NUM_CURVE, generations)).round().astype(int))
        mean = np.mean(curves, axis=0)
        found.append(
            Regrets(
                searcher,
                tuple(float(curve[-1]) for curve in curves),
                tuple(int((step + 1) * population) for step in steps),
                tuple(float(mean[step]) for step in steps),
            )
        )
    return best, tuple(found)


def _running_regret(task: Task, archive: Archive, best: float, population: int, generations: int) -> Values:
    """Return 100 x (best - best found so far) after each generation, shape (generations,).

    NSGA-II's first generation may hold two (both initial populations): it then counts from the second on.
    """
    rewards = task.rewards(archive.values)
    of_generation = np.full(generations, -np.inf)
    double = archive.num_evaluations > 0 and int((archive.generations == 0).sum()) > population
    at = np.where((archive.generations == 0) & double, 1, archive.generations)
    np.maximum.at(of_generation, np.minimum(at, generations - 1), rewards)
    so_far = np.maximum.accumulate(of_generation)
    known = so_far[np.isfinite(so_far)]
    return 100 * (best - np.where(np.isfinite(so_far), so_far, known.min()))


def _evolve(engine: Engine) -> Callable[[Task, int, int, int], Archive]:
    def run(task: Task, seed: int, population: int, generations: int) -> Archive:
        settings = Settings(engine=engine, population=population, generations=generations)
        evolution = Evolution(task.problem, settings, seed)
        while not evolution.finished:
            evolution.step()
        return evolution.archive

    return run


def _ppo(task: Task, seed: int, population: int, generations: int) -> Archive:
    return search_by_ppo(task, PpoSettings(steps=generations, batch=population), seed, silent).archive


def _reinforce(task: Task, seed: int, population: int, generations: int) -> Archive:
    return search_by_reinforce(task, ReinforceSettings(steps=generations, batch=population), seed, silent).archive


RUNS: dict[Searcher, Callable[[Task, int, int, int], Archive]] = {
    Searcher.PPO: _ppo,
    Searcher.REINFORCE: _reinforce,
    Searcher.NSGA2: _evolve(Engine.NSGA2),
    Searcher.SMS_EMOA: _evolve(Engine.SMS_EMOA),
    Searcher.RANDOM: _evolve(Engine.RANDOM),
}
