"""Small networks of kinds that no package has in a small form."""

from collections.abc import Callable

import torch
import torch.nn.functional as fn
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(),
    )


class CoordAtt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.squeeze = conv(3, 16, stride=2), conv(16, 8, 1)
        self.rows, self.columns = nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        height, width = x.shape[2:]
        pooled = fn.adaptive_avg_pool2d(x, (height, 1)), fn.adaptive_avg_pool2d(x, (1, width)).permute(0, 1, 3, 2)
        rows, columns = torch.split(self.squeeze(torch.cat(pooled, 2)), [height, width], 2)
        return x * self.rows(rows).sigmoid() * self.columns(columns.permute(0, 1, 3, 2)).sigmoid()


class ECA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix = conv(3, 16, stride=2), nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = self.mix(fn.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2))
        return x * gate.transpose(-1, -2).unsqueeze(-1).sigmoid()


class GeM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.exponent = conv(3, 16, stride=2), nn.Parameter(torch.ones(1) * 3)

    def forward(self, x: Tensor) -> Tensor:
        powered = self.stem(x).clamp(min=1e-6).pow(self.exponent)
        return fn.avg_pool2d(powered, powered.shape[2:]).pow(1.0 / self.exponent).flatten(1)


class Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(3, 16, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 32))

    def forward(self, x: Tensor) -> Tensor:
        return fn.normalize(self.body(x), dim=1)


class SPPF(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before, self.after, self.pool = conv(3, 16), conv(64, 16, 1), nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.before(x)]
        for _ in range(3):
            found.append(self.pool(found[-1]))
        return self.after(torch.cat(found, 1))


class UNet(nn.Module):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self.down, self.deep, self.last = conv(3, 16), conv(16, 32, stride=2), conv(48, 4)
        self.up = nn.Upsample(scale_factor=2, mode=mode)

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.down(x)
        return self.last(torch.cat([self.up(self.deep(shallow)), shallow], 1))


class YoloHead(nn.Module):
    """Version 5: anchors and a grid."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.stem, self.head, self.outputs = conv(3, 16, stride=2), nn.Conv2d(16, 3 * (5 + classes), 1), 5 + classes

    def forward(self, x: Tensor) -> Tensor:
        raw = self.head(self.stem(x))
        batch, _, height, width = raw.shape
        cut = raw.view(batch, 3, self.outputs, height, width).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
        places = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        grid = torch.stack(places[::-1], 2).view(1, 1, height, width, 2).float()
        xy = (cut[..., 0:2] * 2 - 0.5 + grid) * 8
        wh = (cut[..., 2:4] * 2) ** 2 * torch.tensor([10.0, 13.0])
        return torch.cat([xy, wh, cut[..., 4:]], -1).view(batch, -1, self.outputs)


class YoloV8Head(nn.Module):
    """Version 8: a distribution over distances, and no anchors."""

    def __init__(self, bins: int = 16, classes: int = 3) -> None:
        super().__init__()
        self.stem, self.bins = conv(3, 16, stride=2), bins
        self.box, self.score = nn.Conv2d(16, 4 * bins, 1), nn.Conv2d(16, classes, 1)
        self.mean = nn.Conv2d(bins, 1, 1, bias=False)
        self.mean.weight.data[:] = torch.arange(bins).view(1, bins, 1, 1).float()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        batch, _, height, width = x.shape
        joined = torch.cat([self.box(x), self.score(x)], 1).view(batch, -1, height * width)
        box, score = joined.split([4 * self.bins, joined.shape[1] - 4 * self.bins], 1)
        spread = box.view(batch, 4, self.bins, -1).transpose(2, 1).softmax(1)
        near, far = self.mean(spread).view(batch, 4, -1).chunk(2, 1)
        anchors = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")).flatten(1) + 0.5
        low, high = anchors[None] - near, anchors[None] + far
        return torch.cat([torch.cat([(low + high) / 2, high - low], 1) * 8, score.sigmoid()], 1)


class FSRCNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.PReLU(16), nn.Conv2d(16, 8, 3, padding=1), nn.PReLU(8)
        )
        self.last = nn.ConvTranspose2d(8, 1, 9, stride=3, padding=4, output_padding=2)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(self.body(x))
        return made


def keywords() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, (10, 4), 2, (5, 1), bias=False), nn.BatchNorm2d(16), nn.ReLU(), conv(16, 16, groups=16),
        conv(16, 16, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 12),
    )  # fmt: skip


def sequence() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(40, 32, 3, padding=1), nn.BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 32, 9, 2, 4, groups=32),
        nn.BatchNorm1d(32), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 12),
    )  # fmt: skip


HAND: dict[str, Callable[[], nn.Module]] = {
    "CoordAtt": CoordAtt,
    "DSCNN": keywords,
    "Conv1d": sequence,
    "ECA": ECA,
    "ESPCN": lambda: nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.Tanh(), nn.Conv2d(16, 9, 3, padding=1), nn.PixelShuffle(3)
    ),
    "FSRCNN": FSRCNN,
    "GeM": GeM,
    "GroupConv": lambda: nn.Sequential(
        conv(3, 16), conv(16, 32, groups=4, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "L2embedding": Embedding,
    "LeakyEluMish": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.LeakyReLU(0.1), nn.Conv2d(8, 8, 3), nn.ELU(), nn.Conv2d(8, 8, 3), nn.Mish()
    ),
    "ReflPad": lambda: nn.Sequential(
        nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.ReLU()
    ),
    "SPPF": SPPF,
    "UNet-bilinear": lambda: UNet("bilinear"),
    "UNet-nearest": lambda: UNet("nearest"),
    "YoloHead": YoloHead,
    "YoloV8Head": YoloV8Head,
}
