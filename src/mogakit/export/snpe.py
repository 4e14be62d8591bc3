"""`.dlc` files through the user's own Qualcomm SDK: the kit neither contains nor downloads it.

The SDK is found by its root folder in `SNPE_ROOT` or `QNN_SDK_ROOT`; both ship the converter `snpe-onnx-to-dlc` under
`bin/<host>/`, with its Python packages under `lib/python`.
"""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mogakit import files
from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Artifact, Format, Precision, Role, TensorSpec

ROOT_VARIABLES = ("SNPE_ROOT", "QNN_SDK_ROOT")
SUFFIX = ".dlc"
SOURCE_SUFFIX = ".onnx"
"""Ends the name of the file that a container was converted from: `x.dlc.onnx` lies beside `x.dlc`."""
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
        root = Path(value).absolute()
        found = sorted(root.glob(f"bin/*/{CONVERTER}"))
        if found:
            return Sdk(root, found[0], root.resolve().name)
        missing = f"{name}={value} holds no bin/*/{CONVERTER}; set it to the SDK's root folder"
    raise InputError(missing)


@dataclass(frozen=True)
class Converted:
    """A container in memory; `notes` hold the SDK's version, the command, and the SHA-256 of the ONNX file."""

    data: bytes
    notes: dict[str, str]


def convert(onnx: bytes, inputs: Sequence[TensorSpec], environment: Mapping[str, str]) -> Converted:
    """Convert an ONNX file of the kit.

    The converter writes its command line into the container, so it runs in a folder of its own with bare file names.

    Raises:
        InputError: no SDK.
        ExportError: the converter failed, or left no file.
    """
    sdk = find_sdk(environment)
    dimensions = [part for item in inputs for part in ("--input_dim", item.name, ",".join(map(str, item.shape)))]
    arguments = ["--input_network", "network.onnx", "--output_path", "network.dlc", *dimensions]
    with files.scratch() as folder:
        (folder / "network.onnx").write_bytes(onnx)
        run_program(sdk.converter, arguments, sdk.converter, folder, environment)
        path = folder / "network.dlc"
        if not path.is_file() or path.stat().st_size == 0:
            raise ExportError(f"{CONVERTER} ended without an error and without a file")
        data = path.read_bytes()
    shown = f"$SNPE_ROOT/{sdk.converter.relative_to(sdk.root)} {shlex.join(arguments)}"
    return Converted(data, {"sdk": sdk.version, "command": shown, "from": hashlib.sha256(onnx).hexdigest()})


def bring(path: Path) -> Artifact:
    """Describe a `.dlc` that the user made. Only the SDK reads one, so inputs and outputs stay unknown.

    Its precision is taken for float32, until whoever times it names a target of another (`moga bench`).

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
        sha256=files.sha256_of(path),
        num_bytes=path.stat().st_size,
        inputs=(),
        outputs=(),
        notes={"from": "supplied by the user"},
    )


def source_of(container: Artifact) -> Path | None:
    """Return the ONNX file that a container was converted from, None where none lies beside it.

    That is `x.dlc.onnx`, which the kit writes and recognises by its hash, or beside a user's own container `x.onnx`.
    """
    names = [container.path.name + SOURCE_SUFFIX, container.path.with_suffix(SOURCE_SUFFIX).name]
    made_here = (container.notes or {}).get("sdk") is not None
    for path in (container.path.with_name(name) for name in names):
        if path.is_file() and (not made_here or files.sha256_of(path) == (container.notes or {})["from"]):
            return path
    return None


def run_program(
    program: Path,
    arguments: Sequence[str],
    place: Path,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Run a program of the SDK in `folder`, with what the SDK's own set-up script would let it find.

    It has a session of its own: Ctrl-C in the kit's terminal would otherwise end it before the kit, like a failure.
    Where the kit stops waiting, interrupted or after `timeout_s`, it is ended with all that it started.

    Args:
        place: where the SDK has it (ROOT/bin/HOST/NAME); `program` may be a copy of that.

    Raises:
        ExportError: it did not start, failed, or ran longer than `timeout_s`.
    """
    try:
        process = subprocess.Popen(
            [*_launcher(program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=_variables(place, environment),
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise ExportError(f"{place.name} could not be started: {error}") from error
    with process:
        try:
            output, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise ExportError(f"{place.name} ran longer than {timeout_s:g} s") from error
        except BaseException:
            _end(process)
            raise
    if process.returncode != 0:
        raise ExportError(f"{place.name} failed with {process.returncode}: {(output + stderr)[-500:]}")


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that leads its session, and what it started there."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _launcher(program: Path) -> list[str]:
    """Run a Python script, as the SDK's have no suffix, by this Python; anything else by itself."""
    with program.open("rb") as file:
        first = file.readline(256)
    return [sys.executable, str(program)] if first.startswith(b"#!") and b"python" in first else [str(program)]


def _variables(place: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Add the SDK's Python packages and libraries to `environment`; a program outside of an SDK gets nothing."""
    if place.parent.parent.name != "bin":
        return dict(environment)
    root = place.parent.parent.parent
    added = {"PYTHONPATH": root / "lib" / "python", "LD_LIBRARY_PATH": root / "lib" / place.parent.name}
    paths = {
        name: os.pathsep.join(filter(None, [str(path), environment.get(name, "")])) for name, path in added.items()
    }
    return {**environment, **paths, "SNPE_ROOT": str(root)}
