"""TFLite files on a GPU of this computer, through LiteRT's CompiledModel and its WebGPU (Vulkan) accelerator.

A Vulkan driver is needed. A software one does for seeing that files work, never for timing: SwiftShader, which Debian
packages with Chromium (`chromium-common`), with VK_ICD_FILENAMES set to its .json. Mesa's lavapipe is refused.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.errors import MeasurementError

INSTALL_HINT = (
    "LiteRT's GPU accelerator needs a Vulkan driver; without a graphics card, Debian's chromium-common has a software "
    "one (set VK_ICD_FILENAMES to its vk_swiftshader_icd.json, and LD_LIBRARY_PATH to its folder where libvulkan1 is "
    "absent)"
)


class GpuModel:
    """A float TFLite file compiled for the GPU, wholly: no operator is left to the CPU.

    Arithmetic is float32 (`enforce_f32`), so that results can be compared with the CPU's.
    """

    def __init__(self, path: Path) -> None:
        """Compile `path`.

        Raises:
            MeasurementError: there is no usable GPU, or it does not take the whole graph.
        """
        from ai_edge_litert.compiled_model import CompiledModel  # slow to import, and needed here only
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import GpuOptions, Options

        options = Options(
            hardware_accelerators=HardwareAccelerator.GPU,
            gpu_options=GpuOptions(enforce_f32=True),
        )
        try:
            self._model: Any = CompiledModel.from_file(str(path), options=options)
        except (RuntimeError, ValueError) as error:
            raise MeasurementError(f"{path.name} could not be compiled for a GPU: {error}. {INSTALL_HINT}") from error
        if not self._model.is_fully_accelerated():
            raise MeasurementError(f"the GPU did not take the whole of {path.name}; the rest would run on the CPU")
        self._inputs: Any = self._model.create_input_buffers(0)
        self._outputs: Any = self._model.create_output_buffers(0)
        self._shapes = [
            tuple(int(size) for size in detail["shape"])
            for detail in self._details(self._model.get_output_tensor_details)
        ]

    def run(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return the outputs of one run, in the file's layout."""
        for buffer, value in zip(self._inputs, inputs, strict=True):
            buffer.write(np.ascontiguousarray(value, np.float32))
        self._model.run_by_index(0, self._inputs, self._outputs)
        return [
            np.asarray(buffer.read(int(np.prod(shape)), np.float32), np.float32).reshape(shape)
            for buffer, shape in zip(self._outputs, self._shapes, strict=True)
        ]

    def close(self) -> None:
        """Give the GPU's memory back."""
        for buffer in (*self._inputs, *self._outputs):
            buffer.destroy()
        self._model.close()

    @staticmethod
    def _details(get: Any) -> list[dict[str, Any]]:
        found: Any = get("serving_default")
        return list(found.values()) if isinstance(found, dict) else list(found)
