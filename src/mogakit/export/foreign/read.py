"""One reader for each kind of file, chosen by its suffix."""

from collections.abc import Callable
from pathlib import Path

from mogakit.errors import InputError
from mogakit.export.foreign.model import ModelFile


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
