"""`moga supernet alternate`: weights and controller in turn, on digits."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from mogakit.cli.main import cli
from mogakit.errors import CheckpointError, InputError
from mogakit.flows.alternate import AlternateRequest, run_alternation
from mogakit.luts.table import UNKNOWN_IDENTITY, LatencyTable, Origin, Row, Statistic, load, save
from mogakit.nets.network import block_layers
from mogakit.nets.spaces import get_space
from mogakit.search.rewards import Reward, RewardKind
from mogakit.search.training.checkpoint import read_checkpoint
from mogakit.search.training.loop import Settings


@pytest.fixture
def table(tmp_path):
    """A millisecond for every million MAdds."""
    space = get_space("digits")
    choices = [block for slot in space.slots for block in slot]
    rows = {
        block.key: Row(key=block.key, latency_ms=sum(layer.madds for layer in block_layers(block)) / 1e6, role="choice")
        for block in (*space.before, *choices, *space.after)
    }
    path = tmp_path / "lut.json"
    save(LatencyTable("t", "digits", None, UNKNOWN_IDENTITY, Statistic(), rows, Origin("a test")), path)
    return path


@pytest.fixture
def request_for(table, tmp_path):
    def make(folder, **options):
        settings = Settings(epochs=0.4, checkpoint_interval_s=0.0)
        reward = Reward(RewardKind.ABSOLUTE, 1.0)
        return AlternateRequest(
            "digits", "digits", "digits", table, reward, tmp_path / folder, settings, paths_per_step=4, **options
        )

    return make


def invoke(*words):
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def test_one_command_leaves_a_network_a_supernet_and_a_curve(table, tmp_path):
    folder = tmp_path / "turn"
    options = ("--space", "digits", "--data", "digits", "--recipe", "digits", "--epochs", 0.4, "--paths", 4)
    done = invoke("supernet", "alternate", *options, "--table", table, "--target-ms", 1, "-o", folder, "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary == json.loads((folder / "alternate.json").read_text())
    assert summary["num_steps"] == 6  # 0.4 of the 15 batches of 64 that 1000 images hold
    assert [mean is None for mean in summary["mean_rewards"]] == [True] * 2 + [False] * 4
    chromosome = summary["network"].removeprefix("digits/")
    network = get_space("digits").decode(tuple(int(gene) for gene in chromosome.split("-")))
    assert summary["latency_ms"] == pytest.approx(sum(load(table).rows[b.key].latency_ms for b in network.blocks))
    assert (folder / "rewards.png").stat().st_size > 5000
    scored = invoke("supernet", "eval", folder / "supernet.pt", chromosome, "--json")
    assert json.loads(scored.stdout)[0]["chromosome"] == chromosome


def test_a_stopped_run_goes_on_to_the_same_bits(request_for):
    whole = run_alternation(request_for("whole"))

    def stop(done, total, note):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_alternation(request_for("stopped"), stop)
    resumed = run_alternation(request_for("stopped", resume=True))
    assert (resumed.network, resumed.confidence) == (whole.network, whole.confidence)
    assert resumed.mean_rewards == whole.mean_rewards
    first, second = (read_checkpoint(request_for(name).folder / "supernet.pt") for name in ("whole", "stopped"))
    assert all(torch.equal(value, second["supernet"][name]) for name, value in first["supernet"].items())


def test_a_folder_in_use_and_another_run_are_refused(request_for):
    run_alternation(request_for("turn"))
    with pytest.raises(InputError, match="add --resume"):
        run_alternation(request_for("turn"))
    with pytest.raises(CheckpointError, match="is of another run"):
        run_alternation(request_for("turn", resume=True, delay=0.5))


def test_a_batch_larger_than_the_validation_images_is_refused(request_for):
    request = request_for("turn")
    with pytest.raises(InputError, match="at most 300"):
        run_alternation(replace(request, settings=Settings(batch_size=301)))
