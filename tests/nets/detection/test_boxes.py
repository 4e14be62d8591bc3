"""Anchors, box codes and suppression do what the Object Detection API's do."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from mogakit.errors import InputError
from mogakit.nets.detection.boxes import (
    PostProcessing,
    anchor_shapes,
    anchors,
    corners,
    decode,
    detections,
    encode,
    overlaps,
    suppressed,
)


def test_scales_run_from_a_fifth_to_nineteen_twentieths() -> None:
    shapes = anchor_shapes()
    assert [len(each) for each in shapes] == [3, 6, 6, 6, 6, 6]
    assert [round(each[0][0], 4) for each in shapes[1:]] == [0.35, 0.5, 0.65, 0.8, 0.95]
    assert shapes[1][5] == pytest.approx((np.sqrt(0.35 * 0.5), 1.0))
    assert shapes[5][5] == pytest.approx((np.sqrt(0.95), 1.0))


def test_the_first_anchors_of_a_320_pixel_detector() -> None:
    found = anchors([20, 10, 5, 3, 2, 1])
    assert found.shape == (2034, 4)
    assert found[0] == pytest.approx([0.025, 0.025, 0.1, 0.1])
    assert found[1] == pytest.approx([0.025, 0.025, 0.2 / np.sqrt(2), 0.2 * np.sqrt(2)])  # wider than high
    assert found[3, :2] == pytest.approx([0.025, 0.075])  # the next pixel of the row
    assert found[60, :2] == pytest.approx([0.075, 0.025])  # the next row
    assert found[-1] == pytest.approx([0.5, 0.5, np.sqrt(0.95), np.sqrt(0.95)])


BOXES = arrays(np.float32, (5, 2), elements=st.floats(0, 0.5, width=32)).flatmap(
    lambda first: arrays(np.float32, (5, 2), elements=st.floats(0.0625, 0.5, width=32)).map(
        lambda size: np.concatenate((first, first + size), axis=1)
    )
)


@given(BOXES)
def test_decoding_undoes_encoding(boxes: np.ndarray) -> None:
    against = anchors([2, 1, 1, 1, 1, 1])[:5]
    np.testing.assert_allclose(decode(encode(boxes, against), against), boxes, atol=1e-5)


@given(BOXES, BOXES)
def test_overlap_is_symmetric_between_zero_and_one_and_one_with_itself(one: np.ndarray, other: np.ndarray) -> None:
    found = overlaps(one, other)
    assert ((found >= 0) & (found <= 1.00001)).all()
    np.testing.assert_allclose(found, overlaps(other, one).T, rtol=1e-6)
    np.testing.assert_allclose(np.diag(overlaps(one, one)), 1, rtol=1e-5)


def test_a_code_of_zero_is_the_anchor() -> None:
    against = anchors([2, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(decode(np.zeros_like(against), against), corners(against), atol=1e-7)


def test_code_numbers_are_scaled_by_ten_and_five() -> None:
    against = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    box = np.array([[0.5, 0.4, 0.9, 0.8]], np.float32)  # centre (0.7, 0.6), 0.4 high, 0.4 wide
    assert encode(box, against)[0] == pytest.approx([10.0, 2.5, 5 * np.log(2), 0.0], abs=1e-5)


def test_overlaps_of_a_quarter() -> None:
    one = np.array([[0, 0, 1, 1]], np.float32)
    assert overlaps(one, np.array([[0, 0, 0.5, 0.5], [2, 2, 3, 3], [0, 0, 0, 0]], np.float32))[0].tolist() == [
        0.25,
        0,
        0,
    ]


def test_of_two_boxes_on_one_object_the_better_stays() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 0.5, 0.5]], np.float32)
    scores = np.array([0.5, 0.9, 0.7], np.float32)
    assert suppressed(boxes, np.array([1, 1, 1]), scores, PostProcessing()).tolist() == [1, 2]
    assert suppressed(boxes, np.array([1, 2, 1]), scores, PostProcessing()).tolist() == [1, 2, 0]


def test_detections_are_sorted_clipped_and_leave_the_background_out() -> None:
    against = np.array([[0.5, 0.5, 0.2, 0.2], [0.1, 0.1, 0.4, 0.4]], np.float32)
    scores = np.array([[0.99, 0.3, 0.0], [0.99, 0.0, 0.8]], np.float32)
    found = detections(np.zeros((2, 4), np.float32), scores, against, PostProcessing(score_threshold=0.1))
    assert found.labels.tolist() == [2, 1]
    np.testing.assert_allclose(found.boxes, [[0, 0, 0.3, 0.3], [0.4, 0.4, 0.6, 0.6]], atol=1e-6)
    assert found.scores.tolist() == pytest.approx([0.8, 0.3])


@given(st.integers(0, 1000))
def test_suppression_is_that_of_each_class_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.5, (60, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(0.1, 0.5, (60, 2))), axis=1).astype(np.float32)
    labels, scores = rng.integers(1, 4, 60), rng.permutation(60).astype(np.float32)
    alone = []
    for label in (1, 2, 3):
        left = [index for index in np.argsort(-scores).tolist() if labels[index] == label]
        while left:
            best = left.pop(0)
            alone.append(best)
            left = [index for index in left if overlaps(boxes[[best]], boxes[[index]])[0, 0] <= 0.6]
    wanted = sorted(alone, key=lambda index: -scores[index])
    assert suppressed(boxes, labels, scores, PostProcessing()).tolist() == wanted[:100]


def test_at_most_so_many_objects_come_out() -> None:
    against = anchors([20, 10, 5, 3, 2, 1])
    scores = np.random.default_rng(0).random((len(against), 4), dtype=np.float32)
    found = detections(np.zeros_like(against), scores, against, PostProcessing(max_per_class=7, max_total=15))
    assert len(found.scores) == 15
    assert max(np.bincount(found.labels)) <= 7
    assert (np.diff(found.scores) <= 0).all()


def test_rows_that_do_not_belong_together_are_rejected() -> None:
    with pytest.raises(InputError, match="do not belong"):
        detections(np.zeros((3, 4), np.float32), np.zeros((2, 2), np.float32), np.zeros((3, 4), np.float32))
