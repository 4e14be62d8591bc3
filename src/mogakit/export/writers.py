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
from mogakit.export.quantize import CALIBRATED
from mogakit.export.run import Array, load, runtime_of


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may choose beyond format and precision. A choice that changes bytes is in `tag` and in `notes`.

    Attributes:
        opset: of ONNX files, 17 or 13.
        calibration: what integer files are calibrated on.
        ranges: a folder with the stored ranges of an earlier export, from which integer files are rebuilt.
        h_sigmoid: how MACE files write h-sigmoid.
        float_layers: names of layers that integer files leave in float (`layer_names.chosen`).
    """

    opset: int = onnx.DEFAULT_OPSET
    calibration: CalibrationData = field(default_factory=Synthetic)
    ranges: Path | None = None
    h_sigmoid: HSigmoid = HSigmoid.PORTABLE
    float_layers: tuple[str, ...] = ()

    @property
    def integers(self) -> integer.Request:
        """Return what integer files are made with."""
        return integer.Request(calibration=self.calibration, stored=self.ranges, float_layers=self.float_layers)


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
        precision: what the file computes in, where that is not what was asked for: `MIXED` with layers in float.
    """

    files: dict[str, bytes]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    notes: dict[str, str]
    torch_shapes: tuple[Shape, ...] = ()
    source: bytes = b""
    agreement: Agreement | None = None
    precision: Precision | None = None

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
    end = {Precision.INT8_FLOAT_IO: "float32", Precision.DYNAMIC_RANGE: "float32", Precision.INT16X8: "int16"}
    dtype = end.get(precision, precision.value)
    own = f".{precision}" if precision is Precision.INT16X8 else ""  # its float file is another, so are the ranges

    def write(graph: Graph, options: Options) -> Written:
        inputs, outputs = specs(graph, channels_last=True, dtype=dtype)
        if precision is Precision.DYNAMIC_RANGE:
            made = integer.write_dynamic(graph, options.integers)
        else:
            made = integer.write(graph, precision, options.integers)
        return _written(made, suffix(options), own, options, inputs, outputs)

    def suffix(options: Options) -> str:
        return f".{precision}{_mixed_tag(options)}.tflite"

    def opened(written: Written) -> Run:
        return _channels_first(integer.load(written.main))

    return Writer(
        write=write,
        suffix=suffix,
        load=opened,
        checked_with=lambda: runtime_of(Format.TFLITE),
        twin=(Format.TFLITE, Precision.FLOAT32),
        notes=_float_layer_notes if precision is Precision.DYNAMIC_RANGE else _integer_notes,
    )


def _onnx_integer() -> Writer:
    def write(graph: Graph, options: Options) -> Written:
        inputs, outputs = specs(graph, channels_last=False)
        made = integer.write_onnx(graph, options.opset, options.integers)
        written = _written(made, suffix(options), "", options, inputs, outputs)
        return replace(written, notes=written.notes | {"opset": str(options.opset)})

    def suffix(options: Options) -> str:
        return f".{Precision.INT8}{_mixed_tag(options)}{_onnx_suffix(options)}"

    return Writer(
        write=write,
        suffix=suffix,
        load=_onnx_load,
        checked_with=lambda: runtime_of(Format.ONNX),
        twin=(Format.ONNX, Precision.FLOAT32),
        notes=_integer_notes,
    )


def _written(
    made: integer.Integers,
    suffix: str,
    own: str,
    options: Options,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
) -> Written:
    """Return an integer file with its ranges beside it."""
    return Written(
        files={suffix: made.model} | ({f"{own}{integer.RANGES_SUFFIX}": made.ranges} if made.ranges else {}),
        inputs=inputs,
        outputs=outputs,
        notes=made.notes | _float_layer_notes(options),
        agreement=made.agreement,
        precision=made.precision,
    )


def _mixed_tag(options: Options) -> str:
    return ".mixed" if options.float_layers else ""


def _float_layer_notes(options: Options) -> dict[str, str]:
    return {"float_layers": ", ".join(options.float_layers)} if options.float_layers else {}


def _integer_notes(options: Options) -> dict[str, str]:
    known = {} if options.ranges is not None else {"calibration": options.calibration.describe()}
    return known | _float_layer_notes(options)


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
    (Format.ONNX, Precision.INT8): _onnx_integer(),
    **{(Format.TFLITE, kind): _integer(kind) for kind in (*CALIBRATED, Precision.DYNAMIC_RANGE)},
    (Format.MACE, Precision.FLOAT32): _mace(Precision.FLOAT32),
    (Format.MACE, Precision.FLOAT16): _mace(Precision.FLOAT16),
    (Format.DLC, Precision.FLOAT32): _dlc(),
}
"""Everything that can be written."""

INSTEAD = {
    Format.ONNX: "quantise one with onnxruntime.quantization and give the file itself: moga bench FILE.onnx",
    Format.DLC: "quantise one with the SDK's snpe-dlc-quantize and give the file itself: moga bench FILE.dlc",
}
"""How the user gets a precision that no writer makes, by format."""


def precisions_of(format: Format) -> tuple[Precision, ...]:
    """Return the precisions in which files of a format are written."""
    return tuple(precision for known, precision in WRITERS if known is format)


def writer_for(format: Format, precision: Precision) -> Writer:
    """Return the writer of a format and precision.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    writer = WRITERS.get((format, precision))
    if writer is not None:
        return writer
    if precision is Precision.MIXED:
        raise InputError("mixed is int8 with layers in float: ask for int8, and name them with --float-layer")
    supported = ", ".join(f"{format}/{kind}" for kind in precisions_of(format))
    others = ", ".join(dict.fromkeys(known for known, kind in WRITERS if kind is precision))
    elsewhere = f" ({precision} is written for {others})" if others else ""
    advice = f". An integer file of your own can be timed: {INSTEAD[format]}" if format in INSTEAD else ""
    raise InputError(f"no writer makes {format} in {precision}; supported: {supported}{elsewhere}{advice}")
