"""From a torch module to a verified file and its record: lower once, then write, run, compare, and only then keep."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from mogakit.errors import ExportError, InputError
from mogakit.export import converters, snpe, verify
from mogakit.export.artifact import Agreement, Artifact, Converter, Format, Precision, Role
from mogakit.export.describe import describe_file
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.writers import Options, Run, Writer, Written, writer_for
from mogakit.files import write_bytes

__all__ = [
    "Source",
    "convert",
    "converted_path",
    "describe_file",
    "export",
    "export_module",
    "file_path",
    "file_stem",
    "prepare",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """A module made ready for any number of formats.

    Attributes:
        name: as in `Artifact.name`.
        graph: what the writers read.
        reference: what torch makes of seeded inputs.
        agreed: the float files that have been held against it.
        notes: where the weights come from.
    """

    name: str
    role: Role
    graph: Graph
    reference: verify.Reference
    notes: dict[str, str]
    agreed: set[tuple[Format, Precision]] = field(default_factory=set)


def prepare(
    module: nn.Module, name: str, role: Role, *input_shapes: tuple[int, ...], notes: dict[str, str] | None = None
) -> Source:
    """Lower `module` and run it in torch, once for all formats.

    Args:
        input_shapes: of each input, (N, C, H, W) or any other.

    Raises:
        UnsupportedOperator: naming module path, operator and the supported ones.
        InputError: the module is in training mode or does not take the shapes.
    """
    graph = lower(module, *input_shapes)
    reference = _reference(module, role, *input_shapes)
    return Source(name=name, role=role, graph=graph, reference=reference, notes=dict(notes or {}))


def _reference(module: nn.Module, role: Role, *input_shapes: tuple[int, ...]) -> verify.Reference:
    kinds = tuple(verify.Distribution) if role is Role.NETWORK else verify.INSIDE
    return verify.Reference(module, verify.check_inputs(*input_shapes, kinds=kinds))


def file_stem(name: str) -> str:
    """Return the name of an artifact as a file's stem: the slash of `moga/8-10-6` would be a folder.

    The colon of `package.module:space` is a drive where Windows' folders are mounted.
    """
    return name.replace("/", "_").replace(":", "_")


def file_path(name: str, format: Format, precision: Precision, folder: Path, options: Options) -> Path:
    """Return where `export` puts the main file: `<key>.tflite`, `<key>.float16.tflite`, `<key>.opset13.onnx`, ...

    Raises:
        InputError: no writer makes that format in that precision.
    """
    return folder / f"{file_stem(name)}{writer_for(format, precision).suffix(options)}"


def export(
    source: Source, format: Format, precision: Precision, folder: Path, options: Options | None = None
) -> Artifact:
    """Write one file into `folder` after it has agreed with torch.

    Raises:
        ExportError: it does not agree; nothing is left on disk.
        InputError: no writer makes that format in that precision, or it cannot express the graph.
        OSError: the disk is full or the folder not writable; nothing half written is left.
    """
    options = options or Options()
    writer = writer_for(format, precision)
    written = writer.write(source.graph, options)
    agreement = _agreement(source, writer, written, f"{format} {precision}", options)
    source.agreed.add((format, precision))
    path = file_path(source.name, format, precision, folder, options)
    return _kept(source.name, source.role, path, (format, precision), written, agreement, source.notes)


def converted_path(name: str, converter: Converter, folder: Path) -> Path:
    """Return where `convert` puts the file: `<key>.litert-torch.tflite`, beside the kit's own."""
    return folder / f"{file_stem(name)}{converters.suffix(converter)}"


def convert(
    module: nn.Module,
    name: str,
    role: Role,
    input_shapes: Sequence[tuple[int, ...]],
    converter: Converter,
    folder: Path,
    notes: dict[str, str] | None = None,
) -> Artifact:
    """Let a format's makers' converter write one float32 file into `folder`, after it has agreed with torch.

    Raises:
        InputError: the converter is not installed, the module is in training mode or does not take the shapes.
        ExportError: the converter does not take the module, or its file does not agree; nothing is left on disk.
        OSError: the disk is full or the folder not writable; nothing half written is left.
    """
    written = converters.write(module, converter, *input_shapes)
    reference = _reference(module, role, *input_shapes)
    said = {**(notes or {}), **written.notes}
    label = f"{name} as {converter.writes} by {said[converters.NOTE]}"
    try:
        run = converters.opened(written, converter)
    except InputError as error:
        raise ExportError(f"{label} does not run here: {error}") from error
    agreement = _compared(reference, run, converters.checked_with(converter), label)
    kind = (converter.writes, Precision.FLOAT32)
    return _kept(name, role, converted_path(name, converter, folder), kind, written, agreement, said)


def _kept(
    name: str,
    role: Role,
    path: Path,
    kind: tuple[Format, Precision],
    written: Written,
    agreement: Agreement,
    notes: dict[str, str],
) -> Artifact:
    """Store a file that has agreed with torch, and return its record."""
    digests = _store(written, path.parent, file_stem(name))
    main = digests.pop(path.name)
    return Artifact(
        name=name,
        role=role,
        path=path,
        format=kind[0],
        precision=written.precision or kind[1],
        sha256=main,
        num_bytes=sum(map(len, written.files.values())),
        inputs=written.inputs,
        outputs=written.outputs,
        agreement=agreement,
        companions=digests or None,
        notes={**notes, **written.notes} or None,
    )


def _agreement(source: Source, writer: Writer, written: Written, label: str, options: Options) -> Agreement:
    """Hold a written file against torch; an integer one is as good as the float file that it was made from."""
    if written.agreement is not None and writer.twin is not None:
        if writer.twin not in source.agreed:
            twin = writer_for(*writer.twin)
            _agreement(source, twin, twin.write(source.graph, options), f"the float twin of {label}", options)
            source.agreed.add(writer.twin)
        return written.agreement
    label = f"{source.name} as {label}"
    return _compared(source.reference, writer.load(written), writer.checked_with(), label, half=writer.half)


def _compared(reference: verify.Reference, run: Run, checked_with: str, label: str, *, half: bool = False) -> Agreement:
    found = {kind: run(values) for kind, values in reference.usable.items()}
    try:
        return verify.agreement(reference, found, checked_with, half=half)
    except ExportError as error:
        raise ExportError(f"{label}: {error}. Nothing was written") from error


def _store(written: Written, folder: Path, stem: str) -> dict[str, str]:
    """Write the files, the main one last so that it is never without the others, and return their sha256 by name.

    What the main file was converted from lies beside it: where a device computes, that says what should come out.
    """
    digests = {}
    if written.source:
        write_bytes(folder / f"{stem}{next(iter(written.files))}{snpe.SOURCE_SUFFIX}", written.source)
    for suffix, content in reversed(written.files.items()):
        write_bytes(folder / f"{stem}{suffix}", content)
        digests[f"{stem}{suffix}"] = hashlib.sha256(content).hexdigest()
    return digests


def export_module(
    module: nn.Module,
    name: str,
    role: Role,
    format: Format,
    precision: Precision,
    input_shape: tuple[int, ...],
    folder: Path,
    options: Options | None = None,
) -> Artifact:
    """Lower, write and verify one module in one format: `prepare` and `export` in one call, with their errors."""
    return export(prepare(module, name, role, input_shape), format, precision, folder, options)
