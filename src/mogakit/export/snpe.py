"""`.dlc` files through the user's own Qualcomm SDK: the kit neither contains nor downloads it.

The SDK is found by its root folder in `SNPE_ROOT` or `QNN_SDK_ROOT`; both ship the converter `snpe-onnx-to-dlc` under
`bin/<host>/`, with its Python packages under `lib/python`.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Artifact, Format, Precision, Role, TensorSpec
from mogakit.files import replacing, sha256_of

ROOT_VARIABLES = ("SNPE_ROOT", "QNN_SDK_ROOT")
CONVERTER = "snpe-onnx-to-dlc"
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Sdk:
    """An SDK on this computer: `version` is the name of its root folder, which is how Qualcomm versions it."""

    root: Path
    converter: Path
    version: str


def find_sdk(environment: Mapping[str, str]) -> Sdk:
    """Return the SDK that the environment points at.

    Raises:
        InputError: no root is set, or there is no converter under it.
    """
    roots = [(name, environment[name]) for name in ROOT_VARIABLES if environment.get(name)]
    if not roots:
        raise InputError(
            "a .dlc is made by Qualcomm's own SDK, and none is set up: install it and set "
            f"{' or '.join(ROOT_VARIABLES)} to its root folder, or bring a .dlc of your own"
        )
    for name, value in roots:
        root = Path(value)
        found = sorted(root.glob(f"bin/*/{CONVERTER}"))
        if found:
            return Sdk(root, found[0], root.resolve().name)
        missing = f"{name}={value} holds no bin/*/{CONVERTER}; set it to the SDK's root folder"
    raise InputError(missing)


def convert(onnx: Artifact, folder: Path, environment: Mapping[str, str]) -> Artifact:
    """Convert an ONNX artifact of the kit into `folder/<stem>.dlc`; command and SDK version go into its notes.

    Raises:
        InputError: no SDK, or the artifact is not ONNX.
        ExportError: the converter failed, or left no file.
    """
    if onnx.format is not Format.ONNX:
        raise InputError(f"{CONVERTER} takes ONNX, {onnx.path.name} is {onnx.format}")
    sdk = find_sdk(environment)
    path = folder / f"{onnx.path.stem}.dlc"
    with replacing(path) as temporary:
        temporary.unlink()  # the converter makes the file itself: one that stays empty must not pass for its result
        command = [
            *_launcher(sdk.converter),
            "--input_network",
            str(onnx.path),
            "--output_path",
            str(temporary),
            *(part for item in onnx.inputs for part in ("--input_dim", item.name, ",".join(map(str, item.shape)))),
        ]
        _run(command, sdk, environment)
        if not temporary.is_file() or temporary.stat().st_size == 0:
            raise ExportError(f"{CONVERTER} ended without an error and without a file")
    shown = shlex.join(command).replace(str(temporary), path.name).replace(str(sdk.root), "$SNPE_ROOT")
    return Artifact(
        name=onnx.name,
        role=onnx.role,
        path=path,
        format=Format.DLC,
        precision=Precision.FLOAT32,
        sha256=sha256_of(path),
        num_bytes=path.stat().st_size,
        inputs=onnx.inputs,
        outputs=onnx.outputs,
        notes={"sdk": sdk.version, "command": shown, "from": onnx.sha256},
    )


def bring(path: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> Artifact:
    """Describe a `.dlc` that the user made; what it takes and gives has to be told, since only the SDK reads it.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    return Artifact(
        name=path.stem,
        role=Role.NETWORK,
        path=path,
        format=Format.DLC,
        precision=Precision.FLOAT32,
        sha256=sha256_of(path),
        num_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        notes={"from": "brought by the user"},
    )


def _launcher(converter: Path) -> list[str]:
    """Run the converter, a Python script without a suffix, by this Python where it is one."""
    with converter.open("rb") as file:
        is_script = file.read(2) == b"#!"
    return [sys.executable, str(converter)] if is_script else [str(converter)]


def _run(command: list[str], sdk: Sdk, environment: Mapping[str, str]) -> None:
    paths = [str(sdk.root / "lib" / "python"), environment.get("PYTHONPATH", "")]
    variables = {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "SNPE_ROOT": str(sdk.root)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=dict(variables)
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"{CONVERTER} ran longer than {TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        raise ExportError(f"{CONVERTER} failed with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
