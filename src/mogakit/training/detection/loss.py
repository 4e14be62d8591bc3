"""Losses of SSD detectors, as the Object Detection API computes them (research/object_detection/core/losses.py)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot, smooth_l1_loss

from mogakit.training.detection.recipes import LossKind

MAX_NEGATIVES_PER_POSITIVE = 3
MIN_NEGATIVES = 3
"""Of an image; both from ssdlite_mobilenet_v2_coco.config, hard_example_miner."""

FOCAL_ALPHA, FOCAL_GAMMA = 0.75, 2.0
"""Of ssdlite_mobilenet_v3_large_320x320_coco.config, weighted_sigmoid_focal."""


@dataclass(frozen=True)
class DetectionLoss:
    """The two parts of a loss, each a scalar over a batch, divided by its number of anchors with an object."""

    classification: Tensor
    localisation: Tensor

    @property
    def total(self) -> Tensor:
        """Return the sum, both with weight 1."""
        return self.classification + self.localisation


def detection_loss(codes: Tensor, logits: Tensor, labels: Tensor, wanted: Tensor, kind: LossKind) -> DetectionLoss:
    """Compare a detector's raw outputs with what its anchors are to give.

    Args:
        codes: (N, anchors, 4), from the detector.
        logits: (N, anchors, 1 + classes), from the detector.
        labels: (N, anchors), 0 for background.
        wanted: (N, anchors, 4), codes of the objects.
        kind: how background anchors are weighed.
    """
    positive = labels > 0
    count = positive.sum().clamp(min=1)
    box = smooth_l1_loss(codes, wanted, reduction="none").sum(-1)
    localisation = (box * positive).sum() / count
    targets = one_hot(labels, logits.shape[-1]).to(logits.dtype)
    if kind is LossKind.FOCAL:
        # As `encode_background_as_zeros` and `normalize_loc_loss_by_codesize` of that configuration.
        targets = torch.cat((torch.zeros_like(targets[..., :1]), targets[..., 1:]), dim=-1)
        return DetectionLoss(_focal(logits, targets).sum() / count, localisation / codes.shape[-1])
    crosses = binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(-1)
    chosen = positive | hardest_negatives(crosses.detach(), positive)
    return DetectionLoss((crosses * chosen).sum() / count, localisation)


def _focal(logits: Tensor, targets: Tensor) -> Tensor:
    crosses = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    right = torch.exp(-crosses)  # the probability given to what is true
    balance = FOCAL_ALPHA * targets + (1 - FOCAL_ALPHA) * (1 - targets)
    return balance * (1 - right) ** FOCAL_GAMMA * crosses


def hardest_negatives(losses: Tensor, positive: Tensor) -> Tensor:
    """Return a mask (N, anchors) of the background anchors with the largest losses, three to one object in each image.

    Losses that are equal are taken in the order of the anchors. The API also drops candidates that overlap a harder one
    by 0.99; anchors do not overlap so much, hence that step is left out.
    """
    allowed = (MAX_NEGATIVES_PER_POSITIVE * positive.sum(1)).clamp(min=MIN_NEGATIVES)
    order = losses.masked_fill(positive, -torch.inf).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, places)
    return (rank < allowed[:, None]) & ~positive
