"""The detectors' losses: what counts, and by how much."""

import math

import pytest
import torch

from mogakit.errors import InputError
from mogakit.training.detection.loss import detection_loss, hardest_negatives
from mogakit.training.detection.recipes import DETECTION_RECIPES, LossKind, get_detection_recipe
from mogakit.training.recipes import Decay, OptimizerKind


def outputs(num_anchors: int = 20, slots: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(1, num_anchors, 4), torch.zeros(1, num_anchors, slots)


def test_three_hardest_negatives_are_taken_for_each_positive() -> None:
    losses = torch.arange(12.0).reshape(1, 12)
    positive = torch.zeros(1, 12, dtype=torch.bool)
    positive[0, [0, 11]] = True
    assert hardest_negatives(losses, positive)[0].nonzero().flatten().tolist() == [5, 6, 7, 8, 9, 10]


def test_an_image_without_objects_has_three_negatives() -> None:
    chosen = hardest_negatives(torch.arange(12.0).reshape(1, 12), torch.zeros(1, 12, dtype=torch.bool))
    assert chosen[0].nonzero().flatten().tolist() == [9, 10, 11]


def test_mined_classification_is_the_sum_over_slots_of_four_anchors_a_positive() -> None:
    codes, logits = outputs()
    labels = torch.zeros(1, 20, dtype=torch.int64)
    labels[0, 3] = 2
    loss = detection_loss(codes, logits, labels, codes, LossKind.MINED)
    # One positive and three negatives, four slots each, and ln 2 for a logit of zero whatever its target.
    assert float(loss.classification) == pytest.approx(16 * math.log(2))
    assert float(loss.localisation) == 0


def test_localisation_is_smooth_l1_over_matched_anchors_only() -> None:
    codes, logits = outputs()
    wanted = torch.full_like(codes, 5.0)
    wanted[0, 3] = torch.tensor([0.5, -2.0, 0.0, 0.0])
    labels = torch.zeros(1, 20, dtype=torch.int64)
    labels[0, 3] = 1
    assert float(detection_loss(codes, logits, labels, wanted, LossKind.MINED).localisation) == 0.125 + 1.5
    focal = detection_loss(codes, logits, labels, wanted, LossKind.FOCAL)
    assert float(focal.localisation) == (0.125 + 1.5) / 4


def test_focal_loss_at_even_odds() -> None:
    codes, logits = outputs(num_anchors=1)
    loss = detection_loss(codes, logits, torch.tensor([[2]]), codes, LossKind.FOCAL)
    # Each slot costs ln 2 / 4; the right one weighs 0.75, the three others 0.25.
    assert float(loss.classification) == pytest.approx((0.75 + 3 * 0.25) * 0.25 * math.log(2))


def test_focal_background_wants_no_slot_at_all() -> None:
    codes, logits = outputs(num_anchors=1)
    sure = logits - 20
    loss = detection_loss(codes, sure, torch.tensor([[0]]), codes, LossKind.FOCAL)
    assert float(loss.classification) < 1e-9


@pytest.mark.parametrize("kind", LossKind)
def test_a_perfect_answer_costs_nothing(kind: LossKind) -> None:
    codes, _ = outputs()
    labels = torch.zeros(1, 20, dtype=torch.int64)
    labels[0, 3] = 2
    right = torch.nn.functional.one_hot(labels, 4).float() * 60 - 30
    if kind is LossKind.FOCAL:
        right[..., 0] = -30
    loss = detection_loss(codes, right, labels, codes, kind)
    assert float(loss.total) < 1e-6


def test_recipes_follow_their_configuration_files() -> None:
    second, third = get_detection_recipe("ssdlite-v2"), get_detection_recipe("ssdlite-v3")
    assert (second.base.optimizer, second.base.batch_size, second.loss) == (
        OptimizerKind.TF_RMSPROP,
        24,
        LossKind.MINED,
    )
    assert second.base.learning_rate_at(10, 24) == 0.004  # the configuration's run ends before its first decay
    assert (third.base.decay, third.base.learning_rate_at(third.base.warmup_epochs, 512)) == (Decay.COSINE, 0.4)
    assert third.class_bias == -4.6
    assert all(recipe.base.source and recipe.base.ours for recipe in DETECTION_RECIPES.values())


def test_an_unknown_recipe_is_rejected_with_those_there_are() -> None:
    with pytest.raises(InputError, match="known are ssdlite-v2, ssdlite-v3, small"):
        get_detection_recipe("moga")
