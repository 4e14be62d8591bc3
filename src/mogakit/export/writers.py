"""The table of writers: for each format and precision, what writes a file, what runs it, and how close it must come."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from mogakit.errors import InputError
from mogakit.export import axes, integer, onnx, snpe, tflite
from mogakit.export.artifact import Agreement, Format, Precision, TensorSpec
from mogakit.export.calibration import CalibrationData, Synthetic
from mogakit.export.graph import Graph
from mogakit.export.mace import check as mace_check
from mogakit.export.mace import ends as mace_ends
from mogakit.export.mace import interpreter as mace_interpreter
from mogakit.export.mace import naming as mace_naming
from mogakit.export.mace import writer as mace_writer
from mogakit.export.mace.plan import HSigmoid
from mogakit.export.nodes import FloatArray, Shape
from mogakit.export.run import Array, load, runtime_of


@dataclass(frozen=True)
class Options:
    """What a user may choose beyond format and precision. A choice that changes bytes is in `tag` and in `notes`.

    Attributes:
        opset: of ONNX files, 17 or 13.
        calibration: what integer files are calibrated on.
        ranges: a folder with the stored ranges of an earlier export, from which integer files are rebuilt.
        h_sigmoid: how MACE files write h-sigmoid.
    """

    opset: int = onnx.DEFAULT_OPSET
    calibration: CalibrationData = field(default_factory=Synthetic)
    ranges: Path | None = None
    h_sigmoid: HSigmoid = HSigmoid.PORTABLE


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file in memory, verified before it is on disk.

    Attributes:
        files: suffix -> bytes, the main file first; a name is `<stem><suffix>`.
        inputs, outputs: as the file sees them.
        notes: what changes latency but not the function.
        torch_shapes: of the outputs in torch, given only where the file's may differ in more than the layout.
        source: what the main file was converted from, where nothing here runs the main file itself.
        agreement: of an integer file with the float file that it was made from; None for the others, which are
            compared with torch.
    """

    files: dict[str, bytes]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    notes: dict[str, str]
    torch_shapes: tuple[Shape, ...] = ()
    source: bytes = b""
    agreement: Agreement | None = None

    @property
    def main(self) -> bytes:
        """Return the bytes of the main file."""
        return next(iter(self.files.values()))


Inputs: TypeAlias = Sequence[FloatArray]
Run: TypeAlias = Callable[[Inputs], list[Array]]


@dataclass(frozen=True, kw_only=True)
class Writer:
    """One row of the table.

    Attributes:
        write: makes the file.
        suffix: of the main file, for options; tells files apart that lie in one folder.
        load: opens the file, or the one that it was converted from, and returns what it makes of inputs in torch's
            layout, back in torch's layout and in float32.
        checked_with: runtime and version that `load` uses.
        half: whether the weights are rounded to float16, so that the file is held against a torch that rounds, too.
        twin: of an integer file, the float file that has to agree with torch before the integer one is made.
        notes: what a file written under these options says of them; one on disk that says otherwise is written again.
    """

    write: Callable[[Graph, Options], Written]
    suffix: Callable[[Options], str]
    load: Callable[[Written], Run]
    checked_with: Callable[[], str]
    half: bool = False
    twin: tuple[Format, Precision] | None = None
    notes: Callable[[Options], dict[str, str]] = lambda options: {}

    def run(self, written: Written, inputs: Inputs) -> list[Array]:
        """Load the file and run it once, on inputs in torch's layout."""
        return self.load(written)(inputs)


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
        built = tflite.build(graph, precision)
        files = {f"{tag}.tflite": built.data}
        return Written(files=files, inputs=inputs, outputs=outputs, notes=built.notes)

    def opened(written: Written) -> Run:
        return _channels_first(load(written.main, Format.TFLITE))

    return Writer(
        write=write,
        suffix=lambda options: f"{tag}.tflite",
        load=opened,
        checked_with=lambda: runtime_of(Format.TFLITE),
        half=precision is Precision.FLOAT16,
    )


def _channels_first(run: Run) -> Run:
    """Return a file that computes channels last as one that takes and gives torch's layout."""

    def turned(inputs: Inputs) -> list[Array]:
        return [axes.to_channels_first(value) for value in run([axes.to_channels_last(one) for one in inputs])]

    return turned


def _opset_tag(options: Options) -> str:
    return "" if options.opset == onnx.DEFAULT_OPSET else f".opset{options.opset}"


def _onnx_suffix(options: Options) -> str:
    return f"{_opset_tag(options)}.onnx"


def _onnx_write(graph: Graph, options: Options) -> Written:
    inputs, outputs = specs(graph, channels_last=False)
    data = onnx.write(graph, Precision.FLOAT32, options.opset)
    return Written(
        files={_onnx_suffix(options): data}, inputs=inputs, outputs=outputs, notes={"opset": str(options.opset)}
    )


def _onnx_load(written: Written) -> Run:
    return load(written.source or written.main, Format.ONNX)


def _dlc() -> Writer:
    """Return the writer that goes through the user's own Qualcomm SDK; what is compared with torch is its ONNX file."""

    def write(graph: Graph, options: Options) -> Written:
        made = _onnx_write(graph, options)
        converted = snpe.convert(made.main, made.inputs, os.environ)
        files = {suffix(options): converted.data}
        return replace(made, files=files, notes=made.notes | converted.notes, source=made.main)

    def suffix(options: Options) -> str:
        return f"{_opset_tag(options)}{snpe.SUFFIX}"

    return Writer(
        write=write,
        suffix=suffix,
        load=_onnx_load,
        checked_with=lambda: f"{runtime_of(Format.ONNX)}, on the ONNX file that {snpe.CONVERTER} was given",
        notes=lambda options: {"sdk": snpe.find_sdk(os.environ).version},
    )


def _integer(precision: Precision) -> Writer:
    suffix = f".{precision}.tflite"

    def write(graph: Graph, options: Options) -> Written:
        inputs, outputs = specs(graph, channels_last=True, dtype=precision.value)
        made = integer.write(graph, precision, options.calibration, options.ranges)
        return Written(
            files={suffix: made.model, integer.RANGES_SUFFIX: made.ranges},
            inputs=inputs,
            outputs=outputs,
            notes=made.notes,
            agreement=made.agreement,
        )

    def opened(written: Written) -> Run:
        return _channels_first(integer.load(written.main))

    def notes(options: Options) -> dict[str, str]:
        return {} if options.ranges is not None else {"calibration": options.calibration.describe()}

    return Writer(
        write=write,
        suffix=lambda options: suffix,
        load=opened,
        checked_with=lambda: runtime_of(Format.TFLITE),
        twin=(Format.TFLITE, Precision.FLOAT32),
        notes=notes,
    )


def _mace(precision: Precision) -> Writer:
    half = "" if precision is Precision.FLOAT32 else f".{precision}"

    def tag(options: Options) -> str:
        return half if options.h_sigmoid is HSigmoid.PORTABLE else f"{half}.{options.h_sigmoid}"

    def write(graph: Graph, options: Options) -> Written:
        made = mace_writer.write(graph, precision, h_sigmoid=options.h_sigmoid)
        mace_check.checked(made)
        files = {f"{tag(options)}{mace_naming.PB_SUFFIXES[key]}": pb for key, pb in made.pb.items()}
        files[f"{tag(options)}{mace_naming.DATA_SUFFIX}"] = made.data
        inputs, outputs = (
            tuple(TensorSpec(port.name, port.dims, "float32") for port in ports)
            for ports in (made.inputs, made.outputs)
        )
        shapes = graph.shapes()
        return Written(
            files=files,
            inputs=inputs,
            outputs=outputs,
            notes=made.notes,
            torch_shapes=tuple(shapes[name] for name in graph.outputs),
        )

    def opened(written: Written) -> Run:
        *_, data = written.files.values()
        loaded = mace_interpreter.load(written.main, data)

        def run(inputs: Inputs) -> list[Array]:
            found = loaded.run([axes.to_channels_last(value) for value in inputs])
            return list(mace_ends.joined(found, written.torch_shapes))

        return run

    return Writer(
        write=write,
        suffix=lambda options: f"{tag(options)}{next(iter(mace_naming.PB_SUFFIXES.values()))}",
        load=opened,
        checked_with=lambda: runtime_of(Format.MACE),
        half=precision is Precision.FLOAT16,
    )


WRITERS: dict[tuple[Format, Precision], Writer] = {
    (Format.TFLITE, Precision.FLOAT32): _tflite(Precision.FLOAT32),
    (Format.TFLITE, Precision.FLOAT16): _tflite(Precision.FLOAT16),
    (Format.ONNX, Precision.FLOAT32): Writer(
        write=_onnx_write,
        suffix=_onnx_suffix,
        load=_onnx_load,
        checked_with=lambda: runtime_of(Format.ONNX),
    ),
    (Format.TFLITE, Precision.INT8): _integer(Precision.INT8),
    (Format.TFLITE, Precision.UINT8): _integer(Precision.UINT8),
    (Format.MACE, Precision.FLOAT32): _mace(Precision.FLOAT32),
    (Format.MACE, Precision.FLOAT16): _mace(Precision.FLOAT16),
    (Format.DLC, Precision.FLOAT32): _dlc(),
}
"""Everything that can be written."""

BROUGHT = {
    Format.ONNX: "quantise one with onnxruntime.quantization (QDQ) and give the file itself: moga bench FILE.onnx",
    Format.DLC: "quantise one with the SDK's snpe-dlc-quantize and give the file itself: moga bench FILE.dlc",
}
"""How the user gets a precision that no writer makes, by format."""


def writer_for(format: Format, precision: Precision) -> Writer:
    """Return the writer of a format and precision.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    writer = WRITERS.get((format, precision))
    if writer is None:
        supported = ", ".join(f"{known}/{kind}" for known, kind in WRITERS)
        advice = f". An integer file of your own is welcome: {BROUGHT[format]}" if format in BROUGHT else ""
        raise InputError(f"no writer makes {format} in {precision}; supported: {supported}{advice}")
    return writer
