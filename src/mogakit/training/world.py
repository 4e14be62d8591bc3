"""One process or several: rank, device, and sums over processes, under `torchrun` or alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mogakit.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process's place: `rank` of `size`, computing on `device`."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and draws progress."""
        return self.rank == 0

    def check_batch_size(self, batch_size: int, num_images: int) -> None:
        """Check that a step's images can be shared evenly by the processes.

        Raises:
            InputError: they cannot, or there are fewer images.
        """
        if batch_size % self.size or batch_size > num_images:
            raise InputError(
                f"a batch of {batch_size} must divide over {self.size} processes and fit the {num_images} images: "
                f"choose another --batch-size"
            )


@contextmanager
def joined_world(device: str | None = None) -> Iterator[World]:
    """Join the processes that `torchrun` started (NCCL on GPUs, gloo on CPUs), or be alone.

    Args:
        device: `cpu`, `cuda`, ...; None takes a GPU where there is one.
    """
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    place = torch.device(kind, local_rank) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(place)
    if "WORLD_SIZE" not in os.environ:
        yield World(0, 1, place)
        return
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), place)
    finally:
        dist.destroy_process_group()


def gathered(value: T) -> list[T]:
    """Return every process's value, by rank, on every process; alone, the one value.

    All processes must call it, or those that do wait forever.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def average_gradients(module: nn.Module, world: World) -> None:
    """Replace every gradient by its mean over processes.

    Done by hand, not by DistributedDataParallel: a supernet's step runs many paths before its one update, and the
    parameters of a path not taken have no gradient, which is the same on every process since all draw the same paths.
    """
    if world.size == 1:
        return
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world.size
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


class _Sum(torch.autograd.Function):
    """Sum over processes, whose gradient is again the sum."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _summed(value: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


class SynchronisedNorm(nn.BatchNorm2d):
    """Batch norm over the images of all processes, on any device (torch's own wants GPUs)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W) by the statistics of all processes when training."""
        if not self.training:
            return super().forward(input)
        axes = (0, 2, 3)
        count = torch.full((1, input.shape[1]), float(input.numel() // input.shape[1]), device=input.device)
        total, number = _summed(torch.cat((input.sum(axes)[None], count)))
        mean = total / number
        # A second pass for the squares: their mean minus the squared mean would cancel in single precision.
        centred = input - mean[:, None, None]
        variance = _summed(centred.square().sum(axes)) / number
        with torch.no_grad():
            momentum = 0.1 if self.momentum is None else self.momentum
            if self.running_mean is not None and self.running_var is not None:
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * number / (number - 1), momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised


def synchronise_norms(module: nn.Module) -> nn.Module:
    """Replace every batch norm below `module` by one over all processes; weights and statistics are kept."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            replacement = SynchronisedNorm(child.num_features, child.eps, child.momentum)
            replacement.load_state_dict(child.state_dict())
            setattr(module, name, replacement)
        else:
            synchronise_norms(child)
    return module
