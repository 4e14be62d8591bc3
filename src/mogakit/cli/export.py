"""`moga export`: write choice blocks or a whole model."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mogakit.cli.cluster_option import cluster_option
from mogakit.cli.command import Given, group, ignored
from mogakit.cli.options import converter_option, with_options
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.types import (
    CLASSES,
    FILE,
    FILE_OR_FOLDER,
    NAMED_MODEL_OR_MODULE,
    NEW_FOLDER,
    PIXELS,
    SEED,
    SPACE,
    WIDTH,
)
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact, Converter, Format, Precision

if TYPE_CHECKING:
    from mogakit.export.writers import Options
    from mogakit.nets.detection.network import Detector
    from mogakit.nets.network import Network
    from mogakit.nets.published_weights import WeightsSource

F = TypeVar("F", bound=Callable[..., Any])


@group("export")
def command() -> None:
    """Write choice blocks or whole models as TFLite, ONNX and MACE files, and as DLC through Qualcomm's own SDK.

    Every file (of a DLC, the ONNX file that it is made from) is run and compared with torch before it counts. A folder
    can be filled step by step: what lies there unchanged is not written again.

    \b
    moga export blocks --space moga --format tflite --format onnx -o blocks
    moga export model moga-a -o models
    """


def _shared_options(function: F) -> F:
    """Add the options that both commands take."""
    formats = [format.value for format in Format]
    precisions = [precision.value for precision in Precision]
    options = (
        click.option("--format", "formats", type=click.Choice(formats), multiple=True, default=("tflite",),
                     show_default=True,
                     help="May be given several times; dlc takes Qualcomm's SDK (SNPE_ROOT or QNN_SDK_ROOT)."),
        click.option("--precision", type=click.Choice(precisions), default="float32", show_default=True,
                     help="Numeric type of weights and activations; mixed is int8 with --float-layer."),
        click.option("--opset", type=click.Choice(["17", "13"]), default="17", show_default=True,
                     help="Of ONNX files, and of those that become DLC."),
        click.option("--calibration", type=FILE_OR_FOLDER,
                     help="Images or .npy for integer files; without it they are fit for timing only."),
        click.option("--ranges", type=FILE_OR_FOLDER,
                     help="Folder of an earlier export, whose stored ranges give the same integer files anywhere."),
        click.option("--h-sigmoid", type=click.Choice(["portable", "native"]), default="portable", show_default=True,
                     help="How MACE files write it; native runs on the CPU of MACE 1.1.1 and later only."),
        click.option("--seed", type=SEED, default=0, show_default=True, help="Of random weights."),
        click.option("-o", "--output", "folder", type=NEW_FOLDER, required=True,
                     help="Folder for the files and manifest.json."),
        log_option,
        json_option,
    )  # fmt: skip
    rules = (
        ignored("opset", when=lambda given: not {"onnx", "dlc"} & set(given["formats"]),
                because="it is of ONNX files, and of DLC files made from them; add --format onnx"),
        ignored("h_sigmoid", when=lambda given: "mace" not in given["formats"],
                because="it is of MACE files; add --format mace"),
        ignored("calibration", "ranges", when=lambda given: given["precision"] not in CALIBRATED,
                because=f"of {', '.join(CALIBRATED)} files only; they are calibrated"),
    )  # fmt: skip
    return with_options(function, (*options, *rules))


CALIBRATED = ("int8", "uint8", "int8-float-io", "int16x8")
"""Files made from calibration ranges: `export.quantize.CALIBRATED`, which loads a runtime. A test compares them."""


def _is_float(given: Given) -> bool:
    return not Precision(given["precision"]).is_quantised


@command.command()
@click.option("--space", "space_name", type=SPACE, default="moga", show_default=True, help="Search space.")
@cluster_option("Make the files on the workers of this Dask scheduler")
@_shared_options
def blocks(
    space_name: str,
    cluster: str | None,
    formats: tuple[str, ...],
    precision: str,
    opset: str,
    calibration: Path | None,
    ranges: Path | None,
    h_sigmoid: str,
    seed: int,
    folder: Path,
    as_json: bool,
) -> None:
    """Write every distinct choice block of a space, and its fixed parts.

    Example: moga export blocks --space moga --format tflite --format onnx -o blocks
    """
    from mogakit.flows.deploy.export import export_space
    from mogakit.nets.spaces import get_space
    from mogakit.workers.cluster import open_cluster

    space = get_space(space_name).slotted
    if space is None:
        raise InputError(f"the space {space_name!r} has no independent slots, so it has no table of choice blocks")
    options = _options(opset, calibration, ranges, h_sigmoid)
    with ExitStack() as stack:
        workers = None if cluster is None else stack.enter_context(open_cluster(cluster))
        progress = stack.enter_context(progress_bar(f"export {space_name}"))
        chosen = [Format(name) for name in formats]
        artifacts = export_space(space, chosen, Precision(precision), folder, progress, options, seed, workers)
    _report(artifacts, folder, as_json)


@command.command()
@click.argument("network", type=NAMED_MODEL_OR_MODULE)
@click.option(
    "--weights",
    type=FILE,
    help="Checkpoint (.pth, .pt, .safetensors); without it the weights are random, fit for timing only.",
)
@click.option("--width", type=WIDTH, default=1.0, show_default=True, help="Width multiplier of a zoo network.")
@click.option("--input-size", type=PIXELS, help="Side of the image in pixels; the network's own where absent.")
@click.option("--classes", type=CLASSES, help="Number of classes; the network's own where absent.")
@click.option(
    "--weights-from",
    type=click.Choice(["torchvision", "timm", "pytorchcv", "geffnet"]),
    help="Package that published the weights: a zoo network takes its layout, order and epsilon.",
)
@click.option("--ema", is_flag=True, help="Take the averaged weights (state_dict_ema) of the checkpoint.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    help="Of package.module:function: shape of an input, as 1x3x192x256; once for each input.",
)
@click.option(
    "--set", "settings", multiple=True, help="Of package.module:function: an argument, as width=0.5; may be repeated."
)
@click.option("--per-layer", is_flag=True, help="Of quantised TFLite files: the signal to noise of every layer.")
@click.option(
    "--float-layer",
    "float_layers",
    multiple=True,
    metavar="NAME",
    help="Of quantised files: a layer, a module or a glob (*.project.conv) that stays in float; may be repeated.",
)
@converter_option
@_shared_options
@ignored("seed", when=lambda given: given["weights"] is not None, because="--weights are given")
@ignored("weights_from", "ema", when=lambda given: given["weights"] is None, because="no --weights are given")
@ignored(
    *("weights_from", "width", "input_size", "classes", "per_layer"),
    when=lambda given: bool(given["inputs"]),
    because="--input exports a module as package.module:function builds it",
)
@ignored("settings", when=lambda given: not given["inputs"], because="it is for package.module:function with --input")
@ignored(
    *("per_layer", "float_layers"),
    when=_is_float,
    because="only quantised files lose signal; add --precision int8, or another integer one",
)
@ignored(
    *("formats", "precision", "opset", "calibration", "ranges", "h_sigmoid"),
    when=lambda given: given["converter"] is not None,
    because="--converter writes its own format, in float32",
)
def model(
    network: str,
    weights: Path | None,
    width: float,
    input_size: int | None,
    classes: int | None,
    weights_from: str | None,
    ema: bool,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    per_layer: bool,
    float_layers: tuple[str, ...],
    converter: str | None,
    formats: tuple[str, ...],
    precision: str,
    opset: str,
    calibration: Path | None,
    ranges: Path | None,
    h_sigmoid: str,
    seed: int,
    folder: Path,
    as_json: bool,
) -> None:
    """Write a network of the zoo, one that a chromosome describes, a detector on either (ssdlite-mobilenet-v2), or any
    torch module: with --input, NETWORK is package.module:function, a function that returns it.

    \b
    moga export model moga-a --format tflite --format onnx --weights moga_a.pth -o models
    moga export model mobilenet-v2 --weights mobilenet_v2.pth --weights-from torchvision -o models
    moga export model nets.mine:build --set width=0.5 --input 1x3x192x256 -o models
    moga export model nets.mine:vit --input 1x3x224x224 --converter litert-torch -o models
    """
    from mogakit.flows.deploy.export import export_network
    from mogakit.nets.detection.network import resolve_model
    from mogakit.nets.published_weights import WeightsSource

    options = _options(opset, calibration, ranges, h_sigmoid, float_layers)
    maker = None if converter is None else Converter(converter)
    if inputs:
        kinds = [Format(name) for name in formats]
        artifacts = _export_module(
            network, inputs, settings, kinds, Precision(precision), folder, weights, ema, options, seed, maker
        )
        _report(artifacts, folder, as_json)
        return
    found = resolve_model(network, width, input_size, classes)
    source = None if weights_from is None else WeightsSource(weights_from)
    with progress_bar(f"export {network}") as progress:
        artifacts = export_network(
            found,
            [Format(name) for name in formats],
            Precision(precision),
            folder,
            weights,
            progress,
            options,
            seed,
            weights_from=source,
            ema=ema,
            converter=maker,
        )
    if per_layer:
        _report_layers(found, artifacts, weights, options, seed, as_json, source, ema)
        return
    _report(artifacts, folder, as_json)
    if weights is None and not as_json:
        say("The weights are random: these files are for timing, not for use. --weights takes a checkpoint.")


def _export_module(
    reference: str,
    inputs: Sequence[str],
    settings: Sequence[str],
    formats: Sequence[Format],
    precision: Precision,
    folder: Path,
    weights: Path | None,
    ema: bool,
    options: "Options",
    seed: int,
    converter: Converter | None,
) -> list[Artifact]:
    """Export what a user's function returns."""
    from mogakit.flows.deploy import user_module
    from mogakit.plugins import is_reference

    if not is_reference(reference):
        raise InputError(f"--input is for a module as package.module:function; {reference!r} has its own input size")
    given = dict(user_module.read_setting(text) for text in settings)
    shapes = [user_module.read_shape(text) for text in inputs]
    module = user_module.build_user_module(reference, given, seed)
    name = user_module.name_of(reference, given, shapes)
    with progress_bar(f"export {name}") as progress:
        return user_module.export_user_module(
            module, name, shapes, formats, precision, folder,
            weights=weights, ema=ema, options=options, converter=converter, progress=progress,
        )  # fmt: skip


def _options(
    opset: str, calibration: Path | None, ranges: Path | None, h_sigmoid: str, float_layers: Sequence[str] = ()
) -> "Options":
    """Gather what a user may choose beyond format and precision."""
    from mogakit.export.calibration import from_path
    from mogakit.export.mace.plan import HSigmoid
    from mogakit.export.writers import Options

    return Options(
        opset=int(opset),
        calibration=from_path(calibration),
        ranges=ranges,
        h_sigmoid=HSigmoid(h_sigmoid),
        float_layers=tuple(float_layers),
    )


def _report_layers(
    network: "Network | Detector",
    artifacts: Sequence[Artifact],
    weights: Path | None,
    options: "Options",
    seed: int,
    as_json: bool,
    weights_from: "WeightsSource | None",
    ema: bool,
) -> None:
    """Print how far each layer of the integer file is from the float file's, in decibels."""
    from mogakit.flows.deploy.quality import layer_quality
    from mogakit.nets.detection.network import Detector

    if isinstance(network, Detector):
        raise InputError("quality by layer is for classifiers; a detector's outputs are judged by its mAP")
    found = layer_quality(network, artifacts[0], weights, options.calibration, seed, weights_from=weights_from, ema=ema)
    if as_json:
        layers = [
            {"name": layer.name, "sqnr_db": layer.sqnr_db if math.isfinite(layer.sqnr_db) else None}
            for layer in found.layers
        ]
        print_json({"sqnr_db": found.sqnr_db, "num_inputs": found.num_inputs, "layers": layers})
        return
    rows = [(layer.name, f"{layer.sqnr_db:.1f}") for layer in found.layers]
    caption = f"Whole file: {found.sqnr_db:.1f} dB, {found.num_inputs} inputs. Errors of earlier layers are in each."
    print_table(artifacts[0].path.name, ("layer", "signal to noise, dB"), rows, caption)


def _report(artifacts: Sequence[Artifact], folder: Path, as_json: bool) -> None:
    """Print what lies in the folder now: one line per role, format and precision, or every artifact as JSON."""
    from mogakit.export.manifest import FILE_NAME
    from mogakit.records import to_json

    if as_json:
        print_json({"manifest": str(folder / FILE_NAME), "artifacts": to_json(list(artifacts))})
        return
    groups: dict[tuple[str, str, str], list[Artifact]] = {}
    for artifact in artifacts:
        groups.setdefault((artifact.role, artifact.format, artifact.precision), []).append(artifact)
    rows = []
    for kind, members in groups.items():
        size_mb = sum(member.num_bytes for member in members) / 1e6
        worst = max(member.agreement.relative for member in members if member.agreement is not None)
        own = [member.agreement.torch_relative for member in members if member.agreement is not None]
        largest = max((value for value in own if value is not None), default=None)
        measured = None if largest is None else f"{largest:.1e}"
        rows.append((*map(str, kind), len(members), f"{size_mb:.1f}", f"{worst:.1e}", measured))
    columns = ("role", "format", "precision", "files", "MB", "worst error", "torch's own")
    caption = (
        "Errors over the output's scale: of the file, and where it was needed of torch's own float32 from float64. "
        f"Details: {folder / FILE_NAME}"
    )
    print_table(f"Exported to {folder}", columns, rows, caption)
