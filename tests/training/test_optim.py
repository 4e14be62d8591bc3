"""Optimisers and averages are those of TensorFlow."""

import math

import torch
from torch import nn

from mogakit.training.optim import MovingAverage, TensorFlowRMSProp


def test_rmsprop_takes_epsilon_inside_the_root_and_starts_its_average_at_one() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = TensorFlowRMSProp([weight], lr=0.1, decay=0.9, momentum=0.5, eps=0.25)
    mean_square, step, expected = 1.0, 0.0, 2.0
    for gradient in (3.0, -1.0, 0.5):
        mean_square = 0.9 * mean_square + 0.1 * gradient**2
        step = 0.5 * step + 0.1 * gradient / math.sqrt(mean_square + 0.25)
        expected -= step
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        assert math.isclose(weight.item(), expected, rel_tol=1e-6)


def test_rmsprop_leaves_a_weight_without_gradient_alone() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    TensorFlowRMSProp([weight], lr=0.1).step()
    assert weight.item() == 2.0


def test_the_average_follows_quickly_at_first() -> None:
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    average = MovingAverage(module, decay=0.999)
    with torch.no_grad():
        module.weight.fill_(1.0)
    average.update(module)
    assert math.isclose(average.values["weight"].item(), 1 - 2 / 11, rel_tol=1e-6)  # decay (1 + 1) / (10 + 1)


def test_the_average_covers_batch_norm_statistics_and_counts() -> None:
    module = nn.BatchNorm2d(2)
    average = MovingAverage(module, decay=0.9)
    module(torch.randn(4, 2, 3, 3))
    average.update(module)
    assert average.values["num_batches_tracked"].item() == 1
    assert not torch.equal(average.values["running_mean"], torch.zeros(2))
