"""How a tool is made to compute on a given input, and how its output comes back: one row a tool that can."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.android_runner import snpe_tools
from mogakit.android_runner.commands import Call, RunLength
from mogakit.android_runner.quoting import quote
from mogakit.android_runner.targets import ToolKind
from mogakit.errors import MeasurementError
from mogakit.export.artifact import Artifact

Array = NDArray[Any]

MAX_OUTPUT_BYTES = 4_000_000
"""Of all outputs of a file together; they come back as text with the answers of the run."""

ONCE = RunLength(num_runs=1, min_s=0.0, max_s=60.0, warmup_runs=0, warmup_min_s=0.0)
"""One inference: nothing is timed."""

_OUTPUT = "output.raw"  # in the run's own folder
_UNUSUAL = re.compile(r"[,\s\\]")


@dataclass(frozen=True, kw_only=True)
class Computing:
    """How one tool computes on given input.

    Attributes:
        arguments: what stands behind the tool's usual arguments.
        prelude: shell text that puts the inputs where the tool looks for them, in the run's own folder.
        outputs: names of the files that it writes there, as shell text, each with one or more outputs one behind the
            other.
    """

    arguments: Callable[[Call, Sequence[str]], list[str]]
    prelude: Callable[[Call, Sequence[str]], str]
    outputs: Callable[[Call], list[str]]


@dataclass(frozen=True)
class Computation:
    """One run on given input: the further arguments, what prepares it, and what brings the output back."""

    arguments: list[str]
    prelude: str
    questions: dict[str, str]


def cannot(artifact: Artifact, tool: str) -> str | None:
    """Return why a file's output cannot be had from a tool, or None where it can.

    Args:
        artifact: the reference: the file itself, or what a container was converted from.
        tool: one of `TOOLS`.
    """
    if tool == ToolKind.SNPE_NET_RUN and (len(artifact.inputs), len(artifact.outputs)) != (1, 1):
        return "snpe-net-run names outputs in its own way; files of one input and one output are compared"
    if not artifact.inputs or not artifact.outputs:
        return f"nothing here reads the inputs and outputs of a {artifact.format} file"
    for spec in artifact.inputs:
        if spec.dtype not in ("float32", "int8", "uint8"):
            return f"input {spec.name!r} holds {spec.dtype}, for which no values are made"
        if _UNUSUAL.search(spec.name):
            return f"the name of input {spec.name!r} cannot be written on the tool's command line"
    size = sum(prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in artifact.outputs)
    if size > MAX_OUTPUT_BYTES:
        return f"the output has {size} bytes, and {MAX_OUTPUT_BYTES} are the most that are fetched"
    return None


def computation(call: Call, inputs: Sequence[str]) -> Computation:
    """Return how `call` computes on input files that lie at `inputs` on the phone.

    Raises:
        MeasurementError: the phone's commands cannot bring the output back.
    """
    if "base64" not in call.userland.has:
        raise MeasurementError("the phone has no base64, by which the output would come back")
    tool = TOOLS[call.row.tool]
    bound = call.userland.bounded(MAX_OUTPUT_BYTES + 1)
    questions = {f"output-{index}": f"cat {name} | {bound} | base64" for index, name in enumerate(tool.outputs(call))}
    return Computation(tool.arguments(call, inputs), tool.prelude(call, inputs), questions)


def read_outputs(answers: Mapping[str, str], expected: Sequence[Array]) -> list[Array]:
    """Read what a run wrote, as arrays of the shapes and types of `expected`.

    Raises:
        MeasurementError: it wrote nothing, did not arrive whole, or has another size.
    """
    texts = [answers[f"output-{index}"] for index in range(len(answers)) if f"output-{index}" in answers]
    try:
        data = b"".join(base64.b64decode("".join(text.split()), validate=True) for text in texts)
    except binascii.Error as error:
        raise MeasurementError(f"the output did not arrive whole: {error}") from error
    sizes = [value.nbytes for value in expected]
    if not data:
        raise MeasurementError("the tool wrote no output")
    if len(data) != sum(sizes):
        raise MeasurementError(f"the tool wrote {len(data)} bytes of output, and {sum(sizes)} were expected")
    found, at = [], 0
    for value, size in zip(expected, sizes, strict=True):
        found.append(np.frombuffer(data[at : at + size], value.dtype.newbyteorder("<")).reshape(value.shape))
        at += size
    return found


def write_input(value: Array, path: Path) -> None:
    """Write an input as every tool reads it: little-endian, row by row."""
    path.write_bytes(np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes())


def _benchmark_arguments(call: Call, inputs: Sequence[str]) -> list[str]:
    specs = call.artifact.inputs
    names = [spec.name.replace(":", r"\:") for spec in specs]
    return [
        f"--input_layer={','.join(spec.name for spec in specs)}",
        f"--input_layer_shape={':'.join(','.join(map(str, spec.shape)) for spec in specs)}",
        f"--input_layer_value_files={','.join(f'{name}:{path}' for name, path in zip(names, inputs, strict=True))}",
        f"--output_filepath={_OUTPUT}",
    ]


def mace_file(prefix: str, name: str) -> str:
    """Return the file that `mace_run` reads or writes for a node."""
    return f"{prefix}_{re.sub(r'[^0-9A-Za-z]', '_', name)}"


def _mace_prelude(call: Call, inputs: Sequence[str]) -> str:
    """Put the inputs in the place of the zeros that the driver's own prelude has made."""
    pairs = zip(call.artifact.inputs, inputs, strict=True)
    return " && ".join(f"ln -sf {quote(path)} {quote(mace_file('in', spec.name))}" for spec, path in pairs)


TOOLS: dict[str, Computing] = {
    ToolKind.BENCHMARK_MODEL: Computing(
        arguments=_benchmark_arguments, prelude=lambda call, inputs: "", outputs=lambda call: [_OUTPUT]
    ),
    ToolKind.MACE_RUN: Computing(
        arguments=lambda call, inputs: [],
        prelude=_mace_prelude,
        outputs=lambda call: [quote(mace_file("out_tensor", spec.name)) for spec in call.artifact.outputs],
    ),
    ToolKind.SNPE_NET_RUN: Computing(
        arguments=lambda call, inputs: [],
        prelude=lambda call, inputs: f"ln -sf {quote(inputs[0])} {snpe_tools.INPUT}",
        outputs=lambda call: [snpe_tools.FIRST_OUTPUT],
    ),
}
"""Tools that write their output. LiteRT's own tool, onnxruntime_perf_test and SNPE's throughput tool have no such
flag."""
