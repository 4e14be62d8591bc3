"""What a model file of any maker is, before a runtime sees it: entry points, free sizes, precision, files."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mogakit.errors import InputError
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


def read_model(path: Path) -> ModelFile:
    """Read a `.tflite`, `.onnx` or `.ort` file; the suffix may be written in any case.

    Raises:
        InputError: it is not such a file, is damaged, or a file that belongs to it is missing.
        OSError: it cannot be read.
    """
    try:
        return READERS[path.suffix.lower()](path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _tflite(path: Path) -> ModelFile:
    from mogakit.export.foreign.describe_tflite import describe

    return describe(path.read_bytes())


def _onnx(path: Path) -> ModelFile:
    from mogakit.export.foreign.describe_onnx import describe

    return describe(path.read_bytes(), path.parent)


def _ort(path: Path) -> ModelFile:
    from mogakit.export.foreign.describe_ort import describe

    return describe(path.read_bytes())


READERS: dict[str, Callable[[Path], ModelFile]] = {".tflite": _tflite, ".onnx": _onnx, ".ort": _ort}
"""Lower-case suffix -> its reader."""


def identity(digests: Iterable[str]) -> str:
    """Return what tells a model of several files from every other: one SHA-256 over those of its files, in order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
