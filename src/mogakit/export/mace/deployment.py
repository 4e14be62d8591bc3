"""The deployment YAML that MACE's own converter takes, for users with a MACE checkout.

`python tools/python/convert.py --config FILE --output DIR` in the checkout turns the kit's ONNX file into `.pb` and
`.data`. It must be of opset 13: HardSwish (opset 14) is rejected there, and means of opset 18 come out wrong without
a word.
"""

from enum import StrEnum

import yaml

from mogakit.errors import InputError
from mogakit.export.artifact import Artifact, Format, TensorSpec

REQUIRED_OPSET = "13"


class ConverterRuntime(StrEnum):
    """Where the converted file is to run; `cpu+gpu` becomes GPU in the converter, so a file is made for one."""

    CPU = "cpu"
    GPU = "gpu"


class ConverterData(StrEnum):
    """Weights and arithmetic of the converted file; `fp16_fp32` is the converter's default."""

    FLOAT32 = "fp32_fp32"
    FLOAT16 = "fp16_fp32"


def deployment(
    artifact: Artifact, runtime: ConverterRuntime = ConverterRuntime.CPU, data: ConverterData = ConverterData.FLOAT16
) -> str:
    """Return the YAML for an ONNX file of the kit; it names the file by its bare name and belongs beside it.

    Raises:
        InputError: the artifact is not ONNX of opset 13.
    """
    opset = (artifact.notes or {}).get("opset")
    if artifact.format is not Format.ONNX or opset != REQUIRED_OPSET:
        raise InputError(
            f"MACE's converter takes ONNX of opset {REQUIRED_OPSET}; {artifact.path.name} is {artifact.format}"
            + (f" of opset {opset}. Export it with --opset {REQUIRED_OPSET}" if opset else "")
        )
    name = "".join(letter if letter.isalnum() else "_" for letter in artifact.name)
    model = {
        "platform": "onnx",
        "model_file_path": artifact.path.name,
        "model_sha256_checksum": artifact.sha256,
        "subgraphs": [
            {
                "input_tensors": [item.name for item in artifact.inputs],
                "input_shapes": [_shape(item) for item in artifact.inputs],
                "input_data_formats": ["NCHW" for _ in artifact.inputs],
                "output_tensors": [item.name for item in artifact.outputs],
                "output_shapes": [_shape(item) for item in artifact.outputs],
                "output_data_formats": ["NONE" if len(item.shape) != 4 else "NCHW" for item in artifact.outputs],
            }
        ],
        "runtime": runtime.value,
        "data_type": data.value,
        "winograd": 0,
        "obfuscate": 0,
    }
    document = {
        "library_name": name,
        "target_abis": ["arm64-v8a"],
        "model_graph_format": "file",
        "model_data_format": "file",
        "models": {name: model},
    }
    return str(yaml.safe_dump(document, sort_keys=False, width=120))


def _shape(spec: TensorSpec) -> str:
    return ",".join(map(str, spec.shape))
