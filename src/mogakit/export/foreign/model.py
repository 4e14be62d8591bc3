"""What a model file of any maker is, before a runtime sees it: entry points, free sizes, precision, files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from mogakit.export.artifact import Format, Precision, TensorSpec


@dataclass(frozen=True)
class Input:
    """An input of a graph.

    Attributes:
        spec: its shape has -1 for each size that the file leaves open.
        alias: its name in the signature, where that differs.
        num_rows: where its values are row numbers: how many rows the smallest table has that they index.
    """

    spec: TensorSpec
    alias: str = ""
    num_rows: int | None = None


@dataclass(frozen=True)
class EntryPoint:
    """A way to run a file: `signature` is its name, empty where the file has no names."""

    signature: str
    inputs: tuple[Input, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class ModelFile:
    """A file that was read, not run.

    Attributes:
        entries: at least one; several where the file has several signatures.
        companions: further files of the model beside it, by their name.
    """

    format: Format
    precision: Precision
    entries: tuple[EntryPoint, ...]
    companions: tuple[str, ...] = field(default=())


def identity(digests: Iterable[str]) -> str:
    """Return what tells a model of several files from every other: one SHA-256 over those of its files, in order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
