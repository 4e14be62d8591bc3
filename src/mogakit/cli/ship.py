"""`moga ship`: bundle a model for an app's author, or check a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.command import Given, ignored
from mogakit.cli.command import command as new_command
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.types import (
    CLASSES,
    FILE,
    FILE_OR_FOLDER,
    FOLDER,
    NAMED_MODEL,
    NEW_FOLDER,
    PIXELS,
    SEED,
    TABLE,
    TARGET,
)
from mogakit.export.artifact import Converter

if TYPE_CHECKING:  # importing the flow imports torch, which `moga ship --help` does not need
    from mogakit.bench.target import Target
    from mogakit.export.bundle.layout import Bundle
    from mogakit.export.calibration import CalibrationData
    from mogakit.export.preprocessing import Preprocessing
    from mogakit.flows.deploy.ship_check import Check


def _checks(given: Given) -> bool:
    return given["bundle"] is not None


@new_command("ship")
@click.argument("network", required=False, type=NAMED_MODEL)
@click.option("--check", "bundle", type=FOLDER, help="Check this bundle instead of making one.")
@click.option("-o", "--output", "folder", type=NEW_FOLDER, help="Folder for the bundle.")
@click.option("--weights", type=FILE, help="Checkpoint; without it the weights are random, fit for timing only.")
@click.option(
    "--weights-from",
    type=click.Choice(["torchvision", "timm", "pytorchcv", "geffnet"]),
    help="Package that published the weights: the network takes its layout, order and epsilon.",
)
@click.option("--ema", is_flag=True, help="Take the averaged weights (state_dict_ema) of the checkpoint.")
@click.option(
    "--calibration",
    type=FILE_OR_FOLDER,
    help="Folder of images or .npy for the integer files; without it they are fit for timing only.",
)
@click.option("--labels", type=FILE, help="Text file, one class a line.")
@click.option("--preprocessing", type=FILE, help="JSON with size, resize_shorter_side, resample, mean, std, layout.")
@click.option(
    "--table",
    "tables",
    type=TABLE,
    metavar="RUN|FILE",
    multiple=True,
    help="Latency table to predict from; may be repeated.",
)
@click.option(
    "--measurement",
    "measurements",
    type=FILE,
    multiple=True,
    help="Saved output of `moga bench --json`; may be repeated.",
)
@click.option("--input-size", type=PIXELS, help="Side of the image in pixels; the network's own where absent.")
@click.option("--classes", type=CLASSES, help="Number of classes; the network's own where absent.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of random weights.")
@click.option(
    "--converter",
    "converters",
    type=click.Choice([converter.value for converter in Converter]),
    multiple=True,
    help="Add the file of this converter of the format's makers; may be repeated.",
)
@click.option(
    "--agreement", is_flag=True, help="With --check: run the files on --device, too, and compare what they compute."
)
@click.option("--device", default="any", show_default=True, metavar="SERIAL", help="A phone; any: the only one there.")
@click.option(
    "--target",
    "targets",
    type=TARGET,
    multiple=True,
    help="Target on the phone; may be repeated. [default: all for which it has what they need]",
)
@log_option
@json_option
@ignored("device", "targets", when=lambda given: not given["agreement"], because="nothing is run without --agreement")
@ignored("agreement", when=lambda given: not _checks(given), because="what is run is a bundle that --check names")
@ignored("seed", when=lambda given: given["weights"] is not None, because="--weights are given")
@ignored("weights_from", "ema", when=lambda given: given["weights"] is None, because="no --weights are given")
@ignored(
    *("weights", "weights_from", "ema", "calibration", "labels", "preprocessing", "tables", "measurements"),
    *("input_size", "classes", "seed", "network", "folder", "converters"),
    when=_checks,
    because="--check takes a bundle as it is, and neither NETWORK nor -o nor what makes a new one",
)
def command(
    network: str | None,
    bundle: Path | None,
    folder: Path | None,
    weights: Path | None,
    weights_from: str | None,
    ema: bool,
    calibration: Path | None,
    labels: Path | None,
    preprocessing: Path | None,
    tables: tuple[Path, ...],
    measurements: tuple[Path, ...],
    input_size: int | None,
    classes: int | None,
    seed: int,
    converters: tuple[str, ...],
    agreement: bool,
    device: str,
    targets: tuple[Target, ...],
    as_json: bool,
) -> None:
    """Bundle NETWORK for an app's author: every format, a sample, a model card, code that loads it, checksums.

    NETWORK is a network or detector (moga-a, moga/8-10-6-..., ssdlite-mobilenet-v2).

    With --check, re-run everything on this machine: checksums, signatures, agreement on the sample. The command then
    ends with 1 if anything differs, and names the file. With --agreement, each file is also run on a phone, on every
    target that takes it, and its output compared with this computer's.

    \b
    moga ship moga-a --weights moga_a.pth --calibration photos -o moga-a-bundle
    moga ship --check moga-a-bundle
    moga ship --check moga-a-bundle --agreement --device 1A081FDEE0001T --target tflite/gpu/float16
    """
    if bundle is not None:
        _check(bundle, as_json, device if agreement else None, targets)
        return
    if network is None or folder is None:
        raise click.UsageError("give NETWORK and -o, or --check BUNDLE")
    from mogakit.flows.deploy.ship import ShipRequest, ship
    from mogakit.nets.detection.network import resolve_model
    from mogakit.nets.published_weights import WeightsSource

    request = ShipRequest(
        network=resolve_model(network, input_size=input_size, num_classes=classes),
        weights=weights,
        weights_from=None if weights_from is None else WeightsSource(weights_from),
        ema=ema,
        calibration=_calibration(calibration),
        labels=labels,
        preprocessing=_preprocessing(preprocessing),
        tables=tables,
        measurements=measurements,
        converters=tuple(map(Converter, converters)),
        seed=seed,
    )
    with progress_bar(f"ship {network}") as progress:
        made = ship(request, folder, progress)
    _report(made, folder, as_json)


def _calibration(path: Path | None) -> CalibrationData:
    from mogakit.export.calibration import from_path

    return from_path(path)


def _preprocessing(path: Path | None) -> Preprocessing | None:
    from mogakit.export.preprocessing import Preprocessing
    from mogakit.records import load

    return None if path is None else load(Preprocessing, path)


def _report(made: Bundle, folder: Path, as_json: bool) -> None:
    from mogakit.export.bundle.card import warnings
    from mogakit.records import to_json

    if as_json:
        print_json({"folder": str(folder), "bundle": to_json(made), "warnings": warnings(made)})
        return
    rows = [
        [
            item.path.as_posix(),
            item.num_bytes,
            f"{item.agreement.relative:.2g}" if item.agreement else None,
            (item.notes or {}).get("sqnr_db"),
        ]
        for item in made.artifacts
    ]
    print_table(f"{made.network} in {folder}", ["file", "bytes", "difference from torch", "dB (integer)"], rows)
    for item in made.latencies:
        facts = ", ".join(filter(None, (item.spread, item.comment, item.source)))
        say(f"{item.target} on {item.device}: {item.latency_ms:.3f} ms {item.kind} ({facts})")
    for warning in warnings(made):
        say(f"note: {warning}")
    say(f"check it anywhere with: moga ship --check {folder}")


def _check(bundle: Path, as_json: bool, device: str | None, targets: tuple[Target, ...]) -> None:
    from mogakit.flows.deploy.ship_check import check
    from mogakit.records import to_json

    with progress_bar("check") as progress:
        checks: list[Check] = check(bundle, progress)
    damaged = any(item.passed is False for item in checks)
    if device is not None and not damaged:
        checks += _on_device(bundle, device, targets)
    failed = [item for item in checks if item.passed is False]
    if as_json:
        print_json({"passed": not failed, "checks": to_json(checks)})
    else:
        results = {True: "ok", False: "FAILED", None: "not checked"}
        rows = [[item.file, item.what, results[item.passed], item.detail or None] for item in checks]
        print_table(str(bundle), ["file", "check", "result", "detail"], rows)
        say("the bundle is as it was shipped" if not failed else f"{len(failed)} checks failed")
        if device is not None:
            say("nothing was run on the phone: the bundle itself is not whole" if damaged else _summary(checks))
    if failed:
        raise click.exceptions.Exit(1)


def _on_device(bundle: Path, device: str, targets: tuple[Target, ...]) -> list[Check]:
    from mogakit.flows.deploy.ship_on_device import check_on_device
    from mogakit.flows.measure.devices import HOST, open_runner

    if device == HOST:
        raise click.UsageError("--check compares on this computer anyway; name a phone with --device")
    with open_runner(device) as runner, progress_bar("check on the phone") as progress:
        return check_on_device(bundle, runner, targets, progress)


def _summary(checks: list[Check]) -> str:
    """Return what the phone came to, in one line."""
    ran = [item for item in checks if item.what.startswith("output on ")]
    agree, wrong = (sum(item.passed is value for item in ran) for value in (True, False))
    return f"on the phone: {agree} outputs agree, {wrong} are wrong, {len(ran) - agree - wrong} could not be checked"
