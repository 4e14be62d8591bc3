"""Recipes say what the papers say."""

import pytest

from mogakit.errors import InputError
from mogakit.training.loop import Settings
from mogakit.training.recipes import RECIPES, Decay, Schedule, get_recipe


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


# Points computed by hand: a recipe over other epochs has the same curve in proportion.
CURVES = [
    # 5 of 350 epochs: warm-up 5 * 5/350 = 1/14, a step of decay 2.4 * 5/350 = 12/350
    ("mnasnet", 5, 0.0, 0.0),
    ("mnasnet", 5, 1 / 28, 0.128),
    ("mnasnet", 5, 1 / 14 + 1e-9, 0.256),
    ("mnasnet", 5, 1 / 14 + 12.5 / 350, 0.256 * 0.97),
    ("mnasnet", 5, 5.0 - 1e-9, 0.256 * 0.97**143),  # floor(345 / 2.4) = 143 steps, as over 350 epochs
    # 90 of 350: warm-up 9/7, a step 2.4 * 9/35 = 21.6/35
    ("mnasnet", 90, 9 / 14, 0.128),
    ("mnasnet", 90, 9 / 7 + 22 / 35, 0.256 * 0.97),
    # moga, 90 of 350: warm-up 9/7, a step 3 * 9/35 = 27/35
    ("moga", 5, 1 / 28, 0.05),
    ("moga", 90, 9 / 7 + 28 / 35, 0.1 * 0.99),
    # tunas: warm-up 9 of 360 is one in forty
    ("tunas", 5, 0.0625, 1.32),
    ("tunas", 5, 0.125, 2.64),
    ("tunas", 5, 2.5625, 1.32),  # half way down the cosine: 0.125 + 4.875 / 2
    ("tunas", 5, 5.0, 0.0),
    ("tunas", 90, 2.25, 2.64),
    ("tunas", 90, 46.125, 1.32),
    ("multi-hardware-search", 90, 2.25, 1.32),
    ("multi-hardware-search", 5, 2.5625, 0.66),
    # moga-supernet: no warm-up, one cosine
    ("moga-supernet", 5, 2.5, 0.025),
    ("moga-supernet", 90, 45.0, 0.025),
    # digits: warm-up one of eight
    ("digits", 5, 0.3125, 1.5e-3),
    ("digits", 90, 11.25, 3e-3),
]


@pytest.mark.parametrize(("name", "epochs", "epoch", "rate"), CURVES)
def test_a_short_run_has_the_whole_curve_in_proportion(name: str, epochs: float, epoch: float, rate: float) -> None:
    recipe = get_recipe(name).over(epochs)
    assert recipe.epochs == epochs
    assert recipe.learning_rate_at(epoch, recipe.batch_size) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("epochs", [5.0, 90.0])
def test_every_recipe_scales_with_its_epochs(name: str, epochs: float) -> None:
    whole, other = get_recipe(name), get_recipe(name).over(epochs)
    shares = [(k + 0.5) / 64 for k in range(64)]  # between the steps of an exponential decay
    curves = [
        [each.learning_rate_at(share * each.epochs, each.batch_size) for share in shares] for each in (whole, other)
    ]
    assert curves[1] == pytest.approx(curves[0])


def test_the_absolute_form_keeps_epochs_as_they_are() -> None:
    recipe = get_recipe("mnasnet").over(5, Schedule.ABSOLUTE)
    assert recipe.learning_rate_at(2.5, 4096) == pytest.approx(0.128)  # five epochs of warm-up are the whole run
    assert get_recipe("tunas").over(90, Schedule.ABSOLUTE).learning_rate_at(9.0, 4096) == pytest.approx(2.64)


def test_the_search_of_the_multi_hardware_paper_is_a_preset() -> None:
    recipe = get_recipe("multi-hardware-search")
    assert recipe.learning_rate_at(9.0, 128) == pytest.approx(0.04125)  # a core's share
    assert recipe.epochs == 360


def test_what_is_given_stands_in_for_the_recipes_values() -> None:
    settings = Settings(
        epochs=5, batch_size=64, learning_rate=0.5, l2=1e-3, norm_momentum=0.01, label_smoothing=0.2, dropout=0.4
    )
    recipe = settings.applied_to(get_recipe("moga"))
    assert recipe.learning_rate_at(1 / 14, 64) == pytest.approx(0.5)  # the rate is this batch size's
    assert (recipe.l2, recipe.norm_momentum, recipe.label_smoothing, recipe.dropout) == (1e-3, 0.01, 0.2, 0.4)
    assert Settings(dropout=0.0).applied_to(get_recipe("moga")).dropout == 0
    assert Settings().applied_to(get_recipe("moga")) == get_recipe("moga")
