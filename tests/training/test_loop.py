"""A run that is killed and resumed ends with the same weights as one left alone."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mogakit.errors import CheckpointError, InputError
from mogakit.nets.network import Network
from mogakit.nets.spaces import get_space
from mogakit.training.checkpoint import read_checkpoint
from mogakit.training.data import open_digits
from mogakit.training.loop import Settings, train
from mogakit.training.recipes import get_recipe
from mogakit.training.world import World

ALONE = World(0, 1, torch.device("cpu"))
SMALLEST = (0, 0, 0, 0, 0, 0)


def smallest_network() -> Network:
    return get_space("digits").decode(SMALLEST)


def test_training_learns_and_reports_its_spread() -> None:
    data = open_digits(8)[:2]
    trained = train(smallest_network(), data, get_recipe("digits"), Settings(epochs=6), ALONE)
    assert trained.score.num_images == 300
    assert trained.score.top1_percent > 50  # chance is 10
    assert trained.score.top5_percent >= trained.score.top1_percent
    assert 0 < trained.score.top1_standard_error < 3


def test_a_checkpoint_continues_only_its_own_run(tmp_path: Path) -> None:
    data, recipe, path = open_digits(8)[:2], get_recipe("digits"), tmp_path / "run.pt"
    train(smallest_network(), data, recipe, Settings(epochs=0.2), ALONE, path)
    with pytest.raises(CheckpointError, match="another run"):
        train(smallest_network(), data, recipe, Settings(epochs=0.2, seed=1), ALONE, path)


def test_sizes_that_do_not_fit_are_explained() -> None:
    data, recipe = open_digits(16)[:2], get_recipe("digits")
    with pytest.raises(InputError, match="takes 8 px and gives 10 classes"):
        train(smallest_network(), data, recipe, Settings(), ALONE)
    with pytest.raises(InputError, match="--batch-size"):
        train(smallest_network(), open_digits(8)[:2], recipe, Settings(batch_size=5000), ALONE)


def test_a_damaged_checkpoint_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        read_checkpoint(path)


RUN = """
import sys
from pathlib import Path
import torch
from mogakit.nets.spaces import get_space
from mogakit.training.data import open_digits
from mogakit.training.loop import Settings, train
from mogakit.training.recipes import get_recipe
from mogakit.training.world import World
from dataclasses import replace
torch.set_num_threads(1)
recipe = replace(get_recipe("moga"), dropout=0.2)
network = get_space("digits").decode((0, 1, 0, 1, 0, 1))
settings = Settings(batch_size=100, epochs=2, checkpoint_interval_s=0.0)
train(network, open_digits(8)[:2], recipe, settings, World(0, 1, torch.device("cpu")), Path(sys.argv[1]))
"""


def start(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(path)])


@pytest.mark.slow
def test_kill_and_resume_gives_the_weights_of_an_uninterrupted_run(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.pt", tmp_path / "killed.pt"
    assert start(whole).wait() == 0
    process = start(killed)
    while not killed.exists():
        time.sleep(0.01)
        assert process.poll() is None
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert read_checkpoint(killed)["step"] < read_checkpoint(whole)["step"]
    assert start(killed).wait() == 0
    first, second = read_checkpoint(whole), read_checkpoint(killed)
    assert first["step"] == second["step"] == 20
    for part in ("raw_weights", "state_dict"):
        assert all(torch.equal(value, second[part][name]) for name, value in first[part].items())


def test_the_averaged_weights_are_what_ships(tmp_path: Path) -> None:
    recipe = replace(get_recipe("digits"), ema_decay=0.9)
    trained = train(smallest_network(), open_digits(8)[:2], recipe, Settings(epochs=0.5), ALONE, tmp_path / "run.pt")
    state = read_checkpoint(tmp_path / "run.pt")["state_dict"]
    assert all(torch.equal(value, state[name]) for name, value in trained.module.state_dict().items())
