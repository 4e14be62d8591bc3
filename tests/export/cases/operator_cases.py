"""Operators of the networks that ship on phones, each as a small module and the shape it is run on."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

Shape = tuple[int, ...]
MAP: Shape = (1, 8, 9, 7)
EVEN: Shape = (1, 8, 8, 12)


class Function(nn.Module):
    """A plain function as a module."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


class Attention(nn.Module):
    """Multi-head attention over the pixels of a map."""

    def __init__(self, channels: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        split = self.qkv(tokens).reshape(batch, -1, 3, self.heads, channels // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        made = fn.scaled_dot_product_attention(query, key, value)
        return made.transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def shuffled(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


def focused(x: Tensor) -> Tensor:
    return torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)


def filled(x: Tensor) -> Tensor:
    made = torch.ones(1, 10, 9, 7)
    made[:, 1:9] = x
    made[:, 0, 2:4] = x[:, 3, 4:6] * 2
    made[..., 5] = 0.5
    return made


def boxed(x: Tensor) -> Tensor:
    made = torch.sigmoid(x)
    made[..., 0:2] = made[..., 0:2] * 2 - 0.5
    made[..., 2:4] = (made[..., 2:4] * 2) ** 2
    return made


def zeroed(x: Tensor) -> Tensor:
    made = x * 2
    made[:, :, 0].zero_()
    made.view(1, -1).mul_(3)
    return made


def f(function: Callable[[Tensor], Any]) -> Callable[[], nn.Module]:
    return lambda: Function(function)


CASES: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    # Convolutions
    "grouped": (lambda: nn.Conv2d(8, 12, 3, padding=1, groups=4), MAP),
    "grouped, strided": (lambda: nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2), EVEN),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(6, 8, 5, 2, 2), nn.ReLU(), nn.Conv1d(8, 4, 3)), (1, 6, 31)),
    "transposed": (lambda: nn.ConvTranspose2d(8, 6, 2, stride=2), MAP),
    "transposed, padded": (lambda: nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1), MAP),
    "transposed, output padding": (lambda: nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1), MAP),
    "transposed, grouped": (lambda: nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, groups=8, bias=False), MAP),
    "transposed, 1-D": (lambda: nn.ConvTranspose1d(6, 4, 4, stride=2, padding=1), (1, 6, 15)),
    # Functions of one number
    "leaky relu": (lambda: nn.LeakyReLU(0.1), MAP),
    "prelu": (lambda: nn.PReLU(8), MAP),
    "prelu, one slope": (lambda: nn.PReLU(), MAP),
    "elu": (lambda: nn.ELU(), MAP),
    "elu, alpha": (lambda: nn.ELU(0.5), MAP),
    "selu": (lambda: nn.SELU(), MAP),
    "celu": (lambda: nn.CELU(2.0), MAP),
    "gelu": (lambda: nn.GELU(), MAP),
    "gelu, tanh": (lambda: nn.GELU("tanh"), MAP),
    "mish": (lambda: nn.Mish(), MAP),
    "softplus": (lambda: nn.Softplus(), MAP),
    "log sigmoid": (lambda: nn.LogSigmoid(), MAP),
    "hardtanh": (lambda: nn.Hardtanh(), MAP),
    "clamp": (f(lambda x: x.clamp(-0.5, 2)), MAP),
    "clamp to one": (f(lambda x: x.clamp(0, 1)), MAP),
    "clamp above": (f(lambda x: x.clamp(max=0.5)), MAP),
    "tanh": (f(torch.tanh), MAP),
    "exp": (f(torch.exp), MAP),
    "log": (f(lambda x: torch.log(x.abs() + 1)), MAP),
    "sqrt": (f(lambda x: torch.sqrt(x.abs() + 0.1)), MAP),
    "rsqrt": (f(lambda x: torch.rsqrt(x.abs() + 0.5)), MAP),
    "floor": (f(lambda x: torch.floor(x * 3)), MAP),
    "sine": (f(lambda x: torch.sin(x) + torch.cos(x)), MAP),
    # Functions of two
    "subtract": (f(lambda x: fn.relu(x) - x), MAP),
    "subtract from a number": (f(lambda x: 1.0 - x), MAP),
    "divide": (f(lambda x: x / (x.abs() + 1)), MAP),
    "divide a number": (f(lambda x: 2.0 / (x.abs() + 1)), MAP),
    "power": (f(lambda x: x**2 + x**3 + (x.abs() + 0.1) ** 0.7 + 2**x), MAP),
    "maximum": (f(lambda x: torch.maximum(x, x * 0.1) + torch.minimum(x, -x)), MAP),
    "broadcast over height": (f(lambda x: x * torch.sigmoid(x.mean(2, keepdim=True))), MAP),
    "broadcast a lower rank": (f(lambda x: x + x.mean((0, 1))), MAP),
    "constant of rank 2": (f(lambda x: x * torch.linspace(1, 2, 63).reshape(9, 7)), MAP),
    "constant of rank 3": (f(lambda x: x + torch.linspace(-1, 1, 72).reshape(8, 9, 1)), MAP),
    "constant on the left": (f(lambda x: torch.linspace(1, 2, 7) - x), MAP),
    "masked": (f(lambda x: x.masked_fill(torch.eye(9, 7) > 0, -3.0)), MAP),
    # Windows and reductions
    "max pool, ceil": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), EVEN),
    "max pool, padded ceil": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), EVEN),
    "max pool after relu": (lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 2, 1)), EVEN),
    "average pool counting": (lambda: nn.AvgPool2d(3, 1, 1), MAP),
    "average pool counting, strided": (lambda: nn.AvgPool2d(3, 2, 1), EVEN),
    "average pool, ceil": (lambda: nn.AvgPool2d(3, 2, ceil_mode=True), EVEN),
    "average pool, ceil not counting": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), EVEN),
    "average pool not counting, strided": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), EVEN),
    "average pool, divisor": (lambda: nn.AvgPool2d(2, 2, divisor_override=3), EVEN),
    "average pool, a window beyond the map": (lambda: nn.AvgPool2d(2560, ceil_mode=True), MAP),
    "pool 1-D": (lambda: nn.Sequential(nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(2)), (1, 6, 31)),
    "adaptive average of a channels-last tensor": (
        f(lambda x: fn.adaptive_avg_pool2d(x.contiguous(memory_format=torch.channels_last), 1) * 2), MAP,
    ),
    "adaptive average, uneven": (lambda: nn.AdaptiveAvgPool2d((2, 3)), MAP),
    "adaptive average, larger": (lambda: nn.AdaptiveAvgPool2d((12, 5)), MAP),
    "adaptive max": (lambda: nn.AdaptiveMaxPool2d((2, 3)), MAP),
    "adaptive max, whole": (lambda: nn.AdaptiveMaxPool2d(1), MAP),
    "sum of channels": (f(lambda x: x.sum(1)), MAP),
    "mean of channels": (f(lambda x: x.mean(1, keepdim=True)), MAP),
    "maximum of channels": (f(lambda x: torch.cat([x.max(1, keepdim=True)[0], x.amin(1, keepdim=True)], 1)), MAP),
    "mean of everything": (f(lambda x: x.mean()), MAP),
    "variance": (f(lambda x: x.var((2, 3)) + x.std((2, 3), unbiased=False)), MAP),
    "softmax of channels": (f(lambda x: fn.softmax(x, 1)), MAP),
    "softmax of pixels": (f(lambda x: fn.softmax(x.flatten(2), -1)), MAP),
    "softmax over height": (f(lambda x: fn.softmax(x, 2)), MAP),
    "log softmax": (f(lambda x: fn.log_softmax(x.mean((2, 3)), -1)), MAP),
    "running sum": (f(lambda x: x.cumsum(2)), MAP),
    # Resizing
    "nearest, twice": (lambda: nn.Upsample(scale_factor=2), MAP),
    "nearest, odd": (f(lambda x: fn.interpolate(x, (13, 10))), MAP),
    "nearest, smaller": (f(lambda x: fn.interpolate(x, scale_factor=0.5)), EVEN),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), MAP),
    "bilinear, aligned": (lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), MAP),
    "bilinear, odd": (f(lambda x: fn.interpolate(x, (13, 10), mode="bilinear")), MAP),
    "bilinear, a factor that does not fit": (f(lambda x: fn.interpolate(x, scale_factor=1.3, mode="bilinear")), MAP),
    "bilinear from a pixel": (f(lambda x: fn.interpolate(x.mean((2, 3), True), (9, 7), mode="bilinear")), MAP),
    "bilinear to a pixel": (f(lambda x: fn.interpolate(x, (1, 1), mode="bilinear", align_corners=True)), MAP),
    "bicubic": (f(lambda x: fn.interpolate(x, (18, 14), mode="bicubic")), MAP),
    "linear": (f(lambda x: fn.interpolate(x, scale_factor=2, mode="linear")), (1, 6, 15)),
    # What only moves
    "split": (f(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)), MAP),
    "second half": (f(lambda x: x.chunk(2, 1)[1]), MAP),
    "split unequally": (f(lambda x: x.split([3, 5], 1)[0] * 2), MAP),
    "slice": (f(lambda x: x[:, 1:5, :, 2:] * 2), MAP),
    "slice with steps": (f(focused), EVEN),
    "select": (f(lambda x: x[:, 3] + x[:, :, 2].sum(1, keepdim=True)), MAP),
    "stack": (f(lambda x: torch.stack([x, -2 * x], 2).mean(2)), MAP),
    "unbind": (f(lambda x: sum(x.unbind(1))), MAP),
    "concat over width": (f(lambda x: torch.cat([x, -x], 3)), MAP),
    "join with zeros of the shape": (f(lambda x: torch.cat([x, torch.zeros_like(x), x.new_ones(1, 1, 9, 7)], 1)), MAP),
    "concat a constant": (f(lambda x: torch.cat([x, torch.ones(1, 2, 9, 7)], 1)), MAP),
    "channel shuffle": (f(shuffled), MAP),
    "channel shuffle of torch": (lambda: nn.ChannelShuffle(4), MAP),
    "pixel shuffle": (lambda: nn.PixelShuffle(2), MAP),
    "pixel shuffle after a convolution": (lambda: nn.Sequential(nn.Conv2d(8, 12, 1), nn.PixelShuffle(2)), MAP),
    "pixel unshuffle": (lambda: nn.PixelUnshuffle(2), EVEN),
    "flatten": (f(lambda x: x.flatten(1)), MAP),
    "flatten from height": (f(lambda x: x.flatten(2).transpose(1, 2)), MAP),
    "permute": (f(lambda x: x.permute(0, 2, 1, 3)), MAP),
    "view across axes": (f(lambda x: x.reshape(1, 9, 8, 7) * 2), MAP),
    "squeeze": (f(lambda x: x.mean((2, 3), keepdim=True).squeeze(-1).squeeze(-1)), MAP),
    "unsqueeze": (f(lambda x: x.mean((2, 3))[:, :, None, None] * x), MAP),
    "expand": (f(lambda x: torch.cat([x, x.mean((2, 3), keepdim=True).expand_as(x)], 1)), MAP),
    "repeat": (f(lambda x: x.repeat(1, 2, 1, 1)), MAP),
    "flip": (f(lambda x: x.flip(3)), MAP),
    "roll": (f(lambda x: torch.roll(x, (2, -3), (2, 3))), MAP),
    "index": (f(lambda x: x[:, torch.tensor([3, 1, 1])]), MAP),
    "unfold": (f(lambda x: x.unfold(2, 3, 2).sum(-1)), MAP),
    "pad": (f(lambda x: fn.pad(x, (1, 2, 3, 0)) * 2), MAP),
    "pad with a value": (f(lambda x: fn.pad(x, (1, 1), value=0.5)), MAP),
    "pad channels": (f(lambda x: fn.pad(x, (0, 0, 0, 0, 2, 2))), MAP),
    "pad, cropping": (f(lambda x: fn.pad(x, (-1, 2, 0, -2))), MAP),
    "pad, reflected": (lambda: nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(8, 4, 3)), MAP),
    "pad, replicated": (lambda: nn.ReplicationPad2d((1, 2, 0, 1)), MAP),
    "filled part by part": (f(filled), MAP),
    "changed part by part": (f(boxed), MAP),
    "changed through views": (f(zeroed), MAP),
    "same tensor twice": (f(lambda x: [fn.relu(x)] * 2), MAP),
    "the input itself": (f(lambda x: (x, fn.relu(x))), MAP),
    # Normalisation and products
    "group norm": (lambda: nn.GroupNorm(4, 8), MAP),
    "group norm, one group": (lambda: nn.GroupNorm(1, 8), MAP),
    "instance norm": (lambda: nn.InstanceNorm2d(8, affine=True), MAP),
    "layer norm": (lambda: nn.LayerNorm([8, 9, 7]), MAP),
    "layer norm, channels last": (
        lambda: nn.Sequential(Function(lambda x: x.permute(0, 2, 3, 1)), nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(),
                              nn.Linear(16, 8), Function(lambda x: x.permute(0, 3, 1, 2))),
        MAP,
    ),
    "norm before a convolution": (lambda: nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)), MAP),
    "norm of a sequence": (lambda: nn.Sequential(nn.Conv1d(6, 8, 3), nn.BatchNorm1d(8), nn.ReLU()), (1, 6, 15)),
    "unit length": (f(lambda x: fn.normalize(x, dim=1)), MAP),
    "linear of rank 3": (lambda: nn.Sequential(Function(lambda x: x.flatten(2)), nn.Linear(63, 5), nn.ReLU()), MAP),
    "matmul": (f(lambda x: torch.matmul(x.flatten(2), x.flatten(2).transpose(1, 2))), MAP),
    "matmul with a constant": (f(lambda x: torch.matmul(torch.linspace(0, 1, 27).reshape(3, 9), x)), MAP),
    "einsum": (f(lambda x: torch.einsum("bchw,bkhw->bck", x, x)), MAP),
    "attention": (Attention, MAP),
    "squeeze and excite over linear": (
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2), nn.ReLU(), nn.Linear(2, 8)), MAP,
    ),
    "flatten before linear": (lambda: nn.Sequential(nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(140, 5)), MAP),
}  # fmt: skip


def seeded(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Build a case with weights and statistics far from the identity."""
    build, shape = CASES[name]
    torch.manual_seed(0)
    module = build()
    generator = torch.Generator().manual_seed(1)
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            value.uniform_(-1, 1, generator=generator)
            if key.endswith("running_var"):
                value.abs_().add_(0.5)
    return module.eval(), shape
