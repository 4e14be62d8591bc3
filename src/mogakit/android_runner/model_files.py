"""Which files of a model go to the phone for one job, and under which names they lie there."""

from dataclasses import replace
from pathlib import Path

from mogakit import files
from mogakit.android_runner import commands
from mogakit.android_runner.deploy import Wanted
from mogakit.android_runner.targets import TargetRow
from mogakit.android_runner.tools import Probe
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact, Format


def model_files(artifact: Artifact, row: TargetRow, probe: Probe) -> list[Wanted]:
    """Return the files of `artifact` as they are wanted on the phone, each with its hash.

    Raises:
        InputError: the graph names weights in another folder than its own.
    """
    known = {artifact.path.name: artifact.sha256, **(artifact.companions or {})}
    wanted = [
        wanted_file(path, known.get(path.name) or files.sha256_of(path))
        for path in commands.files_of(artifact, row, probe)
    ]
    if artifact.format is not Format.ONNX or artifact.path.name not in (artifact.companions or {}):
        return wanted
    return [_beside(item, artifact) for item in wanted]


def wanted_file(path: Path, sha256: str) -> Wanted:
    """Return one file for the phone, where it has a plain name, whatever it is called here."""
    return Wanted(source=path, sha256=sha256, num_bytes=path.stat().st_size, name="model" + "".join(path.suffixes[-1:]))


def _beside(item: Wanted, artifact: Artifact) -> Wanted:
    """Put a file of a model whose graph names its weights' files beside the others, under the name that it has there.

    Raises:
        InputError: the graph looks for it in a folder of its own.
    """
    if item.source.parent != artifact.path.parent:
        raise InputError(
            f"{artifact.path} has its weights in {item.source.parent}; on a phone they must lie beside the graph: save "
            "the model again with its weights in the same folder"
        )
    name = item.name if item.source == artifact.path else item.source.name
    return replace(item, name=name, group=artifact.sha256)
