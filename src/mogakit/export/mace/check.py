"""Check freshly written MACE files as a whole: each would run where it is meant to, and all four are one model."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mogakit.errors import ExportError
from mogakit.export.mace.interpreter import Interpreter
from mogakit.export.mace.netdef import Generation, RuntimeType
from mogakit.export.mace.reader import Model, read
from mogakit.export.mace.rules import problems
from mogakit.export.mace.writer import MaceFiles


def checked(files: MaceFiles) -> Interpreter:
    """Read every `.pb` back and return the interpreter of the model that they all are.

    Raises:
        ExportError: a file would not run as named, or two of them are not the same model.
    """
    first: Model | None = None
    for (generation, runtime), pb in files.pb.items():
        model = read(pb, files.data, f"the {generation.name} {runtime.name} file")
        found = problems(model, multi=generation is Generation.MULTI, gpu=runtime is RuntimeType.GPU)
        if found:
            raise ExportError(
                f"the MACE file for {generation.name}, {runtime.name} would not run: {'; '.join(found[:3])}"
            )
        if first is not None and (model.ops, model.inputs, model.outputs) != (first.ops, first.inputs, first.outputs):
            raise ExportError(
                f"the MACE file for {generation.name}, {runtime.name} is another model than the first one"
            )
        first = first or model
    if first is None:
        raise ExportError("no MACE file was written")
    return Interpreter(first)


def run(files: MaceFiles, inputs: Sequence[NDArray[np.generic]]) -> list[NDArray[np.float32]]:
    """Check the files and run them once in the interpreter; tensors are NHWC."""
    return checked(files).run(inputs)
