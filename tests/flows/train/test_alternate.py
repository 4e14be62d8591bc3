"""`moga supernet alternate`: weights and controller in turn, on digits."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mogakit.cli.main import cli
from mogakit.errors import CheckpointError, InputError
from mogakit.flows.train.alternate import AlternateRequest, run_alternation
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import UNKNOWN_IDENTITY, LatencyTable, Origin, Row, load, save
from mogakit.nets.network import block_layers
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space
from mogakit.search.rewards import Reward, RewardKind
from mogakit.training.checkpoint import read_checkpoint
from mogakit.training.loop import Settings


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "lut.json")


def write_table(path, ms_per_block=0.0, space_name="digits"):
    """A millisecond for every million MAdds, and as many more for every block."""
    space = get_space(space_name)
    rows = {
        block.key: Row(
            key=block.key,
            latency_ms=ms_per_block + sum(layer.madds for layer in block_layers(block)) / 1e6,
            role="choice",
        )
        for block in (*space.fixed_blocks, *space.choice_blocks)
    }
    save(
        LatencyTable(
            name="t",
            space=space_name,
            target=None,
            identity=UNKNOWN_IDENTITY,
            statistic=Statistic(),
            rows=rows,
            origin=Origin(made_by="a test"),
        ),
        path,
    )
    return path


@pytest.fixture
def request_for(table, tmp_path):
    def make(folder, **options):
        settings = Settings(epochs=0.4, checkpoint_interval_s=0.0)
        reward = Reward(RewardKind.ABSOLUTE, 1.0)
        return AlternateRequest(
            **{
                "space": "digits",
                "data": "digits",
                "recipe": "digits",
                "tables": (table,),
                "reward": reward,
                "folder": tmp_path / folder,
                "settings": settings,
                "paths_per_step": 4,
                **options,
            }
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
    expected = sum(load(table).rows[block.key].latency_ms for block in network.blocks)
    assert summary["latencies_ms"] == {"latency": pytest.approx(expected)}
    assert (summary["rewarded"], summary["rewarded_value"]) == ("latency", pytest.approx(expected))
    assert (folder / "rewards.png").stat().st_size > 5000
    scored = invoke("supernet", "eval", folder / "supernet.pt", chromosome, "--json")
    assert json.loads(scored.stdout)["networks"][0]["chromosome"] == chromosome


def scalars_of(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: {each.step: each.value for each in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def test_the_learning_rate_falls_over_the_epochs_that_are_asked_for(request_for, tmp_path):
    """The recipe has 8; with 12 of three steps each the rate must neither stop at 8 nor stay up at the end."""
    options = {"settings": Settings(epochs=12, batch_size=300), "paths_per_step": 2, "warm_up": 0.0}
    run_alternation(request_for("turn", tensorboard=tmp_path / "events", **options))
    told = scalars_of(tmp_path / "events")
    rates = told["alternate/learning_rate"]
    peak = max(rates.values())
    assert len(rates) == 36
    assert rates[18] > 0.4 * peak
    assert rates[8 * 3 + 1] > 0.2 * peak
    assert 0 < rates[36] < 0.01 * peak
    assert len(told["alternate/loss"]) == 36
    assert len(told["alternate/images_per_second"]) == 34  # the first two are not timed
    assert list(told["alternate/mean_reward"]) == list(range(10, 37))


def test_bfloat16_is_another_run_and_synchronised_norms_are_rejected(request_for):
    short = Settings(epochs=0.15, checkpoint_interval_s=0.0)
    rounded = replace(short, bfloat16=True)
    run_alternation(request_for("exact", settings=short))
    run_alternation(request_for("rounded", settings=rounded))
    first, second = (read_checkpoint(request_for(name).folder / "supernet.pt") for name in ("exact", "rounded"))
    assert any(not torch.equal(value, second["supernet"][name]) for name, value in first["supernet"].items())
    with pytest.raises(CheckpointError, match="is of another run"):
        run_alternation(request_for("exact", settings=rounded, resume=True))
    with pytest.raises(InputError, match="leave --sync-norm away"):
        run_alternation(request_for("norms", settings=replace(short, synchronise_norm=True)))


@pytest.mark.parametrize("worst", [False, True])
def test_the_reward_sees_several_hardware_as_one(request_for, table, tmp_path, worst):
    """Multi-hardware paper eq. 4-5 and 7-8, normalised by a reference network."""
    other = write_table(tmp_path / "other.json", 0.5)
    reference = resolve("digits/0-0-0-0-0-0")
    options = {"tables": (table, other), "worst": worst, "settings": Settings(epochs=0.15)}
    summary = run_alternation(request_for("turn", reference=reference, **options))
    network = resolve(summary.network)
    expected = [sum(load(path).rows[b.key].latency_ms for b in network.blocks) for path in (table, other)]
    assert list(summary.latencies_ms.values()) == pytest.approx(expected)
    factors = [sum(load(path).rows[b.key].latency_ms for b in reference.blocks) for path in (table, other)]
    ratios = [ms / factor for ms, factor in zip(expected, factors, strict=True)]
    assert summary.rewarded == ("f_max" if worst else "f_avg")
    assert summary.rewarded_value == pytest.approx(max(ratios) if worst else sum(ratios) / 2)
    by_factor = run_alternation(request_for("factors", factors_ms=tuple(factors), **options))
    assert by_factor.mean_rewards == summary.mean_rewards


def test_the_command_takes_several_tables(table, tmp_path):
    other = write_table(tmp_path / "other.json", 0.5)
    options = ("--space", "digits", "--data", "digits", "--recipe", "digits", "--epochs", 0.15, "--paths", 2)
    tables = ("--table", table, "--table", other, "--combine", "max", "--factor", 2, "--factor", 4, "--target-ms", 1)
    done = invoke("supernet", "alternate", *options, *tables, "-o", tmp_path / "turn")
    assert done.exit_code == 0, done.output
    assert "f_max 1, came to" in done.output


@pytest.mark.parametrize("space", ["mnasnet", "multi-hardware"])
def test_the_papers_own_spaces_alternate_with_a_warm_up_on_small_images(space, tmp_path):
    """Weights learn from digits of 16 pixels; latencies are those of the space's own size."""
    table = write_table(tmp_path / "lut.json", space_name=space)
    options = ("--space", space, "--data", "digits", "--recipe", "moga-supernet", "--input-size", 16, "--json")
    rest = ("--epochs", 0.2, "--batch-size", 64, "--paths", 2, "--delay", 0.4, "--table", table, "--target-ms", 500)
    done = invoke("supernet", "alternate", *options, *rest, "-o", tmp_path / "turn")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert [mean is None for mean in summary["mean_rewards"]] == [True, True, False]
    expected = load(table).predict(resolve(summary["network"])).latency_ms
    assert summary["rewarded_value"] == pytest.approx(expected)
    name = summary["network"].partition("/")[2]
    made = invoke("supernet", "extract", summary["checkpoint"], name, "--raw", "-o", tmp_path / "w.safetensors")
    assert made.exit_code == 0, made.output
    assert "16 px, 10 classes" in made.output


@pytest.mark.slow
def test_the_multi_hardware_paper_s_own_space_and_reward(tmp_path):
    """At its own 224 pixels, the reward of eq. 8 normalised by one of the paper's networks; resumed to the bit."""
    tables = tuple(write_table(tmp_path / f"{ms}.json", ms, "multi-hardware") for ms in (0.5, 50.0))
    settings = Settings(epochs=0.006, batch_size=2, checkpoint_interval_s=0.0)  # three steps
    reward = Reward(RewardKind.ABSOLUTE, 1.0)
    request = AlternateRequest(
        space="multi-hardware",
        data="digits",
        recipe="tunas",
        tables=tables,
        reward=reward,
        folder=tmp_path / "whole",
        settings=settings,
    )
    request = replace(request, paths_per_step=2, delay=0.3, warm_up=0.0, worst=True, reference=resolve("multi-avg"))
    whole = run_alternation(request)
    assert whole.rewarded == "f_max"
    assert len(whole.latencies_ms) == 2
    request = replace(request, folder=tmp_path / "stopped")

    def stop(done, total, note):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_alternation(request, stop)
    resumed = run_alternation(replace(request, resume=True))
    assert resumed.mean_rewards == whole.mean_rewards
    first, second = (read_checkpoint(tmp_path / name / "supernet.pt") for name in ("whole", "stopped"))
    assert first["parts"] == second["parts"]
    assert all(torch.equal(value, second["supernet"][name]) for name, value in first["supernet"].items())


def test_what_combines_tables_needs_several(request_for):
    with pytest.raises(InputError, match="give --table again"):
        run_alternation(request_for("turn", factors_ms=(1.0,)))


def test_broken_images_are_named(table, photos, tmp_path):
    options = ("--space", "digits", "--data", photos, "--recipe", "digits", "--batch-size", 5, "--epochs", 1)
    rest = ("--paths", 2, "--warm-up", 0, "--table", table, "--target-ms", 1, "-o", tmp_path / "turn")
    done = invoke("supernet", "alternate", *options, *rest)
    assert done.exit_code == 0, done.output
    assert done.output.count("could not be decoded: ") == 2


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


def test_a_folder_in_use_and_another_run_are_rejected(request_for):
    run_alternation(request_for("turn"))
    with pytest.raises(InputError, match="add --resume"):
        run_alternation(request_for("turn"))
    with pytest.raises(CheckpointError, match="is of another run"):
        run_alternation(request_for("turn", resume=True, delay=0.5))


def test_a_batch_larger_than_the_validation_images_is_rejected(request_for):
    request = request_for("turn")
    with pytest.raises(InputError, match="at most 300"):
        run_alternation(replace(request, settings=Settings(batch_size=301)))
