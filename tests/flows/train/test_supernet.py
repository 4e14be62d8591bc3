"""Train, evaluate, search and ship through the command line, on digits."""

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from mogakit.cli.main import cli
from mogakit.errors import CheckpointError, InputError
from mogakit.flows.train.supernet import rank_supernet
from mogakit.nets.modules import build_network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space
from mogakit.nets.weights import load_weights, read_state
from mogakit.search.supernet.evaluate import SupernetAccuracy, open_supernet_accuracy
from mogakit.search.supernet.train import load_supernet
from mogakit.training.data import open_digits
from mogakit.training.loop import Settings, evaluate
from mogakit.training.world import World


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def supernet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A supernet after two fair steps: enough for everything but accuracy."""
    folder = tmp_path_factory.mktemp("supernet")
    run(
        "supernet",
        "train",
        "--space",
        "digits",
        "--data",
        "digits",
        "--recipe",
        "digits",
        "--epochs",
        "0.15",
        "--warm-epochs",
        "0.1",
        "-o",
        str(folder),
    )
    return folder / "supernet.pt"


def test_evaluating_twice_gives_the_same_score(supernet: Path) -> None:
    words = ("supernet", "eval", str(supernet), "0-1-2-3-4-5", "--random", "2", "--json")
    first, second = json.loads(run(*words)), json.loads(run(*words))
    assert first == second
    assert [each["score"]["num_images"] for each in first["networks"]] == [300, 300, 300]
    assert first["broken_images"] == []


def test_a_search_takes_its_accuracy_from_a_supernet(supernet: Path, tmp_path: Path) -> None:
    result = json.loads(
        run(
            "search",
            "--space",
            "digits",
            "--accuracy",
            f"supernet:{supernet},figure=likelihood",
            "--objective",
            "accuracy",
            "--objective",
            "params:min",
            "--engine",
            "random",
            "--set",
            "population=4",
            "--set",
            "generations=2",
            "--json",
            "-o",
            str(tmp_path / "search"),
        )
    )
    accuracy = next(metric for metric in result["front"]["metrics"] if metric["name"] == "accuracy")
    assert accuracy["source"].startswith("supernet supernet.pt on digits, batch norms recalibrated")


def test_another_space_is_rejected(supernet: Path, tmp_path: Path) -> None:
    words = ["search", "--accuracy", f"supernet:{supernet}", "-o", str(tmp_path / "search")]
    result = CliRunner().invoke(cli, words)
    assert "is a supernet of space 'digits', and 'moga' is searched" in str(result.exception)


def test_ranking_reports_tau_with_ceiling_and_baseline(supernet: Path, tmp_path: Path) -> None:
    words = ("supernet", "rank", str(supernet), "--networks", "3", "--epochs", "0.1", "-o", str(tmp_path), "--json")
    result = json.loads(run(*words))
    assert result == json.loads((tmp_path / "ranking.json").read_text())
    for figure in ("by_likelihood", "by_top1"):
        assert {"tau", "p_value", "ceiling", "params_only"} <= set(result[figure])
    sizes = [each["params"] for each in result["by_top1"]["networks"]]
    assert sizes == sorted(sizes)


def test_a_trained_network_reads_back_from_its_checkpoint(tmp_path: Path) -> None:
    name = "digits/0-1-2-3-4-5"
    run("train", name, "--data", "digits", "--recipe", "digits", "--epochs", "0.1", "-o", str(tmp_path))
    module = build_network(resolve(name))
    load_weights(module, tmp_path / "checkpoint.pt")
    trained = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, trained[key]) for key, value in module.state_dict().items())
    summary = json.loads((tmp_path / "train.json").read_text())
    assert summary["score"]["num_images"] == 300
    assert summary["recipe_source"].startswith("ours")


def test_a_finished_run_is_not_overwritten_without_asking(supernet: Path) -> None:
    words = ["supernet", "train", "--space", "digits", "--data", "digits", "-o", str(supernet.parent)]
    result = CliRunner().invoke(cli, words)
    assert "add --resume to go on" in str(result.exception)


def test_an_extracted_path_exports_like_any_network(supernet: Path) -> None:
    from mogakit.export.lower import lower

    loaded, run_record = load_supernet(supernet)
    module = loaded.extract((0, 1, 2, 3, 4, 5)).eval()
    graph = lower(module, (1, 3, run_record["input_size"], run_record["input_size"]))
    assert graph.outputs


CHROMOSOME = "0-1-2-3-4-5"


def test_an_extracted_network_exports_and_ships_what_the_supernet_computes(supernet: Path, tmp_path: Path) -> None:
    weights, models, bundle = tmp_path / "w.safetensors", tmp_path / "models", tmp_path / "bundle"
    made = json.loads(run("supernet", "extract", str(supernet), CHROMOSOME, "-o", str(weights), "--json"))
    given = [made["network"], "--weights", made["weights"], "--classes", str(made["num_classes"])]
    run("export", "model", *given, "--format", "onnx", "-o", str(models))
    path = SupernetAccuracy(checkpoint=supernet, data="digits").recalibrated((0, 1, 2, 3, 4, 5))
    images = torch.from_numpy(open_digits(8)[1].images[:1])
    with torch.inference_mode():
        wanted = path(images)
    (model,) = models.rglob("*.onnx")
    session = onnxruntime.InferenceSession(model)
    (logits,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    assert torch.allclose(torch.from_numpy(logits), wanted, atol=1e-4)
    run("ship", *given, "-o", str(bundle))
    assert run("ship", "--check", str(bundle))


def test_extraction_recalibrates_as_evaluation_does_unless_told_otherwise(supernet: Path, tmp_path: Path) -> None:
    loaded, _ = load_supernet(supernet)
    plain = loaded.extract((0, 1, 2, 3, 4, 5)).state_dict()
    run("supernet", "extract", str(supernet), CHROMOSOME, "--raw", "-o", str(tmp_path / "raw.safetensors"))
    raw = read_state(tmp_path / "raw.safetensors")
    assert raw.keys() == plain.keys()
    assert all(torch.equal(value, plain[key]) for key, value in raw.items())
    output = run("supernet", "extract", str(supernet), CHROMOSOME, "-o", str(tmp_path / "w.safetensors"))
    assert "recalibrated on digits" in output
    assert f"moga ship digits/{CHROMOSOME} --weights" in output
    module = build_network(resolve(f"digits/{CHROMOSOME}"))
    load_weights(module, tmp_path / "w.safetensors")
    scored = json.loads(run("supernet", "eval", str(supernet), CHROMOSOME, "--json"))["networks"][0]["score"]
    alone = evaluate(module, open_digits(8)[1], World(0, 1, torch.device("cpu")))
    assert (alone.top1_percent, alone.nll) == (scored["top1_percent"], pytest.approx(scored["nll"], abs=1e-6))


@pytest.mark.parametrize(
    ("chromosome", "output", "said"),
    [
        ("0-1-2", "w.safetensors", "is a supernet of space 'digits': a chromosome of space 'digits' has 6 genes"),
        ("0-1-2-3-4-12", "w.safetensors", "gene 5 of a chromosome of space 'digits' is 12; supported: 0 to 11"),
        ("a-b", "w.safetensors", "'a-b' is not a chromosome"),
        (CHROMOSOME, "w.pt", "weights are written as .safetensors, not as w.pt"),
    ],
)
def test_what_cannot_be_extracted_is_rejected(
    supernet: Path, tmp_path: Path, chromosome: str, output: str, said: str
) -> None:
    words = ["supernet", "extract", str(supernet), chromosome, "-o", str(tmp_path / output)]
    found = CliRunner().invoke(cli, words)
    assert said in f"{found.output} {found.exception}"
    assert not (tmp_path / output).exists()


def test_a_killed_ranking_goes_on_and_ends_alike(supernet: Path, tmp_path: Path) -> None:
    settings = Settings(epochs=0.1)
    whole = rank_supernet(supernet, 2, None, settings, tmp_path / "whole")

    def kill(done: int, total: int, note: str) -> None:
        if done == 5:  # of 2 x (1 inside + 2 alone): in the second network
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank_supernet(supernet, 2, None, settings, tmp_path / "killed", kill)
    kept = sorted((tmp_path / "killed").rglob("*.pt"))
    assert len(kept) == 3
    before = [path.stat().st_mtime_ns for path in kept]
    with pytest.raises(InputError, match="add --resume to go on"):
        rank_supernet(supernet, 2, None, settings, tmp_path / "killed", resume=False)
    resumed = rank_supernet(supernet, 2, None, settings, tmp_path / "killed")
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert resumed == whole
    with pytest.raises(CheckpointError, match="is of another run"):
        rank_supernet(supernet, 2, None, Settings(epochs=0.2), tmp_path / "killed")


def train_on_photos(photos: Path, folder: Path) -> Path:
    options = ("--space", "digits", "--data", str(photos), "--recipe", "digits", "--batch-size", "96", "--epochs", "2")
    output = run("supernet", "train", *options, "-o", str(folder))
    assert output.count("could not be decoded: ") == 1
    return folder / "supernet.pt"


def test_broken_images_are_named_by_whoever_meets_them(photos: Path, tmp_path: Path) -> None:
    checkpoint = train_on_photos(photos, tmp_path / "supernet")
    assert run("supernet", "eval", str(checkpoint), CHROMOSOME).count("could not be decoded: ") == 2
    words = ("supernet", "rank", str(checkpoint), "--networks", "2", "--epochs", "1", "--batch-size", "96")
    with pytest.raises(InputError, match="name with --recipe"):
        run(*words)
    assert run(*words, "--recipe", "digits").count("could not be decoded: ") == 2
    search = ("search", "--space", "digits", "--accuracy", f"supernet:{checkpoint}", "--engine", "random")
    rest = ("--objective", "accuracy", "--objective", "params:min", "--set", "population=4", "--set", "generations=2")
    output = run(*search, *rest, "-o", str(tmp_path / "search"))
    assert re.search(r"without 1 of \d+ validation images, which could not be decoded: \S+\.png", output)


def test_workers_give_what_one_process_gives(supernet: Path) -> None:
    space = get_space("digits")
    genes = np.array([space.sample(np.random.default_rng(seed)) for seed in range(4)])
    alone, both = (open_supernet_accuracy(str(supernet), space, None, jobs).evaluate(genes) for jobs in (1, 2))
    assert alone.tolist() == both.tolist()


@pytest.mark.parametrize("space", ["mnasnet", "multi-hardware"])
def test_the_papers_own_spaces_work_from_training_to_a_shipped_network(space: str, tmp_path: Path) -> None:
    """One step of one path on digits of 16 pixels."""
    folder, weights = tmp_path / "supernet", tmp_path / "w.safetensors"
    options = ("--space", space, "--data", "digits", "--input-size", "16", "--strategy", "single", "--epochs", "0.06")
    run("supernet", "train", *options, "--recipe", "moga-supernet", "--batch-size", "64", "-o", str(folder))
    checkpoint = folder / "supernet.pt"
    alone = ("--networks", "2", "--epochs", "0.06", "--recipe", "digits", "-o", str(tmp_path / "rank"), "--json")
    ranked = json.loads(run("supernet", "rank", str(checkpoint), *alone))
    chromosome = ranked["by_top1"]["networks"][0]["chromosome"]
    name = "-".join(map(str, chromosome))
    made = json.loads(run("supernet", "extract", str(checkpoint), name, "--raw", "-o", str(weights), "--json"))
    assert (made["network"], made["input_size"], made["num_classes"]) == (f"{space}/{name}", 16, 10)
    supernet, _ = load_supernet(checkpoint)
    module = build_network(supernet.space.decode(tuple(chromosome)))
    load_weights(module, weights)
    images = torch.from_numpy(open_digits(16)[1].images[:2])
    with torch.inference_mode():
        assert torch.equal(module(images), supernet(images, tuple(chromosome)))
