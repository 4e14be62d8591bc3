"""The evolutionary engines on pymoo: MoGA's weighted NSGA-II, SMS-EMOA, and random search as the baseline.

A search is a chain of generations; between two of them its whole state is a population, an archive and the state of
one random generator, which is what a checkpoint holds. Nothing else is carried over, so a search that is continued
from a checkpoint, on any machine, goes on bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.core.individual import Individual
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination

from mogakit.errors import InputError
from mogakit.search.additive import Genes, Values
from mogakit.search.archive import Archive
from mogakit.search.problem import Problem
from mogakit.search.survival import CrowdingRange, WeightedRankAndCrowding
from mogakit.search.variation import (
    CrossoverKind,
    HierarchicalMutation,
    MutationKind,
    RandomMutation,
    SinglePointCrossover,
    UniformSampling,
    alternatives_of,
)


class Engine(StrEnum):
    """How networks are proposed."""

    NSGA2 = "nsga2"  # MoGA's, with weighted crowding
    SMS_EMOA = "sms-emoa"  # keeps what contributes hypervolume: stronger, and knows no weights
    RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hyper-parameters; the defaults are MoGA's where the paper gives them (section 4.4), otherwise said to be ours.

    Attributes:
        engine: how networks are proposed.
        population: individuals kept (paper: 70).
        generations: batches evaluated (paper: 120); `population * generations` networks in all (paper: 8400).
        second_initial: P0 and Q0 are both drawn uniformly (Algorithm 1), so that the first selection has twice the
            population to choose from. They count as two generations.
        crossover: the paper's formula swaps one gene, its words say single-point. Ours: the tail, as the words say.
        crossover_rate: share of pairs that are crossed. Ours: 0.5. Algorithm 1 unites crossover(M) and mutation(M)
            without their shares; crossing nearly all pairs (pymoo's 0.9) cost SMS-EMOA 1 to 3 points of hypervolume
            on measured tables, and gave NSGA-II nothing.
        mutation: the paper uses FairNAS's hierarchical mutation; `random` is its ablation (Fig. 7).
        mutation_rate: share of children mutated hierarchically. Ours: 0.8.
        random_share: of these, how many have a gene redrawn rather than one factor changed. Ours: 0.2.
        crowding_range: `population` as eq. 5 is worded.
    """

    engine: Engine = Engine.NSGA2
    population: int = 70
    generations: int = 120
    second_initial: bool = True
    crossover: CrossoverKind = CrossoverKind.TAIL
    crossover_rate: float = 0.5
    mutation: MutationKind = MutationKind.HIERARCHICAL
    mutation_rate: float = 0.8
    random_share: float = 0.2
    crowding_range: CrowdingRange = CrowdingRange.POPULATION

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            InputError: a number is out of range; the message says which and what is supported.
        """
        if self.population < 4 or self.generations < 2:
            raise InputError(
                f"population {self.population} and generations {self.generations}: at least 4 and 2 are needed"
            )
        for name in ("crossover_rate", "mutation_rate", "random_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} {getattr(self, name)} is not a probability; supported: 0 to 1")

    def with_engine(self, engine: Engine) -> "Settings":
        """Return the same settings for another engine."""
        return replace(self, engine=engine)


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything that the rest of a search depends on, between two generations.

    Attributes:
        generation: batches evaluated so far.
        indices: population, shape (n, num_genes), as indices into the allowed choices.
        values: all metrics of it, shape (n, num_metrics).
        rank, crowding: of each individual; NaN where the engine has none.
        random_state: state of the bit generator, as plain values.
    """

    generation: int
    indices: Genes
    values: Values
    rank: Values
    crowding: Values
    random_state: dict[str, Any]


class Evolution:
    """One search, advanced generation by generation with `step`."""

    def __init__(self, problem: Problem, settings: Settings, seed: int) -> None:
        """Prepare a search; nothing is evaluated yet."""
        self.problem = problem
        self.settings = settings
        self.archive = Archive(problem)
        self.generation = 0
        self._values: dict[bytes, Values] = {}
        self._algorithm = _algorithm(problem, settings)
        self._algorithm.setup(_Adapter(problem, self._evaluate), seed=seed, termination=NoTermination())

    @property
    def finished(self) -> bool:
        """Whether all generations are done."""
        return self.generation >= self.settings.generations

    def step(self) -> None:
        """Propose, evaluate and select one generation (the first of two initial ones takes both)."""
        if self.settings.engine is Engine.RANDOM:
            self._evaluate(self._random_indices())
            self.generation += 1
            return
        first = self.generation == 0
        proposed = self._algorithm.ask()
        if proposed is not None and len(proposed) > 0:  # None: nothing new is left to propose
            self._algorithm.evaluator.eval(self._algorithm.problem, proposed, algorithm=self._algorithm)
            self._algorithm.tell(infills=proposed)
        self.generation += 2 if first and self.settings.second_initial else 1

    def population(self) -> tuple[Genes, Values]:
        """Return genes and metrics of the present population; empty for random search."""
        state = self.state()
        return self.problem.to_genes(state.indices), state.values

    def state(self) -> State:
        """Return what a checkpoint must hold besides the archive."""
        algorithm = self._algorithm
        individuals = list(algorithm.pop) if algorithm.pop is not None else []
        indices = np.array([each.X for each in individuals], dtype=np.int64)
        indices = indices.reshape(len(individuals), len(self.problem.num_indices))
        values = [self._values[row.tobytes()] for row in indices]
        return State(
            generation=self.generation,
            indices=indices,
            values=np.array(values, dtype=np.float64).reshape(len(individuals), len(self.problem.metrics)),
            rank=np.array([_number(each.get("rank")) for each in individuals], dtype=np.float64),
            crowding=np.array([_number(each.get("crowding")) for each in individuals], dtype=np.float64),
            random_state=algorithm.random_state.bit_generator.state,
        )

    def restore(self, state: State, archive: Archive) -> None:
        """Go on from `state`, with what was evaluated up to it."""
        self.archive = archive
        self.generation = state.generation
        algorithm = self._algorithm
        algorithm.random_state.bit_generator.state = state.random_state
        if not len(state.indices):
            return
        self._values = {row.tobytes(): value for row, value in zip(state.indices, state.values, strict=True)}
        costs, violations = _costs(self.problem, state.values), self.problem.violations(state.values)
        individuals = []
        for row, (chosen, cost, violation) in enumerate(zip(state.indices, costs, violations, strict=True)):
            individual = Individual(X=chosen, F=cost, G=violation)
            individual.evaluated = {"F", "G"}
            for name, numbers in (("rank", state.rank), ("crowding", state.crowding)):
                if not np.isnan(numbers[row]):
                    individual.set(name, float(numbers[row]))
            individuals.append(individual)
        algorithm.pop = Population.create(*individuals)
        algorithm.is_initialized = True
        algorithm.n_iter = state.generation + 1
        algorithm.start_time = 0.0

    def _random_indices(self) -> Genes:
        rng = self._algorithm.random_state
        sizes = np.asarray(self.problem.num_indices)
        return np.asarray(rng.integers(sizes, size=(self.settings.population, len(sizes))))

    def _evaluate(self, indices: Genes) -> Values:
        """Evaluate a batch, remember it in the archive, and return all metrics."""
        genes = self.problem.to_genes(indices)
        values = self.problem.evaluate(genes)
        self.archive.add(genes, values, self.generation)
        self._values.update((row.tobytes(), value) for row, value in zip(indices, values, strict=True))
        return values


class _Adapter(PymooProblem):  # type: ignore[misc]
    """A `Problem` as pymoo sees it: integer variables, costs to minimise, violations at most zero."""

    def __init__(self, problem: Problem, evaluate: Callable[[Genes], Values]) -> None:
        sizes = np.asarray(problem.num_indices)
        super().__init__(
            n_var=len(sizes),
            n_obj=len(problem.objectives),
            n_ieq_constr=problem.num_violations,
            xl=0,
            xu=sizes - 1,
            vtype=int,
        )
        self._problem = problem
        self._ask = evaluate

    def _evaluate(self, x: Genes, out: dict[str, Values], *args: Any, **kwargs: Any) -> None:
        values = self._ask(np.asarray(x, dtype=np.int64))
        out["F"] = _costs(self._problem, values)
        if self._problem.num_violations:
            out["G"] = self._problem.violations(values)


def _costs(problem: Problem, values: Values) -> Values:
    """Return the objectives with the sign turned where more is better; missing ones at a bad but finite value."""
    costs = np.where(problem.maximise, -1.0, 1.0) * problem.objective_values(values)
    return np.nan_to_num(costs, nan=1e9)


def _algorithm(problem: Problem, settings: Settings) -> Any:
    """Build pymoo's algorithm from our operators."""
    sizes = problem.num_indices
    if settings.mutation is MutationKind.HIERARCHICAL:
        mutation: Any = HierarchicalMutation(
            sizes, alternatives_of(problem), settings.mutation_rate, settings.random_share
        )
    else:
        mutation = RandomMutation(sizes)
    common = {
        "pop_size": settings.population,
        "sampling": UniformSampling(sizes, 2 if settings.second_initial else 1),
        "crossover": SinglePointCrossover(settings.crossover, settings.crossover_rate),
        "mutation": mutation,
    }
    if settings.engine is Engine.SMS_EMOA:
        return SMSEMOA(**common)
    weights = np.array([objective.weight for objective in problem.objectives])
    normal = tuple(float(weight) for weight in weights / weights.sum())
    return NSGA2(**common, survival=WeightedRankAndCrowding(normal, settings.crowding_range))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
