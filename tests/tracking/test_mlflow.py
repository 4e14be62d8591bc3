"""The real MLflow on a file store: each command leaves a run with its parameters, numbers and files.

`make tracking` runs this in an environment of its own, since MLflow brings thirty packages.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed (make tracking)")

TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"
QUICK = ("--space", "digits", "--quick", "--rounds", "1", "--budget-s", "20")


def moga(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([sys.executable, "-m", "mogakit", *map(str, arguments)], capture_output=True, text=True)
    assert ran.returncode == code, ran.stderr
    return ran


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{tmp_path_factory.mktemp('mlruns')}"


@pytest.fixture(scope="module")
def run_folder(store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "RUN"
    moga("profile", *QUICK, "-o", folder, "--mlflow", store)
    return folder


def last(store: str, name: str):
    client = mlflow.tracking.MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("moga-kit")
    found = client.search_runs([experiment.experiment_id], filter_string=f"attributes.run_name = '{name}'")
    return found[0], [each.path for each in client.list_artifacts(found[0].info.run_id)]


def test_profile(store: str, run_folder: Path) -> None:
    run, files = last(store, "profile")
    table = json.loads((run_folder / "lut.json").read_text())
    assert run.info.status == "FINISHED"
    assert run.data.params["space"] == "digits"
    assert run.data.metrics["num_rows"] == len(table["rows"])
    assert files == ["lut.json"]


def test_validate(store: str, run_folder: Path) -> None:
    moga("validate", run_folder, "--models", 3, "--quick", "--rounds", "1", "--budget-s", "20", "--mlflow", store)
    run, files = last(store, "validate")
    assert any(name.endswith("/calibrated/mape_percent") for name in run.data.metrics)
    assert files == ["validation.json"]


def test_search(store: str, tmp_path: Path) -> None:
    settings = ("--set", "population=8", "--set", "generations=4")
    moga("search", "--table", TABLE, *settings, "-o", tmp_path / "S", "--mlflow", store)
    run, files = last(store, "search")
    result = json.loads((tmp_path / "S" / "search.json").read_text())
    assert run.data.metrics["num_networks"] == result["num_networks"]
    assert run.data.metrics["archive_percent"] == pytest.approx(result["quality"]["archive_percent"])
    assert sorted(files) == ["archive.csv", "exact.json", "search.json"]
    assert run.data.params["texts"] == "('population=8', 'generations=4')"


def test_train(store: str, tmp_path: Path) -> None:
    network = "digits/0-0-0-0-0-0"
    arguments = ("--data", "digits", "--recipe", "digits", "--epochs", "1", "--torch-device", "cpu")
    moga("train", network, *arguments, "-o", tmp_path / "T", "--mlflow", store)
    run, files = last(store, "train")
    assert (
        run.data.metrics["top1_percent"]
        == json.loads((tmp_path / "T" / "train.json").read_text())["score"]["top1_percent"]
    )
    assert sorted(files) == ["checkpoint.pt", "train.json"]


def test_a_command_that_fails_leaves_a_failed_run(store: str, tmp_path: Path) -> None:
    moga("search", "--table", TABLE, "--accuracy", "no.module:name", "-o", tmp_path / "S", "--mlflow", store, code=2)
    assert last(store, "search")[0].info.status == "FAILED"


def test_a_server_that_is_not_there_is_an_error_before_anything_is_done(tmp_path: Path) -> None:
    address = "http://127.0.0.1:9"
    ran = moga("search", "--table", TABLE, "-o", tmp_path / "S", "--mlflow", address, code=2)
    assert f"MLflow at {address} cannot be used" in ran.stderr
    assert not (tmp_path / "S").exists()


def test_a_store_that_goes_away_costs_a_warning(store: str, tmp_path: Path) -> None:
    from mogakit.tracking import tracked

    warnings: list[str] = []
    folder = tmp_path / "gone"
    with tracked(f"file://{folder}", "search", {"seed": 1}, warnings.append) as run:
        (place,) = folder.glob(f"*/{run.run_id}")
        shutil.rmtree(place)
        run.metrics({"a": 1.0})
    assert len(warnings) == 1
    assert "is not complete" in warnings[0]
