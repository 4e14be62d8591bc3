"""`moga ship`: bundle a model for an app's author, or check a bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mogakit.cli.output import json_option, print_json, print_table, progress_bar
from mogakit.records import load, to_json

if TYPE_CHECKING:  # importing the flow imports torch, which `moga ship --help` does not need
    from mogakit.export.bundle.layout import Bundle
    from mogakit.export.calibration import CalibrationData
    from mogakit.export.preprocessing import Preprocessing
    from mogakit.flows.deploy.ship_check import Check

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("network", required=False)
@click.option("--check", "bundle", type=click.Path(path_type=Path), help="Check this bundle instead of making one.")
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), help="Folder for the bundle.")
@click.option("--weights", type=_FILE, help="Checkpoint; without it the weights are random, fit for timing only.")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path, exists=True),
    help="Folder of images or .npy for the integer files; without it they are fit for timing only.",
)
@click.option("--labels", type=_FILE, help="Text file, one class a line.")
@click.option("--preprocessing", type=_FILE, help="JSON with size, resize_shorter_side, resample, mean, std, layout.")
@click.option("--table", "tables", type=_FILE, multiple=True, help="Latency table to predict from; may be repeated.")
@click.option(
    "--measurement",
    "measurements",
    type=_FILE,
    multiple=True,
    help="Saved output of `moga bench --json`; may be repeated.",
)
@click.option("--input-size", type=int, help="Side of the image in pixels; the network's own where absent.")
@click.option("--classes", type=int, help="Number of classes; the network's own where absent.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random weights.")
@json_option
def command(
    network: str | None,
    bundle: Path | None,
    folder: Path | None,
    weights: Path | None,
    calibration: Path | None,
    labels: Path | None,
    preprocessing: Path | None,
    tables: tuple[Path, ...],
    measurements: tuple[Path, ...],
    input_size: int | None,
    classes: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Bundle NETWORK for an app's author: every format, a sample, a model card, code that loads it, checksums.

    NETWORK is a network or detector (moga-a, moga/8-10-6-..., ssdlite-mobilenet-v2).

    With --check, re-run everything on this machine: checksums, signatures, agreement on the sample. The command then
    ends with 1 if anything differs, and names the file.

    \b
    moga ship moga-a --weights moga_a.pth --calibration photos -o moga-a-bundle
    moga ship --check moga-a-bundle
    """
    if bundle is not None:
        if network is not None or folder is not None:
            raise click.UsageError("--check takes a bundle, and neither NETWORK nor -o")
        _check(bundle, as_json)
        return
    if network is None or folder is None:
        raise click.UsageError("give NETWORK and -o, or --check BUNDLE")
    from mogakit.flows.deploy.ship import ShipRequest, ship
    from mogakit.nets.detection.network import resolve_model

    request = ShipRequest(
        network=resolve_model(network, input_size=input_size, num_classes=classes),
        weights=weights,
        calibration=_calibration(calibration),
        labels=labels,
        preprocessing=_preprocessing(preprocessing),
        tables=tables,
        measurements=measurements,
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

    if path is None:
        return None
    return load(Preprocessing, path)


def _report(made: Bundle, folder: Path, as_json: bool) -> None:
    from mogakit.export.bundle.card import warnings

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
        click.echo(f"{item.target} on {item.device}: {item.latency_ms:.3f} ms {item.kind} ({facts})")
    for warning in warnings(made):
        click.echo(f"note: {warning}")
    click.echo(f"check it anywhere with: moga ship --check {folder}")


def _check(bundle: Path, as_json: bool) -> None:
    from mogakit.flows.deploy.ship_check import check

    with progress_bar("check") as progress:
        checks: list[Check] = check(bundle, progress)
    failed = [item for item in checks if not item.passed]
    if as_json:
        print_json({"passed": not failed, "checks": to_json(checks)})
    else:
        rows = [[item.file, item.what, "ok" if item.passed else "FAILED", item.detail or None] for item in checks]
        print_table(str(bundle), ["file", "check", "result", "detail"], rows)
        click.echo("the bundle is as it was shipped" if not failed else f"{len(failed)} checks failed")
    if failed:
        sys.exit(1)
