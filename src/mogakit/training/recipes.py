"""Training recipes as a table, each value with its source.

A value that the paper does not state is listed in `ours`, with the reason for what was chosen.
"""

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mogakit.errors import InputError


class OptimizerKind(StrEnum):
    """Update rules of the recipes."""

    SGD = "sgd"
    RMSPROP = "rmsprop"  # torch's
    ADAM = "adam"
    TF_RMSPROP = "tf-rmsprop"  # `optim.TensorFlowRMSProp`


class Decay(StrEnum):
    """How the learning rate falls after its warm-up."""

    COSINE = "cosine"  # half a cosine to zero
    EXPONENTIAL = "exponential"  # times `decay_rate` every `decay_epochs`, in steps


class Schedule(StrEnum):
    """What a recipe's warm-up and steps of decay become where another number of epochs is asked for."""

    SCALED = "scaled"  # the same share of the epochs
    ABSOLUTE = "absolute"  # the same number of epochs


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        batch_size: images per update over all processes. With another batch size the learning rate scales with it.
        learning_rate: at `batch_size`, after the warm-up.
        warmup_epochs: linear from zero. decay_epochs: of one step of an exponential decay.
        l2: weight of half the squared norm, added to the gradient; not on biases and batch norm.
        norm_momentum: of the running statistics, in torch's sense (share of the new batch).
        ema_decay: of the averaged weights that are evaluated and shipped; None for none.
    """

    name: str
    source: str
    epochs: float
    batch_size: int
    optimizer: OptimizerKind
    learning_rate: float
    decay: Decay
    warmup_epochs: float = 0.0
    decay_rate: float = 1.0
    decay_epochs: float = 1.0
    rms_decay: float = 0.9
    momentum: float = 0.9
    rms_eps: float = 1e-3
    l2: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    norm_momentum: float = 0.1
    ema_decay: float | None = None
    ours: dict[str, str] = field(default_factory=dict)

    def over(self, epochs: float | None, schedule: Schedule = Schedule.SCALED) -> "Recipe":
        """Return the recipe for another number of epochs; None is the recipe's own.

        Warm-up and steps of decay keep their share of the epochs, so that a short run has the whole curve in
        proportion, or their length in epochs.
        """
        if epochs is None:
            return self
        scale = epochs / self.epochs if schedule is Schedule.SCALED else 1.0
        return replace(
            self, epochs=epochs, warmup_epochs=self.warmup_epochs * scale, decay_epochs=self.decay_epochs * scale
        )

    def learning_rate_at(self, epoch: float, batch_size: int) -> float:
        """Return the learning rate at a (fractional) epoch for a batch size, scaled linearly from the recipe's."""
        peak = self.learning_rate * batch_size / self.batch_size
        if epoch < self.warmup_epochs:
            return peak * epoch / self.warmup_epochs
        if self.decay is Decay.EXPONENTIAL:
            steps = math.floor((epoch - self.warmup_epochs) / self.decay_epochs)
            return float(peak * self.decay_rate**steps)
        progress = (epoch - self.warmup_epochs) / max(self.epochs - self.warmup_epochs, 1e-9)
        return peak * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


_TF_EPS = "TensorFlow's models use 1e-3 inside the root; the paper does not state it"

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="moga",
            source="MoGA section 5.2 (arXiv 1908.01314), after MobileNetV3 (arXiv 1905.02244) section 6.1.1",
            epochs=350,
            batch_size=4096,
            optimizer=OptimizerKind.TF_RMSPROP,
            learning_rate=0.1,
            decay=Decay.EXPONENTIAL,
            decay_rate=0.99,
            decay_epochs=3,
            warmup_epochs=5,
            l2=1e-5,
            dropout=0.2,
            ema_decay=0.9999,
            ours={
                "epochs": "not stated; 350 is MnasNet's",
                "decay": "not stated by MoGA; MobileNetV3's: x0.99 every 3 epochs",
                "ema_decay": "not stated by MoGA; MobileNetV3's",
                "norm_momentum": "not stated by MoGA; torch's 0.1",
                "rms_eps": _TF_EPS,
            },
        ),
        Recipe(
            name="mnasnet",
            source="MnasNet section 5 (arXiv 1807.11626)",
            epochs=350,
            batch_size=4096,
            optimizer=OptimizerKind.TF_RMSPROP,
            learning_rate=0.256,
            decay=Decay.EXPONENTIAL,
            decay_rate=0.97,
            decay_epochs=2.4,
            warmup_epochs=5,
            l2=1e-5,
            dropout=0.2,
            norm_momentum=1 - 0.9997,
            ema_decay=0.9999,
            ours={
                "epochs": "not stated in the paper; 350 in the authors' code (github.com/tensorflow/tpu, mnasnet)",
                "ema_decay": "the authors' code",
                "rms_eps": _TF_EPS,
            },
        ),
        Recipe(
            name="tunas",
            source="Multi-hardware models section 7.1 (arXiv 2008.08178) and google-research/tunas",
            epochs=360,
            batch_size=4096,
            optimizer=OptimizerKind.TF_RMSPROP,
            learning_rate=2.64,
            decay=Decay.COSINE,
            warmup_epochs=9,
            rms_eps=1.0,
            l2=4e-5,
            dropout=0.25,
            label_smoothing=0.1,
            ours={
                "learning_rate": "0.165 per 256 images in the TuNAS code; the multi-hardware paper halves it for search"
            },
        ),
        Recipe(
            name="multi-hardware-search",
            source="Multi-hardware models section 7.1 (arXiv 2008.08178): 0.04125 a core at 128 images, 360 epochs",
            epochs=360,
            batch_size=4096,
            optimizer=OptimizerKind.TF_RMSPROP,
            learning_rate=1.32,
            decay=Decay.COSINE,
            warmup_epochs=9,
            rms_eps=1.0,
            l2=4e-5,
            label_smoothing=0.1,
            ours={
                "batch_size": "32 cores, a Cloud TPU v2-32, as in the paper's Table 3; the rate scales with the batch",
                "warmup_epochs": "not stated for the search; the TuNAS code's",
                "l2": "not stated for the search; the TuNAS code's",
                "label_smoothing": "not stated for the search; the TuNAS code's",
                "dropout": "0.25 is stated for training the found network; shared weights are trained without",
            },
        ),
        Recipe(
            name="moga-supernet",
            source="MoGA section 5.1: 32 epochs, SGD momentum 0.9, lr 0.05, one cosine cycle to zero",
            epochs=32,
            batch_size=256,
            optimizer=OptimizerKind.SGD,
            learning_rate=0.05,
            decay=Decay.COSINE,
            ours={"batch_size": "not stated; 256 is the usual batch of an 8-GPU host in 2019"},
        ),
        Recipe(
            name="digits",
            source="ours, for scikit-learn's digits on a CPU: a demonstration of the plumbing, of nothing else",
            epochs=8,
            batch_size=64,
            optimizer=OptimizerKind.ADAM,
            learning_rate=3e-3,
            decay=Decay.COSINE,
            warmup_epochs=1,
            ours={"all": "chosen so that a small network learns in seconds"},
        ),
    )
}


def get_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        InputError: there is none of that name; the message lists those there are.
    """
    if name not in RECIPES:
        raise InputError(f"no training recipe is called {name!r}; known are {', '.join(RECIPES)}")
    return RECIPES[name]
