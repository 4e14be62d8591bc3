"""Accuracies that others measured: CSV or JSON, one network a row, named by chromosome or as its benchmark names it.

    chromosome,accuracy                     any space; JSON: {"8-10-6-...": 75.9} or [{"chromosome": ..., ...}]
    arch,cifar10_test                       NAS-Bench-201's strings (`|nor_conv_3x3~0|+|...`), column=cifar10_test
    {"cifar10": {"accuracy": [...],         lists beside the benchmark's own configurations, as HW-NAS-Bench keeps its
     "config": [{"arch_str": ...}]}}        metrics: column=cifar10/accuracy

A network is named in the first of the columns `chromosome`, `arch`, `arch_str`, `architecture`, `op_idx_list`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.spaces import Chromosome, SearchSpace, parse_chromosome
from mogakit.nets.spaces.base import check_chromosome
from mogakit.search.additive import Genes, Values

ACCURACY = "accuracy"
NAMES = ("chromosome", "arch", "arch_str", "architecture", "op_idx_list")
_EXPECTED = "table of chromosome and accuracy"


@dataclass(frozen=True)
class AccuracyTable:
    """Accuracies by chromosome, from a file; NaN for networks that it does not name."""

    name: str
    unit: str
    source: str
    values: dict[Chromosome, float]

    @property
    def parts(self) -> None:
        """Unknown."""
        return None

    def evaluate(self, genes: Genes) -> Values:
        """Look every row up."""
        return np.array([self.values.get(tuple(int(gene) for gene in row), math.nan) for row in genes])


def load_accuracy_table(path: Path, space: SearchSpace, column: str | None = None) -> AccuracyTable:
    """Read a CSV or JSON file; further columns are ignored.

    Args:
        path: of the file; one that ends in `.json` is JSON.
        space: whose networks it names.
        column: which accuracy; None for `accuracy`.

    Raises:
        InputError: a column is missing, a row does not parse, or a network is named twice.
    """
    wanted = column or ACCURACY
    rows = _of_json(path, wanted) if path.suffix.lower() == ".json" else _of_csv(path, wanted)
    values: dict[Chromosome, float] = {}
    for where, named, accuracy in rows:
        try:
            chromosome = _chromosome(named, space)
            check_chromosome(space.name, space.num_choices, chromosome)
            value = float(accuracy)
        except (InputError, TypeError, ValueError) as error:
            raise InputError(f"{where}: {error}") from error
        if not math.isfinite(value):
            raise InputError(f"{where}: {wanted} is {accuracy!r}, which is not a finite number")
        if chromosome in values:
            raise InputError(f"{where}: chromosome {named} is named twice")
        values[chromosome] = value
    chosen = "" if column is None else f", {column}"
    return AccuracyTable(ACCURACY, "", f"table {path.name}{chosen} ({len(values)} networks)", values)


def _of_csv(path: Path, column: str) -> Iterator[tuple[str, Any, Any]]:
    known = records.read_columns(path, _EXPECTED)
    name = next((each for each in NAMES if each in known), NAMES[0])
    for line, row in records.read_csv(path, (name, column), _EXPECTED):
        yield f"{path} line {line}", row[name], row[column]


def _of_json(path: Path, column: str) -> Iterator[tuple[str, Any, Any]]:
    content = records.read_json(path, _EXPECTED)
    dataset, _, metric = column.rpartition("/")
    if isinstance(content, dict) and dataset in content:
        yield from _beside_configurations(path, content[dataset], metric)
    elif isinstance(content, dict):
        for name, value in content.items():
            yield f"{path}: {name}", name, _cell(value, column, f"{path}: {name}")
    elif isinstance(content, list):
        for at, row in enumerate(content):
            name = next((each for each in NAMES if isinstance(row, dict) and each in row), None)
            if name is None:
                raise InputError(f"{path}: entry {at} names no network; supported: an object with {', '.join(NAMES)}")
            yield f"{path}: entry {at}", row[name], _cell(row, column, f"{path}: entry {at}")
    else:
        raise InputError(f"{path} holds neither an object nor a list; expected a {_EXPECTED}")


def _beside_configurations(path: Path, content: Any, metric: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield what stands in a list of a metric beside the list of configurations."""
    configurations, values = (content.get("config"), content.get(metric)) if isinstance(content, dict) else (None, None)
    if not isinstance(configurations, list) or not isinstance(values, list) or len(values) != len(configurations):
        raise InputError(f"{path} does not hold one {metric} for each config; expected lists of equal length")
    for at, (configuration, value) in enumerate(zip(configurations, values, strict=True)):
        name = next((each for each in NAMES if isinstance(configuration, dict) and each in configuration), None)
        if name is None:
            raise InputError(f"{path}: config {at} names no network; supported: {', '.join(NAMES)}")
        yield f"{path}: config {at}", configuration[name], value


def _cell(value: Any, column: str, where: str) -> Any:
    """Return the accuracy of an entry, which is a number or an object of several."""
    if not isinstance(value, Mapping):
        return value
    if column not in value:
        raise InputError(f"{where} has no {column!r}; it has {', '.join(map(str, value))[:300]}: choose with column=")
    return value[column]


def _chromosome(named: Any, space: SearchSpace) -> Chromosome:
    """Read a chromosome, a list of genes, or the architecture string of the space's benchmark."""
    if isinstance(named, list) and all(isinstance(gene, int) and not isinstance(gene, bool) for gene in named):
        return tuple(named)
    if not isinstance(named, str):
        raise InputError(f"{named!r} is not a chromosome; supported: text, or a list of whole numbers")
    read = getattr(space, "read_architecture", None)
    if callable(read) and "~" in named:
        found: Chromosome = read(named)
        return found
    return parse_chromosome(named.rpartition("/")[2])
