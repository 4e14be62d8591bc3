"""Weights that others have published for networks of the zoo, loaded in the order in which the layers stand.

The packages below build the same networks with the same tensors in the same order under other names. That shapes agree
proves nothing (pytorchcv's MobileNetV1 has every shape of the kit's, and ReLU where the kit has ReLU6), so only pairs
are taken whose outputs have been compared: with equal weights and the package's own epsilon, the outputs differ by no
more than rounding (`tests/nets/test_published_weights.py` and `make reference` show it).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor, nn

from mogakit.errors import CheckpointError
from mogakit.nets.modules import NetworkModule


class WeightsSource(StrEnum):
    """Whose layout a checkpoint has."""

    TORCHVISION = "torchvision"
    TIMM = "timm"
    PYTORCHCV = "pytorchcv"
    GEFFNET = "geffnet"


@dataclass(frozen=True)
class PublishedLayout:
    """A network of a package that is a network of the zoo.

    Attributes:
        model: the package's name of it.
        norm_eps: of its batch norms, which its weights were trained with.
    """

    model: str
    norm_eps: float


LAYOUTS: dict[str, dict[WeightsSource, PublishedLayout]] = {
    "mobilenet-v1": {WeightsSource.TIMM: PublishedLayout("mobilenetv1_100", 1e-5)},
    "mobilenet-v2": {
        WeightsSource.TORCHVISION: PublishedLayout("mobilenet_v2", 1e-5),
        WeightsSource.TIMM: PublishedLayout("mobilenetv2_100", 1e-5),
        WeightsSource.GEFFNET: PublishedLayout("mobilenetv2_100", 1e-5),
    },
    "mobilenet-v3-large": {
        WeightsSource.TORCHVISION: PublishedLayout("mobilenet_v3_large", 1e-3),
        WeightsSource.TIMM: PublishedLayout("mobilenetv3_large_100", 1e-5),
        WeightsSource.GEFFNET: PublishedLayout("mobilenetv3_large_100", 1e-5),
    },
    "mnasnet-a1": {
        WeightsSource.TIMM: PublishedLayout("semnasnet_100", 1e-5),
        WeightsSource.PYTORCHCV: PublishedLayout("mnasnet_a1", 1e-5),
        WeightsSource.GEFFNET: PublishedLayout("mnasnet_a1", 1e-5),
    },
    "mnasnet-b1": {
        WeightsSource.TORCHVISION: PublishedLayout("mnasnet1_0", 1e-5),
        WeightsSource.TIMM: PublishedLayout("mnasnet_100", 1e-5),
        WeightsSource.PYTORCHCV: PublishedLayout("mnasnet_b1", 1e-5),
        WeightsSource.GEFFNET: PublishedLayout("mnasnet_b1", 1e-5),
    },
    "single-path-nas": {
        WeightsSource.TIMM: PublishedLayout("spnasnet_100", 1e-5),
        WeightsSource.PYTORCHCV: PublishedLayout("spnasnet", 1e-5),
        WeightsSource.GEFFNET: PublishedLayout("spnasnet_100", 1e-5),
    },
    "proxyless-mobile": {WeightsSource.PYTORCHCV: PublishedLayout("proxylessnas_mobile", 1e-3)},
    "proxyless-gpu": {WeightsSource.PYTORCHCV: PublishedLayout("proxylessnas_gpu", 1e-3)},
}
"""By name in the zoo; compared with torchvision 0.29.1, timm 1.0.31, pytorchcv 0.0.74 and geffnet 1.0.2."""

COUNTERS = ".num_batches_tracked"


def base_name(name: str) -> str:
    """Return a zoo name without its variant, `mobilenet-v2` of `mobilenet-v2@192px`."""
    return name.split("@", 1)[0]


def layout_of(module: nn.Module, source: WeightsSource) -> PublishedLayout:
    """Return what `source` calls a network of the zoo.

    Raises:
        CheckpointError: no such pair has been proven to be one network; the message lists the pairs of the network.
    """
    name = base_name(module.network.name) if isinstance(module, NetworkModule) else type(module).__name__
    known = LAYOUTS.get(name, {})
    if source not in known:
        listed = ", ".join(known) or "none"
        raise CheckpointError(
            f"no network of {source} is known to compute what {name!r} computes; supported sources of {name!r}: "
            f"{listed}"
        )
    return known[source]


def in_order(module: nn.Module, state: Mapping[str, Tensor], source: WeightsSource, label: str) -> dict[str, Tensor]:
    """Return a package's tensors under the names of `module`, and give its batch norms the package's epsilon.

    Raises:
        CheckpointError: the network is not known to be one of the source's, or number, role, shape or grouping of the
            tensors differ, so that their order would be ambiguous.
    """
    layout = layout_of(module, source)
    wanted = [(key, value) for key, value in module.state_dict().items() if not key.endswith(COUNTERS)]
    given = [(key, value) for key, value in state.items() if not key.endswith(COUNTERS)]
    if len(wanted) != len(given):
        raise CheckpointError(f"{label} holds {len(given)} tensors; {layout.model} of {source} has {len(wanted)}")
    found: dict[str, Tensor] = {}
    layers: dict[str, str] = {}
    for (own, value), (theirs, tensor) in zip(wanted, given, strict=True):
        own_layer, _, own_leaf = own.rpartition(".")
        their_layer, _, their_leaf = theirs.rpartition(".")
        if own_leaf != their_leaf or layers.setdefault(own_layer, their_layer) != their_layer:
            raise CheckpointError(
                f"{label} is not {layout.model} of {source}: where that has the {own_leaf} of {own_layer!r}, the file "
                f"has {theirs!r}, so that the order of its tensors is ambiguous"
            )
        if _without_ones(tuple(tensor.shape)) != _without_ones(tuple(value.shape)):
            raise CheckpointError(
                f"{label} is not {layout.model} of {source}: {theirs!r} has shape {tuple(tensor.shape)}, and "
                f"{own!r} has {tuple(value.shape)}"
            )
        found[own] = tensor.reshape(value.shape)
    if len(set(layers.values())) != len(layers):
        raise CheckpointError(f"{label} is not {layout.model} of {source}: it joins two layers under one name")
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eps = layout.norm_eps
    return found


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a 1x1 convolution's weight as that of the linear layer that it is."""
    return shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape
