"""pycocotools' mAP on detections whose score is known beforehand."""

import builtins
from pathlib import Path

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.nets.detection.boxes import Detections
from mogakit.training.detection.data import CocoDataset, open_coco_folder
from mogakit.training.detection.map import coco_score


@pytest.fixture(scope="module")
def dataset(shapes_folder: Path) -> CocoDataset:
    return open_coco_folder(shapes_folder, 64)[1]


def truth(dataset: CocoDataset) -> dict[int, Detections]:
    return {each.id: Detections(each.boxes, each.labels, np.ones(len(each.labels), np.float32))
            for each in dataset.images}  # fmt: skip


def test_the_truth_scores_one(dataset: CocoDataset, capsys: pytest.CaptureFixture[str]) -> None:
    score = coco_score(dataset, truth(dataset))
    assert (score.mean_ap, score.ap50, score.ap75, score.num_images) == (1.0, 1.0, 1.0, 10)
    assert score.small is None  # no shape is that small
    assert capsys.readouterr().out == ""


def test_half_of_the_images_score_half(dataset: CocoDataset) -> None:
    found = truth(dataset)
    empty = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
    found.update({each.id: empty for each in dataset.images[::2]})
    score = coco_score(dataset, found)
    assert score.mean_ap is not None and 0.2 < score.mean_ap < 0.8


def test_images_that_were_not_looked_at_do_not_count(dataset: CocoDataset) -> None:
    found = {image: each for image, each in truth(dataset).items() if image % 2}
    assert coco_score(dataset, found).mean_ap == 1.0


def test_a_box_that_is_slightly_off_loses_at_high_overlaps_only(dataset: CocoDataset) -> None:
    found = {
        image: Detections((each.boxes + np.float32(0.02)).astype(np.float32), each.labels, each.scores)
        for image, each in truth(dataset).items()
    }
    score = coco_score(dataset, found)
    assert score.ap50 == 1.0
    assert score.mean_ap is not None and score.mean_ap < 0.95


def test_wrong_labels_score_nothing(dataset: CocoDataset) -> None:
    found = {image: Detections(each.boxes, each.labels % 3 + 1, each.scores) for image, each in truth(dataset).items()}
    assert coco_score(dataset, found).mean_ap == pytest.approx(0, abs=1e-6)


def test_nothing_found_scores_zero(dataset: CocoDataset) -> None:
    empty = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert coco_score(dataset, {each.id: empty for each in dataset.images}).mean_ap == 0.0


def test_nothing_looked_at_is_rejected(dataset: CocoDataset) -> None:
    with pytest.raises(InputError, match="nothing to score"):
        coco_score(dataset, {})


def test_annotations_without_area_and_crowd_marks_are_completed(dataset: CocoDataset) -> None:
    bare = [{key: value for key, value in each.items() if key not in ("area", "iscrowd", "id")}
            for each in dataset.annotations["annotations"]]  # fmt: skip
    other = CocoDataset(
        name=dataset.name,
        images=dataset.images,
        categories=dataset.categories,
        annotations={**dataset.annotations, "annotations": bare},
        input_size=64,
    )
    assert coco_score(other, truth(dataset)).mean_ap == 1.0


def test_without_pycocotools_the_extra_is_named(dataset: CocoDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: object) -> object:
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"pip install 'moga-kit\[train\]'"):
        coco_score(dataset, truth(dataset))
