"""A search's state on disk: one `.npz` file of plain arrays and JSON text, replaced atomically; never a pickle."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mogakit import files, records
from mogakit.errors import InputError
from mogakit.nets.spaces import format_chromosome
from mogakit.search.additive import Genes, Values
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


_UNREADABLE = (
    *(ValueError, OverflowError, RecursionError, KeyError, TypeError, AttributeError),
    *(EOFError, OSError, BadZipFile),
)
"""What numpy, zipfile and json raise about a file that is not a checkpoint."""


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
    arrays: dict[str, Any] = {
        "indices": state.indices,
        "values": state.values,
        "rank": state.rank,
        "crowding": state.crowding,
        "archive_genes": archive.genes,
        "archive_values": archive.values,
        "archive_generations": archive.generations,
    }
    head["checksum"] = _checksum(head, arrays)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, head=np.array(json.dumps(head, sort_keys=True)), **arrays)
    files.write_bytes(path, buffer.getvalue())


def _checksum(head: dict[str, Any], arrays: dict[str, Any]) -> str:
    """Return the SHA-256 of a checkpoint's content: the CRC of a zip's member does not prove what was written."""
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def load(path: Path, evolution: Evolution, identity: str) -> None:
    """Put `evolution` where the checkpoint left off.

    Raises:
        InputError: the file is not a checkpoint, or one of another search.
    """
    records.check_zip(path, "checkpoint of a search", "remove it to start from scratch")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
        if others := [name for name, value in arrays.items() if not isinstance(value, np.ndarray)]:
            raise ValueError(f"its member {others[0]!r} is not an array")
        head = json.loads(str(arrays.pop("head")))
        checksum = head.pop("checksum", None)  # files of older releases have none
        if checksum is not None and checksum != _checksum(head, arrays):
            raise ValueError("its checksum does not match: it was changed after it was written")
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
        _check(evolution.problem, state, genes, values, generations)
    except _UNREADABLE as error:
        raise InputError(f"{path} is not a search checkpoint ({error}); remove it to start from scratch") from error
    archive = Archive.restored(evolution.problem, genes, values, generations, num_evaluations)
    try:
        evolution.restore(state, archive)
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # a state that no bit generator has
        raise InputError(f"{path} is not a search checkpoint ({error}); remove it to start from scratch") from error


def _check(problem: Problem, state: State, genes: Genes, values: Values, generations: Genes) -> None:
    """Check that arrays are what a search of `problem` leaves.

    Raises:
        ValueError: a shape or type is another, a choice does not exist, or a network's generation is not before this.
    """
    sizes, num_metrics = np.asarray(problem.num_indices), len(problem.metrics)
    for name, chosen, bounds in (("indices", state.indices, sizes), ("genes", genes, problem.space.num_choices)):
        if chosen.dtype != np.int64 or chosen.ndim != 2 or chosen.shape[1] != len(sizes):
            raise ValueError(f"{name} of shape {chosen.shape}, {chosen.dtype}")
        if ((chosen < 0) | (chosen >= np.asarray(bounds))).any():
            raise ValueError(f"{name} hold a choice that does not exist")
    for name, numbers, shape in (
        ("values", state.values, (len(state.indices), num_metrics)),
        ("values of the archive", values, (len(genes), num_metrics)),
        ("rank", state.rank, (len(state.indices),)),
        ("crowding", state.crowding, (len(state.indices),)),
    ):
        if numbers.dtype != np.float64 or numbers.shape != shape:
            raise ValueError(f"{name} of shape {numbers.shape}, {numbers.dtype}")
    if generations.dtype != np.int64 or generations.shape != (len(genes),) or state.generation < 0:
        raise ValueError("generations that no search has")
