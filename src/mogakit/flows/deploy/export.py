"""Export a search space's blocks, a network, or a chain of blocks into a folder with a manifest.

A folder is filled step by step: what lies there unchanged is not written again, whatever stopped the last attempt.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from mogakit.errors import ExportError, InputError
from mogakit.export import converters
from mogakit.export.artifact import Artifact, Converter, Format, Precision, Role
from mogakit.export.calibration import CalibrationData, ImageFolder, Synthetic
from mogakit.export.detection import files as detection
from mogakit.export.mace.deployment import REQUIRED_OPSET, deployment
from mogakit.export.manifest import Manifest, open_manifest
from mogakit.export.pipeline import Source, convert, converted_path, export, file_path, file_stem, prepare
from mogakit.export.preprocessing import for_size
from mogakit.export.writers import Options, writer_for
from mogakit.files import scratch, sha256_of, write_bytes, write_text
from mogakit.nets.block import Block
from mogakit.nets.detection.modules import build_model
from mogakit.nets.detection.network import Detector
from mogakit.nets.modules import build_block, build_chain
from mogakit.nets.network import Network
from mogakit.nets.published_weights import WeightsSource
from mogakit.nets.spaces import SlotSpace
from mogakit.nets.weights import load_weights
from mogakit.progress import Progress, silent
from mogakit.workers.pool import Workers

SAVE_EVERY_S = 1.0
"""Seconds between two writings of the manifest while a long export runs: a kill loses no more than that."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Job:
    """One module to be exported; `build` is called only when a file of it is missing."""

    name: str
    role: Role
    folder: Path
    input_shape: tuple[int, ...]
    build: Callable[[], nn.Module]
    notes: dict[str, str]


def export_space(
    space: SlotSpace,
    formats: Sequence[Format],
    precision: Precision,
    folder: Path,
    progress: Progress = silent,
    options: Options | None = None,
    seed: int = 0,
    workers: Workers | None = None,
) -> list[Artifact]:
    """Write the distinct choice blocks of a space under `folder/choice` and its fixed parts under `folder/fixed`.

    Args:
        workers: who makes the files; None for this process. Each comes back as bytes and is written here.

    Returns:
        One artifact a block and format, choice blocks first, in the space's order.

    Raises:
        InputError: `folder` holds something else, or no writer makes a format in `precision`.
        ExportError: a file does not agree with torch; what was finished before stays.
        ClusterError: the workers went away; what was finished before stays.
    """
    choices, fixed = space.choice_blocks, space.fixed_blocks
    return export_parts(choices, fixed, formats, precision, folder, progress, options, seed, workers)


def export_parts(
    choices: Sequence[Block],
    fixed: Sequence[Block],
    formats: Sequence[Format],
    precision: Precision,
    folder: Path,
    progress: Progress = silent,
    options: Options | None = None,
    seed: int = 0,
    workers: Workers | None = None,
) -> list[Artifact]:
    """Write choice blocks under `folder/choice` and fixed parts under `folder/fixed`; see `export_space`."""
    jobs = [_block_job(block, Role.CHOICE, folder / "choice", seed) for block in choices]
    jobs += [_block_job(block, Role.FIXED, folder / "fixed", seed) for block in fixed]
    return _export_jobs(jobs, formats, precision, folder, progress, options or Options(), workers)


def export_network(
    network: Network | Detector,
    formats: Sequence[Format],
    precision: Precision,
    folder: Path,
    weights: Path | None = None,
    progress: Progress = silent,
    options: Options | None = None,
    seed: int = 0,
    subfolder: str = "",
    *,
    weights_from: WeightsSource | None = None,
    ema: bool = False,
    converter: Converter | None = None,
) -> list[Artifact]:
    """Write a whole network into `folder/subfolder`, with the weights of a checkpoint or seeded random ones.

    Beside the files of a detector lies `<name>.detection.json` with its anchors and post-processing, beside an ONNX
    file of opset 13 what MACE's own converter takes (`<name>.opset13.mace.yml`).

    Args:
        weights_from: the package whose layout the checkpoint has; its epsilon is taken, too.
        ema: take the averaged weights of the checkpoint.
        converter: of the format's makers, which writes its own format in float32 in place of the kit's writers.

    Raises:
        CheckpointError: `weights` does not fit the network.
        InputError, ExportError: as in `export_space`.
    """

    def build() -> nn.Module:
        module = build_model(network, seed)
        if weights is not None:
            load_weights(module, weights, weights_from, ema=ema)
        return module.eval()

    source = f"random, seed {seed}" if weights is None else f"sha256 {sha256_of(weights)}"
    source += f", layout of {weights_from}" if weights_from else ""
    source += ", averaged" if ema else ""
    target = folder / subfolder
    job = _Job(
        name=network.name,
        role=Role.NETWORK,
        folder=target,
        input_shape=network.input_shape,
        build=build,
        notes={"weights": source},
    )
    options = options or Options()
    if isinstance(network, Detector):
        options = replace(options, calibration=_whole_images(options.calibration, network.input_size))
    if converter is not None:
        artifacts = [_convert_job(job, converter, folder)]
    else:
        artifacts = _export_jobs([job], formats, precision, folder, progress, options)
    if isinstance(network, Detector):
        detection.save_metadata(target / f"{file_stem(network.name)}{detection.SUFFIX}", network)
    return artifacts


def _whole_images(data: CalibrationData, size: int) -> CalibrationData:
    """Return calibration data whose images are stretched, as detectors take them, unless a recipe was chosen."""
    if isinstance(data, ImageFolder) and data.recipe is None:
        return replace(data, recipe=replace(for_size(size), stretch=True))
    return data


def export_chain(
    block: Block,
    num_copies: int,
    format: Format,
    precision: Precision,
    folder: Path,
    options: Options | None = None,
    seed: int = 0,
) -> Artifact:
    """Write `num_copies` of a residual block in a row under `folder/chain`.

    The time of such files against the number of copies is a line; its intercept is what every run costs.

    Raises:
        InputError: the block does not fit behind itself, or as in `export_space`.
    """
    job = _Job(
        name=f"chain-{num_copies}x{block.key}",
        role=Role.CHAIN,
        folder=folder / "chain",
        input_shape=_input_shape(block),
        build=lambda: build_chain(block, num_copies, seed),
        notes={"weights": f"random, seed {seed}"},
    )
    (artifact,) = _export_jobs([job], [format], precision, folder, silent, options or Options())
    return artifact


def _block_job(block: Block, role: Role, folder: Path, seed: int) -> _Job:
    notes = {"weights": f"random, seed {seed}"}
    return _Job(
        name=block.key,
        role=role,
        folder=folder,
        input_shape=_input_shape(block),
        build=lambda: build_block(block, seed),
        notes=notes,
    )


def _input_shape(block: Block) -> tuple[int, ...]:
    return (1, block.in_channels, block.input_size, block.input_size)


def _export_jobs(
    jobs: Sequence[_Job],
    formats: Sequence[Format],
    precision: Precision,
    folder: Path,
    progress: Progress,
    options: Options,
    workers: Workers | None = None,
) -> list[Artifact]:
    """Export what is missing or changed; the manifest is written from time to time and at every way out."""
    formats = list(dict.fromkeys(formats))
    for format in formats:
        # a format without a writer, or without the SDK that makes it, is rejected before anything is written
        writer_for(format, precision).notes(options)
    manifest = open_manifest(folder)
    manifest.save()  # from here on the folder is known as ours, also if the first file never comes
    saved = time.monotonic()
    results: dict[tuple[int, int], Artifact] = {}
    if workers is None:
        made = _made_here(jobs, formats, precision, manifest, options)
    else:
        made = _made_by(workers, jobs, formats, precision, manifest, options)
    try:
        for place, artifact in made:
            manifest.add(artifact)
            results[place] = artifact
            progress(len(results), len(jobs) * len(formats), artifact.name)
            if time.monotonic() - saved > SAVE_EVERY_S:
                manifest.save()
                saved = time.monotonic()
    finally:
        manifest.save()
    return [results[place] for place in sorted(results)]


def _made_here(
    jobs: Sequence[_Job], formats: Sequence[Format], precision: Precision, manifest: Manifest, options: Options
) -> Iterator[tuple[tuple[int, int], Artifact]]:
    """Yield every artifact with its place, one after the other."""
    for index, job in enumerate(jobs):
        for number, artifact in enumerate(_export_job(job, formats, precision, manifest, options)):
            yield (index, number), artifact


def _made_by(
    workers: Workers,
    jobs: Sequence[_Job],
    formats: Sequence[Format],
    precision: Precision,
    manifest: Manifest,
    options: Options,
) -> Iterator[tuple[tuple[int, int], Artifact]]:
    """Yield what is intact, then what workers make, each with its place.

    Raises:
        InputError: the files are calibrated on data of this computer.
        ExportError: a file did not arrive as it was made.
    """
    if options.ranges is not None or not isinstance(options.calibration, Synthetic):
        raise InputError(
            "workers calibrate on synthetic inputs only; leave out --calibration and --ranges, or --cluster"
        )
    calls: list[tuple[_Job, list[Format], Precision, Options]] = []
    places: list[int] = []
    for index, job in enumerate(jobs):
        missing = []
        for number, format in enumerate(formats):
            path = file_path(job.name, format, precision, job.folder, options)
            artifact = manifest.intact(path, job.notes | writer_for(format, precision).notes(options))
            if artifact is None:
                missing.append(format)
            else:
                yield (index, number), _with_deployment(artifact)
        if missing:
            calls.append((job, missing, precision, options))
            places.append(index)
    for call, made in workers.run(_export_in_memory, calls):
        for artifact, contents in made:
            for name, content in contents.items():
                write_bytes(jobs[places[call]].folder / name, content)
            kept = replace(artifact, path=jobs[places[call]].folder / artifact.path.name)
            if sha256_of(kept.path) != kept.sha256:
                raise ExportError(f"{kept.name}: {kept.path.name} did not arrive as it was made; export it again")
            yield (places[call], formats.index(artifact.format)), _with_deployment(kept)


def _export_in_memory(
    job: _Job, formats: Sequence[Format], precision: Precision, options: Options
) -> list[tuple[Artifact, dict[str, bytes]]]:
    """Make and verify the files of a job; return each artifact with its files, the main one last."""
    source = prepare(job.build(), job.name, job.role, job.input_shape, notes=job.notes)
    made = []
    with scratch() as folder:
        for format in formats:
            artifact = export(source, format, precision, folder, options)
            names = [*(artifact.companions or {}), artifact.path.name]
            made.append((artifact, {name: (folder / name).read_bytes() for name in names}))
    return made


def _export_job(
    job: _Job, formats: Sequence[Format], precision: Precision, manifest: Manifest, options: Options
) -> Iterator[Artifact]:
    """Yield the artifact of each format, from the folder where it is intact; the module is built at the first miss."""
    source: Source | None = None
    for format in formats:
        path = file_path(job.name, format, precision, job.folder, options)
        artifact = manifest.intact(path, job.notes | writer_for(format, precision).notes(options))
        if artifact is None:
            if source is None:
                source = prepare(job.build(), job.name, job.role, job.input_shape, notes=job.notes)
            artifact = export(source, format, precision, job.folder, options)
        yield _with_deployment(artifact)


def _convert_job(job: _Job, converter: Converter, folder: Path) -> Artifact:
    """Return the file that a format's makers' converter makes, from the folder where it is intact."""
    said = converters.notes(converter)
    manifest = open_manifest(folder)
    artifact = manifest.intact(converted_path(job.name, converter, job.folder), job.notes | said)
    if artifact is None:
        artifact = convert(job.build(), job.name, job.role, [job.input_shape], converter, job.folder, job.notes)
        manifest.add(artifact)
        manifest.save()
    return artifact


def _with_deployment(artifact: Artifact) -> Artifact:
    """Return a network's ONNX file of opset 13 with the YAML of MACE's own converter beside it; others as they are."""
    opset = (artifact.notes or {}).get("opset")
    if (artifact.role, artifact.format, opset) != (Role.NETWORK, Format.ONNX, REQUIRED_OPSET) or artifact.companions:
        return artifact
    path = artifact.path.with_suffix(".mace.yml")
    write_text(path, deployment(artifact))
    return replace(artifact, companions={path.name: sha256_of(path)})
