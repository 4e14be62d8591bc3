"""Fairness, extraction and resumption of the supernet."""

import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.nets.spaces import Chromosome, SlotSpace, get_space
from mogakit.search.supernet.evaluate import _worker_device, gpu_of_worker, recalibrate, recalibration_batches
from mogakit.search.supernet.fairness import SharedScale, Strategy, draw_paths
from mogakit.search.supernet.model import Supernet, largest_path, warm_start
from mogakit.search.supernet.train import SupernetSettings, load_supernet, train_supernet
from mogakit.training.checkpoint import read_checkpoint
from mogakit.training.data import open_digits
from mogakit.training.loop import Settings
from mogakit.training.recipes import get_recipe
from mogakit.training.world import World

ALONE = World(0, 1, torch.device("cpu"))


def digits_space() -> SlotSpace:
    space = get_space("digits")
    assert isinstance(space, SlotSpace)
    return space


@given(st.lists(st.integers(1, 12), min_size=1, max_size=14), st.integers(0, 10**6))
def test_strict_fairness_takes_every_choice_of_every_slot_equally_often(counts: list[int], seed: int) -> None:
    paths = draw_paths(tuple(counts), Strategy.FAIR, np.random.default_rng(seed))
    assert len(paths) == max(counts)
    for slot, count in enumerate(counts):
        taken = Counter(path[slot] for path in paths)
        if count == max(counts):
            assert taken == dict.fromkeys(range(count), 1)
        else:
            assert max(taken.values()) - min(taken[choice] for choice in range(count)) <= 1


def test_the_baselines_draw_as_many_paths_or_one() -> None:
    rng = np.random.default_rng(0)
    assert len(draw_paths((12,) * 14, Strategy.UNIFORM, rng)) == 12
    assert len(draw_paths((12,) * 14, Strategy.SINGLE, rng)) == 1


def test_one_fair_step_gives_each_choice_exactly_one_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted on the running modules, through hooks, in a real step."""
    space = digits_space()
    counts: Counter[str] = Counter()
    original = Supernet.__init__

    def counting(self: Supernet, space: SlotSpace, seed: int = 0) -> None:
        original(self, space, seed)
        for name, part in self.parts.items():
            weight = next(part.parameters())
            weight.register_hook(lambda _, name=name: counts.update([name]))

    monkeypatch.setattr(Supernet, "__init__", counting)
    options = SupernetSettings(training=Settings(batch_size=64, epochs=1 / 15))
    trained = train_supernet(space, open_digits(8)[0], get_recipe("digits"), options, ALONE)
    assert trained.num_steps == 1
    slots = range(len(space.before), len(space.before) + len(space.slots))
    for name in trained.supernet.part_names():
        position = int(name.partition(":")[0])
        assert counts[name] == (1 if position in slots else 12), name


def names_of_parts(supernet: Supernet, path: Chromosome) -> set[str]:
    names = {part: name for name, part in supernet.parts.items()}
    return {names[part] for part in supernet.parts_of(path)}


@pytest.mark.parametrize(("name", "size"), [("digits", 8), ("tunas-proxyless", 16)])
def test_what_all_paths_share_moves_by_their_mean_or_by_their_sum(name: str, size: int) -> None:
    """One step of plain SGD, from the same weights: shared parts move n times as far under SUM, all others alike."""
    space = get_space(name, size, 10)
    recipe = replace(get_recipe("moga-supernet"), l2=0.0)
    moved: dict[SharedScale, dict[str, torch.Tensor]] = {}
    for scale in SharedScale:
        options = SupernetSettings(shared_scale=scale, training=Settings(batch_size=16, epochs=1 / 89))
        after = train_supernet(space, open_digits(size)[0], recipe, options, ALONE).supernet
        before = Supernet(space, seed=0)
        before.restore_parts(after.part_names())
        old = dict(before.named_parameters())
        moved[scale] = {key: (value - old[key]).detach() for key, value in after.named_parameters()}
    paths = draw_paths(space.num_choices, Strategy.FAIR, np.random.default_rng([0, 0, 1]))
    counts = Counter(part for path in paths for part in names_of_parts(after, path))
    shared = {f"parts.{part}" for part, count in counts.items() if count == len(paths)}
    if name == "digits":
        assert len(shared) == 2  # stem and head
    else:  # bottlenecks that are never left out share all but their depthwise convolutions, whatever is chosen
        firsts = {f"{stage}-0:mb-{role}" for stage in range(2, 8) for role in ("expand", "project")}
        always = {"0-0:conv-conv-k3", "1-0:sep-project", "8-0:head-features", "8-0:head-classifier"}
        assert {f"parts.{part}" for part in firsts | always} <= shared
        assert not any("depthwise" in part for part in shared)
    for key, mean in moved[SharedScale.MEAN].items():
        is_shared = any(key.startswith(f"{part}.") for part in shared)
        assert torch.allclose(moved[SharedScale.SUM][key], (len(paths) if is_shared else 1) * mean, atol=1e-6), key


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=6, max_size=6))
def test_an_extracted_network_gives_the_same_bits(genes: list[int]) -> None:
    chromosome = tuple(genes)
    supernet = Supernet(digits_space(), seed=3).eval()
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(supernet(images, chromosome), supernet.extract(chromosome)(images))


@settings(max_examples=4)
@given(st.integers(0, 10**6))
def test_it_does_so_in_a_space_without_slots(seed: int) -> None:
    space = get_space("multi-hardware", 32, 10)
    chromosome = space.sample(np.random.default_rng(seed))
    supernet = Supernet(space, seed=3).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(supernet(images, chromosome), supernet.extract(chromosome)(images))


def test_an_extracted_network_is_a_plain_network_of_the_space() -> None:
    space = digits_space()
    extracted = Supernet(space).extract((0, 1, 2, 3, 4, 5))
    assert len(extracted.blocks) == len(space.decode((0, 1, 2, 3, 4, 5)).blocks)


def test_a_space_without_slots_makes_parts_as_paths_are_taken() -> None:
    space = get_space("multi-hardware", 32, 10)
    first, second = Supernet(space, seed=1).eval(), Supernet(space, seed=1).eval()
    rng = np.random.default_rng(0)
    a, b = space.sample(rng), space.sample(rng)
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        outputs = first(images, a), first(images, b)
        reverse = second(images, b), second(images, a)
    assert torch.equal(outputs[0], reverse[1])
    assert torch.equal(outputs[1], reverse[0])
    assert set(first.part_names()) == set(second.part_names())
    assert len(first.part_names()) == len({*first.parts_of(a), *first.parts_of(b)})


def test_parts_made_late_go_where_the_supernet_was_moved() -> None:
    """Torch's device without storage stands for a GPU."""
    space = get_space("multi-hardware", 32, 10)
    supernet = Supernet(space).to("meta")
    parts = supernet.path(space.sample(np.random.default_rng(0)))
    assert {weight.device.type for part in parts for weight in part.parameters()} == {"meta"}


def test_a_warm_start_copies_slices_of_the_trained_path() -> None:
    space = digits_space()
    supernet = Supernet(space)
    path = largest_path(space)
    assert path == (11,) * 6
    with torch.no_grad():
        for part in supernet.path(path):
            for weight in part.parameters():
                weight.fill_(0.25)
    warm_start(supernet, path)
    for name, part in supernet.parts.items():
        for parameter, weight in part.named_parameters():
            assert torch.all(weight == 0.25), (name, parameter)


def test_recalibrated_statistics_are_the_plain_average_over_batches() -> None:
    supernet = Supernet(digits_space())
    module = supernet.extract((0,) * 6)
    batches = recalibration_batches(open_digits(8)[0], 256)
    recalibrate(module, batches, ALONE)
    stem = module.blocks[0]
    assert not module.training
    with torch.no_grad():
        means = torch.stack([stem.conv.conv(batch.images).mean((0, 2, 3)) for batch in batches])  # type: ignore[union-attr,operator]
    assert torch.allclose(stem.conv.norm.running_mean, means.mean(0), atol=1e-5)  # type: ignore[union-attr,arg-type]


def test_workers_take_the_gpus_in_turn() -> None:
    names = ["LokyProcess-1", "LokyProcess-2", "LokyProcess-3", "LokyProcess-10", "ForkPoolWorker-4", "MainProcess"]
    assert [gpu_of_worker(name, 3) for name in names] == [1, 2, 0, 1, 1, 0]
    assert [gpu_of_worker(name, 1) for name in names] == [0] * 6


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_worker_without_a_gpu_takes_the_cpu() -> None:
    assert _worker_device() == torch.device("cpu")


def test_a_warm_start_needs_slots() -> None:
    space = get_space("multi-hardware", 8, 10)
    options = SupernetSettings(warm_epochs=1)
    with pytest.raises(InputError, match="independent slots"):
        train_supernet(space, open_digits(8)[0], get_recipe("digits"), options, ALONE)


RUN = """
import sys
from pathlib import Path
import torch
from mogakit.nets.spaces import get_space
from mogakit.search.supernet.train import SupernetSettings, train_supernet
from mogakit.training.data import open_digits
from mogakit.training.loop import Settings
from mogakit.training.recipes import get_recipe
from mogakit.training.world import joined_world
torch.set_num_threads(1)
if len(sys.argv) > 4:
    torch.set_default_dtype(getattr(torch, sys.argv[4]))
with joined_world("cpu") as world:
    options = Settings(batch_size=100, epochs=float(sys.argv[2]), checkpoint_interval_s=0.0, synchronise_norm=True)
    settings = SupernetSettings(warm_epochs=float(sys.argv[3]), training=options)
    recipe = get_recipe("moga-supernet")
    train_supernet(get_space("digits"), open_digits(8)[0], recipe, settings, world, Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_kill_and_resume_gives_the_weights_of_an_uninterrupted_run(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.pt", tmp_path / "killed.pt"
    assert subprocess.call([sys.executable, "-c", RUN, str(whole), "0.5", "0.3"]) == 0
    process = subprocess.Popen([sys.executable, "-c", RUN, str(killed), "0.5", "0.3"])
    while not killed.exists():
        time.sleep(0.01)
        assert process.poll() is None
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert subprocess.call([sys.executable, "-c", RUN, str(killed), "0.5", "0.3"]) == 0
    first, second = read_checkpoint(whole), read_checkpoint(killed)
    assert first["step"] == second["step"] == 8
    assert all(torch.equal(value, second["supernet"][name]) for name, value in first["supernet"].items())
    supernet, run = load_supernet(killed)
    assert run["strategy"] == Strategy.FAIR
    assert run["shared_scale"] == SharedScale.MEAN
    assert len(supernet.part_names()) == 2 + 6 * 12


@pytest.mark.slow
def test_two_processes_under_torchrun_train_as_one_with_the_same_global_batch(tmp_path: Path) -> None:
    """In double precision: gradients of an untrained net magnify single-precision rounding to 0.5 % within one step."""
    script, alone, both = tmp_path / "run.py", tmp_path / "alone.pt", tmp_path / "both.pt"
    script.write_text(RUN)
    assert subprocess.call([sys.executable, str(script), str(alone), "0.2", "0", "float64"]) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    assert subprocess.call([*launcher, str(script), str(both), "0.2", "0", "float64"]) == 0
    first, second = read_checkpoint(alone)["supernet"], read_checkpoint(both)["supernet"]
    moved = 0.0
    fresh = Supernet(digits_space()).state_dict()
    for name, value in first.items():
        if value.dtype.is_floating_point:
            assert torch.allclose(value, second[name], rtol=1e-9, atol=1e-9), name
            moved = max(moved, float((value - fresh[name]).abs().max()))
    assert moved > 0.01  # the weights did train
