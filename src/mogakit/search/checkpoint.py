"""A search's state on disk: one `.npz` file of plain arrays and JSON text, replaced atomically; never a pickle."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mogakit import files, records
from mogakit.errors import InputError
from mogakit.nets.spaces import format_chromosome
from mogakit.search.archive import Archive
from mogakit.search.evolution import Evolution, State
from mogakit.search.problem import Problem

VERSION = 1


def fingerprint(problem: Problem, settings: Any, seed: int) -> str:
    """Return a hash of everything that a search's course depends on, the values of its metrics included.

    A few networks are evaluated to tell a changed table or model from the one that the search began with; only
    metrics that cost nothing are.
    """
    cheap = [metric for metric in problem.metrics if metric.parts is not None]
    rng = np.random.default_rng(0)
    probe = problem.to_genes(rng.integers(problem.num_indices, size=(8, len(problem.num_indices))))
    described = {
        "version": VERSION,
        "space": problem.space.name,
        "metrics": [(metric.name, metric.unit, metric.source) for metric in problem.metrics],
        "objectives": records.to_json(problem.objectives),
        "constraints": records.to_json(problem.constraints),
        "allowed": [format_chromosome(values) for values in problem.allowed],
        "settings": records.to_json(settings),
        "seed": seed,
        "probe": [[repr(value) for value in metric.evaluate(probe).tolist()] for metric in cheap],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def save(path: Path, evolution: Evolution, identity: str) -> None:
    """Write the state of `evolution` between two generations; `identity` is its `fingerprint`."""
    state, archive = evolution.state(), evolution.archive
    head = {
        "version": VERSION,
        "identity": identity,
        "generation": state.generation,
        "num_evaluations": archive.num_evaluations,
        "random_state": state.random_state,
    }
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        head=np.array(json.dumps(head, sort_keys=True)),
        indices=state.indices,
        values=state.values,
        rank=state.rank,
        crowding=state.crowding,
        archive_genes=archive.genes,
        archive_values=archive.values,
        archive_generations=archive.generations,
    )
    files.write_bytes(path, buffer.getvalue())


def load(path: Path, evolution: Evolution, identity: str) -> None:
    """Put `evolution` where the checkpoint left off.

    Raises:
        InputError: the file is not a checkpoint, or one of another search.
    """
    records.check_zip(path, "checkpoint of a search", "remove it to start from scratch")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        head = json.loads(str(arrays["head"]))
        if head["version"] != VERSION:
            raise InputError(f"{path} is a checkpoint of version {head['version']}; this release reads {VERSION}")
        if head["identity"] != identity:
            raise InputError(
                f"{path} belongs to another search: space, objectives, constraints, settings, seed, accuracy source or "
                "table differ. Give the same ones, or write to another folder with -o"
            )
        state = State(
            generation=int(head["generation"]),
            indices=arrays["indices"],
            values=arrays["values"],
            rank=arrays["rank"],
            crowding=arrays["crowding"],
            random_state=head["random_state"],
        )
        genes, values, generations = (arrays[f"archive_{name}"] for name in ("genes", "values", "generations"))
        num_evaluations = int(head["num_evaluations"])
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a search checkpoint ({error}); remove it to start from scratch") from error
    archive = Archive.restored(evolution.problem, genes, values, generations, num_evaluations)
    evolution.restore(state, archive)
