"""Training a detector: resumable to the bit, rejecting what does not fit. That it learns is tested in tests/flows."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mogakit.errors import CheckpointError, InputError
from mogakit.nets.detection.modules import DetectorModule
from mogakit.nets.detection.network import Detector, get_detector
from mogakit.nets.modules import build_network
from mogakit.nets.resolve import resolve
from mogakit.nets.weights import save_weights
from mogakit.training.detection.data import CocoDataset, open_coco_folder
from mogakit.training.detection.loop import initialise_detector, train_detector
from mogakit.training.detection.recipes import DetectionRecipe, get_detection_recipe
from mogakit.training.loop import Settings
from mogakit.training.world import World

ALONE = World(0, 1, torch.device("cpu"))
SETTINGS = Settings(batch_size=5, epochs=3, num_workers=1, checkpoint_interval_s=0)


@pytest.fixture(scope="module")
def data(shapes_folder: Path) -> tuple[CocoDataset, CocoDataset]:
    return open_coco_folder(shapes_folder, 64)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return get_detector("ssdlite-mobilenet-v2", 0.1, 64, 3)


@pytest.fixture(scope="module")
def recipe() -> DetectionRecipe:
    return replace(get_detection_recipe("small"), augment=True)


def test_a_killed_run_goes_on_to_the_same_weights(
    data: tuple[CocoDataset, CocoDataset], detector: Detector, recipe: DetectionRecipe, tmp_path: Path
) -> None:
    def kill(done: int, total: int, note: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    whole = train_detector(detector, data, recipe, SETTINGS, ALONE, tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        train_detector(detector, data, recipe, SETTINGS, ALONE, tmp_path / "killed.pt", progress=kill)
    resumed = train_detector(detector, data, recipe, SETTINGS, ALONE, tmp_path / "killed.pt")
    assert whole.num_steps == 6
    wanted = whole.module.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in resumed.module.state_dict().items())
    assert resumed.score == whole.score
    with pytest.raises(CheckpointError, match="is of another run"):
        train_detector(detector, data, recipe, replace(SETTINGS, seed=1), ALONE, tmp_path / "whole.pt")


def test_a_backbone_is_where_training_starts(
    data: tuple[CocoDataset, CocoDataset], detector: Detector, recipe: DetectionRecipe, tmp_path: Path
) -> None:
    classifier = build_network(resolve("mobilenet-v2", 0.1, 64, 10))
    save_weights(classifier, tmp_path / "classifier.safetensors")
    standing = replace(recipe, base=replace(recipe.base, learning_rate=0.0))
    trained = train_detector(
        detector, data, standing, replace(SETTINGS, epochs=0.5), ALONE, backbone=tmp_path / "classifier.safetensors"
    )
    weight = trained.module.state_dict()["body.3.expand.conv.weight"]
    assert torch.equal(weight, classifier.state_dict()["blocks.3.expand.conv.weight"])


def test_predictors_start_small_and_biased_to_background() -> None:
    module = DetectorModule(get_detector("ssdlite-mobilenet-v2", 0.1, 64, 3))
    initialise_detector(module, get_detection_recipe("ssdlite-v3"), 0)
    weights = module.state_dict()
    assert weights["predictors.0.label.project.bias"].unique().tolist() == [pytest.approx(-4.6)]
    assert not weights["predictors.0.box.project.bias"].any()
    assert float(weights["predictors.1.label.project.weight"].std()) == pytest.approx(0.03, rel=0.1)


@pytest.mark.parametrize(
    ("size", "classes", "batch", "message"),
    [
        (96, 3, 5, "give the detector those"),
        (64, 4, 5, "give the detector those"),
        (64, 3, 11, "fit the 10 images"),
        (64, 3, 1, "at least two images"),
    ],
)
def test_what_does_not_fit_is_rejected(
    data: tuple[CocoDataset, CocoDataset], recipe: DetectionRecipe, size: int, classes: int, batch: int, message: str
) -> None:
    other = get_detector("ssdlite-mobilenet-v2", 0.1, size, classes)
    with pytest.raises(InputError, match=message):
        train_detector(other, data, recipe, replace(SETTINGS, batch_size=batch), ALONE)
