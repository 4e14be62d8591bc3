"""Every value of a recipe changes what a loop trains, or the loop rejects it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from mogakit.errors import InputError
from mogakit.nets.spaces import SlotSpace, get_space
from mogakit.search.additive import on_grid
from mogakit.search.controllers.alternate import AlternateSettings, Alternation
from mogakit.search.controllers.reinforce import TUNAS_RATE, ReinforceSettings, fitted_rate
from mogakit.search.metrics import SumMetric
from mogakit.search.rewards import Reward, RewardKind
from mogakit.search.supernet.fairness import Strategy
from mogakit.search.supernet.model import Supernet
from mogakit.search.supernet.train import SupernetSettings, prepare, shared_recipe, train_supernet
from mogakit.training.data import open_digits, read_batch
from mogakit.training.loop import Settings, train
from mogakit.training.optim import build_optimizer
from mogakit.training.recipes import Decay, OptimizerKind, Recipe
from mogakit.training.world import World

ALONE = World(0, 1, torch.device("cpu"))
PLAIN = Recipe(
    name="plain",
    source="a test",
    epochs=0.2,
    batch_size=64,
    optimizer=OptimizerKind.TF_RMSPROP,
    learning_rate=0.01,
    decay=Decay.COSINE,
)
CHANGED: dict[str, Any] = {
    "epochs": 0.15,
    "batch_size": 32,
    "optimizer": OptimizerKind.SGD,
    "learning_rate": 0.02,
    "decay": Decay.EXPONENTIAL,
    "warmup_epochs": 0.1,
    "rms_decay": 0.5,
    "momentum": 0.5,
    "rms_eps": 0.1,
    "l2": 0.1,
    "dropout": 0.5,
    "label_smoothing": 0.3,
    "norm_momentum": 0.5,
    "ema_decay": 0.99,
}
STEPPED = replace(PLAIN, decay=Decay.EXPONENTIAL, decay_rate=0.5, decay_epochs=0.05)
CASES = [pytest.param(PLAIN, replace(PLAIN, **{name: value}), id=name) for name, value in CHANGED.items()]
CASES += [
    pytest.param(STEPPED, replace(STEPPED, decay_rate=0.9), id="decay_rate"),
    pytest.param(STEPPED, replace(STEPPED, decay_epochs=0.15), id="decay_epochs"),
]


def test_these_are_all_fields_that_train() -> None:
    told = {"name", "source", "ours"}
    assert {case.id for case in CASES} == set(PLAIN.__dataclass_fields__) - told


def classifier(recipe: Recipe) -> dict[str, Tensor]:
    network = get_space("digits").decode((0,) * 6)
    return train(network, open_digits(8)[:2], recipe, Settings(), ALONE).module.state_dict()


def supernet(recipe: Recipe) -> dict[str, Tensor]:
    settings = SupernetSettings(strategy=Strategy.SINGLE)
    return train_supernet(get_space("digits"), open_digits(8)[0], recipe, settings, ALONE).supernet.state_dict()


def alternation(recipe: Recipe) -> dict[str, Tensor]:
    space = get_space("digits")
    assert isinstance(space, SlotSpace)
    recipe = shared_recipe(recipe)
    shared = Supernet(space, 0)
    prepare(shared, recipe, Settings(), ALONE)
    data = open_digits(8)[0]
    steps = round(recipe.epochs * len(data) / recipe.batch_size)
    latency = SumMetric("latency", "ms", "made up", on_grid(1.0, [[1.0] * count for count in space.num_choices]))
    alternate = Alternation(
        shared,
        build_optimizer(shared, recipe),
        latency,
        Reward(RewardKind.ABSOLUTE, 2.0),
        AlternateSettings(ReinforceSettings(steps=steps, batch=2), 0.0, False, recipe.label_smoothing),
        0,
        lambda step: recipe.learning_rate_at(step * recipe.batch_size / len(data), recipe.batch_size),
    )
    for step in range(steps):
        start = step * recipe.batch_size
        batch = read_batch(data, list(range(start, start + recipe.batch_size)), 0, 0, augment=True)
        alternate.take((batch, batch), step)
    return shared.state_dict()


TRAINED: dict[str, dict[str, Tensor]] = {}


def weights_of(loop: Callable[[Recipe], dict[str, Tensor]], recipe: Recipe) -> dict[str, Tensor]:
    """Return what `loop` makes of the recipe that others are compared with, trained once."""
    name = f"{loop.__name__} {recipe}"
    if name not in TRAINED:
        TRAINED[name] = loop(recipe)
    return TRAINED[name]


@pytest.mark.parametrize("loop", [classifier, supernet, alternation])
@pytest.mark.parametrize(("recipe", "other"), CASES)
def test_every_field_is_honoured_or_rejected(
    loop: Callable[[Recipe], dict[str, Tensor]], recipe: Recipe, other: Recipe
) -> None:
    if loop is not classifier and other.ema_decay is not None:
        with pytest.raises(InputError, match="averages weights"):
            loop(other)
        return
    first, second = weights_of(loop, recipe), loop(other)
    assert any(not torch.equal(value, second[name]) for name, value in first.items() if name in second)


def test_scoring_drops_nothing_out() -> None:
    space = get_space("digits")
    shared = Supernet(space, 0)
    prepare(shared, replace(PLAIN, dropout=0.99), Settings(), ALONE)
    alternate = Alternation(
        shared,
        build_optimizer(shared, PLAIN),
        SumMetric("latency", "ms", "made up", on_grid(1.0, [[1.0] * count for count in space.num_choices])),
        Reward(RewardKind.ABSOLUTE, 2.0),
        AlternateSettings(ReinforceSettings(steps=10, batch=2), 0.0),
        0,
        lambda _: 0.0,
    )
    batch = read_batch(open_digits(8)[0], list(range(200)), 0, 0, augment=True)
    path = (0,) * 6
    assert alternate._accuracy(batch, path) == alternate._accuracy(batch, path)
    assert shared.path(path)[-1].dropout.p == 0.99


def test_the_controllers_rate_fits_the_steps() -> None:
    assert fitted_rate(120) == fitted_rate(40) == 0.03
    assert fitted_rate(240) == pytest.approx(0.015)  # twice the steps, half the rate
    assert fitted_rate(750) == fitted_rate(100_000) == TUNAS_RATE == 0.0048
    assert ReinforceSettings(steps=1000, batch=2, delay=0.76).first_rate == pytest.approx(0.015)  # of learning steps
    assert ReinforceSettings(steps=10_000, batch=2, learning_rate=0.03).learning_rate_at(0) == 0.03
