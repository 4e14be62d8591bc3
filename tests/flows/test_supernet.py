"""Train, evaluate, search and ship through the command line, on digits."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from mogakit.cli.main import cli
from mogakit.nets.checkpoint import load_weights
from mogakit.nets.modules import build_network
from mogakit.nets.resolve import resolve
from mogakit.search.supernet.train import load_supernet


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
    assert [each["score"]["num_images"] for each in first] == [300, 300, 300]


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
            "--population",
            "4",
            "--generations",
            "2",
            "--json",
            "-o",
            str(tmp_path / "search"),
        )
    )
    accuracy = next(metric for metric in result["front"]["metrics"] if metric["name"] == "accuracy")
    assert accuracy["source"].startswith("supernet supernet.pt on digits, batch norms recalibrated")


def test_another_space_is_refused(supernet: Path, tmp_path: Path) -> None:
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
