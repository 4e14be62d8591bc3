"""The table of writers: for each format and precision, what writes a file, what runs it, and how close it must come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mogakit.errors import InputError
from mogakit.export import onnx, tflite, verify
from mogakit.export.artifact import Format, Precision, TensorSpec
from mogakit.export.graph import FloatArray, Graph
from mogakit.export.run import Array, run, runtime_of


@dataclass(frozen=True)
class Options:
    """What a user may choose beyond format and precision. A choice that changes bytes is in `tag` and in `notes`.

    Attributes:
        opset: of ONNX files, 17 or 13.
    """

    opset: int = onnx.DEFAULT_OPSET


@dataclass(frozen=True)
class Written:
    """A file in memory, verified before it is on disk.

    Attributes:
        files: suffix -> bytes, the main file first; a name is `<stem><suffix>`.
        inputs, outputs: as the file sees them.
        notes: what changes latency but not the function.
    """

    files: dict[str, bytes]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    notes: dict[str, str]

    @property
    def main(self) -> bytes:
        """Return the bytes of the main file."""
        return next(iter(self.files.values()))


Inputs: TypeAlias = Sequence[FloatArray]


@dataclass(frozen=True)
class Writer:
    """One row of the table.

    Attributes:
        write: makes the file.
        suffix: of the main file, for options; tells files apart that lie in one folder.
        run: what the file makes of inputs in torch's layout, back in torch's layout and in float32.
        checked_with: runtime and version that `run` uses.
        limit: largest allowed error over the output's scale; None where quality is reported instead of promised.
    """

    write: Callable[[Graph, Options], Written]
    suffix: Callable[[Options], str]
    run: Callable[[Written, Inputs], list[Array]]
    checked_with: Callable[[], str]
    limit: float | None


FLOAT32_LIMIT = 1e-5
"""Float32 sums in another order: measured 1e-7 to 5e-6 over blocks and whole networks."""

FLOAT16_LIMIT = 1e-2
"""Weights rounded to 11 bits: measured 1e-4 over a block, up to 5e-3 over a network with random weights."""


def specs(graph: Graph, channels_last: bool, dtype: str = "float32") -> tuple[tuple[TensorSpec, ...], ...]:
    """Return (inputs, outputs) of a graph as a file sees them."""
    shapes = graph.shapes()
    turn = tflite.channels_last if channels_last else tuple

    def described(names: Sequence[str]) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(name, turn(shapes[name]), dtype) for name in names)

    return described([tensor.name for tensor in graph.inputs]), described(graph.outputs)


def _tflite(precision: Precision) -> Writer:
    tag = "" if precision is Precision.FLOAT32 else f".{precision}"

    def write(graph: Graph, options: Options) -> Written:
        inputs, outputs = specs(graph, channels_last=True)
        return Written({f"{tag}.tflite": tflite.write(graph, precision)}, inputs, outputs, {})

    def compute(written: Written, inputs: Inputs) -> list[Array]:
        turned = [verify.to_channels_last(value) for value in inputs]
        return [verify.to_channels_first(value) for value in run(written.main, Format.TFLITE, turned)]

    limit = FLOAT32_LIMIT if precision is Precision.FLOAT32 else FLOAT16_LIMIT
    return Writer(write, lambda options: f"{tag}.tflite", compute, lambda: runtime_of(Format.TFLITE), limit)


def _onnx_suffix(options: Options) -> str:
    return ".onnx" if options.opset == onnx.DEFAULT_OPSET else f".opset{options.opset}.onnx"


def _onnx_write(graph: Graph, options: Options) -> Written:
    inputs, outputs = specs(graph, channels_last=False)
    data = onnx.write(graph, Precision.FLOAT32, options.opset)
    return Written({_onnx_suffix(options): data}, inputs, outputs, {"opset": str(options.opset)})


def _onnx_run(written: Written, inputs: Inputs) -> list[Array]:
    return [np.asarray(value) for value in run(written.main, Format.ONNX, inputs)]


WRITERS: dict[tuple[Format, Precision], Writer] = {
    (Format.TFLITE, Precision.FLOAT32): _tflite(Precision.FLOAT32),
    (Format.TFLITE, Precision.FLOAT16): _tflite(Precision.FLOAT16),
    (Format.ONNX, Precision.FLOAT32): Writer(
        _onnx_write, _onnx_suffix, _onnx_run, lambda: runtime_of(Format.ONNX), FLOAT32_LIMIT
    ),
}
"""Everything that can be written."""


def writer_for(format: Format, precision: Precision) -> Writer:
    """Return the writer of a format and precision.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    writer = WRITERS.get((format, precision))
    if writer is None:
        legal = ", ".join(f"{known}/{kind}" for known, kind in WRITERS)
        raise InputError(f"no writer makes {format} in {precision}; legal are {legal}")
    return writer
