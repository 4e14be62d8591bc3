"""What the search costs beside what it evaluates: `pytest tests/benchmarks/bench_search.py -s`.

Run alone on a quiet machine: CPU seconds of one process, medians of interleaved runs.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem as PymooProblem
from pymoo.operators.crossover.pntx import SinglePointCrossover
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from mogakit.luts.table import load
from mogakit.nets.network import count_params
from mogakit.nets.spaces import get_space
from mogakit.search.additive import block_costs
from mogakit.search.evolution import Evolution, Settings
from mogakit.search.metrics import SumMetric
from mogakit.search.problem import Objective, Problem
from mogakit.search.sources import proxy_metric, summed_latency_metric
from mogakit.search.truth import find_truth

TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"
ROUNDS = 7


def make_problem() -> Problem:
    space = get_space("moga")
    metrics = (
        proxy_metric(space),
        summed_latency_metric(load(TABLE).slot_costs(space), "latency", "table"),
        SumMetric("params", "", "counted", block_costs(space, count_params)),
    )
    objectives = (Objective("proxy", True, 0.4), Objective("latency", False, 0.4), Objective("params", True, 0.2))
    return Problem(space=space, metrics=metrics, objectives=objectives)


class Plain(PymooProblem):
    """The same evaluation, as a user of plain pymoo would write it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(n_var=14, n_obj=3, xl=0, xu=11, vtype=int)
        self.problem = problem
        self.spent_s = 0.0

    def _evaluate(self, x, out, *args, **kwargs) -> None:
        start = time.process_time()
        out["F"] = self.problem.evaluate(np.asarray(x, dtype=np.int64)) * [-1, 1, -1]
        self.spent_s += time.process_time() - start


def plain_pymoo(problem: Problem, seed: int) -> None:
    algorithm = NSGA2(
        pop_size=70,
        sampling=IntegerRandomSampling(),
        crossover=SinglePointCrossover(prob=0.5),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
    )
    minimize(Plain(problem), algorithm, ("n_gen", 120), seed=seed)


def ours(problem: Problem, seed: int) -> None:
    evolution = Evolution(problem, Settings(), seed)
    while not evolution.finished:
        evolution.step()


def cpu_s(job: Callable[[Problem, int], None], problem: Problem, seed: int) -> float:
    start = time.process_time()
    job(problem, seed)
    return time.process_time() - start


def test_120_generations_cost_no_more_than_plain_pymoos():
    problem = make_problem()
    spent: dict[str, list[float]] = {"plain pymoo": [], "ours": []}
    for seed in range(ROUNDS):
        spent["plain pymoo"].append(cpu_s(plain_pymoo, problem, seed))
        spent["ours"].append(cpu_s(ours, problem, seed))
    medians = {name: statistics.median(times) for name, times in spent.items()}
    sys.stdout.write(f"\nCPU s for 70 x 120: {medians}\n")
    assert medians["ours"] <= medians["plain pymoo"]


def test_the_exact_front_takes_a_fifth_of_a_second():
    problem = make_problem()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        truth = find_truth(problem)
        times.append(time.process_time() - start)
    sys.stdout.write(
        f"\nexact front of {len(truth.genes)} networks with its metrics: {statistics.median(times):.3f} CPU s\n"
    )
    assert statistics.median(times) < 0.2
