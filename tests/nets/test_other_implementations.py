"""With the weights of other people's implementations, the kit's networks compute what those compute."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from mogakit.nets import zoo
from mogakit.nets.modules import build_network

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside these packages are theirs
    import geffnet
    from pytorchcv.models.proxylessnas import proxylessnas_gpu, proxylessnas_mobile
    from pytorchcv.models.spnasnet import spnasnet

OTHERS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "geffnet mobilenetv3_large_100": ("mobilenet-v3-large", geffnet.mobilenetv3_large_100),
    "geffnet tf_mobilenetv3_large_minimal_100": (
        "mobilenet-v3-large-minimalistic",
        geffnet.tf_mobilenetv3_large_minimal_100,
    ),
    "geffnet mnasnet_a1": ("mnasnet-a1", geffnet.mnasnet_a1),
    "geffnet mnasnet_b1": ("mnasnet-b1", geffnet.mnasnet_b1),
    "geffnet spnasnet_100": ("single-path-nas", geffnet.spnasnet_100),
    "pytorchcv spnasnet": ("single-path-nas", spnasnet),
    "pytorchcv proxylessnas_mobile": ("proxyless-mobile", proxylessnas_mobile),
    "pytorchcv proxylessnas_gpu": ("proxyless-gpu", proxylessnas_gpu),
}


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Copy every tensor in the order in which the layers run; both sides must agree in number and shape."""
    given, wanted = list(source.state_dict().values()), list(target.state_dict().values())
    assert [value.numel() for value in given] == [value.numel() for value in wanted]
    for value, other in zip(given, wanted, strict=True):
        other.copy_(value.reshape(other.shape))


@pytest.mark.parametrize("other", OTHERS)
@torch.no_grad()
def test_the_same_weights_give_the_same_output(other: str) -> None:
    name, build = OTHERS[other]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = build().eval()
    # 193 pixels stay odd down to 7: there, padding on both sides is what TensorFlow's SAME does as well.
    ours = build_network(zoo.get(name, input_size=193).network)
    copy_in_order(ours, theirs)
    for ours_norm, norm in zip(_norms(ours), _norms(theirs), strict=True):
        norm.eps = ours_norm.eps
    x = torch.randn(1, 3, 193, 193, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def _norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
