"""What a phone's output is compared with: the file itself, run here, or what a container was converted from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.errors import InputError
from mogakit.export import snpe
from mogakit.export.artifact import Artifact, Format
from mogakit.export.axes import to_channels_last
from mogakit.export.describe import describe_file
from mogakit.export.run import run, runtime_of, tflite_interpreter

Array = NDArray[Any]


@dataclass(frozen=True)
class Asked:
    """An input for a phone, and what should come out.

    Attributes:
        inputs: as the phone's file takes them.
        expected: one set of outputs for each way in which the phone's file may read that input.
    """

    inputs: list[Array]
    expected: list[list[Array]]


@dataclass(frozen=True)
class Reference:
    """A file that runs on this computer.

    Attributes:
        artifact: the file, with its inputs and outputs.
        name: of the runtime, and of the file where it is another one than the phone's.
        of_container: it is what the phone's file was converted from.
    """

    artifact: Artifact
    name: str
    of_container: bool = False

    def questions(self) -> Asked:
        """Return seeded input and the output that belongs to it.

        A container for SNPE takes channels last where its source takes them first, unless its maker asked for another
        layout while converting; the file does not tell. So the same bytes are read in either way, and two answers
        count as right.

        Raises:
            InputError: the file does not load here.
        """
        values = seeded_values(self.artifact)
        if not self.of_container:
            return Asked(values, [self._run(values)])
        turned = [_last(value) for value in values]
        as_they_lie = [value.reshape(given.shape) for value, given in zip(turned, values, strict=True)]
        expected = [[_last(value) for value in self._run(values)]]
        if any(value.ndim == 4 for value in values):
            expected.append(self._run(as_they_lie))
        return Asked(turned, expected)

    def _run(self, values: Sequence[Array]) -> list[Array]:
        return run(self.artifact.path, self.artifact.format, values)


def reference_of(artifact: Artifact) -> Reference:
    """Return what says how a file's output should be.

    Raises:
        InputError: it is a container for SNPE, and the file that it was converted from does not lie beside it.
    """
    if artifact.format is not Format.DLC:
        return Reference(artifact, runtime_of(artifact.format))
    source = snpe.source_of(artifact)
    if source is None:
        raise InputError(
            f"only the SDK reads {artifact.path.name}, and the file that it was converted from does not lie beside it; "
            f"put it there as {artifact.path.with_suffix(snpe.SOURCE_SUFFIX).name}"
        )
    found = replace(describe_file(source), name=artifact.name)
    return Reference(found, f"{runtime_of(found.format)} on {source.name}", of_container=True)


def seeded_values(artifact: Artifact) -> list[Array]:
    """Return standard normal values for each input as the file takes them; integers are their quantised steps.

    Raises:
        InputError: the file does not load here.
    """
    rng = np.random.default_rng(0)
    drawn: list[Array] = [rng.standard_normal(spec.shape, dtype=np.float32) for spec in artifact.inputs]
    if artifact.format is not Format.TFLITE:
        return drawn
    details = {detail["name"]: detail for detail in tflite_interpreter(artifact.path).get_input_details()}
    return [_quantised(value, details[spec.name]) for spec, value in zip(artifact.inputs, drawn, strict=True)]


def _quantised(value: Array, detail: Mapping[str, Any]) -> Array:
    kind = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    if kind.kind not in "iu" or not scale:
        return value.astype(kind)
    limits = np.iinfo(kind)
    return np.asarray(np.clip(np.round(value / scale) + zero_point, limits.min, limits.max), kind)


def _last(value: Array) -> Array:
    return np.ascontiguousarray(to_channels_last(value))
