"""A bundle: everything that an app's author needs to load a model and to trust it, in one folder.

bundle.json        what the bundle is (`Bundle`); paths in it are relative to the folder
README.md          the model card; card.json is the same for programs
models/            the files, with their manifest
samples/           an input for each kind of file, and what each file makes of it
snippets/          lines of code that load the files
labels.txt         one class a line, where they were given
LICENSE-NOTE.txt
SHA256SUMS         of every file above, as `sha256sum -c` reads it
SHA256SUMS.sha256  of SHA256SUMS, so that a damaged list is distinguished from a damaged file
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mogakit import files, records
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact
from mogakit.export.preprocessing import Preprocessing

SCHEMA_VERSION = 1
BUNDLE_NAME = "bundle.json"
SUMS_NAME = "SHA256SUMS"
SEAL_NAME = "SHA256SUMS.sha256"
MODELS = "models"
SAMPLES = "samples"
SNIPPETS = "snippets"

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[^\n]+)")


@dataclass(frozen=True)
class Sample:
    """Arrays for one file, in its own layout and types, as `.npy` paths relative to the bundle."""

    input: str
    output: str


@dataclass(frozen=True, kw_only=True)
class LatencyNote:
    """A latency that came with the bundle.

    Attributes:
        kind: `predicted` or `measured`.
        spread: how sure it is, with its unit and kind; empty where nobody knows.
        source: the file it was read from.
        comment: why it may not stand for its target, as a partial delegation; empty where nothing speaks against it.
    """

    target: str
    device: str
    latency_ms: float
    spread: str
    kind: str
    source: str
    comment: str = ""


@records.stored("bundle", version=SCHEMA_VERSION, made_by="moga ship NET -o FOLDER", title="description of a bundle")
@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What `bundle.json` holds.

    Attributes:
        network: its name; `keys` its blocks in order.
        architecture_source: where its layers were read.
        params, madds: counted on the network.
        weights: `random, seed 0` or `sha256 ...` of the checkpoint.
        random_weights: True where nothing but timing can be done with the files.
        artifacts: with paths relative to the bundle.
        samples: by the path of an artifact.
        detection: path of a detector's anchors and post-processing, None for a classifier.
    """

    schema_version: int
    kit_version: str
    export_version: str
    network: str
    keys: tuple[str, ...]
    architecture_source: str
    params: int
    madds: int
    input_size: int
    num_classes: int
    weights: str
    random_weights: bool
    has_labels: bool
    calibration: str
    calibrated_for_timing_only: bool
    preprocessing: Preprocessing
    artifacts: tuple[Artifact, ...]
    samples: dict[str, Sample]
    latencies: tuple[LatencyNote, ...]
    detection: str | None = None


@dataclass(frozen=True)
class Damage:
    """One thing wrong with a bundle's files. `file` is relative to the bundle."""

    file: str
    problem: str


def payload(folder: Path) -> list[str]:
    """Return the names of all files under a bundle that SHA256SUMS lists, relative and sorted."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name not in (SUMS_NAME, SEAL_NAME))


def save(folder: Path, bundle: Bundle) -> None:
    """Write `bundle.json`, then the checksums over everything."""
    records.save(bundle, folder / BUNDLE_NAME)
    sums = _render(_digests(folder))
    files.write_text(folder / SUMS_NAME, sums)
    files.write_text(folder / SEAL_NAME, _seal(sums.encode()))


def load(folder: Path) -> Bundle:
    """Read `bundle.json`.

    Raises:
        InputError: the folder is not a bundle, the file does not parse, or a later kit wrote it.
    """
    path = folder / BUNDLE_NAME
    if not path.is_file():
        raise InputError(f"{folder} is not a bundle: it has no {BUNDLE_NAME}; `moga ship NET -o {folder}` makes one")
    bundle = records.load(Bundle, path)
    named = [artifact.path for artifact in bundle.artifacts]
    named += [Path(name) for sample in bundle.samples.values() for name in (sample.input, sample.output)]
    named += [] if bundle.detection is None else [Path(bundle.detection)]
    named += [artifact.path.parent / name for artifact in bundle.artifacts for name in artifact.companions or {}]
    for one in named:
        files.inside(folder, one, named_by=path)
    return bundle


def damages(folder: Path) -> list[Damage]:
    """Compare every byte of a bundle with its checksums; empty where all is as it was shipped.

    Raises:
        InputError: there is no SHA256SUMS.
    """
    if not (folder / SUMS_NAME).is_file():
        raise InputError(f"{folder} is not a bundle: it has no {SUMS_NAME}")
    odd = [Damage(name, "is a link, a device or a pipe, not a regular file") for name in _irregular(folder)]
    if odd:
        return odd
    raw, actual = (folder / SUMS_NAME).read_bytes(), _digests(folder)
    seal = folder / SEAL_NAME
    sealed = seal.is_file() and seal.read_bytes() == _seal(raw).encode()
    whole = raw == _render(actual).encode()
    if sealed and whole:
        return []
    if whole:
        return [Damage(SEAL_NAME, "its bytes have changed" if seal.is_file() else "is missing")]
    listed = _parse(raw)
    if not sealed or listed is None:
        return [Damage(SUMS_NAME, "its bytes have changed")]
    found = [Damage(name, "is missing") for name in sorted(set(listed) - set(actual))]
    found += [Damage(name, "does not belong to the bundle") for name in sorted(set(actual) - set(listed))]
    changed = sorted(name for name in set(actual) & set(listed) if actual[name] != listed[name])
    return found + [Damage(name, "its bytes have changed") for name in changed]


def _irregular(folder: Path) -> list[str]:
    """Return what lies under a bundle and is neither a file nor a folder itself; links are not followed."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir()))
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _digests(folder: Path) -> dict[str, str]:
    return {name: files.sha256_of(folder / name) for name in payload(folder)}


def _render(sums: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))


def _seal(sums: bytes) -> str:
    return f"{hashlib.sha256(sums).hexdigest()}  {SUMS_NAME}\n"


def _parse(raw: bytes) -> dict[str, str] | None:
    """Return digests by name, None where a line cannot be read."""
    try:
        matches = [_LINE.fullmatch(line) for line in raw.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        return None
    return None if None in matches else {found["name"]: found["digest"] for found in matches if found is not None}
