"""From images with boxes to a file that finds them: the detector's whole road."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mogakit.bench.host import HostRunner
from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.export.bundle.layout import load
from mogakit.export.calibration import ImageFolder
from mogakit.export.detection import snippets as detection_snippets
from mogakit.export.detection.files import load_metadata, metadata_of
from mogakit.export.preprocessing import Preprocessing
from mogakit.export.writers import Options
from mogakit.flows.deploy.check import check_model
from mogakit.flows.deploy.export import export_network
from mogakit.flows.deploy.ship import ShipRequest, ship
from mogakit.flows.deploy.ship_check import check
from mogakit.flows.measure.bench import BenchRequest, bench
from mogakit.flows.train.detector import (
    DetectTrainRequest,
    DetectTrainSummary,
    find_objects,
    list_published,
    run_detector_training,
    score_model,
    summarise_detector,
)
from mogakit.nets.detection.boxes import PostProcessing
from mogakit.nets.detection.modules import detector_anchors
from mogakit.nets.detection.network import get_detector
from mogakit.training.loop import Settings

SIZE, WIDTH = 128, 0.25


@pytest.fixture(scope="module")
def run(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DetectTrainSummary]:
    folder = tmp_path_factory.mktemp("run")
    name, settings = "ssdlite-mobilenet-v2", Settings(epochs=90, num_workers=1)
    request = DetectTrainRequest(
        detector=name,
        data=shapes_folder,
        recipe="small",
        folder=folder,
        settings=settings,
        width=WIDTH,
        input_size=SIZE,
        device="cpu",
    )
    return folder, run_detector_training(request)


@pytest.fixture(scope="module")
def models(
    run: tuple[Path, DetectTrainSummary], shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    options = Options(calibration=ImageFolder(shapes_folder / "train"))
    folder = tmp_path_factory.mktemp("bundle") / "models"
    detector = get_detector("ssdlite-mobilenet-v2", WIDTH, SIZE, 3)
    found = {}
    for format, precision in (
        (Format.TFLITE, Precision.FLOAT32),
        (Format.TFLITE, Precision.INT8),
        (Format.ONNX, Precision.FLOAT32),
        (Format.MACE, Precision.FLOAT32),
    ):
        weights = run[0] / "checkpoint.pt"
        (made,) = export_network(detector, [format], precision, folder, weights=weights, options=options)
        found[f"{format} {precision}"] = made.path
    return found


@pytest.mark.slow
def test_ten_images_are_learnt_by_heart(run: tuple[Path, DetectTrainSummary]) -> None:
    folder, summary = run
    assert summary.score.mean_ap is not None and summary.score.mean_ap > 0.9
    assert summary.classes == ("square", "disc", "bar")
    assert json.loads((folder / "detect.json").read_text())["score"]["num_images"] == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "loss"), [("tflite float32", 1e-3), ("onnx float32", 1e-3), ("mace float32", 1e-3), ("tflite int8", 0.3)]
)
def test_every_file_scores_as_the_module_did(
    kind: str, loss: float, models: dict[str, Path], run: tuple[Path, DetectTrainSummary], shapes_folder: Path
) -> None:
    found = score_model(str(models[kind]), shapes_folder).score
    assert found.mean_ap == pytest.approx(run[1].score.mean_ap, abs=loss)


@pytest.mark.slow
def test_a_checkpoint_scores_under_the_detectors_own_name(
    run: tuple[Path, DetectTrainSummary], shapes_folder: Path
) -> None:
    found = score_model(run[1].detector, shapes_folder, run[0] / "checkpoint.pt", device="cpu")
    assert found.model == "ssdlite-mobilenet-v2@0.25x@128px@3c"
    assert found.score == run[1].score


@pytest.mark.slow
def test_objects_are_found_where_they_are(models: dict[str, Path], shapes_folder: Path) -> None:
    truth = json.loads((shapes_folder / "annotations" / "instances_val.json").read_text())
    labels = {3: 1, 7: 2, 9: 3}
    wanted = [each for each in truth["annotations"] if each["image_id"] == 100]
    found = find_objects(models["tflite float32"], shapes_folder / "val" / "0.png", threshold=0.5)
    assert len(found) == len(wanted)
    for each in wanted:
        left, top, wide, high = each["bbox"]
        nearest = min(found, key=lambda one: abs(one.left - left) + abs(one.top - top))
        assert nearest.label == labels[each["category_id"]]
        sides = [nearest.left, nearest.top, nearest.right, nearest.bottom]
        np.testing.assert_allclose(sides, [left, top, left + wide, top + high], atol=8)


@pytest.mark.slow
def test_the_commands_say_the_same(models: dict[str, Path], shapes_folder: Path) -> None:
    model = str(models["onnx float32"])
    scored = CliRunner().invoke(cli, ["detect", "score", model, "--data", str(shapes_folder), "--json"])
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["score"]["mean_ap"] > 0.9
    image = str(shapes_folder / "val" / "1.png")
    found = CliRunner().invoke(cli, ["detect", "find", model, image], env={"COLUMNS": "120"})
    assert found.exit_code == 0 and "objects in 1.png" in found.stdout


@pytest.mark.slow
def test_the_python_snippet_finds_what_the_kit_finds(models: dict[str, Path], shapes_folder: Path) -> None:
    model = models["tflite float32"]
    metadata = next(model.parent.glob("*.detection.json"))
    names = dict.fromkeys(("mace_multi", "mace_net", "mace_data", "input_name"), "unused")
    snippets = detection_snippets.render(
        load_metadata(metadata), metadata_name=metadata.name, tflite=model.name, mace_outputs=(), **names
    )
    script = model.parent.parent / "snippets" / "load_python.py"
    script.parent.mkdir()
    script.write_text(snippets["load_python.py"], encoding="utf-8")
    image = shapes_folder / "val" / "0.png"
    done = subprocess.run([sys.executable, script, image], capture_output=True, text=True, check=True)
    printed = sorted([float(word) for word in line.split()] for line in done.stdout.splitlines())
    wanted = sorted(
        [each.label, each.score, each.left, each.top, each.right, each.bottom] for each in find_objects(model, image)
    )
    np.testing.assert_allclose(printed, wanted, atol=2e-3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ship") / "bundle"
    ship(ShipRequest(network=get_detector("ssdlite-mobilenet-v2", 0.1, 64, 3)), folder)
    return folder


def test_a_bundle_of_a_detector_passes_its_check_and_holds_its_metadata(bundle: Path) -> None:
    made = load(bundle)
    assert made.detection is not None
    assert load_metadata(bundle / made.detection).num_classes == made.num_classes == 3
    assert made.preprocessing.stretch
    assert made.params == summarise_detector(get_detector(made.network)).params
    checks = check(bundle)
    assert all(item.passed for item in checks), [item for item in checks if not item.passed]
    assert "## Outputs" in (bundle / "README.md").read_text()


def test_the_snippets_of_a_detectors_bundle_name_its_files(bundle: Path) -> None:
    python, kotlin, cpp = (
        (bundle / "snippets" / name).read_text() for name in ("load_python.py", "load_android.kt", "load_mace.cc")
    )
    for name in re.findall(r'MODELS / "([^"]+)"', python) + re.findall(r'open(?:Fd)?\("([^"]+)"', kotlin):
        assert (bundle / "models" / name).is_file()
    compile(python, "load_python.py", "exec")
    assert '{"boxes_0", {1, 4, 4, 12}},' in cpp and '{"scores_5", {1, 1, 1, 24}},' in cpp
    assert "$" not in python + cpp


def test_a_damaged_answer_of_a_detector_is_found(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    path = copy / load(copy).artifacts[0].path
    data = bytearray(path.read_bytes())
    data[-1000] ^= 0x40
    path.write_bytes(data)
    assert [item.file for item in check(copy) if not item.passed] == [path.relative_to(copy).as_posix()]


def test_a_table_or_a_recipe_does_not_fit_a_detector(tmp_path: Path) -> None:
    detector = get_detector("ssdlite-mobilenet-v2", 0.1, 64, 3)
    with pytest.raises(InputError, match="predicts classifiers"):
        ship(ShipRequest(network=detector, tables=(tmp_path / "table.json",)), tmp_path / "bundle")
    with pytest.raises(InputError, match="leave the preprocessing away"):
        ship(
            ShipRequest(network=detector, preprocessing=Preprocessing(size=64, resize_shorter_side=64)),
            tmp_path / "bundle",
        )


def test_metadata_says_all_that_an_app_needs(tmp_path: Path) -> None:
    detector = get_detector("ssdlite-mobilenet-v2", 0.1, 64, 3)
    (artifact,) = export_network(detector, [Format.TFLITE], Precision.FLOAT32, tmp_path)
    metadata = metadata_of(artifact.path)
    assert metadata == load_metadata(tmp_path / "ssdlite-mobilenet-v2@0.1x@64px@3c.detection.json")
    np.testing.assert_array_equal(np.array(metadata.anchors, np.float32), detector_anchors(detector))
    assert metadata.code_scales == (10, 10, 5, 5)
    assert metadata.post_processing == PostProcessing(1e-8, 0.6, 100, 100)
    assert [each.size for each in metadata.anchor_maps] == [4, 2, 1, 1, 1, 1]
    assert metadata.num_classes == 3


def test_a_file_without_metadata_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(InputError, match=r"has no \.detection\.json file beside it"):
        find_objects(tmp_path / "model.tflite", tmp_path / "a.png")


def test_a_name_without_weights_is_rejected(shapes_folder: Path) -> None:
    with pytest.raises(InputError, match="give --weights"):
        score_model("ssdlite-moga-a", shapes_folder)


def test_a_folder_with_a_run_wants_resume(shapes_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    request = DetectTrainRequest(
        detector="ssdlite-mobilenet-v2", data=shapes_folder, recipe="small", folder=tmp_path, settings=Settings()
    )
    with pytest.raises(InputError, match="add --resume"):
        run_detector_training(request)


def test_the_list_has_our_counts_beside_the_papers() -> None:
    rows = {row.name: row for row in list_published()}
    second = rows["ssdlite-mobilenet-v2"]
    assert (second.params, second.madds, second.num_anchors) == (4_337_013, 788_830_144, 2034)
    assert rows[None].params is None


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["show", "ssdlite-moga-a", "--classes", "20"]])
def test_counts_are_printed(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, ["detect", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "ssdlite-moga-a" in result.stdout or "ssdlite-mobilenet-v2" in result.stdout


def test_an_unknown_detector_is_the_users_mistake() -> None:
    result = CliRunner().invoke(cli, ["detect", "show", "moga-a"])
    assert isinstance(result.exception, InputError)


def test_a_detector_is_checked_by_name() -> None:
    from mogakit.export.support.entry import Answer, Hardware

    answers = check_model("ssdlite-mobilenet-v2@0.1x@64px@3c", [Hardware.TFLITE_GPU, Hardware.MACE_GPU])
    assert [item.report.answer for item in answers] == [Answer.YES, Answer.YES]


def test_a_detector_is_timed_by_name() -> None:
    (timing,) = bench(BenchRequest(models=("ssdlite-mobilenet-v2@0.05x@2px@1c",), quick=True), HostRunner()).timings
    assert timing.artifact.name == "ssdlite-mobilenet-v2@0.05x@2px@1c"
    row = timing.row
    assert row.latency_ms is not None and row.low_ms is not None and row.high_ms is not None
    assert 0 < row.low_ms <= row.latency_ms <= row.high_ms
    assert row.count == 2 * 20
