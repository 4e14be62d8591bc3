"""Supernets of the spaces of others: layers share slices, but where blocks are of kinds of their own."""

import numpy as np
import pytest
import torch

from mogakit.nets.spaces import StagedSpace, get_space
from mogakit.search.supernet.model import Supernet
from mogakit.search.supernet.warm_up import can_warm_up, warmed_logits


@pytest.mark.parametrize(
    ("name", "shares"),
    [("ofa-mobilenetv3@32px", True), ("proxylessnas@32px", True), ("fbnet-cifar", False)],
)
def test_a_path_computes_what_its_network_does_when_it_is_taken_out(name: str, shares: bool) -> None:
    space = get_space(name, num_classes=10)
    assert (isinstance(space, StagedSpace) and space.shares_slices) == shares
    assert can_warm_up(space) == shares
    supernet = Supernet(space).eval()
    rng = np.random.default_rng(0)
    images = torch.rand(2, 3, *space.decode((0,) * len(space.num_choices)).input_shape[2:])
    for _ in range(2):
        chromosome = space.sample(rng)
        with torch.no_grad():
            found, taken_out = supernet(images, chromosome), supernet.extract(chromosome).eval()(images)
        assert torch.equal(found, taken_out)
        assert found.shape == (2, 10)
    names = supernet.part_names()
    again = Supernet(space)
    again.restore_parts(names)
    again.load_state_dict(supernet.state_dict())
    with torch.no_grad():
        assert warmed_logits(supernet, images, chromosome, 1.0, rng).shape == (2, 10)
