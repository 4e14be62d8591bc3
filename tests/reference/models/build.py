"""Networks of other packages by name, `package/name`, with random weights and ordinary statistics.

The packages declare torchvision, whose compiled operators need another torch: its missing operators are declared before
it is imported, and no network here calls them.
"""

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import torch
from hand import HAND
from torch import nn

_LIBRARY = torch.library.Library("torchvision", "DEF")
_MISSING = ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # fmt: skip
for _operator in _MISSING:
    _LIBRARY.define(_operator)

Shape = tuple[int, ...]


def _timm(name: str, shape: Shape) -> nn.Module:
    timm = importlib.import_module("timm")
    made: nn.Module = timm.create_model(name, pretrained=False)
    return made


def _torchvision(name: str, shape: Shape) -> nn.Module:
    models = importlib.import_module("torchvision.models")
    if name == "retinanet_backbone_head":
        detector = models.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None)
        return Heads(detector.backbone, detector.head)
    made: nn.Module = models.get_model(name, weights=None, **({"weights_backbone": None} if _segments(name) else {}))
    return made


def _segments(name: str) -> bool:
    return name.startswith(("deeplabv3", "fcn", "lraspp"))


class Heads(nn.Module):
    """A detector without its box decoding: backbone and heads."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(list(self.backbone(x).values()))


def _pytorchcv(name: str, shape: Shape) -> nn.Module:
    provider = importlib.import_module("pytorchcv.model_provider")
    sized = {"in_size": shape[2:]} if _takes_size(name) else {}
    made: nn.Module = provider.get_model(name, pretrained=False, **sized)
    return made


def _takes_size(name: str) -> bool:
    return any(word in name for word in ("cityscapes", "voc", "dicenet", "coco"))


def _geffnet(name: str, shape: Shape) -> nn.Module:
    made: nn.Module = importlib.import_module("geffnet").create_model(name, pretrained=False)
    return made


def _segmentation(name: str, shape: Shape) -> nn.Module:
    package = importlib.import_module("segmentation_models_pytorch")
    decoder, encoder = name.split("-", 1)
    made: nn.Module = getattr(package, decoder)(encoder_name=encoder, encoder_weights=None, classes=4)
    return made


def _efficientnet(name: str, shape: Shape) -> nn.Module:
    package = importlib.import_module("efficientnet_pytorch")
    made: nn.Module = package.EfficientNet.from_name(f"efficientnet-{name}")
    return made


def _mobileone(name: str, shape: Shape) -> nn.Module:
    made: nn.Module = getattr(importlib.import_module("mobileone_pytorch"), name)()
    return made


def _super_image(name: str, shape: Shape) -> nn.Module:
    sys.modules.setdefault("cv2", types.ModuleType("cv2"))  # reads data sets only
    package = importlib.import_module("super_image")
    made: nn.Module = getattr(package, f"{name}Model")(getattr(package, f"{name}Config")(scale=2))
    return made


def _hand(name: str, shape: Shape) -> nn.Module:
    return HAND[name]()


class FirstOutput(nn.Module):
    """A network of transformers, whose result is a record."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> Any:
        return self.network(x, return_dict=False)[0]


def _transformers(name: str, shape: Shape) -> nn.Module:
    package = importlib.import_module("transformers")
    kind, _, variant = name.partition("-")
    classes = {
        "mobilenet_v1": ("MobileNetV1Config", "MobileNetV1ForImageClassification"),
        "mobilenet_v2": ("MobileNetV2Config", "MobileNetV2ForImageClassification"),
        "efficientnet": ("EfficientNetConfig", "EfficientNetForImageClassification"),
        "poolformer": ("PoolFormerConfig", "PoolFormerForImageClassification"),
        "regnet": ("RegNetConfig", "RegNetForImageClassification"),
        "resnet": ("ResNetConfig", "ResNetForImageClassification"),
        "convnext": ("ConvNextConfig", "ConvNextForImageClassification"),
        "convnextv2": ("ConvNextV2Config", "ConvNextV2ForImageClassification"),
        "levit": ("LevitConfig", "LevitForImageClassification"),
        "deit": ("DeiTConfig", "DeiTForImageClassification"),
        "swin": ("SwinConfig", "SwinForImageClassification"),
    }
    config, model = (getattr(package, each) for each in classes[kind])
    settings = {"tf_padding": False} if variant == "nopad" else {}
    return FirstOutput(model(config(**settings)))


_PACKAGES: dict[str, Callable[[str, Shape], nn.Module]] = {
    "timm": _timm,
    "size": lambda name, shape: _timm(name.split("/")[0], shape),
    "tv": _torchvision,
    "pcv": _pytorchcv,
    "geff": _geffnet,
    "smp": _segmentation,
    "hf": _transformers,
    "efficientnet_pytorch": _efficientnet,
    "mobileone_pytorch": _mobileone,
    "super_image": _super_image,
    "hand": _hand,
}


def build(name: str, shape: Shape) -> nn.Module:
    """Build a network and give its batch norms statistics of data, with scales and shifts off 1 and 0.

    Weights that start at zero, as last layers and branches of some packages do, would hide what lies before them: they
    are drawn like the others.
    """
    package, _, rest = name.partition("/")
    torch.manual_seed(0)
    network = _PACKAGES[package](rest, shape)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1 and not parameter.any():
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
            if norm.affine:
                norm.weight.uniform_(0.7, 1.3, generator=generator)
                norm.bias.uniform_(-0.3, 0.3, generator=generator)
        if norms:
            for norm in norms:
                norm.reset_running_stats()
            network.eval()
            for norm in norms:
                norm.train()
            network(torch.randn((2, *shape[1:]), generator=generator))
    return network.eval()
