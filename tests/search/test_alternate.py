"""A supernet and its controller learn in turn."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mogakit.errors import InputError
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.network import Network, count_madds
from mogakit.nets.spaces import Chromosome, SlotSpace, StagedSpace, get_space
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage
from mogakit.search.additive import on_grid
from mogakit.search.controllers.alternate import AlternateSettings, Alternation
from mogakit.search.controllers.reinforce import ReinforceSettings
from mogakit.search.metrics import NetworkMetric, SumMetric
from mogakit.search.rewards import Reward, RewardKind
from mogakit.search.supernet.model import Supernet
from mogakit.search.supernet.train import prepare
from mogakit.training.checkpoint import read_checkpoint, save_checkpoint
from mogakit.training.data import Batch
from mogakit.training.driver import Course, drive
from mogakit.training.loop import Settings
from mogakit.training.optim import build_optimizer
from mogakit.training.recipes import get_recipe
from mogakit.training.world import World

CONTROLLER = ReinforceSettings(steps=24, batch=8, delay=0.25, learning_rate=0.1)
SETTINGS = AlternateSettings(CONTROLLER)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny():
    stem = Block(Op.CONV, 3, 8, 8, kernel=3, activation=Activation.RELU)
    choices = tuple(
        Block(
            Op.MB,
            8,
            8,
            8,
            kernel=kernel,
            activation=Activation.RELU,
            expanded_channels=16,
            residual=True,
        )
        for kernel in (3, 5, 7)
    )
    head = Block(Op.HEAD, 8, 2, 8, norm_eps=None)
    return SlotSpace("tiny", (stem,), (choices, choices), (head,))


def batch(step):
    """Images whose brightness is their class."""
    generator = torch.Generator().manual_seed(step)
    labels = torch.arange(32) % 2
    return Batch(torch.randn(32, 3, 8, 8, generator=generator) * 0.3 + labels[:, None, None, None], labels)


def begin(space, settings, seed=0):
    supernet = Supernet(space, seed)
    optimiser = build_optimizer(supernet, get_recipe("moga-supernet"))
    latency = SumMetric("latency", "ms", "made up", on_grid(1.0, [[0.5, 2.0, 4.0]] * 2))
    reward = Reward(RewardKind.ABSOLUTE, 2.0, beta=-0.5)
    return Alternation(supernet, optimiser, latency, reward, settings, seed, lambda _: 0.05)


def go_on(alternation, until):
    for step in range(alternation.step, until):
        alternation.take((batch(step), batch(step)), step)


def run(space, settings, seed=0):
    alternation = begin(space, settings, seed)
    go_on(alternation, settings.controller.steps)
    return alternation


def test_weights_learn_from_the_start_and_the_controller_after_its_delay(tiny):
    found = run(tiny, SETTINGS)
    new = batch(999)
    with torch.no_grad():
        accuracy = float((found.supernet(new.images, found.most_likely()).argmax(dim=1) == new.labels).float().mean())
    assert accuracy > 0.9
    assert [math.isnan(mean) for mean in found.mean_rewards] == [True] * 6 + [False] * 18
    assert found.mean_rewards[-1] > found.mean_rewards[6]
    assert found.most_likely() == (0, 0)  # all get it right, and the smallest is at the target


def test_it_repeats(tiny):
    assert_equal(run(tiny, SETTINGS), run(tiny, SETTINGS))


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 15, 23])
def test_a_saved_one_goes_on_to_the_bit(tiny, stop, tmp_path):
    """Through the file, in each stretch: averaging, waiting, learning."""
    first = begin(tiny, SETTINGS)
    go_on(first, stop)
    save_checkpoint(tmp_path / "half.pt", first.state_dict())
    second = begin(tiny, SETTINGS)
    second.load_state_dict(read_checkpoint(tmp_path / "half.pt"))
    go_on(second, CONTROLLER.steps)
    assert_equal(second, run(tiny, SETTINGS))


def assert_equal(one, two):
    assert one.most_likely() == two.most_likely()
    assert one.confidence() == two.confidence()
    assert np.array_equal(one.mean_rewards, two.mean_rewards, equal_nan=True)
    for a, b in zip(one.supernet.state_dict().values(), two.supernet.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_warm_up_trains_choices_that_are_not_drawn(tiny):
    only_warm = AlternateSettings(replace(CONTROLLER, steps=1, delay=0.5), warm_up=0.5)
    supernet = run(tiny, only_warm).supernet
    fresh = Supernet(tiny, 0)
    for name, module in supernet.parts.items():
        before = list(fresh.parts[name].parameters())
        assert any(not torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True)), name


def test_a_warm_up_longer_than_the_delay_is_rejected():
    with pytest.raises(InputError, match="rewarded for averages"):
        AlternateSettings(ReinforceSettings(delay=0.1), warm_up=0.25)


def test_bfloat16_changes_training_and_scoring(tiny):
    """Weights stay in single precision; what is computed with them does not."""
    rounded = run(tiny, replace(SETTINGS, bfloat16=True))
    exact = run(tiny, SETTINGS)
    weights = list(zip(rounded.supernet.parameters(), exact.supernet.parameters(), strict=True))
    assert all(a.dtype is torch.float32 for a, _ in weights)
    assert any(not torch.equal(a, b) for a, b in weights)
    assert rounded.mean_rewards[-1] > rounded.mean_rewards[6]


def test_each_step_tells_loss_reward_and_speed(tiny):
    told, notes = [], []
    alternation = begin(tiny, SETTINGS)
    course = Course(
        run={},
        num_steps=24,
        batch_size=32,
        world=World(0, 1, torch.device("cpu")),
        checkpoint=None,
        checkpoint_interval_s=60.0,
        progress=lambda done, total, note: notes.append(note),
        scalars=lambda name, value, step: told.append((name, value, step)),
        family="alternate",
    )
    drive(alternation, lambda first, last: ((batch(step), batch(step)) for step in range(first, last)), course)
    losses = [(value, step) for name, value, step in told if name == "alternate/loss"]
    assert [step for _, step in losses] == list(range(1, 25))
    assert losses[-1][0] < losses[0][0]
    assert [value for name, value, _ in told if name == "alternate/mean_reward"] == alternation.mean_rewards[6:]
    assert notes[0].startswith("the controller waits, loss ")
    assert notes[-1].startswith("mean reward ")
    assert notes[-1].endswith(" images/s")


ASKED = "made up: the share of multiply-adds"


def madds_in_millions(chromosome: Chromosome, network: Network) -> float:
    return count_madds(network) / 1e6


def begin_without_slots(ask=madds_in_millions, warm_up=0.0, recipe="mnasnet"):
    space = get_space("mnasnet", 32, 10)
    supernet = Supernet(space, 0)
    prepare(supernet, get_recipe(recipe), Settings(), World(0, 1, torch.device("cpu")))
    optimiser = build_optimizer(supernet, get_recipe(recipe))
    latency = NetworkMetric(name="latency", unit="ms", source=ASKED, identity=ASKED, space=space, ask=ask)
    controller = ReinforceSettings(steps=3, batch=2, delay=0.25, learning_rate=0.1)
    reward = Reward(RewardKind.ABSOLUTE, 5.0)
    return Alternation(supernet, optimiser, latency, reward, AlternateSettings(controller, warm_up), 0, lambda _: 0.01)


def images_of_32_pixels(step):
    generator = torch.Generator().manual_seed(step)
    return Batch(torch.randn(4, 3, 32, 32, generator=generator), torch.arange(4))


def go_on_without_slots(alternation, until):
    for step in range(alternation.step, until):
        alternation.take((images_of_32_pixels(step), images_of_32_pixels(step)), step)


def test_a_space_without_slots_alternates_and_goes_on_to_the_bit(tmp_path):
    """Its parts are made as they are taken: the optimiser moves them, and a checkpoint brings them back."""
    whole = begin_without_slots()
    go_on_without_slots(whole, 3)
    fresh = Supernet(whole.supernet.space, 0)
    fresh.restore_parts(whole.supernet.part_names())
    trained = [
        name
        for name, part in whole.supernet.parts.items()
        if any(not torch.equal(a, b) for a, b in zip(part.parameters(), fresh.parts[name].parameters(), strict=True))
    ]
    assert len(trained) > 17  # more than one path has
    first = begin_without_slots()
    go_on_without_slots(first, 2)
    save_checkpoint(tmp_path / "half.pt", first.state_dict())
    second = begin_without_slots()
    second.load_state_dict(read_checkpoint(tmp_path / "half.pt"))
    go_on_without_slots(second, 3)
    assert second.supernet.part_names() == whole.supernet.part_names()
    assert_equal(second, whole)


def test_parts_made_late_have_the_recipe_s_batch_norm():
    alternation = begin_without_slots()
    go_on_without_slots(alternation, 1)
    norms = [layer for layer in alternation.supernet.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {get_recipe("mnasnet").norm_momentum}


def test_a_network_that_a_hardware_cannot_run_earns_nothing():
    alternation = begin_without_slots(ask=lambda chromosome, network: None)
    go_on_without_slots(alternation, 2)
    assert alternation.mean_rewards[1] == 0.0


class NeitherSlotsNorStages:
    """A space of somebody else's: the tiny one, of which nothing but its networks is known."""

    slotted = None

    def __init__(self, space):
        self.name, self.num_choices, self.decode = space.name, space.num_choices, space.decode


def test_a_warm_up_needs_slots_or_stages_and_the_message_says_what_to_do(tiny):
    with pytest.raises(InputError, match="give --warm-up 0"):
        begin(NeitherSlotsNorStages(tiny), SETTINGS)
    found = run(NeitherSlotsNorStages(tiny), replace(SETTINGS, warm_up=0.0))
    assert found.most_likely() == (0, 0)


def staged_space():
    """A stem and two layers at most, each a bottleneck of kernel 3 or 5 in two expansions, in two widths."""
    choices = tuple(LayerChoice(op=Op.MB, kernel=k, expansion=e) for k, e in ((3, 1), (3, 2), (5, 1), (5, 2)))
    stem = Stage(filters=(8,), stride=1, choices=(LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE),))
    body = Stage(filters=(8, 16), stride=2, choices=choices, depths=(1, 2))
    head = Block(Op.HEAD, 8, 2, 4, norm_eps=None)
    return StagedSpace(
        name="tiny-stages", stages=(stem, body), head=head, input_size=8, activation=Activation.RELU, norm_eps=1e-3
    )


def begin_in_stages():
    space = staged_space()
    supernet = Supernet(space, 0)
    optimiser = build_optimizer(supernet, get_recipe("moga-supernet"))
    latency = NetworkMetric(name="latency", unit="ms", source=ASKED, identity=ASKED, space=space, ask=madds_in_millions)
    settings = AlternateSettings(ReinforceSettings(steps=48, batch=8, delay=0.25, learning_rate=0.1))
    reward = Reward(RewardKind.ABSOLUTE, 0.05, beta=-0.5)
    return Alternation(supernet, optimiser, latency, reward, settings, 0, lambda _: 0.05)


def test_a_staged_space_warms_up_learns_and_goes_on_to_the_bit(tmp_path):
    whole = begin_in_stages()
    go_on(whole, 48)
    assert [math.isnan(mean) for mean in whole.mean_rewards] == [True] * 12 + [False] * 36
    assert np.mean(whole.mean_rewards[-4:]) > np.mean(whole.mean_rewards[12:16]) + 0.1
    # With every choice averaged in the first step, all operations of the first layer have weights from the start.
    first = begin_in_stages()
    go_on(first, 1)
    assert {"1-0:mb-depthwise-k3", "1-0:mb-depthwise-k5"} <= set(first.supernet.part_names())
    for stop in (6, 30):  # in the warm-up, and while the controller learns
        half = begin_in_stages()
        go_on(half, stop)
        save_checkpoint(tmp_path / "half.pt", half.state_dict())
        second = begin_in_stages()
        second.load_state_dict(read_checkpoint(tmp_path / "half.pt"))
        go_on(second, 48)
        assert second.supernet.part_names() == whole.supernet.part_names()
        assert_equal(second, whole)
