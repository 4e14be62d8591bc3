"""Detector modules: deterministic weights, outputs in the anchors' order, backbones from classifiers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mogakit.errors import CheckpointError
from mogakit.nets.detection.modules import build_detector, build_model, detector_anchors, load_backbone
from mogakit.nets.detection.network import get_detector
from mogakit.nets.modules import build_network
from mogakit.nets.resolve import resolve
from mogakit.nets.weights import save_weights

TINY = {"width": 0.25, "input_size": 96, "num_classes": 3}


def test_equal_seeds_give_equal_weights() -> None:
    detector = get_detector("ssdlite-mobilenet-v2", **TINY)
    one, other, third = (build_detector(detector, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert not all(torch.equal(value, third[key]) for key, value in one.items())


def test_scores_are_the_sigmoids_of_the_logits() -> None:
    module = build_model(get_detector("ssdlite-mobilenet-v2", **TINY))
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = module(images)
        boxes, logits = module.raw(images)
    torch.testing.assert_close(found["boxes"], boxes)
    torch.testing.assert_close(found["scores"], logits.sigmoid())


def test_a_prediction_stands_where_its_anchor_does() -> None:
    detector = get_detector("ssdlite-mobilenet-v2", **TINY)
    module = build_detector(detector)
    images = torch.zeros(1, 3, 96, 96)
    maps = list(module.feature_maps(images))
    row, column, shape = 3, 1, 2
    channel = module.predictors[0].box(maps[0])[0, shape * 4 : shape * 4 + 4, row, column]
    index = (row * 6 + column) * 3 + shape
    torch.testing.assert_close(module(images)["boxes"][0, index], channel)
    np.testing.assert_allclose(detector_anchors(detector)[index, :2], [(row + 0.5) / 6, (column + 0.5) / 6], rtol=1e-6)


@pytest.mark.parametrize("name", ["mobilenet-v2", "mobilenet-v3-large", "mnasnet-b1+expansion"])
def test_a_classifier_lends_its_backbone(name: str, tmp_path: Path) -> None:
    classifier = build_network(resolve(name.partition("+")[0], 0.25, 96, 10), seed=7)
    save_weights(classifier, tmp_path / "classifier.safetensors")
    module = build_detector(get_detector(f"ssdlite-{name}", **TINY))
    assert load_backbone(module, tmp_path / "classifier.safetensors") == len(module.body.state_dict())
    images = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        _, ours, *_ = module.feature_maps(images)
        x = classifier.blocks[: len(module.body) - 1](images)
        last = classifier.blocks[len(module.body) - 1]
        theirs = last.expand(x) if "+" in name else last.features(x)
    torch.testing.assert_close(ours, theirs)


def test_weights_of_another_backbone_are_rejected(tmp_path: Path) -> None:
    save_weights(build_network(resolve("mobilenet-v1", 0.25, 96, 10)), tmp_path / "other.safetensors")
    module = build_detector(get_detector("ssdlite-mobilenet-v2", **TINY))
    with pytest.raises(CheckpointError, match=r"blocks\.\d+\..* is missing"):
        load_backbone(module, tmp_path / "other.safetensors")
