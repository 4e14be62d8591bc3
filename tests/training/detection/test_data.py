"""Datasets in COCO's layout, matching, and augmentation."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from mogakit.errors import InputError
from mogakit.nets.detection.boxes import anchors, corners, decode, overlaps
from mogakit.training.detection.crop import flipped, random_crop
from mogakit.training.detection.data import open_coco, open_coco_folder, read_detection_batch, targets

AGAINST = anchors([4, 2, 1, 1, 1, 1])


def write(root: Path, content: dict[str, Any]) -> Path:
    path = root / "annotations.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def one_image(**changes: Any) -> dict[str, Any]:
    objects = [{"id": 1, "image_id": 5, "category_id": 7, "bbox": [20, 10, 40, 30], "iscrowd": 0}]
    entry = {"id": 5, "file_name": "a.png", "width": 200, "height": 100}
    return {"images": [entry], "annotations": objects, "categories": [{"id": 7, "name": "cat"}]} | changes


def test_boxes_are_shares_top_left_bottom_right(tmp_path: Path) -> None:
    dataset = open_coco(write(tmp_path, one_image()), tmp_path, 64)
    (image,) = dataset.images
    assert image.boxes.tolist() == [pytest.approx([0.1, 0.1, 0.4, 0.3])]
    assert image.labels.tolist() == [1]


def test_labels_count_categories_in_the_order_of_their_ids(shapes_folder: Path) -> None:
    training, validation = open_coco_folder(shapes_folder, 64)
    assert [each.name for each in training.categories] == ["square", "disc", "bar"]
    assert training.num_classes == 3 and len(training) == len(validation) == 10
    assert {int(label) for each in training.images for label in each.labels} == {1, 2, 3}


def test_crowds_and_boxes_without_area_are_no_targets(tmp_path: Path) -> None:
    objects = [
        {"id": 1, "image_id": 5, "category_id": 7, "bbox": [0, 0, 200, 100], "iscrowd": 1},
        {"id": 2, "image_id": 5, "category_id": 7, "bbox": [10, 10, 0, 30], "iscrowd": 0},
    ]
    dataset = open_coco(write(tmp_path, one_image(annotations=objects)), tmp_path, 64)
    assert dataset.images[0].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "describes 0 images"),
        ({"categories": []}, "does not hold object annotations"),
        ({"annotations": [{"image_id": 5, "category_id": 7}]}, "KeyError 'bbox'"),
        ({"annotations": [{"image_id": 5, "category_id": 8, "bbox": [0, 0, 1, 1]}]}, "KeyError 8"),
        ({"annotations": [{"image_id": 5, "category_id": 7, "bbox": "box"}]}, "ValueError"),
        ({"images": [{"id": 5}]}, "does not hold object annotations"),
    ],
)
def test_a_malformed_annotation_file_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as rejection:
        open_coco(write(tmp_path, one_image(**changes)), tmp_path, 64)
    assert "annotations.json" in str(rejection.value)


def test_what_is_no_json_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("not json", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        open_coco(tmp_path / "a.json", tmp_path, 64)


def test_a_folder_without_annotations_is_rejected_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has 0 files annotations/instances_train\*\.json"):
        open_coco_folder(tmp_path, 64)


def test_broken_images_are_left_out_and_named(tmp_path: Path, shapes_folder: Path) -> None:
    for path in (shapes_folder / "train").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "3.png").write_bytes(b"no image")
    dataset = open_coco(shapes_folder / "annotations" / "instances_train.json", tmp_path, 64)
    with ThreadPoolExecutor(2) as pool:
        batch = read_detection_batch(dataset, range(10), AGAINST, 0, 0, augment=True, pool=pool)
        with pytest.raises(InputError, match="none of the 1 images"):
            read_detection_batch(dataset, [3], AGAINST, 0, 0, augment=False, pool=pool)
    assert batch.images.shape == (9, 3, 64, 64)
    assert [path.name for path in dataset.broken] == ["3.png"]


def test_an_image_is_stretched_and_normalised(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100), (255, 0, 0)).save(tmp_path / "a.png")
    example = open_coco(write(tmp_path, one_image()), tmp_path, 32).read(0, None)
    assert example is not None and example.image.shape == (3, 32, 32)
    np.testing.assert_allclose(example.image[0], (1 - 0.485) / 0.229, rtol=1e-6)
    np.testing.assert_allclose(example.image[1], -0.456 / 0.224, rtol=1e-6)


def test_a_batch_follows_from_seed_epoch_and_index(shapes_folder: Path) -> None:
    dataset, _ = open_coco_folder(shapes_folder, 64)
    with ThreadPoolExecutor(3) as pool:
        one, other, later = (
            read_detection_batch(dataset, [4, 1, 8], AGAINST, 0, epoch, augment=True, pool=pool) for epoch in (0, 0, 1)
        )
    assert one.images.equal(other.images) and one.codes.equal(other.codes)
    assert not one.images.equal(later.images)


def test_pixels_under_a_box_stay_under_it_through_crop_and_flip(shapes_folder: Path) -> None:
    dataset, _ = open_coco_folder(shapes_folder, 160)
    colours = {1: 0, 2: 1, 3: 2}  # label -> the channel that shines
    checked = 0
    for index in range(10):
        for draw in range(4):
            example = dataset.read(index, np.random.default_rng([draw, index]))
            assert example is not None
            for (top, left, bottom, right), label in zip(example.boxes * 160, example.labels, strict=True):
                if min(bottom - top, right - left) < 24:
                    continue
                y, x = int((top + bottom) / 2), int((left + right) / 2)
                assert int(example.image[:, y, x].argmax()) == colours[int(label)]
                checked += 1
    assert checked > 40


def test_an_object_gets_its_best_anchor_even_below_the_threshold() -> None:
    boxes = np.array([[0.0, 0.0, 0.05, 0.05]], np.float32)
    labels, codes = targets(boxes, np.array([2]), AGAINST)
    assert (labels > 0).sum() == 1
    best = int(labels.argmax())
    assert overlaps(boxes, corners(AGAINST))[0].argmax() == best
    np.testing.assert_allclose(decode(codes, AGAINST)[best], boxes[0], atol=1e-5)


def test_every_object_has_an_anchor_and_every_code_decodes_to_its_object() -> None:
    boxes = np.array([[0.1, 0.1, 0.6, 0.6], [0.12, 0.1, 0.6, 0.62], [0.5, 0.5, 0.9, 1.0]], np.float32)
    labels, codes = targets(boxes, np.array([1, 2, 3]), AGAINST)
    assert {1, 2, 3} <= set(labels.tolist())
    matched = labels > 0
    np.testing.assert_allclose(decode(codes, AGAINST)[matched], boxes[labels[matched] - 1], atol=1e-5)
    assert not codes[~matched].any()


def test_no_object_means_background_everywhere() -> None:
    labels, codes = targets(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), AGAINST)
    assert not labels.any() and not codes.any()


@given(st.integers(0, 10_000))
def test_a_crop_keeps_boxes_inside_and_labels_with_their_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.7, (4, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(0.05, 0.3, (4, 2))), axis=1).astype(np.float32)
    window, kept, labels = random_crop(boxes, np.arange(1, 5), rng)
    assert len(kept) == len(labels) > 0
    assert ((kept >= -1e-6) & (kept <= 1 + 1e-6)).all() and (kept[:, 2:] > kept[:, :2]).all()
    top, left, bottom, right = window
    for (y0, x0, y1, x1), label in zip(kept, labels, strict=True):
        back = np.array([y0 * (bottom - top) + top, x0 * (right - left) + left,
                         y1 * (bottom - top) + top, x1 * (right - left) + left])  # fmt: skip
        original = boxes[label - 1]
        clipped = np.clip(original.reshape(2, 2), window[:2], window[2:]).reshape(-1)
        np.testing.assert_allclose(back, clipped, atol=1e-5)


def test_flipping_twice_changes_nothing() -> None:
    boxes = np.array([[0.1, 0.2, 0.5, 0.9]], np.float32)
    assert flipped(boxes)[0] == pytest.approx([0.1, 0.1, 0.5, 0.8])
    np.testing.assert_allclose(flipped(flipped(boxes)), boxes, atol=1e-7)
