"""Recipes say what the papers say."""

import pytest

from mogakit.errors import InputError
from mogakit.training.recipes import RECIPES, Decay, get_recipe


def test_mnasnet_warms_up_to_0_256_and_decays_by_0_97_every_2_4_epochs() -> None:
    recipe = get_recipe("mnasnet")
    assert recipe.learning_rate_at(0.0, 4096) == 0.0
    assert recipe.learning_rate_at(2.5, 4096) == pytest.approx(0.128)
    assert recipe.learning_rate_at(5.0, 4096) == pytest.approx(0.256)
    assert recipe.learning_rate_at(7.5, 4096) == pytest.approx(0.256 * 0.97)


def test_moga_supernet_ends_its_one_cosine_cycle_at_zero() -> None:
    recipe = get_recipe("moga-supernet")
    assert recipe.learning_rate_at(0.0, recipe.batch_size) == pytest.approx(0.05)
    assert recipe.learning_rate_at(16.0, recipe.batch_size) == pytest.approx(0.025)
    assert recipe.learning_rate_at(32.0, recipe.batch_size) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", RECIPES)
def test_the_rate_scales_with_the_batch_and_never_turns_negative(name: str) -> None:
    recipe = get_recipe(name)
    epochs = [recipe.epochs * k / 50 for k in range(51)]
    full = [recipe.learning_rate_at(epoch, recipe.batch_size) for epoch in epochs]
    half = [recipe.learning_rate_at(epoch, recipe.batch_size // 2) for epoch in epochs]
    assert min(full) >= 0
    assert half == pytest.approx([rate / 2 for rate in full])


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_names_its_source(name: str) -> None:
    recipe = get_recipe(name)
    assert len(recipe.source) > 10
    assert recipe.decay in list(Decay)
    fields = set(recipe.__dataclass_fields__)
    assert set(recipe.ours) <= fields | {"all"}


def test_an_unknown_recipe_is_rejected_with_those_there_are() -> None:
    with pytest.raises(InputError, match="moga, mnasnet, tunas"):
        get_recipe("mogaa")
