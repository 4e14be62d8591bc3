"""Describe a model file that the kit did not write, so that it can be timed like one that it did.

No runtime opens the file here: `export.foreign` reads it, with every offset checked.
"""

from pathlib import Path

import numpy as np

from mogakit.errors import InputError
from mogakit.export import snpe
from mogakit.export.artifact import Artifact, Format, Precision, Role, TensorSpec
from mogakit.export.foreign.model import EntryPoint, Input, ModelFile, identity
from mogakit.export.foreign.read import READERS, read_model
from mogakit.export.mace.naming import data_of
from mogakit.export.mace.reader import read_file
from mogakit.files import sha256_of


def describe_file(path: Path) -> Artifact:
    """Read a model file's inputs, outputs and precision; its name is the file's stem.

    A size that the file leaves open is -1. Of several signatures the first is described; `open_file` has all.

    Raises:
        InputError: there is no such file, its suffix is unknown, it is damaged, or one of its files is missing.
    """
    return open_file(path)[0]


def open_file(path: Path) -> tuple[Artifact, tuple[EntryPoint, ...]]:
    """Return a model file and every way in which it can be run; a `.dlc` says nothing of either.

    Raises:
        InputError: as `describe_file`.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix == snpe.SUFFIX:
        return snpe.bring(path), ()
    if suffix not in MODEL_SUFFIXES:
        supported = ", ".join(MODEL_SUFFIXES)
        raise InputError(f"{path} is not a model file that the kit reads; supported suffixes: {supported}")
    model = _mace(path) if suffix == MACE_SUFFIX else read_model(path)
    names = (path.name, *model.companions)
    digests = {name: sha256_of(path.parent / name) for name in names}
    is_split = model.format is Format.ONNX and len(names) > 1  # a MACE graph holds the checksum of its weights itself
    artifact = Artifact(
        name=path.stem,
        role=Role.NETWORK,
        path=path,
        format=model.format,
        precision=model.precision,
        sha256=identity(digests.values()) if is_split else digests[path.name],
        num_bytes=sum((path.parent / name).stat().st_size for name in names),
        inputs=tuple(item.spec for item in model.entries[0].inputs),
        outputs=model.entries[0].outputs,
        # One hash over all files leaves the main file's own to be kept here; otherwise `sha256` has it already.
        companions=digests if is_split else {name: digests[name] for name in model.companions} or None,
    )
    return artifact, model.entries


def _mace(path: Path) -> ModelFile:
    model = read_file(path)
    inputs, outputs = (
        tuple(TensorSpec(end.name, end.shape, end.dtype) for end in ends) for ends in (model.inputs, model.outputs)
    )
    half = any(value.dtype == np.float16 for value in model.constants.values())
    return ModelFile(
        format=Format.MACE,
        precision=Precision.FLOAT16 if half else Precision.FLOAT32,
        entries=(EntryPoint("", tuple(map(Input, inputs)), outputs),),
        companions=(data_of(path).name,),
    )


MACE_SUFFIX = ".pb"
MODEL_SUFFIXES = (*READERS, MACE_SUFFIX, snpe.SUFFIX)
"""Lower-case suffixes of the files that the kit times; a `.dlc` is read by its makers' SDK alone."""
