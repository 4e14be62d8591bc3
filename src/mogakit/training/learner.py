"""`Learner`: a module, its optimiser, and the moving average of its weights where the recipe keeps one."""

from typing import Any

from torch import nn

from mogakit.training.optim import MovingAverage, apply_update, build_optimizer
from mogakit.training.recipes import Recipe
from mogakit.training.world import World, average_gradients


class Learner:
    """What is updated after each backward pass, and what a checkpoint keeps of it.

    Attributes:
        module: being trained; after `finish` with averaged weights where the recipe averages.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, world: World) -> None:
        self.module = module
        self._world = world
        self._optimizer = build_optimizer(module, recipe)
        self._average = MovingAverage(module, recipe.ema_decay) if recipe.ema_decay else None

    def update(self, learning_rate: float) -> None:
        """Move the weights by the gradients that a backward pass left, averaged over all processes."""
        average_gradients(self.module, self._world)
        apply_update(self._optimizer, learning_rate)
        if self._average is not None:
            self._average.update(self.module)

    def finish(self) -> None:
        """Put the averaged weights into the module where there are any."""
        if self._average is not None:
            self.module.load_state_dict(self._average.values)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "raw_weights": self.module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            # What `moga ship --weights` reads: the averaged weights where there are any.
            "state_dict": self.module.state_dict() if self._average is None else self._average.values,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.module.load_state_dict(state["raw_weights"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
