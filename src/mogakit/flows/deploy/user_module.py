"""Export a torch module that is not the kit's: any function that returns one, or the module itself."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mogakit import plugins
from mogakit.errors import InputError
from mogakit.export import converters
from mogakit.export.artifact import Artifact, Converter, Format, Precision, Role
from mogakit.export.manifest import open_manifest
from mogakit.export.pipeline import convert, export, prepare
from mogakit.export.writers import Options, writer_for
from mogakit.files import sha256_of
from mogakit.nets.weights import load_weights
from mogakit.progress import Progress, silent

Shape = tuple[int, ...]


def read_shape(text: str) -> Shape:
    """Read `1x3x192x256`.

    Raises:
        InputError: it is not sizes of at least 1, joined by `x`.
    """
    sizes = text.split("x")
    if not all(size.isdecimal() and 0 < int(size) < 2**31 for size in sizes):
        raise InputError(f"{text!r} is not a shape; write it with its batch, as 1x3x224x224")
    return tuple(int(size) for size in sizes)


def read_setting(text: str) -> tuple[str, Any]:
    """Read `width=0.5`: the value is a Python literal, or else text.

    Raises:
        InputError: there is no `=`, or the name is not one that an argument may have.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"{text!r} is not an argument of a function; write it as width=0.5")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def build_user_module(reference: str, settings: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """Import `package.module:function`, call it with `settings`, and return its module in eval mode.

    Args:
        reference: of a function or class that returns a module, or of a module.
        seed: of torch, before the function is called.

    Raises:
        InputError: it cannot be imported, does not take the settings, or returns something else. An error inside the
            function is raised as it is.
    """
    found = plugins.load(reference)
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise InputError(f"{reference} is a {type(found).__name__}, neither a torch module nor a function")
        torch.manual_seed(seed)
        found = plugins.called_with(found, dict(settings), reference)
    elif settings:
        raise InputError(f"{reference} is a module, not a function: it takes no setting {', '.join(settings)}")
    if isinstance(found, torch.jit.ScriptModule):
        raise InputError(f"{reference} is a ScriptModule, which hides its Python; give the module it was made from")
    if not isinstance(found, nn.Module):
        raise InputError(f"{reference} returns a {type(found).__name__}, not a torch module")
    return found.eval()


def export_user_module(
    module: nn.Module,
    name: str,
    inputs: Sequence[Shape],
    formats: Sequence[Format],
    precision: Precision,
    folder: Path,
    *,
    weights: Path | None = None,
    ema: bool = False,
    options: Options | None = None,
    converter: Converter | None = None,
    progress: Progress = silent,
) -> list[Artifact]:
    """Write a module in each format, after it has agreed with torch; what lies in the folder is written again.

    Args:
        name: of the files.
        inputs: the shape of each positional argument of `forward`, with its batch.
        weights: a checkpoint of the module, otherwise it is exported as it is.
        converter: of the format's makers, which writes its own format in float32 in place of the kit's writers.

    Raises:
        CheckpointError: the weights do not fit.
        UnsupportedOperator: the module uses an operator that has no place in a file.
        InputError, ExportError: as in `export_network`.
    """
    options = options or Options()
    if not inputs:
        raise InputError("give the shape of every input, with its batch: --input 1x3x224x224")
    if weights is not None:
        load_weights(module, weights, ema=ema)
    notes = {"weights": "as the module has them" if weights is None else f"sha256 {sha256_of(weights)}"}
    if converter is not None:
        converters.notes(converter)
        manifest = open_manifest(folder)
        made = [convert(module, name, Role.NETWORK, inputs, converter, folder, notes)]
        manifest.add(made[0])
        manifest.save()
        return made
    for format in formats:
        writer_for(format, precision).notes(options)
    manifest = open_manifest(folder)
    manifest.save()
    source = prepare(module, name, Role.NETWORK, *inputs, notes=notes)
    made = []
    try:
        for format in dict.fromkeys(formats):
            made.append(export(source, format, precision, folder, options))
            manifest.add(made[-1])
            progress(len(made), len(formats), name)
    finally:
        manifest.save()
    return made


def name_of(reference: str, settings: Mapping[str, Any], inputs: Sequence[Shape]) -> str:
    """Return the name of a user's network: the function, its settings and its input, `build@width=0.5@1x3x192x256`."""
    parts = [reference.partition(":")[2], *(f"{key}={value}" for key, value in settings.items())]
    parts += ["x".join(map(str, shape)) for shape in inputs]
    return "@".join(parts)
