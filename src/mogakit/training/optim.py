"""Optimisers as recipes ask for them, and optimisers and averages as TensorFlow computes them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mogakit.training.recipes import OptimizerKind, Recipe


class TensorFlowRMSProp(torch.optim.Optimizer):
    """RMSProp as TensorFlow computes it.

    Differs from torch's in three ways that change training: epsilon stands inside the square root, the average of
    squared gradients starts at one instead of zero, and the momentum accumulates steps that already hold the learning
    rate (`tf.compat.v1.train.RMSPropOptimizer`).

        mean_square = decay * mean_square + (1 - decay) * gradient**2
        step        = momentum * step + lr * gradient / sqrt(mean_square + eps)
        weight      = weight - step
    """

    def __init__(
        self, params: Iterable[Any], lr: float, *, decay: float = 0.9, momentum: float = 0.9, eps: float = 1e-3
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": momentum, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no closure is ever needed here
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["mean_square"] = torch.ones_like(weight)
            state["step"] = torch.zeros_like(weight)
        mean_square, step = state["mean_square"], state["step"]
        mean_square.mul_(group["decay"]).addcmul_(gradient, gradient, value=1 - group["decay"])
        scaled = gradient / (mean_square + group["eps"]).sqrt()
        step.mul_(group["momentum"]).add_(scaled, alpha=group["lr"])
        weight.sub_(step)


class MovingAverage:
    """Exponential moving average of a module's weights and batch-norm statistics.

    TensorFlow's warm-up is kept: the decay is `min(decay, (1 + updates) / (10 + updates))`, so that early averages are
    not dominated by the initial weights (`tf.train.ExponentialMovingAverage` with `num_updates`).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.num_updates = 0
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average towards the module's present values."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        for name, value in module.state_dict().items():
            if value.dtype.is_floating_point:
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"decay": self.decay, "num_updates": self.num_updates, "values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        self.decay, self.num_updates = float(state["decay"]), int(state["num_updates"])
        for name, value in state["values"].items():
            self.values[name].copy_(value)


def build_optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; weight decay is left off biases and batch norm, as in the papers' L2."""
    decayed = [weight for weight in module.parameters() if weight.ndim > 1]
    plain = [weight for weight in module.parameters() if weight.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed, "l2": recipe.l2}, {"params": plain, "l2": 0.0}]
    lr = recipe.learning_rate
    if recipe.optimizer is OptimizerKind.SGD:
        return torch.optim.SGD(groups, lr=lr, momentum=recipe.momentum)
    if recipe.optimizer is OptimizerKind.ADAM:
        return torch.optim.Adam(groups, lr=lr)
    if recipe.optimizer is OptimizerKind.RMSPROP:
        return torch.optim.RMSprop(groups, lr=lr, alpha=recipe.rms_decay, momentum=recipe.momentum, eps=recipe.rms_eps)
    return TensorFlowRMSProp(groups, lr, decay=recipe.rms_decay, momentum=recipe.momentum, eps=recipe.rms_eps)


def apply_update(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Add each group's L2 gradient, set the learning rate, and update."""
    with torch.no_grad():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
            for weight in group["params"]:
                if weight.grad is not None and group["l2"]:
                    weight.grad.add_(weight, alpha=group["l2"])
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
