"""Training recipes of detectors as a table, each value with its source; see `recipes`."""

import math
from dataclasses import dataclass
from enum import StrEnum

from mogakit.errors import InputError
from mogakit.training.recipes import Decay, OptimizerKind, Recipe

COCO_IMAGES = 118_287
"""Images of COCO train2017; the configurations count steps, these recipes epochs."""


class LossKind(StrEnum):
    """How the many anchors without an object are kept from drowning the few with one."""

    MINED = "mined"  # all positives and the hardest negatives, three to one (SSD section 2.2)
    FOCAL = "focal"  # all anchors, easy ones weighted down (Lin et al., arXiv 1708.02002); background has no target


@dataclass(frozen=True, kw_only=True)
class DetectionRecipe:
    """How a detector is trained.

    Attributes:
        base: optimiser, schedule and regularisation.
        loss: how background anchors are weighed.
        class_bias: initial bias of the class predictors.
        predictor_std: standard deviation of the predictors' initial weights.
        augment: crop and flip images at random.
    """

    base: Recipe
    loss: LossKind
    class_bias: float = 0.0
    predictor_std: float = 0.03
    augment: bool = True

    @property
    def name(self) -> str:
        """Return the recipe's name."""
        return self.base.name


_CONFIGS = "github.com/tensorflow/models research/object_detection/samples/configs/"

DETECTION_RECIPES: dict[str, DetectionRecipe] = {
    recipe.name: recipe
    for recipe in (
        DetectionRecipe(
            base=Recipe(
                name="ssdlite-v2",
                source=_CONFIGS + "ssdlite_mobilenet_v2_coco.config",
                epochs=200_000 * 24 / COCO_IMAGES,
                batch_size=24,
                optimizer=OptimizerKind.TF_RMSPROP,
                learning_rate=0.004,
                decay=Decay.EXPONENTIAL,
                decay_rate=0.95,
                decay_epochs=800_720 * 24 / COCO_IMAGES,
                rms_eps=1.0,
                l2=4e-5,
                norm_momentum=1 - 0.9997,
                ours={"weights": "drawn at random unless a classifier's checkpoint is given; the file starts from one"},
            ),
            loss=LossKind.MINED,
        ),
        DetectionRecipe(
            base=Recipe(
                name="ssdlite-v3",
                source=_CONFIGS + "ssdlite_mobilenet_v3_large_320x320_coco.config",
                epochs=400_000 * 512 / COCO_IMAGES,
                batch_size=512,
                optimizer=OptimizerKind.SGD,
                learning_rate=0.4,
                decay=Decay.COSINE,
                warmup_epochs=2_000 * 512 / COCO_IMAGES,
                l2=4e-5,
                norm_momentum=1 - 0.97,
                ours={"warmup": "from zero; the file starts at a third of the rate"},
            ),
            loss=LossKind.FOCAL,
            class_bias=-4.6,
        ),
        DetectionRecipe(
            base=Recipe(
                name="small",
                source="ours, for a few images on a CPU: a demonstration of the plumbing, of nothing else",
                epochs=120,
                batch_size=10,
                optimizer=OptimizerKind.ADAM,
                learning_rate=4e-3,
                decay=Decay.COSINE,
                warmup_epochs=3,
                ours={"all": "chosen so that a small detector learns a few images by heart in seconds"},
            ),
            loss=LossKind.MINED,
            class_bias=-math.log(20),
            augment=False,
        ),
    )
}


def get_detection_recipe(name: str) -> DetectionRecipe:
    """Return a recipe by name.

    Raises:
        InputError: there is none of that name; the message lists those there are.
    """
    if name not in DETECTION_RECIPES:
        raise InputError(f"no recipe of detectors is called {name!r}; known are {', '.join(DETECTION_RECIPES)}")
    return DETECTION_RECIPES[name]
