"""`moga search` from arguments to output."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.cli.search import command
from mogakit.errors import InputError

TABLE = str(Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json")
SMALL = ["--population", "12", "--generations", "6"]


def run(*arguments):
    return CliRunner().invoke(command, ["--table", TABLE, *SMALL, *arguments], catch_exceptions=False)


def test_it_prints_the_picks_and_how_far_it_came(tmp_path):
    text = run("-o", str(tmp_path)).output
    assert "Picks, fastest first" in text
    assert "moga/" in text
    assert "exact front:" in text
    assert "proxy is a capacity, not an accuracy" in text


def test_json_is_the_record(tmp_path):
    document = json.loads(run("-o", str(tmp_path), "--json", "--picks", "2").stdout)
    assert len(document["picks"]) == 2
    assert document["engine"] == "nsga2"
    assert document["settings"]["population"] == 12


def test_options_reach_the_engine(tmp_path):
    options = ["--engine", "sms-emoa", "--crossover", "one-gene", "--mutation", "random", "--no-second-initial"]
    document = json.loads(run("-o", str(tmp_path), "--json", "--seed", "5", *options).stdout)
    assert document["seed"] == 5
    assert document["settings"]["engine"] == "sms-emoa"
    assert document["settings"]["crossover"] == "one-gene"
    assert document["settings"]["second_initial"] is False


def test_best_under_a_limit(tmp_path):
    document = json.loads(
        run("-o", str(tmp_path), "--json", "--engine", "best", "--limit", "latency<=6", "--forbid", "*_k7s*").stdout
    )
    assert document["front"]["values"][0][1] <= 6
    assert len(document["front"]["chromosomes"]) == 1


@pytest.mark.parametrize("arguments", [["--limit", "quick"], ["--accuracy", "unknown"], ["--forbid", "*_k9*"]])
def test_bad_input_is_refused_before_anything_runs(tmp_path, arguments):
    with pytest.raises(InputError):
        run("-o", str(tmp_path / "out"), *arguments)


def test_help_shows_an_example():
    assert "moga search --table RUN/lut.json" in CliRunner().invoke(command, ["--help"]).output
