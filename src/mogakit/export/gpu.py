"""TFLite files on a GPU of this computer, through LiteRT's CompiledModel and its WebGPU (Vulkan) accelerator.

A Vulkan driver is needed. A software one does for seeing that files work, never for timing: SwiftShader, which Debian
packages with Chromium (`chromium-common`), with VK_ICD_FILENAMES set to its .json. Mesa's lavapipe is rejected.
"""

import os
from collections.abc import Mapping, Sequence
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


_DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
_DRIVER_FOLDERS = ("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
_SOFTWARE = ("swiftshader", "lvp")


def vulkan_drivers(environment: Mapping[str, str]) -> str:
    """Return the names of the driver files that the Vulkan loader would read, with `(software)` behind those that are.

    LiteRT does not say which adapter it took, so this is as near as an identity can come.
    """
    named = next((environment[name] for name in _DRIVER_VARIABLES if environment.get(name)), None)
    if named is not None:
        paths = [Path(item) for item in named.split(os.pathsep)]
    else:
        paths = [path for folder in _DRIVER_FOLDERS for path in sorted(Path(folder).glob("*.json"))]
    names = [f"{path.name} (software)" if any(word in path.name for word in _SOFTWARE) else path.name for path in paths]
    return ", ".join(names) or "unknown"


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

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the inputs, in the file's layout."""
        return [
            tuple(int(size) for size in item["shape"]) for item in self._details(self._model.get_input_tensor_details)
        ]

    def run(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return the outputs of one run, in the file's layout."""
        self.set_inputs(inputs)
        return self.invoke()

    def set_inputs(self, inputs: Sequence[NDArray[np.float32]]) -> None:
        """Copy inputs to where `invoke` reads them."""
        for buffer, value in zip(self._inputs, inputs, strict=True):
            buffer.write(np.ascontiguousarray(value, np.float32))

    def invoke(self) -> list[NDArray[np.float32]]:
        """Run once and read the outputs back, which waits for the GPU to finish."""
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
