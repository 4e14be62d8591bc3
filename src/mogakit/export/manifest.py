"""`manifest.json`: what lies in an export folder. Written atomically, so that it is valid at any moment."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from mogakit import files, records
from mogakit.errors import InputError
from mogakit.export import EXPORT_VERSION
from mogakit.export.artifact import Artifact
from mogakit.files import sha256_of

FILE_NAME = "manifest.json"
SCHEMA_VERSION = 1


@records.stored(
    "manifest",
    version=SCHEMA_VERSION,
    made_by="moga export",
    title="manifest of an export folder",
)
@dataclass(frozen=True)
class ManifestRecord:
    """The file's content; paths are relative to its folder, so that a folder can be moved."""

    schema_version: int
    export_version: str
    artifacts: tuple[Artifact, ...]


@dataclass
class Manifest:
    """The artifacts of a folder by path. `open_manifest` makes one; `save` writes it."""

    folder: Path
    artifacts: dict[Path, Artifact] = field(default_factory=dict)

    def add(self, artifact: Artifact) -> None:
        """Enter an artifact, in place of what lay at its path."""
        self.artifacts[artifact.path] = artifact

    def intact(self, path: Path, notes: dict[str, str]) -> Artifact | None:
        """Return the artifact at `path` if it is there, unchanged, and was made under `notes`; else None."""
        artifact = self.artifacts.get(path)
        if artifact is None or not notes.items() <= (artifact.notes or {}).items():
            return None
        parts = {path: artifact.sha256} | {
            path.parent / name: digest for name, digest in (artifact.companions or {}).items()
        }
        whole = all(part.is_file() and sha256_of(part) == digest for part, digest in parts.items())
        return artifact if whole else None

    def save(self) -> None:
        """Write `manifest.json`, sorted by path."""
        stored = ManifestRecord(
            schema_version=SCHEMA_VERSION,
            export_version=EXPORT_VERSION,
            artifacts=tuple(
                replace(artifact, path=path.relative_to(self.folder))
                for path, artifact in sorted(self.artifacts.items())
            ),
        )
        records.save(stored, self.folder / FILE_NAME)


def open_manifest(folder: Path) -> Manifest:
    """Open an export folder: one with a manifest, an empty one, or one still to be made.

    Files of another export version are not taken over: they are written again.

    Raises:
        InputError: the folder holds something else, or its manifest does not parse or is of a later kit.
    """
    path = folder / FILE_NAME
    if path.is_file():
        return _load(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder to export into")
    # A kill within the first writing of the manifest leaves nothing but temporary files.
    if folder.is_dir() and any(not files.is_temporary(entry) for entry in folder.iterdir()):
        raise InputError(
            f"{folder} holds files but no {FILE_NAME}, so it is not an export folder; give a new or empty one"
        )
    return Manifest(folder)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an existing export folder.

    Raises:
        InputError: there is none, it does not parse, or it is of a later kit.
    """
    if not (folder / FILE_NAME).is_file():
        raise InputError(f"{folder} has no {FILE_NAME}; `moga export blocks -o {folder}` writes one")
    return _load(folder)


def _load(folder: Path) -> Manifest:
    path = folder / FILE_NAME
    stored = records.load(ManifestRecord, path)
    manifest = Manifest(folder)
    if stored.export_version == EXPORT_VERSION:
        for artifact in stored.artifacts:
            whole = files.inside(folder, artifact.path, named_by=path)
            for name in artifact.companions or {}:
                files.inside(folder, artifact.path.parent / name, named_by=path)
            manifest.add(replace(artifact, path=whole))
    return manifest
