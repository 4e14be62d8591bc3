"""`moga detect`: SSDLite detectors on the zoo's backbones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mogakit.cli.broken_images import print_broken_images
from mogakit.cli.command import group, ignored
from mogakit.cli.output import json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.training_options import torch_device_option, training_options
from mogakit.cli.types import CLASSES, FILE, FOLDER, MODEL, NAMED_MODEL, NEW_FOLDER, PIXELS, SHARE, WIDTH
from mogakit.training.detection.recipes import DETECTION_RECIPES

if TYPE_CHECKING:
    from mogakit.flows.train.detector import DetectorSummary
    from mogakit.training.detection.map import CocoScore


@group("detect")
def command() -> None:
    """SSDLite detectors on the zoo's backbones.

    A detector is called `ssdlite-` and any network, `ssdlite-mobilenet-v2` or `ssdlite-moga/8-10-6-...`; `moga export
    model`, `moga bench`, `moga check` and `moga ship` take such names too.

    \b
    moga detect list
    moga detect train ssdlite-moga-a --data coco/ --recipe ssdlite-v2 --backbone runs/moga-a/checkpoint.pt -o runs/det
    moga export model ssdlite-moga-a --weights runs/det/checkpoint.pt -o models
    moga detect score models/ssdlite-moga-a.tflite --data coco/
    moga detect find models/ssdlite-moga-a.tflite photo.jpg
    """


@command.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """Count the detectors that papers measured, beside what they say."""
    from mogakit import records
    from mogakit.flows.train.detector import list_published

    summaries = list_published()
    if as_json:
        print_json(records.to_json(summaries))
        return
    columns = ("name", "classes", "params M", "no norm", "MAdds B", "published", "mAP %", "verdict")
    caption = "\n".join(f"{row.label}: {row.comment} [{row.source}]" for row in _published(summaries))
    print_table("SSDLite at 320 px", columns, [_row(summary) for summary in summaries], caption)


def _published(summaries: list[DetectorSummary]) -> list[Any]:
    return [summary.published for summary in summaries if summary.published is not None]


def _row(summary: DetectorSummary) -> tuple[object, ...]:
    row = summary.published
    counts = (summary.params, summary.params_without_norm)
    params = tuple(None if count is None else f"{count / 1e6:.3f}" for count in counts)
    madds = None if summary.madds is None else f"{summary.madds / 1e9:.3f}"
    said = () if row is None else (f"{row.params_m:g} / {row.madds_b:g}", row.map_percent, row.verdict)
    name = summary.name or (row.label if row is not None else None)
    return (name, summary.num_classes, *params, madds, *said)


@command.command()
@click.argument("detector", type=NAMED_MODEL)
@click.option("--width", type=WIDTH, default=1.0, show_default=True, help="Width multiplier.")
@click.option("--input-size", type=PIXELS, help="Pixels; 320 where absent.")
@click.option("--classes", type=CLASSES, help="Classes of objects without the background; COCO's 80 where absent.")
@json_option
def show(detector: str, width: float, input_size: int | None, classes: int | None, as_json: bool) -> None:
    """Count one detector, and list the maps that it predicts from.

    Example: moga detect show ssdlite-mnasnet-a1 --classes 90
    """
    from mogakit import records
    from mogakit.flows.train.detector import summarise_detector
    from mogakit.nets.detection.network import get_detector

    found = get_detector(detector, width, input_size, classes)
    summary = summarise_detector(found)
    if as_json:
        print_json({**records.to_json(summary), "feature_maps": records.to_json(list(found.feature_maps))})
        return
    rows = [(one.size, one.channels, one.num_anchors, one.size**2 * one.num_anchors) for one in found.feature_maps]
    caption = (
        f"{summary.params:,} parameters ({summary.params_without_norm:,} without batch norm), {summary.madds:,} "
        f"multiply-adds, {summary.num_anchors:,} anchors, {summary.num_classes} classes and the background, "
        f"{summary.input_size} px"
    )
    print_table(found.name, ("map, px", "channels", "anchors a pixel", "anchors"), rows, caption)


@command.command()
@click.argument("detector", type=NAMED_MODEL)
@click.option("--data", required=True, type=FOLDER, help="Folder in COCO's layout: annotations/, train*/, val*/.")
@click.option(
    "--recipe", type=click.Choice(list(DETECTION_RECIPES)), default="ssdlite-v2", show_default=True, help="How."
)
@click.option("--backbone", type=FILE, help="Checkpoint of the classifier to start from; random where absent.")
@click.option("--width", type=WIDTH, default=1.0, show_default=True, help="Width multiplier.")
@click.option("--input-size", type=PIXELS, help="Pixels; 320 where absent.")
@training_options
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder of the run.")
@log_option
@json_option
@ignored(
    *("dropout", "label_smoothing"),
    when=lambda given: True,
    because="detectors are trained without: they have no classifier and no softmax over exclusive classes",
)
def train(
    detector: str,
    data: Path,
    recipe: str,
    backbone: Path | None,
    width: float,
    input_size: int | None,
    training: dict[str, Any],
    folder: Path,
    as_json: bool,
) -> None:
    """Train DETECTOR on images with boxes, and score it with COCO's mAP.

    The number of classes is that of the data. Broken images are left out, counted and named.
    """
    from mogakit import records
    from mogakit.flows.train.detector import DetectTrainRequest, run_detector_training

    request = DetectTrainRequest(
        detector=detector,
        data=data,
        recipe=recipe,
        folder=folder,
        width=width,
        input_size=input_size,
        backbone=backbone,
        **training,
    )
    with progress_bar(f"training {detector}") as progress:
        summary = run_detector_training(request, progress)
    if as_json:
        print_json(records.to_json(summary))
        return
    rows = [
        *_score_rows(summary.score),
        ("updates", summary.num_steps),
        ("images/s", summary.images_per_second),
        ("broken images", len(summary.broken_images)),
        ("checkpoint", summary.checkpoint),
    ]
    print_table(f"{summary.detector} on {summary.data}, recipe {summary.recipe}", ("what", "value"), rows)
    say(f"recipe: {summary.recipe_source}")
    print_broken_images(summary.broken_images)


def _score_rows(score: CocoScore) -> list[tuple[str, object]]:
    def percent(value: float | None) -> str | None:
        return None if value is None else f"{100 * value:.1f} %"

    return [
        ("mAP", percent(score.mean_ap)),
        ("AP at 0.50, at 0.75", f"{percent(score.ap50)}, {percent(score.ap75)}"),
        ("small, medium, large", ", ".join(percent(one) or "-" for one in (score.small, score.medium, score.large))),
        ("images", score.num_images),
    ]


@command.command()
@click.argument("model", type=MODEL)
@click.option("--data", required=True, type=FOLDER, help="Folder in COCO's layout; its validation images are used.")
@click.option("--weights", type=FILE, help="Checkpoint, where MODEL is a name.")
@click.option("--width", type=WIDTH, default=1.0, show_default=True, help="Where MODEL is a name.")
@click.option("--input-size", type=PIXELS, help="Where MODEL is a name.")
@torch_device_option
@log_option
@json_option
@ignored(
    *("weights", "width", "input_size", "device"),
    when=lambda given: Path(given["model"]).is_file(),
    because="MODEL is a file, which has them in it",
)
def score(
    model: str,
    data: Path,
    weights: Path | None,
    width: float,
    input_size: int | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Compute COCO's mAP of MODEL, an exported file or a detector's name.

    \b
    moga detect score models/ssdlite-moga-a.int8.tflite --data coco/
    moga detect score ssdlite-moga-a --weights runs/det/checkpoint.pt --data coco/
    """
    from mogakit import records
    from mogakit.flows.train.detector import score_model

    with progress_bar(f"scoring {model}") as progress:
        found = score_model(model, data, weights, width, input_size, device, progress)
    if as_json:
        print_json(records.to_json(found))
        return
    print_table(f"{found.model} on {found.data}", ("what", "value"), _score_rows(found.score))
    print_broken_images(found.broken_images)


@command.command()
@click.argument("model", type=FILE)
@click.argument("image", type=FILE)
@click.option("--threshold", type=SHARE, default=0.3, show_default=True, help="Least probability of an object.")
@json_option
def find(model: Path, image: Path, threshold: float, as_json: bool) -> None:
    """Find objects in IMAGE with an exported file, as an app would.

    Example: moga detect find models/ssdlite-moga-a.tflite photo.jpg
    """
    from mogakit import records
    from mogakit.flows.train.detector import find_objects

    objects = find_objects(model, image, threshold)
    if as_json:
        print_json(records.to_json(objects))
        return
    rows = [
        (each.label, f"{each.score:.3f}", *(f"{side:.0f}" for side in (each.left, each.top, each.right, each.bottom)))
        for each in objects
    ]
    print_table(f"{len(rows)} objects in {image.name}", ("class", "score", "left", "top", "right", "bottom"), rows)
