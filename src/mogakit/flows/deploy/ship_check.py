"""Check a bundle again on the receiver's machine: its checksums, its signatures, and what its files compute."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mogakit import records
from mogakit.bench.attempt import DEFAULT_MEMORY_BYTES, DEFAULT_SECONDS, Limits, attempt
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
    """One check of a bundle: `detail` is empty where nothing is to be said.

    Attributes:
        passed: None where it could not be made; the detail says why.
    """

    file: str
    what: str
    passed: bool | None
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
        checks += _apart(folder, bundle, artifact)
    return checks


def _apart(folder: Path, bundle: Bundle, artifact: Artifact) -> list[Check]:
    """Check a file in a child: whoever made the bundle also made what the runtime loads."""
    with tempfile.TemporaryDirectory() as scratch:
        answer_file = Path(scratch) / "checks.json"

        def act() -> None:
            found = _check_artifact(folder, bundle, artifact)
            answer_file.write_text(json.dumps(records.to_json(found)), encoding="utf-8")

        path = folder / artifact.path
        size = path.stat().st_size if path.is_file() else 0
        tried = attempt(act, Limits(DEFAULT_MEMORY_BYTES + 8 * size, DEFAULT_SECONDS))
        if tried.error is not None:
            return [Check(artifact.path.as_posix(), "loads", False, tried.error)]
        if not answer_file.exists():  # nothing can be tried in a child on this system
            return _check_artifact(folder, bundle, artifact)
        return records.from_json(json.loads(answer_file.read_text(encoding="utf-8")), list[Check], "checks")


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
    name, what = artifact.path.as_posix(), "agreement on the sample"
    sample = bundle.samples.get(name)
    if sample is None:
        return Check(name, what, False, f"{BUNDLE_NAME} names no sample of it")
    given, stored = (records.read_npy(folder / each, "sample of a bundle") for each in (sample.input, sample.output))
    answered = answer(folder / artifact.path, artifact.format, given)
    if answered.shape != stored.shape:
        return Check(name, what, False, f"gives {answered.shape}, shipped with {stored.shape}")
    got, wanted = answered.astype(np.float64), stored.astype(np.float64)
    if not wanted.size or not np.isfinite(wanted).all():
        return Check(name, what, False, f"{sample.output} holds no finite numbers")
    if not np.isfinite(got).all():
        return Check(name, what, False, "gives numbers that are not finite")
    if np.array_equal(got, wanted):
        return Check(name, what, True, "the same numbers")
    if artifact.precision.is_quantised:
        quality = sqnr_db(wanted - np.mean(wanted), got - np.mean(wanted))
        enough = quality >= MIN_INTEGER_SQNR_DB
        shown = f"{quality:.1f} dB" if np.isfinite(quality) else "no signal"
        return Check(name, what, enough, f"{shown}, {MIN_INTEGER_SQNR_DB:g} are needed")
    limit, scale = _rounding(artifact), float(np.abs(wanted).max())
    if scale == 0:
        return Check(name, what, False, "shipped with zeros only, and gives others")
    difference = float(np.abs(got - wanted).max() / scale)
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
