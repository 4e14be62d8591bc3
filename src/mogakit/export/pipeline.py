"""From a torch module to a verified file and its record: lower once, then write, run, compare, and only then keep."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mogakit.errors import ExportError
from mogakit.export import verify
from mogakit.export.artifact import Artifact, Format, Precision, Role
from mogakit.export.describe import describe_file
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.nodes import FloatArray
from mogakit.export.run import Array
from mogakit.export.writers import Options, Written, writer_for
from mogakit.files import write_bytes

__all__ = ["Source", "describe_file", "export", "export_module", "file_path", "file_stem", "prepare"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """A module made ready for any number of formats.

    Attributes:
        name: as in `Artifact.name`.
        graph: what the writers read.
        inputs: seeded inputs in torch's layout; `expected` what torch makes of each.
        notes: where the weights come from.
    """

    name: str
    role: Role
    graph: Graph
    inputs: list[FloatArray]
    expected: list[list[FloatArray]]
    notes: dict[str, str]


def prepare(
    module: nn.Module, name: str, role: Role, input_shape: tuple[int, ...], notes: dict[str, str] | None = None
) -> Source:
    """Lower `module` and run it in torch, once for all formats.

    Raises:
        UnsupportedOperator: naming module path, operator and the supported ones.
        InputError: the module is in training mode or does not take `input_shape` (N, C, H, W).
    """
    graph = lower(module, input_shape)
    inputs = verify.seeded_inputs(input_shape)
    return Source(
        name=name,
        role=role,
        graph=graph,
        inputs=inputs,
        expected=verify.torch_outputs(module, inputs),
        notes=dict(notes or {}),
    )


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
    found: list[list[Array]] = [writer.run(written, [value]) for value in source.inputs]
    agreement = verify.agreement(source.expected, found, writer.checked_with())
    if writer.limit is not None and agreement.relative > writer.limit:
        raise ExportError(
            f"{source.name} as {format} {precision} differs from torch by {agreement.relative:.2g} of the output's "
            f"scale in {agreement.checked_with}; allowed is {writer.limit:g}. Nothing was written"
        )
    digests = _store(written, folder, file_stem(source.name))
    path = file_path(source.name, format, precision, folder, options)
    main = digests.pop(path.name)
    return Artifact(
        name=source.name,
        role=source.role,
        path=path,
        format=format,
        precision=precision,
        sha256=main,
        num_bytes=sum(map(len, written.files.values())),
        inputs=written.inputs,
        outputs=written.outputs,
        agreement=agreement,
        companions=digests or None,
        notes={**source.notes, **written.notes} or None,
    )


def _store(written: Written, folder: Path, stem: str) -> dict[str, str]:
    """Write the files, the main one last so that it is never without the others, and return their sha256 by name."""
    digests = {}
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
