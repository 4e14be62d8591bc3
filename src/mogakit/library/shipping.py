"""Model files and bundles."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from mogakit.errors import InputError
from mogakit.export.artifact import Artifact, Format, Precision, Role
from mogakit.export.bundle.layout import Bundle
from mogakit.export.calibration import from_path
from mogakit.export.pipeline import export, prepare
from mogakit.export.writers import Options
from mogakit.flows.deploy.export import export_network
from mogakit.flows.deploy.ship import ShipRequest, ship
from mogakit.flows.deploy.ship_check import Check, check
from mogakit.library.given import NetworkLike, choice, network_of, table_file
from mogakit.library.progress import progress_for
from mogakit.library.run import Run
from mogakit.nets.detection.network import is_detector, resolve_model
from mogakit.progress import Progress


def export_files(
    model: NetworkLike | nn.Module,
    folder: str | Path,
    *,
    formats: str | Sequence[str] = ("tflite",),
    precision: str = "float32",
    weights: str | Path | None = None,
    calibration: str | Path | None = None,
    float_layers: Sequence[str] = (),
    input_shape: Sequence[int] | None = None,
    name: str = "model",
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Artifact, ...]:
    """Write a network or a torch module as model files, each run once and compared with torch.

    Args:
        model: a network, or a module in eval mode.
        folder: for the files.
        formats: `tflite`, `onnx`, `mace`, `dlc`; one or several.
        precision: `float32`, `float16`, `dynamic-range`, `int8`, `uint8`, `int8-float-io`, `int16x8`.
        weights: checkpoint of a network; None for seeded random weights, which are for timing only.
        calibration: images or `.npy` files for the integer precisions; None for noise, which is for timing only.
        float_layers: names of layers that quantised files leave in float: layers, modules or globs.
        input_shape: of a module: (N, C, H, W).
        name: of a module's files.
        seed: of random weights.
        progress: as in `measure_files`.

    Returns:
        One artifact a format: path, sha256, shapes, and the largest difference from torch as a share of the output.

    Raises:
        InputError: nothing is called so, a format or precision is unknown, or a module is given no `input_shape`.
        UnsupportedOperator: a module has an operator that the export cannot lower; the message names it.
        CheckpointError: the weights do not fit. ExportError: a file does not agree with torch.

    Source: docs/formats.md, operator by operator.

    Examples:
        >>> (file,) = mk.export_files("digits/0-0-0-0-0-0", "files", precision="int8")
        >>> file.path.suffix, file.inputs[0].shape, file.inputs[0].dtype
        ('.tflite', (1, 8, 8, 3), 'int8')
        >>> import torch
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()).eval()
        >>> (file,) = mk.export_files(module, "files-of-mine", formats="onnx", input_shape=(1, 3, 16, 16), name="mine")
        >>> file.path.name, file.agreement.relative < 1e-5
        ('mine.onnx', True)
    """
    wanted = [choice(Format, each) for each in ([formats] if isinstance(formats, str) else formats)]
    kind = choice(Precision, precision)
    data = from_path(None if calibration is None else Path(calibration))
    options = replace(Options(), calibration=data, float_layers=tuple(float_layers))
    drawn = progress_for("export", progress)
    if not isinstance(model, nn.Module):
        if input_shape is not None:
            raise InputError("input_shape is of a torch module; a network has its own (get_network(input_size=...))")
        return tuple(
            export_network(
                resolve_model(model) if isinstance(model, str) else network_of(model),
                wanted,
                kind,
                Path(folder),
                None if weights is None else Path(weights),
                drawn,
                options,
                seed,
            )
        )
    if input_shape is None or weights is not None:
        raise InputError("a torch module needs input_shape=(N, C, H, W), and brings its weights with it")
    Path(folder).mkdir(parents=True, exist_ok=True)
    source = prepare(model, name, Role.NETWORK, tuple(input_shape))
    written = []
    for index, each in enumerate(wanted):
        written.append(export(source, each, kind, Path(folder), options))
        drawn(index + 1, len(wanted), written[-1].path.name)
    return tuple(written)


def ship_bundle(
    network: NetworkLike,
    folder: str | Path,
    *,
    weights: str | Path | None = None,
    calibration: str | Path | None = None,
    labels: str | Path | None = None,
    tables: Sequence[str | Path | Run] = (),
    measurements: Sequence[str | Path] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Bundle:
    """Bundle a network for an app's author: every format, a sample, a model card, code that loads it, checksums.

    Args:
        network: a network or detector.
        folder: for the bundle; an older bundle there is replaced, anything else is left alone.
        weights: checkpoint; None for seeded random weights: the bundle then says that it is for timing only.
        calibration: images for the integer files.
        labels: a file with one class a line.
        tables: to predict latencies from.
        measurements: saved output of `moga bench --json`.
        seed: of random weights.
        progress: as in `measure_files`.

    Returns:
        What `bundle.json` holds.

    Raises:
        InputError: `folder` holds something else; labels, weights or calibration do not fit.
        ExportError: a file does not agree with torch.

    Source: docs/shipping.md describes every file.

    Examples:
        >>> bundle = mk.ship_bundle("digits/0-0-0-0-0-0", "bundle", tables=["run"])
        >>> len(bundle.artifacts), bundle.random_weights
        (9, True)
    """
    request = ShipRequest(
        network=resolve_model(network) if isinstance(network, str) and is_detector(network) else network_of(network),
        weights=None if weights is None else Path(weights),
        calibration=from_path(None if calibration is None else Path(calibration)),
        labels=None if labels is None else Path(labels),
        tables=tuple(table_file(each) for each in tables),
        measurements=tuple(Path(each) for each in measurements),
        seed=seed,
    )
    return ship(request, Path(folder), progress_for("ship", progress))


def check_bundle(folder: str | Path, *, progress: Progress | None = None) -> tuple[Check, ...]:
    """Check a bundle on this machine: checksums, signatures, and what every file computes on its sample.

    Args:
        folder: of the bundle.
        progress: as in `measure_files`.

    Returns:
        One check a line; `passed` is False where something differs.

    Raises:
        InputError: `folder` is not a bundle.

    Source: docs/shipping.md says what is compared, and within which limits.

    Examples:
        >>> bundle = mk.ship_bundle("digits/0-0-0-0-0-0", "checked")
        >>> all(each.passed for each in mk.check_bundle("checked"))
        True
    """
    return tuple(check(Path(folder), progress_for("check", progress)))
