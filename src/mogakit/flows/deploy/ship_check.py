"""Check a bundle again on the receiver's machine: its checksums, its signatures, and what its files compute."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mogakit import records
from mogakit.errors import MogaKitError
from mogakit.export.artifact import Artifact, Format
from mogakit.export.bundle.layout import BUNDLE_NAME, Bundle, damages, load, payload
from mogakit.export.bundle.samples import answer
from mogakit.export.mace.interpreter import load as load_mace
from mogakit.export.mace.naming import PB_SUFFIXES, sibling
from mogakit.export.mace.netdef import Generation, RuntimeType
from mogakit.export.mace.rules import problems
from mogakit.export.pipeline import describe_file
from mogakit.export.quality import sqnr_db
from mogakit.export.verify import FLOOR, MULTIPLE
from mogakit.progress import Progress, silent

MIN_INTEGER_SQNR_DB = 20.0
"""Integer kernels of other CPUs round differently by a step here and there; a wrong file is far below this."""


@dataclass(frozen=True)
class Check:
    """One check of a bundle: `detail` is empty where nothing is to be said."""

    file: str
    what: str
    passed: bool
    detail: str


def check(folder: Path, progress: Progress = silent) -> list[Check]:
    """Check a bundle again on this machine: checksums first, then signature and sample of every file.

    Raises:
        InputError: `folder` is not a bundle.
    """
    damaged = damages(folder)
    checks = [Check(item.file, "checksum", False, item.problem) for item in damaged]
    if any(item.file == BUNDLE_NAME for item in damaged):
        return checks
    bundle = load(folder)
    if not damaged:
        checks.append(Check("SHA256SUMS", "checksums", True, f"{len(payload(folder))} files as shipped"))
    touched = {item.file for item in damaged}
    for index, artifact in enumerate(bundle.artifacts):
        progress(index, len(bundle.artifacts), artifact.path.name)
        parts = {artifact.path.as_posix(), *_companions(artifact)} | set(_sample_files(bundle, artifact))
        if parts & touched:
            continue  # named already
        checks += _check_artifact(folder, bundle, artifact)
    return checks


def _companions(artifact: Artifact) -> list[str]:
    return [(artifact.path.parent / name).as_posix() for name in artifact.companions or {}]


def _sample_files(bundle: Bundle, artifact: Artifact) -> tuple[str, ...]:
    sample = bundle.samples.get(artifact.path.as_posix())
    return (sample.input, sample.output) if sample else ()


def _check_artifact(folder: Path, bundle: Bundle, artifact: Artifact) -> list[Check]:
    name = artifact.path.as_posix()
    try:
        return [
            _check_signature(folder, artifact),
            _check_sample(folder, bundle, artifact),
            *_check_mace(folder, artifact),
        ]
    except MogaKitError as error:
        return [Check(name, "loads", False, str(error))]


def _check_signature(folder: Path, artifact: Artifact) -> Check:
    found = describe_file(folder / artifact.path)
    same = (found.inputs, found.outputs) == (artifact.inputs, artifact.outputs)
    detail = (
        "" if same else f"has {found.inputs} -> {found.outputs}, shipped with {artifact.inputs} -> {artifact.outputs}"
    )
    return Check(artifact.path.as_posix(), "signature", same, detail)


def _check_sample(folder: Path, bundle: Bundle, artifact: Artifact) -> Check:
    sample = bundle.samples[artifact.path.as_posix()]
    given, wanted = (records.read_npy(folder / name, "sample of a bundle") for name in (sample.input, sample.output))
    got = answer(folder / artifact.path, artifact.format, given)
    name, what = artifact.path.as_posix(), "agreement on the sample"
    if got.shape != wanted.shape:
        return Check(name, what, False, f"gives {got.shape}, shipped with {wanted.shape}")
    if artifact.precision.is_quantised:
        quality = sqnr_db(wanted.astype(np.float64) - np.mean(wanted), got.astype(np.float64) - np.mean(wanted))
        return Check(
            name, what, quality >= MIN_INTEGER_SQNR_DB, f"{quality:.1f} dB, {MIN_INTEGER_SQNR_DB:g} are needed"
        )
    limit = _rounding(artifact)
    difference = float(np.abs(got - wanted).max() / np.abs(wanted).max())
    return Check(name, what, difference <= limit, f"{difference:.2g} of the output's scale, up to {limit:g} is allowed")


def _rounding(artifact: Artifact) -> float:
    """Return how far another CPU's result may be off, from what rounding was measured to cost when it was shipped."""
    found = artifact.agreement
    own = 0.0 if found is None else max(found.relative, found.torch_relative or 0.0)
    return FLOOR + MULTIPLE * own


def _check_mace(folder: Path, artifact: Artifact) -> list[Check]:
    """Check that each `.pb` would run where its name says."""
    if artifact.format is not Format.MACE:
        return []
    checks = []
    for generation, runtime in PB_SUFFIXES:
        path = sibling(folder / artifact.path, generation, runtime)
        model = load_mace(path).model
        found = problems(model, multi=generation is Generation.MULTI, gpu=runtime is RuntimeType.GPU)
        checks.append(Check(path.relative_to(folder).as_posix(), "MACE's rules", not found, "; ".join(found[:3])))
    return checks
