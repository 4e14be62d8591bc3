"""What a file makes of given inputs, by the runtimes of this computer: the answers of a phone that computes rightly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.export.mace import interpreter


def tflite_outputs(file: Path, given: Mapping[str, bytes]) -> list[NDArray[Any]]:
    """Return the outputs of a TFLite file; plain kernels, which are not those of the kit's reference."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    running = Interpreter(str(file), experimental_op_resolver_type=plain)
    running.allocate_tensors()
    for detail in running.get_input_details():
        value = np.frombuffer(given[detail["name"]], detail["dtype"]).reshape(detail["shape"])
        running.set_tensor(detail["index"], value)
    running.invoke()
    return [running.get_tensor(detail["index"]) for detail in running.get_output_details()]


def mace_outputs(file: Path, weights: Path, given: list[bytes], shapes: list[tuple[int, ...]]) -> list[NDArray[Any]]:
    """Return the outputs of a MACE model."""
    values = [np.frombuffer(data, np.float32).reshape(shape) for data, shape in zip(given, shapes, strict=True)]
    return list(interpreter.load(file, weights).run(values))
