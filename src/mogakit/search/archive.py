"""Everything that a search evaluated, in order, each network once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mogakit import files
from mogakit.nets.spaces import format_chromosome
from mogakit.neutral import csv_text
from mogakit.search.additive import Genes, Values
from mogakit.search.front_quality import nondominated
from mogakit.search.problem import Problem

_WRITTEN_AT_ONCE = 10_000
"""Rows that are text in memory at once: an archive may hold a million."""


class Archive:
    """Networks with all their metrics and the generation that asked for them first."""

    def __init__(self, problem: Problem) -> None:
        """Start empty."""
        self._problem = problem
        self._genes: list[Genes] = []
        self._values: list[Values] = []
        self._generations: list[int] = []
        self._places: dict[bytes, int] = {}
        self._asked: list[tuple[int, int]] = []
        self.num_evaluations = 0
        """How many evaluations were asked for, repeated networks included."""

    @classmethod
    def restored(
        cls, problem: Problem, genes: Genes, values: Values, generations: Genes, num_evaluations: int
    ) -> "Archive":
        """Return an archive as it was: its arrays and its count."""
        archive = cls(problem)
        for row, metrics, generation in zip(genes, values, generations.tolist(), strict=True):
            archive.add(row[None], metrics[None], generation)
        archive.num_evaluations = num_evaluations
        return archive

    def add(self, genes: Genes, values: Values, generation: int) -> None:
        """Add one batch; networks that are here already are only counted."""
        self.num_evaluations += len(genes)
        for row, metrics in zip(genes, values, strict=True):
            name = row.tobytes()
            self._asked.append((generation, self._places.setdefault(name, len(self._genes))))
            if self._places[name] == len(self._genes):
                self._genes.append(row)
                self._values.append(metrics)
                self._generations.append(generation)

    @property
    def samples(self) -> tuple[tuple[int, int], ...]:
        """Every network asked for since this archive was made, repeats included: generation, and row of `genes`."""
        return tuple(self._asked)

    def __len__(self) -> int:
        return len(self._genes)

    @property
    def genes(self) -> Genes:
        """Shape (n, num_genes)."""
        return np.array(self._genes, dtype=np.int64).reshape(len(self._genes), len(self._problem.num_indices))

    @property
    def values(self) -> Values:
        """All metrics, shape (n, num_metrics)."""
        return np.array(self._values, dtype=np.float64).reshape(len(self._values), len(self._problem.metrics))

    @property
    def generations(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Shape (n,)."""
        return np.array(self._generations, dtype=np.int64)

    def feasible_objectives(self, up_to: int | None = None) -> Values:
        """Return the objectives of the feasible networks of the generations up to one."""
        values = self.values
        kept = self._problem.feasible(values)
        if up_to is not None:
            kept &= self.generations <= up_to
        return self._problem.objective_values(values[kept])

    def front(self) -> tuple[Genes, Values]:
        """Return the feasible networks that no other one here dominates, best first objective first."""
        genes, values = self.genes, self.values
        rows = np.flatnonzero(self._problem.feasible(values))
        objectives = self._problem.objective_values(values[rows])
        return sorted_front(self._problem, genes[rows], values[rows], objectives)

    def write_csv(self, path: Path) -> None:
        """Write one line a network: generation, chromosome, metrics."""
        write_networks(path, self._problem, self.genes, self.values, self.generations.tolist())


def write_samples(path: Path, archive: Archive, problem: Problem, rewards: Values) -> None:
    """Write one line a sample, repeats included: step, chromosome, metrics, reward.

    Args:
        rewards: of the archive's networks, shape (n,).
    """
    genes, values = archive.genes, archive.values
    rows: list[Sequence[object]] = [["step", "chromosome", *(metric.name for metric in problem.metrics), "reward"]]
    for step, row in archive.samples:
        numbers = [*values[row].tolist(), float(rewards[row])]
        chromosome = format_chromosome(tuple(genes[row].tolist()))
        rows.append([step, chromosome, *("" if x != x else repr(x) for x in numbers)])
    files.write_text(path, csv_text(rows))


def sorted_front(problem: Problem, genes: Genes, values: Values, objectives: Values) -> tuple[Genes, Values]:
    """Return the rows that no other row dominates, the best first objective first."""
    rows = nondominated(objectives, problem.maximise)
    signs = np.where(problem.maximise, -1.0, 1.0)
    order = np.lexsort((signs * objectives[rows]).T[::-1])
    return genes[rows][order], values[rows][order]


def write_networks(
    path: Path, problem: Problem, genes: Genes, values: Values, generations: list[int] | None = None
) -> None:
    """Write networks as CSV; numbers are written so that they read back exactly."""
    first = [] if generations is None else ["generation"]
    header = [*first, "chromosome", *(metric.name for metric in problem.metrics)]
    with files.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_text([header]))
        for start in range(0, len(genes), _WRITTEN_AT_ONCE):
            part = slice(start, start + _WRITTEN_AT_ONCE)
            rows: list[Sequence[object]] = []
            for row, chosen in enumerate(genes[part].tolist(), start):
                lead = [] if generations is None else [generations[row]]
                numbers = ("" if x != x else repr(x) for x in values[row].tolist())
                rows.append([*lead, format_chromosome(tuple(chosen)), *numbers])
            file.write(csv_text(rows))
