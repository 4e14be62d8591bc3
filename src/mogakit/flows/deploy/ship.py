"""Bundle a network for an app's author; `flows.ship_check` checks it on the receiver's machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mogakit import __version__, files, records
from mogakit.errors import InputError
from mogakit.export import EXPORT_VERSION
from mogakit.export.artifact import Artifact, Converter, Format, Precision
from mogakit.export.bundle import card as bundle_card
from mogakit.export.bundle import snippets as bundle_snippets
from mogakit.export.bundle.layout import (
    BUNDLE_NAME,
    MODELS,
    SCHEMA_VERSION,
    SNIPPETS,
    Bundle,
    LatencyNote,
    Sample,
    save,
)
from mogakit.export.bundle.samples import write_samples
from mogakit.export.calibration import CalibrationData, ImageFolder, Synthetic
from mogakit.export.detection import files as detection
from mogakit.export.detection import snippets as detection_snippets
from mogakit.export.mace.naming import data_of, sibling
from mogakit.export.mace.netdef import Generation, RuntimeType
from mogakit.export.pipeline import file_stem
from mogakit.export.preprocessing import Preprocessing, for_size
from mogakit.export.writers import Options
from mogakit.flows.deploy.export import export_network
from mogakit.flows.deploy.latency_notes import measured, predicted
from mogakit.luts.bench_record import readings
from mogakit.nets import zoo
from mogakit.nets.block import Block
from mogakit.nets.detection.network import PREFIX, Detector, detector_layers
from mogakit.nets.layer import Layer
from mogakit.nets.network import Network, block_layers
from mogakit.nets.published_weights import WeightsSource
from mogakit.progress import Progress, silent

SHIPPED: tuple[tuple[Format, Precision, int], ...] = (
    (Format.TFLITE, Precision.FLOAT32, 17),
    (Format.TFLITE, Precision.FLOAT16, 17),
    (Format.TFLITE, Precision.INT8, 17),
    (Format.TFLITE, Precision.UINT8, 17),
    (Format.ONNX, Precision.FLOAT32, 17),
    (Format.ONNX, Precision.FLOAT32, 13),
    (Format.ONNX, Precision.INT8, 17),
    (Format.MACE, Precision.FLOAT32, 17),
    (Format.MACE, Precision.FLOAT16, 17),
)
"""Everything in a bundle: format, precision, ONNX opset."""


@dataclass(frozen=True, kw_only=True)
class ShipRequest:
    """What to bundle.

    Attributes:
        weights: a checkpoint; None for seeded random weights.
        weights_from: the package whose layout the checkpoint has; None for the kit's own or the MoGA authors'.
        ema: take the averaged weights of the checkpoint.
        calibration: what the integer files are calibrated on.
        labels: a file with one class a line.
        preprocessing: None for the usual recipe at the network's input size.
        tables: latency tables to predict from.
        measurements: saved output of `moga bench --json`, which holds timings of the network or of a shipped file.
        converters: of formats' makers, each of which adds its own file to the bundle.
    """

    network: Network | Detector
    weights: Path | None = None
    weights_from: WeightsSource | None = None
    ema: bool = False
    calibration: CalibrationData = field(default_factory=Synthetic)
    labels: Path | None = None
    preprocessing: Preprocessing | None = None
    tables: tuple[Path, ...] = ()
    measurements: tuple[Path, ...] = ()
    converters: tuple[Converter, ...] = ()
    seed: int = 0


def ship(request: ShipRequest, folder: Path, progress: Progress = silent) -> Bundle:
    """Write a bundle to `folder`, in place of one that is there.

    The bundle is built beside `folder` and renamed last, so a folder is never half a bundle.

    Raises:
        InputError: `folder` holds something that is not a bundle; labels or weights do not fit.
        ExportError: a file does not agree with torch.
        OSError: the disk is full; an older bundle is then still there.
    """
    _reject_foreign(folder)
    if isinstance(request.network, Detector) and request.preprocessing is not None:
        raise InputError("a detector takes the whole image as it was trained on; leave the preprocessing away")
    recipe = request.preprocessing or _usual_recipe(request.network)
    if recipe.size != request.network.input_size:
        raise InputError(
            f"the preprocessing cuts {recipe.size} px, {request.network.name} takes {request.network.input_size} px"
        )
    labels = _labels(request)
    from_tables = [predicted(path, request.network) for path in request.tables]
    read = {path: readings(path) for path in request.measurements}
    with _beside(folder) as target:
        artifacts = _export(request, target, progress)
        samples = write_samples(target, artifacts, request.network.input_shape)
        timed = [note for path, found in read.items() for note in measured(path, found, request.network, artifacts)]
        bundle = _describe(request, recipe, artifacts, samples, (*from_tables, *timed))
        if labels is not None:
            files.write_text(target / "labels.txt", "\n".join(labels) + "\n")
        _write_texts(bundle, target)
        save(target, bundle)
    return bundle


def _reject_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder for the bundle")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / BUNDLE_NAME).is_file():
        raise InputError(
            f"{folder} holds files but no {BUNDLE_NAME}, so it is not a bundle; give a new or empty folder"
        )


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`; on success it takes its place, on any exception it is removed."""
    with files.building(folder) as target:
        yield target
        target.chmod(0o755)
        if not folder.exists():
            target.rename(folder)
            return
        with files.building(folder) as old:
            folder.rename(old / folder.name)
            target.rename(folder)


def _labels(request: ShipRequest) -> list[str] | None:
    if request.labels is None:
        return None
    text = records.read_text(request.labels, "file of labels, one class a line").rstrip()
    labels = [line.strip() for line in text.splitlines()]
    if "" in labels:
        raise InputError(f"{request.labels} has no label in line {labels.index('') + 1}; write one class a line")
    if len(labels) != request.network.num_classes:
        raise InputError(
            f"{request.labels} has {len(labels)} lines; {request.network.name} needs {request.network.num_classes}"
        )
    return labels


def _usual_recipe(network: Network | Detector) -> Preprocessing:
    """Return the recipe that the kit trains with: the centre for a classifier, the whole image for a detector."""
    return replace(for_size(network.input_size), stretch=isinstance(network, Detector))


def _export(request: ShipRequest, target: Path, progress: Progress) -> list[Artifact]:
    artifacts: list[Artifact] = []
    calibration = request.calibration
    if isinstance(calibration, ImageFolder) and calibration.recipe is None:
        calibration = replace(calibration, recipe=request.preprocessing or _usual_recipe(request.network))
    made_by: list[tuple[Format, Precision, int, Converter | None]] = [(*kind, None) for kind in SHIPPED]
    made_by += [(one.writes, Precision.FLOAT32, 0, one) for one in dict.fromkeys(request.converters)]
    for format, precision, opset, converter in made_by:
        progress(len(artifacts), len(made_by), f"{format} {precision}" + (f" by {converter}" if converter else ""))
        options = Options(opset=opset, calibration=calibration)
        made = export_network(
            request.network,
            [format],
            precision,
            target / MODELS,
            weights=request.weights,
            options=options,
            seed=request.seed,
            weights_from=request.weights_from,
            ema=request.ema,
            converter=converter,
        )
        artifacts += [replace(item, path=item.path.relative_to(target)) for item in made]
    return artifacts


def _describe(
    request: ShipRequest,
    recipe: Preprocessing,
    artifacts: Sequence[Artifact],
    samples: dict[str, Sample],
    latencies: tuple[LatencyNote, ...],
) -> Bundle:
    network = request.network
    return Bundle(
        schema_version=SCHEMA_VERSION,
        kit_version=__version__,
        export_version=EXPORT_VERSION,
        network=network.name,
        keys=tuple(block.key for block in _blocks(network)),
        architecture_source=_source(network),
        params=sum(layer.params for layer in _layers(network)),
        madds=sum(layer.madds for layer in _layers(network)),
        input_size=network.input_size,
        num_classes=network.num_classes,
        weights=(artifacts[0].notes or {})["weights"],
        random_weights=request.weights is None,
        has_labels=request.labels is not None,
        calibration=request.calibration.describe(),
        calibrated_for_timing_only=request.calibration.timing_only,
        preprocessing=recipe,
        artifacts=tuple(artifacts),
        samples=samples,
        latencies=latencies,
        detection=f"{MODELS}/{file_stem(network.name)}{detection.SUFFIX}" if isinstance(network, Detector) else None,
    )


def _blocks(network: Network | Detector) -> tuple[Block, ...]:
    return (*network.body, *network.extras) if isinstance(network, Detector) else network.blocks


def _layers(network: Network | Detector) -> list[Layer]:
    if isinstance(network, Detector):
        return list(detector_layers(network))
    return [layer for block in network.blocks for layer in block_layers(block)]


def _source(network: Network | Detector) -> str:
    if isinstance(network, Detector):
        return f"SSDLite (arXiv 1801.04381) as in the Object Detection API, on {network.name.removeprefix(PREFIX)}"
    if network.name in zoo.names():
        return zoo.get(network.name).source
    space, slash, _ = network.name.partition("/")
    return f"a network of the kit's search space {space}" if slash else "not recorded"


def _write_texts(bundle: Bundle, target: Path) -> None:
    card = bundle_card.render(bundle)
    files.write_text(target / "README.md", card)
    files.write_json(target / "card.json", _card_json(bundle))
    files.write_text(target / "LICENSE-NOTE.txt", bundle_card.licence_note(bundle))
    mace = next(item for item in bundle.artifacts if item.format is Format.MACE)
    tflite = next(item for item in bundle.artifacts if item.format is Format.TFLITE)
    names = {
        "tflite": tflite.path.name,
        "mace_multi": mace.path.name,
        "mace_net": sibling(mace.path, Generation.NET, RuntimeType.CPU).name,
        "mace_data": data_of(mace.path).name,
        "input_name": mace.inputs[0].name,
    }
    if bundle.detection is None:
        snippets = bundle_snippets.render(
            bundle.preprocessing, num_classes=bundle.num_classes, output_name=mace.outputs[0].name, **names
        )
    else:
        snippets = detection_snippets.render(
            detection.load_metadata(target / bundle.detection),
            metadata_name=Path(bundle.detection).name,
            mace_outputs=tuple((spec.name, spec.shape) for spec in mace.outputs),
            **names,
        )
    for name, text in snippets.items():
        files.write_text(target / SNIPPETS / name, text)


def _card_json(bundle: Bundle) -> object:
    value = records.to_json(bundle)
    del value["samples"]
    return {**value, "warnings": bundle_card.warnings(bundle)}
