"""The samples of a bundle: an input for each kind of file, and what each file makes of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mogakit import files
from mogakit.export.artifact import Artifact, Format
from mogakit.export.axes import to_channels_last
from mogakit.export.bundle.layout import SAMPLES, Sample
from mogakit.export.run import run, tflite_interpreter
from mogakit.export.verify import normal_input


def write_samples(folder: Path, artifacts: Sequence[Artifact], input_shape: tuple[int, ...]) -> dict[str, Sample]:
    """Write an input for each kind of file and each file's own answer; return them by the file's path in `folder`.

    Raises:
        InputError: a file does not load or run here.
    """
    image = normal_input(input_shape)
    found: dict[str, Sample] = {}
    for artifact in artifacts:
        given = _input_of(image, artifact, folder)
        layout = "nchw" if artifact.format is Format.ONNX else "nhwc"
        sample = Sample(
            input=f"{SAMPLES}/input.{layout}.{given.dtype}.npy",
            output=f"{SAMPLES}/{artifact.path.name}.output.npy",
        )
        _save_array(folder / sample.input, given)
        _save_array(folder / sample.output, answer(folder / artifact.path, artifact.format, given))
        found[artifact.path.as_posix()] = sample
    return found


def answer(path: Path, format: Format, given: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return what a file makes of an input; several outputs one behind the other in one row.

    Raises:
        InputError: the file does not load or run here, or the input does not fit it.
    """
    found = run(path, format, [given])
    return found[0] if len(found) == 1 else np.concatenate([value.reshape(-1) for value in found])


def _input_of(image: NDArray[np.float32], artifact: Artifact, folder: Path) -> NDArray[np.generic]:
    """Return the image (NCHW) as a file takes it."""
    if artifact.format is Format.ONNX:
        return image
    turned = np.ascontiguousarray(to_channels_last(image))
    if artifact.inputs[0].dtype != "float32":
        detail = tflite_interpreter(folder / artifact.path).get_input_details()[0]
        scale, zero_point = detail["quantization"]
        limits = np.iinfo(detail["dtype"])
        steps = np.clip(np.round(turned / scale) + zero_point, limits.min, limits.max)
        return np.asarray(steps, detail["dtype"])
    return turned


def _save_array(path: Path, value: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, value, allow_pickle=False)
